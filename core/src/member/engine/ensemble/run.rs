//! `fm-ensemble`: the node, its inbox and the tick.

use super::{Ensemble, Input, Job, Write};
use crate::ensemble::{Message, Node, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::{MemberId, Role, snapshot_index};
use crate::machine::{FrozenMachine, Machine};
use crate::member::engine::Core;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A tick.
const TICK: Duration = Duration::from_millis(10);
/// How often others may look at a fresh view, in ticks.
const VIEW_TICKS: u64 = 10;
/// A leader whose disk has not answered for so long leads no more, in milliseconds.
const DISK_STALL_MS: i64 = 1_000;
/// How long a snapshot is kept for members that need it, in ticks.
const OFFER_TICKS: u64 = 6_000;
/// How long handing over may take, in ticks.
const TRANSFER_TICKS: u64 = 100;

struct Driver {
    ensemble: Arc<Ensemble>,
    node: Node,
    ticks: u64,
    offered: Option<(u64, u64, Arc<Mutex<Option<FrozenMachine>>>)>,
    freezing: bool,
    staged: Option<(u64, Box<Machine>)>,
    /// States that have come and go to the disk now, by the number under which that is reported.
    installing: BTreeMap<u64, (u64, Box<Machine>)>,
    leaving: Option<(u64, mpsc::Sender<Result<()>>)>,
    submitted: u64,
}

/// Runs until told to stop. A bug in here ends this member's part, not its host.
pub(super) fn run(ensemble: Arc<Ensemble>, node: Node) {
    let of_core = ensemble.clone();
    let driver = Driver { ensemble, node, ticks: 0, offered: None, freezing: false, staged: None, installing: BTreeMap::new(), leaving: None, submitted: 0 };
    let outcome = catch_unwind(AssertUnwindSafe(move || driver.run()));
    let error = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => Error::new(ErrorKind::Panic, "a bug was caught in this member's part in its ensemble; it takes no part any more"),
    };
    tracing::error!(%error, "this member takes no part any more");
    if let Some(core) = of_core.core() {
        core.fail(error.clone());
        of_core.end(&core, error);
    }
}

