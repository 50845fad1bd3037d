//! Pages for users.

#[doc = include_str!("../docs/choosing-a-backend.md")]
///
/// ## See
///
/// [`Backend::auto`](crate::Backend::auto), [`auto`](mod@crate::auto), [`LayerOptions`](crate::LayerOptions),
/// [`PlanReport`](crate::PlanReport).
pub mod choosing_a_backend {}

#[doc = include_str!("../docs/in-the-browser.md")]
///
/// ## See
///
/// [`Backend::auto_async`](crate::Backend::auto_async), [`Layer::forward_async`](crate::Layer::forward_async),
/// [`Gpu::request`](crate::Gpu::request).
pub mod in_the_browser {}

#[doc = include_str!("../docs/when-something-goes-wrong.md")]
///
/// ## See
///
/// [`Error`](crate::Error), [`Layer::reload`](crate::Layer::reload), [`LayerOptions`](crate::LayerOptions),
/// [`Layer::forward_async`](crate::Layer::forward_async).
pub mod when_something_goes_wrong {}
