//! What JavaScript calls: layers, sessions and their errors. `js/package` has the half in JavaScript, which the users of
//! the npm package see; the page in `web/` calls the same functions.
//!
//! Numbers, text and typed arrays cross the boundary, and nothing else. A build without the feature `gpu` calls nothing
//! of a browser, so that it also runs in an AudioWorklet and in Node.
//!
//! On a machine that is no browser there is nothing but the tests of what needs none.

#[cfg(any(test, target_arch = "wasm32"))]
#[cfg(target_arch = "wasm32")]
mod config;
#[cfg(all(target_arch = "wasm32", feature = "counting"))]
mod counting;
#[cfg(target_arch = "wasm32")]
mod device;
#[cfg(target_arch = "wasm32")]
mod failure;
#[cfg(target_arch = "wasm32")]
mod layer;
#[cfg(target_arch = "wasm32")]
mod now;
#[cfg(target_arch = "wasm32")]
mod plan;
#[cfg(target_arch = "wasm32")]
mod session;
#[cfg(target_arch = "wasm32")]
mod weights;

#[cfg(target_arch = "wasm32")]
pub use config::Config;
#[cfg(all(target_arch = "wasm32", feature = "counting"))]
pub use counting::{allocations_of_a_vector, allocations_of_pushes};
#[cfg(target_arch = "wasm32")]
pub use device::Device;
#[cfg(target_arch = "wasm32")]
pub use failure::Failure;
#[cfg(target_arch = "wasm32")]
pub use layer::{Layer, Output};
#[cfg(target_arch = "wasm32")]
pub use plan::Plan;
#[cfg(target_arch = "wasm32")]
pub use session::{Saved, Session};
#[cfg(target_arch = "wasm32")]
pub use weights::{DataFiles, Weights};

/// Runs when the module is instantiated.
#[cfg(all(target_arch = "wasm32", feature = "gpu"))]
#[wasm_bindgen::prelude::wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}
