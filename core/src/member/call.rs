//! One request's way back: a future, a blocked thread or a callback.
//!
//! The futures need no executor of any kind: whoever completes the request wakes them.

use crate::error::{Error, ErrorKind, Result};
use crate::request::Reply;
use parking_lot::{Condvar, Mutex};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Told once how a request ended, on whichever thread ended it: it must not block or panic.
pub type Completion = Box<dyn FnOnce(Result<Reply>) + Send>;

#[derive(Default)]
struct Slot {
    result: Option<Result<Reply>>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    arrived: Condvar,
}

/// A request under way. Dropping it does not take the request back.
#[must_use = "a call does nothing more until awaited or waited for"]
pub struct Call(Arc<Shared>);

/// Answers its call when dropped unused, so that no caller waits for ever.
struct Promise(Option<Arc<Shared>>);

impl Promise {
    fn keep(mut self, result: Result<Reply>) {
        if let Some(shared) = self.0.take() {
            Self::put(&shared, result);
        }
    }

    fn put(shared: &Shared, result: Result<Reply>) {
        let waker = {
            let mut slot = shared.slot.lock();
            slot.result = Some(result);
            slot.waker.take()
        };
        shared.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            Self::put(&shared, Err(Error::new(ErrorKind::Closed, "the member was closed before it answered")));
        }
    }
}

impl Call {
    /// A call and the completion that ends it.
    pub fn pair() -> (Call, Completion) {
        let shared = Arc::new(Shared::default());
        let promise = Promise(Some(shared.clone()));
        (Call(shared), Box::new(move |result| promise.keep(result)))
    }

    /// A call that has ended already.
    pub fn ready(result: Result<Reply>) -> Call {
        let (call, done) = Self::pair();
        done(result);
        call
    }

    /// Blocks this thread until the request has ended.
    pub fn wait(self) -> Result<Reply> {
        let mut slot = self.0.slot.lock();
        loop {
            if let Some(result) = slot.result.take() {
                return result;
            }
            self.0.arrived.wait(&mut slot);
        }
    }

    /// Blocks for at most `timeout`; the result, or none yet. A result is handed out once.
    pub fn wait_for(&self, timeout: Duration) -> Option<Result<Reply>> {
        let deadline = Instant::now() + timeout;
        let mut slot = self.0.slot.lock();
        loop {
            if let Some(result) = slot.result.take() {
                return Some(result);
            }
            if self.0.arrived.wait_until(&mut slot, deadline).timed_out() {
                return slot.result.take();
            }
        }
    }
}

impl Future for Call {
    type Output = Result<Reply>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.slot.lock();
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
