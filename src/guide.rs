//! Pages for users. Start with [Getting started](crate::guide::getting_started).
//
// The pages' own links are relative, for readers of the repository. If a link has two definitions, the first
// one counts. So the definitions before a page replace its own here. scripts/links checks the result.

/// Defines a link to a file of the repository.
#[cfg(doc)]
macro_rules! link {
    ($label:literal, $path:literal) => {
        concat!("[", $label, "]: ", env!("CARGO_PKG_REPOSITORY"), $path)
    };
}

/// [Files with weights]: crate::guide::files
/// [ONNX model]: crate::guide::onnx_models
/// [Choosing a backend]: crate::guide::choosing_a_backend
/// [Streams]: crate::guide::streams
/// [In your wgpu program]: crate::guide::in_your_wgpu_program
///
#[doc = include_str!("../docs/getting-started.md")]
///
/// ## See
///
/// [`Weights`](crate::Weights), [`LoadOptions`](crate::LoadOptions), [`Layer`](crate::Layer),
/// [`Output`](crate::Output).
///
/// Pages: [Choosing a backend](crate::guide::choosing_a_backend), [Streams](crate::guide::streams),
/// [In your wgpu program](crate::guide::in_your_wgpu_program),
/// [What is supported](crate::guide::what_is_supported).
pub mod getting_started {}

/// [In your wgpu program]: crate::guide::in_your_wgpu_program
/// [Streams]: crate::guide::streams
///
#[doc = include_str!("../docs/choosing-a-backend.md")]
///
/// ## See
///
/// [`Backend::auto`](crate::Backend::auto), [`auto`](mod@crate::auto), [`LayerOptions`](crate::LayerOptions),
/// [`PlanReport`](crate::inspect::PlanReport), [`Session`](crate::Session),
/// [`Layer::encode`](crate::Layer::encode).
///
/// Pages: [Streams](crate::guide::streams), [In your wgpu program](crate::guide::in_your_wgpu_program),
/// [Performance](crate::guide::performance).
pub mod choosing_a_backend {}

/// [When something goes wrong]: crate::guide::when_something_goes_wrong
/// [Exactness]: crate::guide::exactness
///
#[doc = include_str!("../docs/streams.md")]
///
/// ## See
///
/// [`Layer::session`](crate::Layer::session), [`Session`](crate::Session), [`State`](crate::State).
///
/// Page: [When something goes wrong](crate::guide::when_something_goes_wrong).
pub mod streams {}

/// [live streams]: crate::guide::streams
/// [In the browser]: crate::guide::in_the_browser
///
#[doc = include_str!("../docs/in-an-async-program.md")]
///
/// ## See
///
/// [`Layer::forward_async`](crate::Layer::forward_async), [`Session::push_async`](crate::Session::push_async),
/// [`Backend::auto_async`](crate::Backend::auto_async).
///
/// Pages: [Streams](crate::guide::streams), [In the browser](crate::guide::in_the_browser).
pub mod in_an_async_program {}

/// [When something goes wrong]: crate::guide::when_something_goes_wrong
/// [session]: crate::guide::streams
///
#[doc = include_str!("../docs/in-your-wgpu-program.md")]
///
/// ## See
///
/// [`Gpu::from_device`](crate::Gpu::from_device), [`Layer::encode`](crate::Layer::encode),
/// [`Session::encode`](crate::Session::encode), [`GpuBuffers`](crate::GpuBuffers).
///
/// Page: [When something goes wrong](crate::guide::when_something_goes_wrong).
pub mod in_your_wgpu_program {}

#[doc = include_str!("../docs/in-the-browser.md")]
///
/// ## See
///
/// [`Backend::auto_async`](crate::Backend::auto_async), [`Layer::forward_async`](crate::Layer::forward_async),
/// [`Gpu::new_async`](crate::Gpu::new_async).
pub mod in_the_browser {}

/// [Files with weights]: crate::guide::files
/// [ONNX model]: crate::guide::onnx_models
///
#[doc = include_str!("../docs/command-line.md")]
///
/// ## See
///
/// Pages: [Choosing a backend](crate::guide::choosing_a_backend), [Performance](crate::guide::performance).
pub mod command_line {}

#[cfg_attr(all(feature = "pytorch", feature = "keras"), doc = include_str!("../docs/files.md"))]
///
/// ## See
///
/// [`Weights`](crate::Weights), [`LoadOptions`](crate::LoadOptions), and the module `io` with the reader.
///
/// Page: [What is supported](crate::guide::what_is_supported).
pub mod files {}

/// [In the browser]: crate::guide::in_the_browser
/// [Files with weights]: crate::guide::files
/// [ONNX models]: crate::guide::onnx_models
///
#[doc = include_str!("../docs/what-is-supported.md")]
///
/// ## See
///
/// [`Config`](crate::Config), [`Activation`](crate::Activation), [`Precision`](crate::Precision),
/// [`Strategy`](crate::Strategy), [`LayerOptions::measure`](crate::LayerOptions::measure).
///
/// Page: [In the browser](crate::guide::in_the_browser).
pub mod what_is_supported {}

#[cfg_attr(feature = "onnx", doc = include_str!("../docs/onnx-models.md"))]
///
/// ## See
///
/// [`Weights`](crate::Weights), and the module `io` with the reader.
///
/// Page: [What is supported](crate::guide::what_is_supported).
pub mod onnx_models {}

#[cfg_attr(doc, doc = link!("tests/expected_failures.tsv", "/blob/HEAD/tests/expected_failures.tsv"))]
///
#[doc = include_str!("../docs/adapters.md")]
///
/// ## See
///
/// [`Gpu::adapters`](crate::Gpu::adapters), [`PlanReport::new`](crate::inspect::PlanReport::new).
pub mod adapters {}

#[cfg_attr(doc, doc = link!("cpu-speed.svg", "/raw/HEAD/docs/cpu-speed.svg?sanitize=true"))]
#[cfg_attr(doc, doc = link!("bench.svg", "/raw/HEAD/docs/bench.svg?sanitize=true"))]
/// [The command line]: crate::guide::command_line
/// [Choosing a backend]: crate::guide::choosing_a_backend
///
#[doc = include_str!("../docs/performance.md")]
///
/// ## See
///
/// [`Input::timed`](crate::Input::timed), [`Timings`](crate::Timings).
///
/// Pages: [Choosing a backend](crate::guide::choosing_a_backend), [Command line](crate::guide::command_line).
pub mod performance {}

/// [a formula]: mod@crate::tolerance
/// [The command line]: crate::guide::command_line
/// [Adapters]: crate::guide::adapters
///
#[doc = include_str!("../docs/exactness.md")]
///
/// ## See
///
/// [`tolerance`](mod@crate::tolerance), [`reference`](mod@crate::reference), [`Precision`](crate::Precision).
///
/// Page: [Command line](crate::guide::command_line).
pub mod exactness {}

#[doc = include_str!("../docs/when-something-goes-wrong.md")]
///
/// ## See
///
/// [`Error`](crate::Error), [`Output`](crate::Output), [`Layer::weights`](crate::Layer::weights),
/// [`LayerOptions`](crate::LayerOptions), [`Layer::forward_async`](crate::Layer::forward_async).
pub mod when_something_goes_wrong {}
