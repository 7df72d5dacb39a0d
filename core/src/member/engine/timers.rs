//! The member's own thread, and what time brings: silent sessions end, containers and TTL znodes go.
//!
//! A session that somebody else keeps alive has a deadline in `Queue::deadlines`, which is a lower bound: a sign of
//! life only stores when it came, and is looked at when the deadline is reached.
//!
//! What always holds: nobody is judged for a silence that was the member's own. When it comes to judge later than it meant to,
//! its threads stood still, whatever held them (a slow disk, a stopped process), and signs of life may wait unread: every deadline
//! then moves back by as much, and what waits has a [`Grace`] to be read, in which the member must be awake. A grace ends whether
//! or not it was, so a disk that is slow for ever keeps no session alive. A session whose requests wait here is not silent.

use super::{Asker, Core, Queue, SessionCore, Work, may_wait};
use crate::error::{Error, ErrorKind, Result};
use crate::request::SessionState;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// When what the timers could not write is tried again, in milliseconds.
const RETRY_MS: u64 = 1000;
/// Judging so much later than meant is a pause, in milliseconds.
const PAUSE_MS: i64 = 50;
/// An append that takes longer than this is told of in the statistics, as ZooKeeper does, in milliseconds.
const SLOW_MS: i64 = 1000;
/// A grace is told in steps of so many milliseconds.
const STEP_MS: i64 = 50;
/// Steps in a row without a pause that end a grace: time to be heard again.
const AWAKE_STEPS: u32 = 10;
/// Steps after which a grace ends, come what may.
const STEPS_MAX: u32 = 100;

/// Time to be heard again after a pause: nobody is judged meanwhile.
#[derive(Default)]
pub(super) struct Grace {
    /// When its next step ends, in steady milliseconds.
    next_ms: i64,
    steps: u32,
    /// Steps since the member last paused.
    awake: u32,
}

impl Queue {
    /// When somebody's silence is to be judged, in steady milliseconds; none if nobody's ever is.
    fn judged_at(&self) -> Option<i64> {
        match &self.grace {
            Some(grace) => Some(grace.next_ms),
            None => self.deadlines.next_wakeup().map(|at| at as i64),
        }
    }

