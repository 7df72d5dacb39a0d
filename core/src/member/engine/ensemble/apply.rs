//! What a majority has is applied here, and whoever waits for it is answered.

use super::{Ensemble, Input, Job, Waits};
use crate::ensemble::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::machine::{Applied, Entry, Machine};
use crate::member::engine::commit::{finish, tell_listener};
use crate::member::engine::{Core, Done, Item, SessionCore, Sink, State, Work};
use crate::request::{Event, EventKind, Reply, SessionState};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How a piece of work ended, and the last transaction then.
pub(in crate::member::engine) type Ended = (Zxid, Result<Reply>);

/// How often the member's thread looks at what time brings, in milliseconds.
const ROUND_MS: i64 = 100;
/// How long a sweep that was proposed is waited for before it is proposed again, in milliseconds.
const SWEEP_AGAIN_MS: i64 = 2_000;
/// Without a leader for so long, clients are sent away to look for a member that has one, in milliseconds.
const LEADERLESS_MS: i64 = 2_000;

impl Core {
    /// The member's thread, in an ensemble.
    pub(in crate::member::engine) fn run_replicated(&self, ensemble: &Arc<Ensemble>) {
        let mut last_round = i64::MIN;
        let mut swept: HashMap<String, i64> = HashMap::new();
        loop {
            {
                let mut queue = self.queue.lock();
                if queue.items.is_empty() && !queue.kicked && !queue.stop {
                    self.wake.wait_for(&mut queue, Duration::from_millis(ROUND_MS as u64));
                }
                queue.kicked = false;
                if queue.stop && queue.items.is_empty() {
                    break;
                }
            }
            let mut committer = self.committer.lock();
            self.commit(&mut committer);
            drop(committer);
            self.do_jobs(ensemble);
            let now = self.clock.steady_ms();
            if now >= last_round.saturating_add(ROUND_MS) {
                self.round(ensemble, last_round, now, &mut swept);
                last_round = now;
            }
        }
        self.end_all(&Error::new(ErrorKind::Closed, "the member was closed before it answered"));
    }

    fn do_jobs(&self, ensemble: &Arc<Ensemble>) {
        loop {
            let jobs = std::mem::take(&mut *ensemble.jobs.lock());
            if jobs.is_empty() {
                return;
            }
            let mut deliveries = Vec::new();
            let mut jobs = jobs.into_iter().peekable();
            while let Some(job) = jobs.next() {
                match job {
                    Job::Apply(delivery) => {
                        deliveries.push(delivery);
                        if !matches!(jobs.peek(), Some(Job::Apply(_))) {
                            self.apply_deliveries(ensemble, std::mem::take(&mut deliveries));
                        }
                    }
                    Job::Install(index, machine) => self.install(ensemble, index, *machine),
                    Job::Grant => {
                        let sessions = self.state.read().machine.sessions().map(|(id, session)| (id, session.timeout_ms)).collect();
                        ensemble.inbox.put(Input::Grant(sessions));
                        self.end_former_life(ensemble);
                    }
                    Job::Freeze { offer } => {
                        let frozen = self.state.read().machine.freeze();
                        let index = ensemble.applied.lock().0;
                        ensemble.inbox.put(Input::Frozen { index, frozen, offer });
                    }
                    Job::Barriers(numbers) => self.barriers_met(ensemble, &numbers),
                }
            }
        }
    }

