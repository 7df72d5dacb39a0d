//! A queue of events: bounded, waited for in any way.
//!
//! What always holds: events come out in the order of their transactions; a full queue says so once
//! (`Overflow`) instead of growing or forgetting in silence.

use crate::limits::EVENTS_MAX;
use crate::request::{Event, EventKind};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

type Notify = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Inner {
    events: VecDeque<Event>,
    closed: bool,
    wakers: Vec<Waker>,
    notify: Option<Arc<Notify>>,
}

/// A queue of events. Clones share it; each event goes to one taker.
#[derive(Clone, Default)]
pub struct Events(Arc<(Mutex<Inner>, Condvar)>);

impl Events {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&self, event: Event) {
        let mut inner = self.0.0.lock();
        if inner.closed {
            return;
        }
        if inner.events.len() >= EVENTS_MAX {
            if inner.events.back().is_some_and(|last| last.kind == EventKind::Overflow) {
                return;
            }
            inner.events.pop_back();
            inner.events.push_back(Event { kind: EventKind::Overflow, path: "".into(), ..event });
        } else {
            inner.events.push_back(event);
        }
        self.wake(inner);
    }

    pub(crate) fn close(&self) {
        let mut inner = self.0.0.lock();
        inner.closed = true;
        self.wake(inner);
    }

    fn wake(&self, mut inner: parking_lot::MutexGuard<'_, Inner>) {
        let wakers = std::mem::take(&mut inner.wakers);
        let notify = inner.notify.clone();
        drop(inner);
        self.0.1.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        if let Some(notify) = notify {
            notify();
        }
    }

    /// Calls `notify` whenever there is something to take, from whichever thread put it there: it
    /// must only wake someone. For descriptors and foreign loops. Called at once if events wait already.
    pub fn on_ready(&self, notify: impl Fn() + Send + Sync + 'static) {
        let notify: Arc<Notify> = Arc::new(Box::new(notify));
        let mut inner = self.0.0.lock();
        inner.notify = Some(notify.clone());
        let ready = !inner.events.is_empty() || inner.closed;
        drop(inner);
        if ready {
            notify();
        }
    }

    /// The next event, if one waits.
    pub fn try_next(&self) -> Option<Event> {
        self.0.0.lock().events.pop_front()
    }

    /// Whether no event will come any more and none waits.
    pub fn is_finished(&self) -> bool {
        let inner = self.0.0.lock();
        inner.closed && inner.events.is_empty()
    }

    /// Events waiting.
    pub fn len(&self) -> usize {
        self.0.0.lock().events.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next event; blocks for at most `timeout`. None when it passed or the queue has ended.
    pub fn next_blocking(&self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.0.0.lock();
        loop {
            if let Some(event) = inner.events.pop_front() {
                return Some(event);
            }
            if inner.closed {
                return None;
            }
            match deadline {
                Some(deadline) if self.0.1.wait_until(&mut inner, deadline).timed_out() => return inner.events.pop_front(),
                Some(_) => {}
                None => self.0.1.wait(&mut inner),
            }
        }
    }

    /// The next event; none when the queue has ended.
    pub async fn next(&self) -> Option<Event> {
        poll_fn(|cx| {
            let mut inner = self.0.0.lock();
            match inner.events.pop_front() {
                Some(event) => Poll::Ready(Some(event)),
                None if inner.closed => Poll::Ready(None),
                None => {
                    if !inner.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                        inner.wakers.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}
