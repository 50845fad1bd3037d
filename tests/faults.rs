//! What goes wrong on the machine, each made to happen: devices that are lost, that do not answer, that have no memory, and
//! futures that are dropped. Each test has devices of its own and a watchdog, which ends the process.
//!
//! | module | asks |
//! |---|---|
//! | `lost` | is a device that is lost an error at whatever moment it goes? |
//! | `timeout` | does a device that does not answer in time end the call, and leave the layer usable? |
//! | `memory` | is memory that cannot be had an error, on the device and on the host? |
//! | `reload` | is a layer on another device the same layer? |
//! | `futures` | may a future be dropped at every await point, and does no poll block? |
//! | `session` | the same of sessions: does a push that did not come back change nothing? |
//! | `threads` | do eight threads that share a layer get what one gets? |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its sizes are small"
)]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is seen from outside")]

#[path = "faults/busy.rs"]
mod busy;
#[path = "faults/futures.rs"]
mod futures;
#[allow(dead_code, reason = "shared with the suite")]
mod harness;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/polled.rs"]
mod polled;
#[path = "faults/reload.rs"]
mod reload;
#[path = "faults/session.rs"]
mod session;
#[path = "faults/threads.rs"]
mod threads;
#[path = "faults/timeout.rs"]
mod timeout;
#[path = "faults/work.rs"]
mod work;

use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use std::{process, thread};

use wgpu_rnn::wgpu::{Adapter, Backend, Backends, DeviceDescriptor, Instance, InstanceDescriptor};
use wgpu_rnn::{AdapterChoice, Gpu};

/// Runs a test's body, which must end: a thread that hangs could not be told so otherwise.
fn watched(body: impl FnOnce()) {
    let (ended, end) = channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    // For each adapter, and for what runs on none.
    let adapters = harness::gpus().map_or(0, |_| harness::adapters().len());
    let patience = Duration::from_secs(300) * u32::try_from(1 + adapters).unwrap();
    thread::spawn(move || {
        if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            process::exit(101);
        }
    });
    body();
    drop(ended);
}

/// The adapters, listed once: that takes longer than to open one.
static ADAPTERS: LazyLock<Vec<Adapter>> = LazyLock::new(|| {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    pollster::block_on(instance.enumerate_adapters(Backends::all()))
});

/// A device of a test's own on the adapter of another one. This crate does not hear of its loss.
fn fresh(gpu: &Gpu) -> Gpu {
    let known = gpu.device().adapter_info();
    let adapter = ADAPTERS.iter().find(|adapter| adapter.get_info() == known).expect("the adapter");
    let descriptor = DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
    Gpu::from_device(device, queue).expect("a device that is good enough")
}

/// The same, opened by this crate.
fn opened(gpu: &Gpu) -> Gpu {
    let known = gpu.device().adapter_info();
    let place = pollster::block_on(Gpu::adapters()).iter().position(|info| *info == known);
    Gpu::new(&AdapterChoice::Index(place.expect("the adapter is still there"))).expect("a device")
}

/// The adapters where work goes on behind `submit`. GL's llvmpipe computes before it returns.
fn queued() -> Vec<&'static Gpu> {
    let is_queued = |gpu: &&Gpu| gpu.device().adapter_info().backend != Backend::Gl;
    harness::adapters().into_iter().filter(is_queued).collect()
}
