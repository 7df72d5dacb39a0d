//! A queue of events: bounded, waited for in any way.
//!
//! What always holds: events come out in the order of their transactions; a full queue says so once
//! (`Overflow`) instead of growing or forgetting in silence. In a child of the process that made it a
//! queue has ended, and its lock, which a thread may hold that is not there, is not touched. What was to
//! be notified is dropped with no lock held: it may do anything then, ask this queue too.

use crate::error::{Error, ErrorKind, Result};
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

struct Queue {
    generation: u64,
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// A queue of events. Clones share it; each event goes to one taker.
#[derive(Clone)]
pub struct Events(Arc<Queue>);

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Queue { generation: folkmoot_sys::generation(), inner: Mutex::default(), changed: Condvar::new() }))
    }
}

impl Events {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    fn is_forked(&self) -> bool {
        self.0.generation != folkmoot_sys::generation()
    }

    /// Whether it is this process's own.
    ///
    /// # Errors
    /// `Forked` in a child of the process that made it, where it has ended.
    pub fn check(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::new(ErrorKind::Forked, "this process was forked: the queue of events belongs to its parent"));
        }
        Ok(())
    }

    pub(crate) fn push(&self, event: Event) {
        let mut inner = self.0.inner.lock();
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
        let mut inner = self.0.inner.lock();
        inner.closed = true;
        self.wake(inner);
    }

    fn wake(&self, mut inner: parking_lot::MutexGuard<'_, Inner>) {
        let wakers = std::mem::take(&mut inner.wakers);
        let notify = inner.notify.clone();
        drop(inner);
        self.0.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        if let Some(notify) = notify {
            notify();
        }
    }

    /// Calls `notify` whenever there is something to take, from whichever thread put it there: it
    /// must only wake someone. For descriptors and foreign loops. Called at once if events wait already.
    pub fn on_ready(&self, notify: impl Fn() + Send + Sync + 'static) {
        if self.is_forked() {
            return;
        }
        let notify: Arc<Notify> = Arc::new(Box::new(notify));
        let mut inner = self.0.inner.lock();
        let before = inner.notify.replace(notify.clone());
        let ready = !inner.events.is_empty() || inner.closed;
        drop(inner);
        drop(before);
        if ready {
            notify();
        }
    }

    /// The next event, if one waits.
    pub fn try_next(&self) -> Option<Event> {
        if self.is_forked() {
            return None;
        }
        self.0.inner.lock().events.pop_front()
    }

    /// Whether no event will come any more and none waits.
    pub fn is_finished(&self) -> bool {
        if self.is_forked() {
            return true;
        }
        let inner = self.0.inner.lock();
        inner.closed && inner.events.is_empty()
    }

    /// Events waiting.
    pub fn len(&self) -> usize {
        if self.is_forked() { 0 } else { self.0.inner.lock().events.len() }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next event; blocks for at most `timeout`. None when it passed or the queue has ended.
    pub fn next_blocking(&self, timeout: Duration) -> Option<Event> {
        if self.is_forked() {
            return None;
        }
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.0.inner.lock();
        loop {
            if let Some(event) = inner.events.pop_front() {
                return Some(event);
            }
            if inner.closed {
                return None;
            }
            match deadline {
                Some(deadline) if self.0.changed.wait_until(&mut inner, deadline).timed_out() => return inner.events.pop_front(),
                Some(_) => {}
                None => self.0.changed.wait(&mut inner),
            }
        }
    }

    /// The next event; none when the queue has ended.
    pub async fn next(&self) -> Option<Event> {
        poll_fn(|cx| {
            if self.is_forked() {
                return Poll::Ready(None);
            }
            let mut inner = self.0.inner.lock();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// Asks the queue when it is dropped.
    struct Asks(Events, std::sync::mpsc::Sender<usize>);

    impl Drop for Asks {
        fn drop(&mut self) {
            let _ = self.1.send(self.0.len());
        }
    }

    #[test]
    fn what_was_to_be_notified_may_ask_the_queue_when_it_is_dropped() {
        let events = Events::new();
        let (told, dropped) = channel();
        let asks = Asks(events.clone(), told);
        events.on_ready(move || {
            asks.0.len();
        });
        // On a thread of its own, so that one that waits for itself is found out.
        std::thread::spawn(move || events.on_ready(|| {}));
        assert_eq!(dropped.recv_timeout(Duration::from_secs(20)), Ok(0));
    }
}
