//! The locks, channels and threads of the GPU backend. `tools/interleavings` replaces them with those of loom.

pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::sync::{
    Condvar, Weak,
    mpsc::{Sender, channel},
};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::{thread::Builder, time::Instant};

#[cfg(not(target_arch = "wasm32"))]
pub(super) use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};
