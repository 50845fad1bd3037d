//! Results that need no waiting.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wgpu_rnn::{Error, ErrorKind};

/// Returns the result of a call on the CPU, whose future is ready at the first poll.
///
/// # Errors
///
/// The error of the call; [`ErrorKind::Config`] if the future is not ready, since the layer is on a GPU.
pub(crate) fn now<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::new(
            ErrorKind::Config,
            "device: expected the CPU for a call that does not wait, found a GPU",
        )),
    }
}
