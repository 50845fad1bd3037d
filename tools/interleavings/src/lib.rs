//! Threads that share state, in every order that C11's memory model allows. The files of the library that have this state
//! are compiled with loom's atomics and locks; `tests/` runs the models.
//!
//! A broken copy of a file (`build.rs`) shows that its model would notice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a model fails by panicking")]
#![allow(dead_code, unused_mut, reason = "the library uses all of its files, which some copies change")]

mod sync;

use std::time::Duration;

/// The library's error, as far as these files know it.
#[derive(Debug)]
pub(crate) struct Error(error::Fault);

pub(crate) mod error {
    use std::time::Duration;

    #[derive(Debug)]
    pub(crate) enum Fault {
        OutOfMemory { found: String },
        Timeout { expected: Duration },
        DeviceLost,
    }

    impl From<Fault> for super::Error {
        fn from(fault: Fault) -> Self {
            super::Error(fault)
        }
    }
}

/// Explores the orders with at most that many changes of the thread where another one could go on.
fn explored(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Compiles a file of the library, or a broken copy of it.
macro_rules! file {
    ($part:literal, $name:literal, $file:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $part, "/", $name, "/", $file, ".rs"));
    };
}

macro_rules! cpu {
    ($($module:ident $name:literal)*) => {$(
        /// The CPU backend's team.
        pub mod $module {
            mod atomic {
                pub(super) use crate::sync::{AtomicBool, AtomicUsize, Ordering, pause};
            }
            mod rounds {
                file!("cpu", $name, "rounds");
            }
            include!("cpu.rs");
        }
    )*};
}

macro_rules! gpu {
    ($($module:ident $name:literal)*) => {$(
        /// The GPU backend's threads.
        pub mod $module {
            mod sync {
                pub(super) use crate::sync::*;
            }
            mod timer {
                file!("gpu", $name, "timer");
            }
            mod unused {
                file!("gpu", $name, "unused");
            }
            mod watch {
                file!("gpu", $name, "watch");
            }
            mod worker {
                file!("gpu", $name, "worker");
            }
            include!("gpu.rs");
        }
    )*};
}

cpu!(cpu "right" cpu_relaxed "relaxed");
gpu!(gpu "right" gpu_deaf "deaf" gpu_endless "endless" gpu_silent "silent" gpu_unordered "unordered" gpu_doubled "doubled");

/// A time that never comes in a model: who waits for it goes on only if it is woken.
const NEVER: Duration = Duration::from_secs(1000);
/// A time that may come at any moment.
const SOON: Duration = Duration::from_secs(1);
