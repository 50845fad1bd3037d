//! Work that would block a caller who polls, on a thread of its own. A browser has none for us.

#[cfg(not(target_arch = "wasm32"))]
use std::thread::Builder;

use futures_intrusive::channel::shared::OneshotReceiver;
#[cfg(not(target_arch = "wasm32"))]
use futures_intrusive::channel::shared::oneshot_channel;

#[cfg(not(target_arch = "wasm32"))]
use crate::Error;

/// Runs `work` on a new thread of that name. The work is done also if nobody waits for its result any more.
///
/// # Errors
///
/// Those of the work; [`Error::OutOfMemory`] if there is no thread to be had.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot_channel();
    let run = move || {
        // A receiver that is gone means that nobody wants the result any more.
        let _ = sender.send(work());
    };
    Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|reason| Error::OutOfMemory { found: format!("no thread for {name}: {reason}") })?;
    let gone = || Error::OutOfMemory { found: format!("the thread {name} is gone") };
    received(receiver).await.unwrap_or_else(|| Err(gone()))
}

/// Runs `work` on a thread of rayon's pool; or, if it is one of them that polls, on one of its own, and without the pool's
/// help (`true`): it may be about to block until the future is ready, and with it the whole pool.
///
/// # Errors
///
/// As [`run`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn on_pool<T: Send + 'static>(
    work: impl FnOnce(bool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if rayon::current_thread_index().is_some() {
        return run("wgpu-rnn cpu", move || work(true)).await;
    }
    let (sender, receiver) = oneshot_channel();
    rayon::spawn(move || {
        // A receiver that is gone means that nobody wants the result any more.
        let _ = sender.send(work(false));
    });
    let gone = || Error::OutOfMemory { found: "the thread that computed the layer is gone".into() };
    received(receiver).await.unwrap_or_else(|| Err(gone()))
}

/// What another thread sends, or a callback; nothing if that is gone.
pub(crate) async fn received<T>(receiver: OneshotReceiver<T>) -> Option<T> {
    #[cfg(test)]
    tests::give_way().await;
    receiver.receive().await
}

#[cfg(test)]
pub(crate) use tests::giving_way;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    thread_local! {
        static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs something in which futures are not ready when they are first polled, also where the answer is there already.
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