    fn apply_deliveries(&self, ensemble: &Arc<Ensemble>, deliveries: Vec<Delivery>) {
        let (mut index, mut number) = *ensemble.applied.lock();
        let mut sessions = Vec::new();
        let mut answered = Vec::new();
        let is_done = catch_unwind(AssertUnwindSafe(|| {
            let mut state = self.state.write();
            for delivery in deliveries {
                for (own, entry) in delivery.entries {
                    let applied = state.machine.apply(&entry);
                    self.tell(&state, &applied.changes);
                    if applied.outcome.is_ok() {
                        self.session_changed(&mut state, &entry, &mut sessions);
                    }
                    // Lower ones have been answered; a higher one comes again when those before it have.
                    if own == number + 1 {
                        number = own;
                        self.arrived(ensemble, &mut state, own, applied, &mut answered);
                    }
                }
                index = delivery.index;
            }
            let next = state.machine.tree().next_due_ms();
            self.note_due(next);
        }));
        if is_done.is_err() {
            self.fail(Error::new(ErrorKind::Panic, "a bug was caught while a write was applied; this member answers no more"));
            return;
        }
        *ensemble.applied.lock() = (index, number);
        ensemble.inbox.put(Input::Applied { index, number, sessions });
        finish(answered);
    }

    /// What an entry that did what it says means for sessions, whoever's they are.
    fn session_changed(&self, state: &mut State, entry: &Entry, sessions: &mut Vec<(SessionId, Option<u32>)>) {
        match entry {
            // Before any session can be told its password; with the state locked it could not be looked up then.
            Entry::Begin { .. } => drop(self.passwords.set(state.machine.passwords())),
            Entry::Open { session, timeout_ms, .. } => sessions.push((*session, Some(*timeout_ms))),
            Entry::Move { session, attachment, timeout_ms, .. } => {
                sessions.push((*session, Some(*timeout_ms)));
                let here = state.sessions.get(session).filter(|core| core.attachment.load(Ordering::Acquire) != *attachment).cloned();
                if let Some(core) = here {
                    self.moved_away(state, &core);
                }
            }
            Entry::Close { session, expired, .. } => {
                sessions.push((*session, None));
                if let Some(core) = state.sessions.get(session).cloned() {
                    self.ended(state, &core, *expired);
                }
            }
            _ => {}
        }
    }

