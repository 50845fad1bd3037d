//! What the page in `web/static` calls: the example's model and checks of a visitor's weights, on WebGPU and on the CPU.
//!
//! On a machine that is no browser there is nothing but the tests of what needs none.

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(any(test, target_arch = "wasm32"))]
mod check;
// The arrays that go into a layer, and below the files of `wgpu-rnn check`, as the command line has them.
#[cfg(any(test, target_arch = "wasm32"))]
#[path = "../../cli/src/given.rs"]
mod given;
#[cfg(any(test, target_arch = "wasm32"))]
#[path = "../../examples/pronounce/model.rs"]
mod model;
#[cfg(any(test, target_arch = "wasm32"))]
mod speaker;