    /// Whether silence may be judged at `now`, which is `late_ms` after it was meant to be. Says how long the member has paused.
    fn may_judge(&mut self, now: i64, late_ms: i64) -> (bool, i64) {
        let paused_ms = if late_ms > PAUSE_MS { late_ms } else { 0 };
        let mut grace = match self.grace.take() {
            Some(grace) => Grace { steps: grace.steps + 1, awake: if paused_ms > 0 { 0 } else { grace.awake + 1 }, ..grace },
            None if paused_ms > 0 && !self.is_excused => Grace::default(),
            None => {
                self.is_excused = false;
                return (true, 0);
            }
        };
        self.deadlines.extend_by(paused_ms as u64);
        if grace.awake >= AWAKE_STEPS || grace.steps >= STEPS_MAX {
            self.is_excused = grace.awake < AWAKE_STEPS;
            return (true, paused_ms);
        }
        grace.next_ms = now + STEP_MS;
        self.grace = Some(grace);
        (false, paused_ms)
    }
}

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
        let session = queue.judged_at().map(|at| at - self.clock.steady_ms());
        let due = self.due_ms.load(Ordering::SeqCst);
        let sweep = (due != i64::MAX).then(|| due - self.clock.wall_ms());
        session.into_iter().chain(sweep).min()
    }

    /// An append began at `began`, in steady milliseconds, and has ended now.
    pub(super) fn note_append(&self, began: i64) {
        if self.clock.steady_ms() - began > SLOW_MS {
            self.slow_syncs.fetch_add(1, Ordering::Relaxed);
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
            let timer = self.queue.lock().judged_at().unwrap_or(i64::MAX);
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

    /// The sessions that have been silent too long.
    fn silent(&self, now: i64) -> Vec<Arc<SessionCore>> {
        let mut queue = self.queue.lock();
        let Some(late_ms) = queue.judged_at().map(|at| now - at).filter(|late_ms| *late_ms >= 0) else { return Vec::new() };
        if !self.clock.is_virtual() {
            let (may_judge, paused_ms) = queue.may_judge(now, late_ms);
            self.paused_ms.fetch_add(paused_ms, Ordering::SeqCst);
            if !may_judge {
                return Vec::new();
            }
        }
        let over = queue.deadlines.expire(now as u64);
        drop(queue);
        let paused_ms = self.paused_ms.load(Ordering::SeqCst);
        let (mut silent, mut alive) = (Vec::new(), Vec::new());
        {
            let state = self.state.read();
            for core in over.iter().filter_map(|id| state.sessions.get(id)).filter(|core| core.state() == SessionState::Connected) {
                let heard = if core.waiting.load(Ordering::Acquire) > 0 { now } else { core.heard_ms.load(Ordering::Relaxed) + paused_ms };
                if heard + i64::from(core.timeout_ms()) > now {
                    alive.push((core.id, u64::from(core.timeout_ms().max(1)), heard as u64));
                } else {
                    silent.push(core.clone());
                }
            }
        }
        let mut queue = self.queue.lock();
        for (id, timeout_ms, heard) in alive {
            // It is there already if the session has been attached meanwhile.
            let _ = queue.deadlines.insert(id, timeout_ms, heard);
        }
        silent
    }

    /// Ends sessions that have been silent too long and sweeps what is due. Returns when all that is applied.
    fn run_timers(&self) {
        let now = self.clock.steady_ms();
        let silent = self.silent(now);
        let closes = silent.iter().map(|core| (Some(Asker::of(core)), Work::Close { expired: true }));
        let results = self.carry_out(closes);
        for (core, result) in silent.iter().zip(results) {
            if result.is_err_and(|error| error.kind() != ErrorKind::SessionExpired) {
                let _ = self.queue.lock().deadlines.insert(core.id, RETRY_MS, now as u64);
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
                return self.note_due(Some(wall.saturating_add(RETRY_MS as i64)));
            }
            let next = self.state.read().machine.tree().next_due_ms();
            self.note_due(next);
        }
    }

    pub(super) fn note_due(&self, next: Option<i64>) {
        self.due_ms.store(next.unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member that comes to judge as late as `late_ms` says, step by step, for at most so many steps: how often it judged.
    fn judged(queue: &mut Queue, steps: usize, late_ms: impl Fn(usize) -> i64) -> Vec<usize> {
        let mut now = 0;
        (0..steps)
            .filter(|step| {
                let late_ms = late_ms(*step);
                now = queue.judged_at().unwrap_or(now) + late_ms;
                queue.may_judge(now, late_ms).0
            })
            .collect()
    }

    #[test]
    fn nobody_is_judged_until_the_member_has_been_awake_for_a_while() {
        let awake = AWAKE_STEPS as usize;
        assert_eq!(judged(&mut Queue::default(), 2, |_| 0), [0, 1], "a member on time");
        assert_eq!(judged(&mut Queue::default(), awake + 1, |step| if step == 0 { 800 } else { 1 }), [awake], "one pause");
        for again in 1..=awake {
            let paused = judged(&mut Queue::default(), again + awake + 1, |step| if step == 0 || step == again { 800 } else { 1 });
            assert_eq!(paused, [again + awake], "a second pause at step {again}");
        }
        let twice = judged(&mut Queue::default(), 2 * awake + 2, |step| if step == 0 || step == awake + 1 { 800 } else { 0 });
        assert_eq!(twice, [awake, 2 * awake + 1], "a second pause after the first was over");
    }

    #[test]
    fn a_member_that_is_late_for_ever_judges_all_the_same() {
        let most = STEPS_MAX as usize;
        assert_eq!(judged(&mut Queue::default(), 2 * most + 3, |_| 200), [most, most + 1, 2 * most + 2], "late for ever");
    }
}
