//! Pages for users.

#[doc = include_str!("../docs/choosing-a-backend.md")]
///
/// ## See
///
/// [`Backend::auto`](crate::Backend::auto), [`auto`](mod@crate::auto), [`LayerOptions`](crate::LayerOptions),
/// [`PlanReport`](crate::PlanReport).
pub mod choosing_a_backend {}
