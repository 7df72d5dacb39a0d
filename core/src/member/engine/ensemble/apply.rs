//! What a majority has is applied here, and whoever waits for it is answered.

use super::line::{Until, Waiting};
use super::{Ensemble, Flight, Input, Job};
use crate::ensemble::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::IN_FLIGHT_MAX;
use crate::machine::{Applied, Entry, Machine};
use crate::member::engine::commit::{Ended, finish, is_over, tell_listener};
use crate::member::engine::{Asker, Core, Done, Item, SessionCore, Sink, State, Work};
use crate::request::{Event, EventKind, Reply, SessionState};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Those who are told once no lock is held.
type Answers = Vec<(Option<Asker>, Done, Ended)>;

/// How often the member's thread looks at what time brings, in milliseconds.
const ROUND_MS: i64 = 100;
/// How long a sweep that was proposed is waited for before it is proposed again, in milliseconds.
const SWEEP_AGAIN_MS: i64 = 2_000;
/// No call is given up before it has waited so long, in milliseconds: the shortest timeout of a session.
const PATIENCE_MS: i64 = 1_000;
/// So many more writes of its session, and the outcome of one that was given up is kept no longer.
const KEPT: u64 = IN_FLIGHT_MAX as u64 / 2;
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
        self.do_jobs(ensemble);
        self.end_all(ensemble, &Error::new(ErrorKind::Closed, "the member was closed before it answered"));
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
                    Job::Advance(core) => {
                        let mut answers = Vec::new();
                        let state = self.state.read();
                        self.advance_line(ensemble, &state, &core, &mut answers);
                        drop(state);
                        finish(answers);
                    }
                    Job::End => self.part_is_over(ensemble),
                }
            }
        }
    }

    fn apply_deliveries(&self, ensemble: &Arc<Ensemble>, deliveries: Vec<Delivery>) {
        let bytes = deliveries.iter().map(|delivery| delivery.bytes as u64).sum();
        if self.is_failed.load(Ordering::Acquire) {
            // A bug has been met in the machine: nothing is made of it any more.
            ensemble.backlog.fetch_sub(bytes, Ordering::AcqRel);
            return;
        }
        let (mut index, mut number) = *ensemble.applied.lock();
        let mut sessions = Vec::new();
        let mut answered = Vec::new();
        let mut roster = None;
        let is_done = catch_unwind(AssertUnwindSafe(|| {
            let mut state = self.state.write();
            let before = state.machine.roster().version();
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
            roster = Some(state.machine.roster()).filter(|roster| roster.version() != before).cloned();
            let next = state.machine.tree().next_due_ms();
            self.note_due(next);
        }));
        ensemble.backlog.fetch_sub(bytes, Ordering::AcqRel);
        if is_done.is_err() {
            let error = Error::new(ErrorKind::Panic, "a bug was caught while a write was applied; this member answers no more");
            self.fail(error.clone());
            return ensemble.end(self, error);
        }
        *ensemble.applied.lock() = (index, number);
        ensemble.inbox.put(Input::Applied { index, number, sessions, roster });
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
    fn arrived(&self, ensemble: &Ensemble, state: &mut State, number: u64, applied: Applied, answers: &mut Answers) {
        let Some(Flight { core, write, given_up, .. }) = ensemble.landed(number) else { return };
        if write > 0 {
            note_answered(&core, write, given_up.is_some());
        }
        if let Some(opens) = given_up {
            if opens && applied.outcome.is_ok() {
                // Whoever wanted it has gone.
                let _ = self.enqueue(Some(Asker::of(&core)), Work::Close { expired: false }, Box::new(drop));
            }
            return;
        }
        let mut line = core.line.lock();
        // Mostly the first: only a barrier before it may be met later than it is applied.
        let place = line.waiting.iter_mut().find(|waiting| matches!(waiting.until, Until::Applied(other) if other == number));
        assert!(place.is_some(), "what is under way and not given up stands in its session's line");
        let Some(waiting) = place else { return };
        match &waiting.item.work {
            Work::Open { .. } if applied.outcome.is_ok() => self.opened(state, &core),
            Work::Move { .. } if applied.outcome.is_ok() => {
                core.number.store(0, Ordering::Release);
                core.answered.store(0, Ordering::Release);
                self.opened(state, &core);
            }
            _ => {}
        }
        let outcome = match &waiting.item.work {
            Work::Write(_) if is_over(&applied.outcome) => core.check().and(applied.outcome),
            Work::Close { expired: false } if is_over(&applied.outcome) && core.state() == SessionState::Closed => Ok(Reply::Done),
            _ => applied.outcome,
        };
        waiting.until = Until::Known(Box::new((applied.zxid, outcome)));
        drop(line);
        self.advance_line(ensemble, state, &core, answers);
    }

    /// Answers what is at the front of a session's line and need not wait any more.
    fn advance_line(&self, ensemble: &Ensemble, state: &State, core: &Arc<SessionCore>, answers: &mut Answers) {
        loop {
            let next = {
                let mut line = core.line.lock();
                match line.waiting.front().map(|waiting| &waiting.until) {
                    Some(Until::Turn | Until::Known(_) | Until::Met { met: true, .. }) => line.waiting.pop_front(),
                    _ => None,
                }
            };
            let Some(Waiting { item, until, .. }) = next else { return };
            ensemble.lined.fetch_sub(1, Ordering::AcqRel);
            let ended = if let Until::Known(ended) = until { *ended } else { (state.machine.zxid(), self.read_item(state, &item)) };
            settle(item, ended, answers);
        }
    }

    fn read_item(&self, state: &State, item: &Item) -> Result<Reply> {
        match (&item.asker, &item.work) {
            (Some(asker), Work::Read(request)) => self.read(state, asker, request),
            _ => Err(ErrorKind::SystemError.into()),
        }
    }

    fn barriers_met(&self, ensemble: &Ensemble, numbers: &[u64]) {
        let mut answers = Vec::new();
        let mut cores = Vec::new();
        let state = self.state.read();
        for number in numbers {
            let Some((core, _)) = ensemble.barriers.lock().remove(number) else { continue };
            {
                let mut line = core.line.lock();
                let own = line.waiting.iter_mut().find_map(|waiting| match &mut waiting.until {
                    Until::Met { number: other, met } if other == number => Some(met),
                    _ => None,
                });
                let Some(met) = own else { continue };
                *met = true;
                line.blocked -= 1;
            }
            self.advance_line(ensemble, &state, &core, &mut answers);
            cores.push(core);
        }
        drop(state);
        cores.iter().for_each(|core| self.send_held(ensemble, core));
        finish(answers);
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
        let roster = self.state.read().machine.roster().clone();
        ensemble.inbox.put(Input::Installed(index, roster));
    }

    /// Sessions that lived in this process before it began anew are over.
    fn end_former_life(&self, ensemble: &Ensemble) {
        let former: Vec<_> = {
            let state = self.state.read();
            let of_this = |id: SessionId| (id.0 >> 56) as u8 == ensemble.id;
            let here = |id: &SessionId| state.sessions.contains_key(id) || id.0 >= self.first_session;
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
        let is_late = |core: &SessionCore, since_ms: i64| now - since_ms > i64::from(core.timeout_ms()).max(PATIENCE_MS);
        let mut cores = BTreeMap::new();
        {
            let flights = ensemble.flights.lock();
            // They stand in the order in which they began.
            for flight in flights.all.iter().take_while(|flight| now - flight.since_ms > PATIENCE_MS) {
                if is_late(&flight.core, flight.since_ms) && flight.core.events.is_some() {
                    cores.insert(flight.core.id, flight.core.clone());
                }
            }
        }
        for (core, since_ms) in ensemble.barriers.lock().values().take_while(|(_, since_ms)| now - since_ms > PATIENCE_MS) {
            if is_late(core, *since_ms) && core.events.is_some() {
                cores.insert(core.id, core.clone());
            }
        }
        if cores.is_empty() {
            return;
        }
        let mut answers = Vec::new();
        let state = self.state.read();
        for core in cores.values() {
            let mut line = core.line.lock();
            let (late, rest): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut line.waiting).into_iter().partition(|waiting| is_late(core, waiting.since_ms));
            line.waiting = rest;
            line.blocked -= late.iter().filter(|waiting| waiting.until.is_blocked()).count();
            drop(line);
            ensemble.lined.fetch_sub(late.len(), Ordering::AcqRel);
            for Waiting { item, until, .. } in late {
                let result = match until {
                    Until::Known(ended) => ended.1,
                    // What was before it has ended, too.
                    Until::Turn => self.read_item(&state, &item),
                    Until::Met { number, .. } => {
                        ensemble.barriers.lock().remove(&number);
                        Err(Error::new(ErrorKind::ConnectionLoss, format!("no majority has answered within {} ms", core.timeout_ms())))
                    }
                    Until::Sent(_) => {
                        let why = format!("a sync before it has had no answer within {} ms; it was not begun", core.timeout_ms());
                        Err(Error::new(ErrorKind::OperationTimeout, why))
                    }
                    Until::Applied(number) => {
                        let why = format!("no majority has answered within {} ms; the write may still be done", core.timeout_ms());
                        let write = ensemble.abandon(number, matches!(item.work, Work::Open { .. }));
                        Err(unknown(core, write, why))
                    }
                };
                settle(item, (state.machine.zxid(), result), &mut answers);
            }
            self.advance_line(ensemble, &state, core, &mut answers);
        }
        drop(state);
        cores.values().for_each(|core| self.send_held(ensemble, core));
        finish(answers);
    }

    /// This member takes no part any more. Its clients look for another; what is applied is still read in this process.
    fn part_is_over(&self, ensemble: &Ensemble) {
        if let Some(links) = ensemble.links.get() {
            links.close();
        }
        {
            let mut state = self.state.write();
            let listening: Vec<_> = state.sessions.values().filter(|core| core.events.is_none()).cloned().collect();
            listening.iter().for_each(|core| self.moved_away(&mut state, core));
        }
        let why = ensemble.over.get().cloned().unwrap_or_else(|| ErrorKind::Closed.into());
        self.end_all(ensemble, &why);
    }

    /// What is under way will not be answered by a majority, for `why`.
    fn end_all(&self, ensemble: &Ensemble, why: &Error) {
        // Whoever is putting something in a line is done first, and sees then that it is over.
        let committer = self.committer.lock();
        let flights = std::mem::take(&mut *ensemble.flights.lock()).all;
        let writes: HashMap<u64, u64> = flights.iter().map(|flight| (flight.number, flight.write)).collect();
        let waiting = std::mem::take(&mut *ensemble.barriers.lock());
        let cores: BTreeMap<_, _> =
            flights.into_iter().map(|flight| flight.core).chain(waiting.into_values().map(|(core, _)| core)).map(|core| (core.id, core)).collect();
        let mut answers = Vec::new();
        for core in cores.values() {
            let line = std::mem::take(&mut *core.line.lock()).waiting;
            ensemble.lined.fetch_sub(line.len(), Ordering::AcqRel);
            for Waiting { item, until, .. } in line {
                let result = match until {
                    Until::Known(ended) => ended.1,
                    Until::Applied(number) if why.kind() != ErrorKind::Closed => {
                        Err(unknown(core, writes.get(&number).copied().unwrap_or(0), why.context().to_owned()))
                    }
                    _ => Err(why.clone()),
                };
                answers.push((item.asker, item.done, (Zxid(0), result)));
            }
        }
        drop(committer);
        finish(answers);
    }
}

