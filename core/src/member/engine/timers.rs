//! The member's own thread, and what time brings: silent sessions end, containers and TTL znodes go.
//!
//! A session that somebody else keeps alive stands in `Queue::timers` once, with a time at or before its deadline; a sign of
//! life only stores when it came, and the deadline is worked out when that time is reached.
//!
//! What always holds: while the log stalls nobody's signs of life may be heard, so the time of a stall counts for no session.

use super::{Asker, Core, Queue, Work, may_wait};
use crate::error::{Error, ErrorKind, Result};
use crate::request::SessionState;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// When what the timers could not write is tried again, in milliseconds.
const RETRY_MS: i64 = 1000;
/// An append that takes longer than this is a stall, in milliseconds.
const STALL_MS: i64 = 50;
/// One that takes longer than this is told of in the statistics, as ZooKeeper does, in milliseconds.
const SLOW_MS: i64 = 1000;
/// What sessions are granted after a stall beside its length: time to be heard again, in milliseconds.
const GRACE_MS: i64 = 500;

impl Core {
    /// The member's thread.
    pub(super) fn run(&self) {
        loop {
            {
                let mut queue = self.queue.lock();
                while queue.items.is_empty() && !queue.kicked {
                    if queue.stop {
                        return;
                    }
                    let wait = self.until_next(&queue);
                    match wait {
                        None => self.wake.wait(&mut queue),
                        Some(ms) if ms <= 0 => break,
                        Some(ms) => drop(self.wake.wait_for(&mut queue, Duration::from_millis(ms as u64))),
                    }
                }
                queue.kicked = false;
                if queue.stop && queue.items.is_empty() {
                    return;
                }
            }
            let mut committer = self.committer.lock();
            self.commit(&mut committer);
            drop(committer);
            if !self.clock.is_virtual() {
                self.run_timers();
            }
        }
    }

    /// Milliseconds until a timer is due; none if none ever is.
    fn until_next(&self, queue: &Queue) -> Option<i64> {
        if self.clock.is_virtual() {
            return None;
        }
        let session = queue.timers.first().map(|(at, _)| at - self.clock.steady_ms());
        let due = self.due_ms.load(Ordering::SeqCst);
        let sweep = (due != i64::MAX).then(|| due - self.clock.wall_ms());
        session.into_iter().chain(sweep).min()
    }

    /// An append began at `began` and has ended now.
    pub(super) fn note_stall(&self, began: i64) {
        let now = self.clock.steady_ms();
        if now - began > SLOW_MS {
            self.slow_syncs.fetch_add(1, Ordering::Relaxed);
        }
        if now - began > STALL_MS {
            self.stalled_ms.fetch_add(now - began, Ordering::SeqCst);
            self.quiet_until_ms.fetch_max(now + GRACE_MS, Ordering::SeqCst);
        }
    }

    /// Moves virtual time, stopping wherever something is due on the way.
    pub(in crate::member) fn advance(&self, ms: u64) -> Result<()> {
        self.check()?;
        if !self.clock.is_virtual() {
            return Err(Error::new(ErrorKind::InvalidState, "time can be moved only if the target says time=virtual"));
        }
        may_wait()?;
        let until = self.clock.steady_ms().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        loop {
            let timer = self.queue.lock().timers.first().map_or(i64::MAX, |(at, _)| *at);
            let next = timer.min(self.due_ms.load(Ordering::SeqCst));
            // The greatest time also says that nothing is due.
            if next > until || next == i64::MAX {
                break;
            }
            self.clock.set(next);
            self.run_timers();
            self.check()?;
        }
        self.clock.set(until);
        Ok(())
    }

    /// Ends sessions that have been silent too long and sweeps what is due. Returns when all that is applied.
    fn run_timers(&self) {
        let now = self.clock.steady_ms();
        let (stalled, quiet_until) = (self.stalled_ms.load(Ordering::SeqCst), self.quiet_until_ms.load(Ordering::SeqCst));
        let mut silent = Vec::new();
        loop {
            let Some((at, id)) = self.queue.lock().timers.first().copied().filter(|(at, _)| *at <= now) else { break };
            let core = self.state.read().sessions.get(&id).cloned();
            let mut queue = self.queue.lock();
            if !queue.timers.remove(&(at, id)) {
                continue;
            }
            if let Some(core) = core.filter(|core| core.state() == SessionState::Connected) {
                let stalled_since = stalled - core.stalled_ms.load(Ordering::Relaxed);
                let deadline = core.heard_ms.load(Ordering::Relaxed).saturating_add(i64::from(core.timeout_ms())).saturating_add(stalled_since);
                let deadline = deadline.max(quiet_until);
                if deadline > now {
                    queue.timers.insert((deadline, id));
                } else {
                    silent.push(core);
                }
            }
        }
        let closes = silent.iter().map(|core| (Some(Asker::of(core)), Work::Close { expired: true }));
        let results = self.carry_out(closes);
        for (core, result) in silent.iter().zip(results) {
            if result.is_err_and(|error| error.kind() != ErrorKind::SessionExpired) {
                self.queue.lock().timers.insert((now.saturating_add(RETRY_MS), core.id));
            }
        }
        let wall = self.clock.wall_ms();
        while self.due_ms.load(Ordering::SeqCst) <= wall {
            let due = self.state.read().machine.tree().due(wall, 256);
            if due.is_empty() || self.check().is_err() {
                let next = self.state.read().machine.tree().next_due_ms();
                self.note_due(next.map(|next| next.max(wall + 1)));
                break;
            }
            let results = self.carry_out(due.into_iter().map(|path| (None, Work::Sweep(path))));
            // Some may have changed since.
            let expected = [ErrorKind::NoNode, ErrorKind::NotEmpty, ErrorKind::BadVersion];
            if results.iter().any(|result| result.as_ref().is_err_and(|error| !expected.contains(&error.kind()))) {
                return self.note_due(Some(wall.saturating_add(RETRY_MS)));
            }
            let next = self.state.read().machine.tree().next_due_ms();
            self.note_due(next);
        }
    }

    pub(super) fn note_due(&self, next: Option<i64>) {
        self.due_ms.store(next.unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}
