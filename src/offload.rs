//! Runs work that would block a polling caller on another thread. A browser has no thread for it.

#[cfg(not(target_arch = "wasm32"))]
use std::thread::Builder;

#[cfg(any(feature = "gpu", not(target_arch = "wasm32")))]
use futures_intrusive::channel::shared::OneshotReceiver;
#[cfg(not(target_arch = "wasm32"))]
use futures_intrusive::channel::shared::oneshot_channel;

#[cfg(not(target_arch = "wasm32"))]
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
#[cfg(not(target_arch = "wasm32"))]
use crate::error::Fault;
#[cfg(not(target_arch = "wasm32"))]
use crate::pool;

/// Runs `work` on a new thread of that name. The work is completed even if the future is dropped.
///
/// # Errors
///
/// The errors of `work`; [`ErrorKind::OutOfMemory`] if no thread can be started.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot_channel();
    let run = move || {
        // This fails if the receiver was dropped, that is, if the result is no longer wanted.
        let _ = sender.send(work());
    };
    Builder::new().name(name.into()).spawn(run).map_err(|reason| {
        Error::from(Fault::OutOfMemory { found: format!("no thread for {name}: {reason}") })
    })?;
    let gone = || Error::from(Fault::OutOfMemory { found: format!("the thread {name} is gone") });
    received(receiver).await.unwrap_or_else(|| Err(gone()))
}

/// Runs `work` on a thread of rayon's pool, with `false`. Without a pool, it runs `work` in the poll, with `true`. If the polling thread is one of the pool's
/// threads, this runs `work` on a new thread instead, with `true`: it must not use the pool, since the
/// polling thread may block until the future is ready, and with it the whole pool.
///
/// # Errors
///
/// The same as for [`run`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn on_pool<T: Send + 'static>(
    work: impl FnOnce(bool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if !pool::exists() {
        return work(true);
    }
    if rayon::current_thread_index().is_some() {
        return run("wgpu-rnn cpu", move || work(true)).await;
    }
    let (sender, receiver) = oneshot_channel();
    rayon::spawn(move || {
        // This fails if the receiver was dropped, that is, if the result is no longer wanted.
        let _ = sender.send(work(false));
    });
    let gone =
        || Error::from(Fault::OutOfMemory { found: "the thread that computed the layer is gone".into() });
    received(receiver).await.unwrap_or_else(|| Err(gone()))
}

/// Returns what another thread or a callback sends; `None` if the sender is gone.
#[cfg(any(feature = "gpu", not(target_arch = "wasm32")))]
pub(crate) async fn received<T>(receiver: OneshotReceiver<T>) -> Option<T> {
    #[cfg(test)]
    tests::give_way().await;
    receiver.receive().await
}

#[cfg(all(test, feature = "gpu"))]
pub(crate) use tests::giving_way;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    thread_local! {
        static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a function in which no received answer is ready at the first poll of its future, even if it is
    /// already there.
    #[cfg(feature = "gpu")]
    pub(crate) fn giving_way<T>(run: impl FnOnce() -> T) -> T {
        GIVES_WAY.set(true);
        let result = run();
        GIVES_WAY.set(false);
        result
    }

    pub(super) async fn give_way() {
        let mut gives_way = GIVES_WAY.get();
        let once = poll_fn(|context| {
            if !std::mem::take(&mut gives_way) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        once.await;
    }
}