impl Driver {
    fn run(mut self) -> Result<()> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let inputs = {
                let mut items = self.ensemble.inbox.items.lock();
                while items.is_empty() && Instant::now() < next_tick {
                    self.ensemble.inbox.arrived.wait_until(&mut items, next_tick);
                }
                std::mem::take(&mut *items)
            };
            let Some(core) = self.ensemble.core() else { return Ok(()) };
            let now = Instant::now();
            self.node.time(core.wall_ms());
            // However long this thread has slept: what came meanwhile is looked at before anyone is called silent.
            for input in inputs {
                if !self.take(&core, input)? {
                    return Ok(());
                }
            }
            if now >= next_tick {
                next_tick = (next_tick + TICK).max(now);
                self.tick(&core);
            }
            self.node.hold(self.ensemble.is_behind());
            let output = self.node.take_output()?;
            let has_left = output.left;
            self.carry_out(&core, output);
            if has_left {
                return Err(Error::new(ErrorKind::Closed, "this member has left its ensemble"));
            }
        }
    }

    fn tick(&mut self, core: &Arc<Core>) {
        self.ticks += 1;
        self.node.tick(core.steady_ms().unsigned_abs(), core.wall_ms());
        let writing = self.ensemble.writing_ms.load(Ordering::Acquire);
        if writing >= 0 && core.steady_ms() - writing > DISK_STALL_MS && self.node.standing().role == Role::Leader {
            tracing::warn!(ms = core.steady_ms() - writing, "the disk does not answer; this member leads no more");
            self.node.step_down();
        }
        if self.ticks.is_multiple_of(VIEW_TICKS) {
            *self.ensemble.view.lock() = self.node.view();
        }
        if self.offered.as_ref().is_some_and(|(_, at, _)| self.ticks > at + OFFER_TICKS) {
            self.offered = None;
            self.node.withdraw_snapshot();
        }
        if let Some((until, _)) = &self.leaving {
            let is_over = self.node.standing().role != Role::Leader;
            if (is_over || self.ticks > *until)
                && let Some((_, done)) = self.leaving.take()
            {
                let late = || Error::new(ErrorKind::InvalidState, "leadership was not taken over in time; this member still leads");
                let _ = done.send(if is_over { Ok(()) } else { Err(late()) });
            }
        }
    }

    /// Whether to go on.
    fn take(&mut self, core: &Arc<Core>, input: Input) -> Result<bool> {
        match input {
            Input::Stop => return Ok(false),
            Input::Submit(entries) => {
                for entry in entries {
                    self.submitted += 1;
                    let number = self.node.submit(entry);
                    debug_assert_eq!(number, self.submitted, "the line is numbered alike on both sides");
                }
            }
            Input::Barrier => drop(self.node.barrier()),
            Input::Suggest(entry) => self.node.suggest(entry),
            Input::Message(from, message, bytes) => {
                self.ensemble.inbox_bytes.fetch_sub(bytes, Ordering::Relaxed);
                match self.node.receive(from, message) {
                    Err(error) if error.kind() != ErrorKind::Corrupt => tracing::warn!(from, %error, "a message is dropped"),
                    outcome => outcome?,
                }
            }
            Input::Link(with, up) => self.node.link(with, up),
            Input::Persisted(number) => {
                self.node.persisted(number);
                while let Some(first) = self.installing.first_entry()
                    && *first.key() <= number
                {
                    let (index, machine) = first.remove();
                    self.ensemble.job(core, Job::Install(index, machine));
                }
            }
            Input::Applied { index, number, sessions, roster } => {
                if let Some(roster) = roster {
                    self.node.enrolled(&roster);
                }
                for (session, timeout_ms) in sessions {
                    match timeout_ms {
                        Some(timeout_ms) => self.node.opened(session, timeout_ms),
                        None => self.node.closed(session),
                    }
                }
                self.node.applied(index, number);
            }
            Input::Installed(index, roster) => {
                self.node.enrolled(&roster);
                self.node.installed(index);
            }
            Input::Grant(sessions) => self.node.grant(sessions.into_iter()),
            Input::Alive(sessions) => sessions.into_iter().for_each(|session| self.node.touch(session)),
            Input::Frozen { index, frozen, offer: false } => {
                if !self.node.holds(index) {
                    // A later state has come whole and goes to the disk as it is.
                    self.ensemble.snapshot_over(core, None);
                    return Ok(true);
                }
                let head = self.node.head(index);
                self.ensemble.writes.put(Write::Snapshot { head, frozen });
            }
            Input::Frozen { index, frozen, offer: true } => {
                self.freezing = false;
                self.offered = Some((index, self.ticks, Arc::new(Mutex::new(Some(frozen)))));
                self.node.offer_snapshot(index);
            }
            Input::Staged { from, message, machine } => {
                if let Message::Log(bytes) = &message
                    && let Some(index) = snapshot_index(bytes)
                {
                    self.staged = Some((index, machine));
                    self.node.receive(from, message)?;
                }
            }
            Input::SnapshotSent(to, arrived) => self.node.snapshot_sent(to, arrived),
            Input::Transfer(to, done) => self.transfer(to, done),
        }
        Ok(true)
    }

    fn transfer(&mut self, to: Option<MemberId>, done: mpsc::Sender<Result<()>>) {
        let to = to.or_else(|| self.node.successor());
        let begun = match to {
            _ if self.leaving.is_some() => Err(Error::new(ErrorKind::InvalidState, "leadership is being handed over already")),
            None => Err(Error::new(ErrorKind::InvalidState, "there is no other voter to lead")),
            Some(to) => self.node.transfer(to),
        };
        match begun {
            Ok(()) => self.leaving = Some((self.ticks + TRANSFER_TICKS, done)),
            Err(error) => drop(done.send(Err(error))),
        }
    }

    fn carry_out(&mut self, core: &Arc<Core>, output: Output) {
        if let Some(links) = self.ensemble.links.get() {
            if let Some(others) = output.others {
                links.set_peers(others);
            }
            for (to, message) in output.sends {
                let _ = links.send(to, message.encode());
            }
            for (to, message) in output.snapshots {
                self.send_snapshot(links, to, message);
            }
        }
        for persist in output.persist {
            let staged = persist.install.and_then(|index| self.staged.take().filter(|(staged, _)| *staged == index));
            match staged {
                Some((index, machine)) => {
                    let (mark, head) = (self.node.mark(), self.node.head(index));
                    let frozen = machine.freeze();
                    self.installing.insert(persist.number, (index, machine));
                    self.ensemble.writes.put(Write::Install { number: persist.number, mark, head, frozen, records: persist.records });
                }
                None => self.ensemble.writes.put(Write::Records { number: persist.number, records: persist.records }),
            }
        }
        if let Some(standing) = output.standing {
            tracing::info!(member = self.ensemble.id, term = standing.term, leader = standing.leader, role = ?standing.role, "standing");
            self.ensemble.role_changed(standing.role, standing.leader, core.steady_ms());
            *self.ensemble.view.lock() = self.node.view();
            if standing.role == Role::Leader {
                self.ensemble.job(core, Job::Grant);
            }
        }
        if !output.deliveries.is_empty() {
            let bytes = output.deliveries.iter().map(|delivery| delivery.bytes as u64).sum();
            self.ensemble.backlog.fetch_add(bytes, Ordering::AcqRel);
            self.ensemble.jobs.lock().extend(output.deliveries.into_iter().map(Job::Apply));
            core.kick();
        }
        if !output.barriers.is_empty() {
            self.ensemble.job(core, Job::Barriers(output.barriers));
        }
        if output.wants_snapshot && !self.freezing {
            self.freezing = true;
            self.ensemble.job(core, Job::Freeze { offer: true });
        }
    }

    fn send_snapshot(&self, links: &crate::member::links::Links, to: MemberId, message: Message) {
        let bytes = if let Message::Log(bytes) = &message { snapshot_index(bytes) } else { None };
        let frozen = self.offered.as_ref().filter(|(index, ..)| Some(*index) == bytes).map(|(.., frozen)| frozen.clone());
        let Some(frozen) = frozen else {
            self.ensemble.inbox.put(Input::SnapshotSent(to, false));
            return;
        };
        links.send_snapshot(
            to,
            message.encode(),
            Box::new(move |out| {
                let held = frozen.lock();
                held.as_ref().map_or(Ok(()), |frozen| frozen.records(out))
            }),
        );
    }
}