impl Ensemble {
    /// An entry of this member's own has been applied: it is under way no more. None if it was not.
    fn landed(&self, number: u64) -> Option<Flight> {
        let mut flights = self.flights.lock();
        if flights.all.front().is_none_or(|flight| flight.number != number) {
            return None;
        }
        let flight = flights.all.pop_front()?;
        flights.bytes -= flight.bytes;
        Some(flight)
    }

    /// Nobody waits for an entry any more, which `opens` a session or not; which write it is.
    fn abandon(&self, number: u64, opens: bool) -> u64 {
        let mut flights = self.flights.lock();
        let Some(flight) = flights.all.iter_mut().find(|flight| flight.number == number) else { return 0 };
        flight.given_up = Some(opens);
        if flight.write > 0 {
            // The first one counts.
            let _ = flight.core.given_up.compare_exchange(0, flight.write, Ordering::AcqRel, Ordering::Acquire);
        }
        flight.write
    }
}

/// Listeners are told at once, between the events of the changes before and after; others when no lock is held.
fn settle(mut item: Item, ended: Ended, answers: &mut Answers) {
    if let Some(ended) = tell_listener(&mut item, ended) {
        answers.push((item.asker, item.done, ended));
    }
}

/// The outcome of a session's write is not known; of its others (`write` is 0) there is nothing to ask about.
fn unknown(core: &SessionCore, write: u64, why: String) -> Error {
    let error = Error::new(ErrorKind::OutcomeUnknown, why);
    if write > 0 { error.about_write(core.id, write) } else { error }
}

/// Write `number` of a session has ended. The reply to one that was given up is kept, to be asked for, as long as that takes
/// nothing from those after it.
fn note_answered(core: &SessionCore, number: u64, is_given_up: bool) {
    let first = core.given_up.load(Ordering::Acquire);
    if first > 0 && number < first + KEPT {
        return;
    }
    core.given_up.store(if is_given_up { number } else { 0 }, Ordering::Release);
    core.answered.store(if is_given_up { number - 1 } else { number }, Ordering::Release);
}