    /// An entry of this member's own has been applied.
    fn arrived(&self, ensemble: &Ensemble, state: &mut State, number: u64, applied: Applied, answered: &mut Vec<(Item, Ended)>) {
        let core = {
            let mut flights = ensemble.flights.lock();
            match flights.all.pop_front() {
                Some(flight) if flight.number == number => {
                    flights.bytes -= flight.bytes;
                    Some(flight.core)
                }
                other => {
                    other.into_iter().for_each(|flight| flights.all.push_front(flight));
                    None
                }
            }
        };
        let Some(core) = core else { return };
        let mut line = core.line.lock();
        let is_front = matches!(line.front(), Some(Waits::Entry(front, _)) if *front == number);
        debug_assert!(is_front, "what is submitted in order is applied in order");
        if !is_front {
            return;
        }
        let Some(Waits::Entry(_, item)) = line.pop_front() else { return };
        drop(line);
        if let Work::Write(_) = item.work {
            core.answered.fetch_add(1, Ordering::AcqRel);
        }
        let ok = applied.outcome.is_ok();
        match &item.work {
            Work::Open { .. } if ok => self.opened(state, &core),
            Work::Move { .. } if ok => {
                core.number.store(0, Ordering::Release);
                core.answered.store(0, Ordering::Release);
                self.opened(state, &core);
            }
            _ => {}
        }
        let is_over = applied.outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::SessionExpired);
        let outcome = match &item.work {
            Work::Write(_) if is_over => core.check().and(applied.outcome),
            Work::Close { expired: false } if is_over && core.state() == SessionState::Closed => Ok(Reply::Done),
            _ => applied.outcome,
        };
        self.settle(item, (applied.zxid, outcome), answered);
        self.advance_line(state, &core, answered);
    }

    /// Answers what is at the front of a session's line and need not wait any more.
    fn advance_line(&self, state: &State, core: &Arc<SessionCore>, answered: &mut Vec<(Item, Ended)>) {
        loop {
            let mut line = core.line.lock();
            let is_ready = match line.front() {
                Some(Waits::Read(_) | Waits::Known(..)) => true,
                Some(Waits::Barrier { met, .. }) => *met,
                _ => false,
            };
            if !is_ready {
                return;
            }
            let Some(next) = line.pop_front() else { return };
            drop(line);
            let (item, result) = match next {
                Waits::Known(item, result) => (item, *result),
                Waits::Read(item) | Waits::Barrier { item, .. } | Waits::Entry(_, item) => {
                    let result = match (&item.asker, &item.work) {
                        (Some(asker), Work::Read(request)) => self.read(state, asker, request),
                        _ => Err(ErrorKind::SystemError.into()),
                    };
                    (item, result)
                }
            };
            self.settle(item, (state.machine.zxid(), result), answered);
        }
    }

    /// Listeners are told at once, between the events of the changes before and after; others when no lock is held.
    fn settle(&self, mut item: Item, ended: Ended, answered: &mut Vec<(Item, Ended)>) {
        if matches!(item.done, Done::Listener(..)) {
            tell_listener(&mut item, ended);
        } else {
            answered.push((item, ended));
        }
    }

    fn barriers_met(&self, ensemble: &Ensemble, numbers: &[u64]) {
        let mut answered = Vec::new();
        let state = self.state.read();
        for number in numbers {
            let Some(core) = ensemble.barriers.lock().remove(number) else { continue };
            for waits in core.line.lock().iter_mut() {
                if let Waits::Barrier { number: other, met, .. } = waits
                    && other == number
                {
                    *met = true;
                }
            }
            self.advance_line(&state, &core, &mut answered);
        }
        drop(state);
        finish(answered);
    }

    /// A whole state has come in place of the one here. What happened in between is told to nobody: connections are closed, so
    /// that their clients ask anew, and sessions of this process are told that they have missed something.
    fn install(&self, ensemble: &Ensemble, index: u64, machine: Machine) {
        let mut state = self.state.write();
        state.machine = machine;
        let cores: Vec<_> = state.sessions.values().cloned().collect();
        for core in cores {
            if state.machine.session(core.id).is_none() {
                self.ended(&mut state, &core, true);
            } else if core.events.is_none() {
                self.moved_away(&mut state, &core);
            }
        }
        for receiver in state.receivers.values() {
            if let Sink::Queue(events) = &receiver.sink {
                events.push(Event { kind: EventKind::Overflow, state: SessionState::Connected, path: "".into(), zxid: state.machine.zxid() });
            }
        }
        let next = state.machine.tree().next_due_ms();
        drop(state);
        let _ = self.passwords.set(self.state.read().machine.passwords());
        self.note_due(next);
        ensemble.applied.lock().0 = index;
        ensemble.inbox.put(Input::Installed(index));
    }

    /// Sessions that lived in this process before it began anew are over.
    fn end_former_life(&self, ensemble: &Ensemble) {
        let former: Vec<_> = {
            let state = self.state.read();
            let of_this = |id: SessionId| (id.0 >> 56) as u8 == ensemble.id;
            let here = |id: &SessionId| state.sessions.contains_key(id) || id.0 > self.first_session;
            state.machine.sessions().filter(|(id, session)| session.in_process && of_this(*id) && !here(id)).map(|(id, _)| id).collect()
        };
        for session in former {
            ensemble.inbox.put(Input::Suggest(Entry::Close { session, expired: true, time_ms: 0 }));
        }
    }

    /// What time brings.
    fn round(&self, ensemble: &Arc<Ensemble>, since: i64, now: i64, swept: &mut HashMap<String, i64>) {
        let (alive, listening): (Vec<SessionId>, Vec<Arc<SessionCore>>) = {
            let state = self.state.read();
            // A little before, too: a sign of life in the very millisecond of the last round must not be lost.
            let is_alive = |core: &&Arc<SessionCore>| !core.manual || core.heard_ms.load(Ordering::Relaxed) >= since.saturating_sub(1);
            let alive = state.sessions.values().filter(is_alive).map(|core| core.id).collect();
            let away = ensemble.leaderless_for(now) > LEADERLESS_MS;
            (alive, if away { state.sessions.values().filter(|core| core.events.is_none()).cloned().collect() } else { Vec::new() })
        };
        if !alive.is_empty() {
            ensemble.inbox.put(Input::Alive(alive));
        }
        if !listening.is_empty() {
            let mut state = self.state.write();
            listening.iter().for_each(|core| self.moved_away(&mut state, core));
        }
        self.give_up(ensemble, now);
        let wall = self.clock.wall_ms();
        if ensemble.leads() && self.due_ms.load(Ordering::SeqCst) <= wall {
            swept.retain(|_, at| now - *at < SWEEP_AGAIN_MS);
            for path in self.state.read().machine.tree().due(wall, 256) {
                if !swept.contains_key(&path) {
                    swept.insert(path.clone(), now);
                    ensemble.inbox.put(Input::Suggest(Entry::Sweep { path, time_ms: 0 }));
                }
            }
        }
        if ensemble.log_bytes.load(Ordering::Relaxed) >= self.snapshot_bytes && !ensemble.snapshotting.swap(true, Ordering::AcqRel) {
            ensemble.jobs.lock().push_back(Job::Freeze { offer: false });
            self.do_jobs(ensemble);
        }
    }

    /// Calls of this process that no majority has answered within their session's timeout end without an answer.
    fn give_up(&self, ensemble: &Ensemble, now: i64) {
        let late: Vec<(u64, u64, Arc<SessionCore>)> = {
            let flights = ensemble.flights.lock();
            let is_late = |flight: &&super::Flight| now - flight.since_ms > i64::from(flight.core.timeout_ms());
            flights.all.iter().filter(is_late).map(|flight| (flight.number, flight.write, flight.core.clone())).collect()
        };
        let mut answered = Vec::new();
        let zxid = if late.is_empty() { Zxid(0) } else { self.state.read().machine.zxid() };
        for (number, write, core) in late {
            for waits in core.line.lock().iter_mut() {
                if let Waits::Entry(other, item) = waits
                    && *other == number
                    && matches!(item.done, Done::Call(_))
                {
                    let told = Item {
                        asker: item.asker.clone(),
                        work: std::mem::replace(&mut item.work, Work::Close { expired: false }),
                        done: std::mem::replace(&mut item.done, Done::Told),
                    };
                    let error =
                        Error::new(ErrorKind::OutcomeUnknown, format!("no majority has answered within {} ms; the write may still be done", core.timeout_ms()));
                    let error = if write > 0 { error.about_write(core.id, write) } else { error };
                    // Its place in the line stays, and is answered for with it.
                    item.work = match &told.work {
                        Work::Open { timeout_ms, in_process } => Work::Open { timeout_ms: *timeout_ms, in_process: *in_process },
                        Work::Write(_) => Work::Write(crate::request::Request::WhoAmI),
                        _ => Work::Close { expired: false },
                    };
                    core.waiting.fetch_add(1, Ordering::AcqRel);
                    answered.push((told, (zxid, Err(error))));
                }
            }
        }
        finish(answered);
    }

    /// Nothing more will be answered.
    fn end_all(&self, error: &Error) {
        let Some(ensemble) = self.ensemble.as_ref() else { return };
        let flights: Vec<_> = std::mem::take(&mut *ensemble.flights.lock()).all.into_iter().map(|flight| flight.core).collect();
        let waiting: Vec<_> = ensemble.barriers.lock().drain().map(|(_, core)| core).collect();
        let mut answered = Vec::new();
        for core in flights.into_iter().chain(waiting) {
            for waits in std::mem::take(&mut *core.line.lock()) {
                let (Waits::Entry(_, item) | Waits::Read(item) | Waits::Known(item, _) | Waits::Barrier { item, .. }) = waits;
                answered.push((item, (Zxid(0), Err(error.clone()))));
            }
        }
        finish(answered);
    }
}
