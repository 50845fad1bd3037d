//! The promise that threads may share these types, which the compiler checks. In a browser, the types that hold a
//! GPU's objects are neither `Send` nor `Sync`, like wgpu's own.

const fn is_shared<T: Send + Sync + 'static>() {}

const _: () = {
    is_shared::<crate::Config>();
    is_shared::<crate::Error>();
    is_shared::<crate::Input<'static>>();
    is_shared::<crate::LayerOptions>();
    is_shared::<crate::Output>();
    is_shared::<crate::State<'static>>();
    is_shared::<crate::Timings>();
    is_shared::<crate::Weights>();
    #[cfg(feature = "gpu")]
    is_shared::<crate::inspect::PlanReport>();
    is_shared::<crate::tolerance::Comparison>();
};

#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    is_shared::<crate::Backend>();
    is_shared::<crate::Gpu>();
    is_shared::<crate::Layer>();
    is_shared::<crate::Session>();
    is_shared::<crate::auto::Choice>();
};
