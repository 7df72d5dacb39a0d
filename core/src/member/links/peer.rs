//! One other member: what waits for it, and which of its connections counts.

use super::Shared;
use crate::limits::LINK_QUEUE_BYTES_MAX;
use crate::log::replica::MemberId;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// What a message in the queue costs beside its bytes.
const MESSAGE_COST: usize = 64;

pub(super) struct Peer {
    pub id: MemberId,
    pub address: Mutex<String>,
    queue: Mutex<Queue>,
    /// There is something in the queue.
    pub filled: Notify,
    state: Mutex<State>,
    /// The state has changed.
    changed: Notify,
    /// It has called: whoever waits before dialling again need not.
    pub called: Notify,
    /// The newest snapshot from there.
    snapshot: AtomicU64,
    /// Held while one is taken.
    pub taking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Queue {
    /// The link is up.
    open: bool,
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

#[derive(Default)]
struct State {
    /// The number of the connection from there that is listened to; 0 for none.
    incoming: u64,
    /// How often something was found that means that the connection to there is worth nothing any more.
    breaks: u64,
    /// It is no member any more.
    gone: bool,
}

impl Peer {
    pub fn new(id: MemberId, address: String) -> Self {
        Self {
            id,
            address: Mutex::new(address),
            queue: Mutex::default(),
            filled: Notify::new(),
            state: Mutex::default(),
            changed: Notify::new(),
            called: Notify::new(),
            snapshot: AtomicU64::new(0),
            taking: tokio::sync::Mutex::default(),
        }
    }

    /// Opens an empty queue, or closes and empties it.
    pub fn open(&self, open: bool) {
        *self.queue.lock() = Queue { open, ..Queue::default() };
    }

    /// Queues a message, if the link is up and there is room.
    pub fn push(&self, message: Vec<u8>) -> bool {
        let mut queue = self.queue.lock();
        let bytes = queue.bytes + message.len() + MESSAGE_COST;
        if !queue.open || bytes > LINK_QUEUE_BYTES_MAX {
            return false;
        }
        queue.bytes = bytes;
        queue.messages.push_back(message);
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// Moves frames from the queue to `out` until that is about `most` bytes.
    pub fn pull(&self, out: &mut Vec<u8>, most: usize) {
        let mut queue = self.queue.lock();
        while out.len() < most
            && let Some(message) = queue.messages.pop_front()
        {
            queue.bytes -= message.len() + MESSAGE_COST;
            super::frame::put(out, &message);
        }
    }

    /// A connection from there that is listened to from now on, instead of any other.
    pub fn claim(&self, number: u64) {
        let mut state = self.state.lock();
        // Of the old one nobody knows yet that it is dead; then nobody knows of the one to there either.
        if std::mem::replace(&mut state.incoming, number) != 0 {
            state.breaks += 1;
        }
        drop(state);
        self.changed.notify_waiters();
        self.called.notify_one();
    }

    /// That connection has ended.
    pub fn release(&self, number: u64) {
        let mut state = self.state.lock();
        if state.incoming != number {
            return;
        }
        // It was killed, or has cut us off: the connection to there is soon to be found broken, too.
        state.incoming = 0;
        state.breaks += 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Does something while the connection `number` is the one that is listened to; false if it is not.
    pub fn while_heard(&self, number: u64, work: impl FnOnce()) -> bool {
        // Held meanwhile: once a newer connection is listened to, nothing of this one comes after.
        let state = self.state.lock();
        let is_heard = state.incoming == number && !state.gone;
        if is_heard {
            work();
        }
        is_heard
    }

    /// The connection to there is to be made anew.
    pub fn redial(&self) {
        self.state.lock().breaks += 1;
        self.changed.notify_waiters();
        self.called.notify_one();
    }

    /// It is no member any more: everything of it ends, and no message of it arrives from here on.
    pub fn cut(&self) {
        let mut state = self.state.lock();
        state.gone = true;
        state.incoming = 0;
        drop(state);
        self.queue.lock().open = false;
        self.changed.notify_waiters();
        self.called.notify_one();
    }

    pub fn is_gone(&self) -> bool {
        self.state.lock().gone
    }

    pub fn breaks(&self) -> u64 {
        self.state.lock().breaks
    }

    /// Until connections to there that were made when there had been so many breaks are worth nothing.
    pub async fn broken(&self, breaks: u64) {
        self.until(|state| state.breaks != breaks || state.gone).await;
    }

    /// Until another connection is listened to.
    pub async fn unheard(&self, number: u64) {
        self.until(|state| state.incoming != number || state.gone).await;
    }

    /// Until no connection from there is listened to.
    #[cfg(test)]
    pub async fn silent(&self) {
        self.until(|state| state.incoming == 0).await;
    }

    /// Until it is no member any more.
    pub async fn gone(&self) {
        self.until(|state| state.gone).await;
    }

    async fn until(&self, met: impl Fn(&State) -> bool) {
        loop {
            // Made before looking: what changes in between wakes it.
            let changed = self.changed.notified();
            if met(&self.state.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// A snapshot from there begins, and ends any that is under way.
    pub fn claim_snapshot(&self, shared: &Shared) -> u64 {
        let number = shared.number();
        self.snapshot.store(number, Ordering::Release);
        self.changed.notify_waiters();
        number
    }

    /// Whether no other snapshot from there has begun since.
    pub fn is_newest_snapshot(&self, number: u64) -> bool {
        self.snapshot.load(Ordering::Acquire) == number
    }

    /// Until another snapshot from there begins, or it is no member any more.
    pub async fn outdated(&self, number: u64) {
        self.until(|state| state.gone || !self.is_newest_snapshot(number)).await;
    }
}
