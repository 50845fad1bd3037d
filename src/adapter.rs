//! The choice of an adapter.

/// The adapter to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterChoice {
    /// The best GPU, never a software adapter.
    Hardware,
    /// The best adapter: a GPU, or a software adapter if there is no GPU. A software adapter runs on the
    /// CPU and is slow.
    #[default]
    Best,
    /// The adapter with that index in [`Gpu::adapters`](crate::Gpu::adapters).
    Index(usize),
    /// The first adapter in [`Gpu::adapters`](crate::Gpu::adapters) whose name contains this text, in upper or
    /// lower case.
    Name(String),
}
