//! Pages for users.

#[doc = include_str!("../docs/choosing-a-backend.md")]
pub mod choosing_a_backend {}
