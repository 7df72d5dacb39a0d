//! From the queue into the line: numbered, and on its way to whoever leads.
//!
//! Everything of a session that was queued stands in the session's own line until it is answered, and `fm-member` alone answers
//! what stands there: so whoever submits a group meanwhile can overtake nothing. A write behind a barrier is not sent before the
//! barrier is met: a read between them must not see it.
//!
//! Locks: the state before a line, a line before what is under way.

use super::{Ensemble, Flight, Input, Job};
use crate::error::{Error, ErrorKind};
use crate::machine::{Entry, Write};
use crate::member::engine::commit::{Ended, finish};
use crate::member::engine::{Core, Item, SessionCore, Work};
use crate::request::{Identity, Request};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request of a session that is not answered yet.
pub(in crate::member::engine) struct Waiting {
    pub(super) item: Item,
    pub(super) until: Until,
    pub(super) since_ms: i64,
}

/// The requests of a session that are not answered yet, in order.
#[derive(Default)]
pub(in crate::member::engine) struct Line {
    pub(super) waiting: VecDeque<Waiting>,
    /// Barriers among them that are not met, and what is held behind them.
    pub(super) blocked: usize,
}

/// What a request waits for, when all before it have been answered.
pub(super) enum Until {
    /// The barrier before it is met; then it is sent, by whoever had shown these identities.
    Sent(Arc<[Identity]>),
    /// The entry with this number is applied.
    Applied(u64),
    /// This barrier is met.
    Met { number: u64, met: bool },
    /// Nothing more.
    Turn,
    /// Nothing more; how it ended is known.
    Known(Box<Ended>),
}

impl Core {
    /// Takes what waits in the queue and sends it on its way; called with the committer held.
    pub(in crate::member::engine) fn submit_group(&self, ensemble: &Ensemble) {
        loop {
            let items: Vec<Item> = {
                let mut queue = self.queue.lock();
                queue.bytes = 0;
                queue.items.drain(..).collect()
            };
            if items.is_empty() {
                return;
            }
            let mut entries = Vec::new();
            let mut barriers = 0;
            for item in items {
                self.line_up(ensemble, item, &mut entries, &mut barriers);
            }
            let submit = (!entries.is_empty()).then_some(Input::Submit(entries));
            ensemble.inbox.put_all(submit.into_iter().chain((0..barriers).map(|_| Input::Barrier)));
        }
    }

    fn line_up(&self, ensemble: &Ensemble, item: Item, entries: &mut Vec<Entry>, barriers: &mut usize) {
        let Some(asker) = item.asker.clone() else {
            // Only the leader's own timers ask for nobody, and they do not come this way.
            return item.refuse(&Error::new(ErrorKind::SystemError, "nobody asks"));
        };
        let is_read = matches!(&item.work, Work::Read(request) if !request.is_sync());
        // What is applied is still read when this member takes no part any more.
        if let Some(error) = self.check().err().or_else(|| ensemble.over.get().filter(|_| !is_read).cloned()) {
            let zxid = self.state.read().machine.zxid();
            return finish([(item.asker, item.done, (zxid, Err(error)))]);
        }
        let since_ms = self.clock.steady_ms();
        let core = asker.core.clone();
        let until = match &item.work {
            // What comes after it counts on it; what came before has been shown what there was.
            Work::Read(request @ Request::AddAuth { .. }) => {
                let state = self.state.read();
                Until::Known(Box::new((state.machine.zxid(), self.read(&state, &asker, request))))
            }
            Work::Read(request) if request.is_sync() => {
                *barriers += 1;
                let number = ensemble.next_barrier();
                ensemble.barriers.lock().insert(number, (core.clone(), since_ms));
                Until::Met { number, met: false }
            }
            Work::Read(_) => Until::Turn,
            _ => Until::Sent(asker.shown()),
        };
        let mut line = core.line.lock();
        let mut waiting = Waiting { item, until, since_ms };
        if line.blocked == 0 {
            ensemble.send(&core, &mut waiting, entries);
        }
        line.blocked += usize::from(waiting.until.is_blocked());
        let is_ready = line.waiting.is_empty() && matches!(waiting.until, Until::Turn | Until::Known(_));
        ensemble.lined.fetch_add(1, Ordering::AcqRel);
        line.waiting.push_back(waiting);
        drop(line);
        if is_ready {
            ensemble.job(self, Job::Advance(core));
        }
    }

    /// Sends what stood behind a barrier that is no more, up to the next one.
    pub(super) fn send_held(&self, ensemble: &Ensemble, core: &Arc<SessionCore>) {
        let _committer = self.committer.lock();
        let mut entries = Vec::new();
        {
            let mut line = core.line.lock();
            let Line { waiting, blocked } = &mut *line;
            for waiting in waiting.iter_mut().take_while(|waiting| !matches!(waiting.until, Until::Met { met: false, .. })) {
                *blocked -= usize::from(ensemble.send(core, waiting, &mut entries));
            }
        }
        if !entries.is_empty() {
            ensemble.inbox.put(Input::Submit(entries));
        }
    }
}

impl Until {
    /// Whether what comes after it is not to be sent yet.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Until::Met { met: false, .. } | Until::Sent(_))
    }
}

impl Ensemble {
    /// Numbers what is to be sent and makes its entry, if that is what it waits for; called with the committer and its line held.
    fn send(&self, core: &Arc<SessionCore>, waiting: &mut Waiting, entries: &mut Vec<Entry>) -> bool {
        let Until::Sent(identities) = &waiting.until else { return false };
        let bytes = waiting.item.work.bytes();
        let entry = entry(&mut waiting.item.work, core, identities.clone());
        let write = if let Entry::Write(write) = &entry { write.number } else { 0 };
        let number = self.next_entry();
        let mut flights = self.flights.lock();
        flights.bytes += bytes;
        flights.all.push_back(Flight { number, core: core.clone(), since_ms: waiting.since_ms, bytes, write, given_up: None });
        drop(flights);
        entries.push(entry);
        waiting.until = Until::Applied(number);
        true
    }
}

/// The entry of what is no read. The leader puts the time in.
fn entry(work: &mut Work, core: &SessionCore, identities: Arc<[Identity]>) -> Entry {
    let session = core.id;
    match work {
        Work::Open { timeout_ms, in_process } => Entry::Open { session, timeout_ms: *timeout_ms, in_process: *in_process, time_ms: 0 },
        Work::Close { expired } => Entry::Close { session, expired: *expired, time_ms: 0 },
        Work::Sweep(path) => Entry::Sweep { path: std::mem::take(path), time_ms: 0 },
        Work::Move { attachment, timeout_ms } => Entry::Move { session, attachment: *attachment, timeout_ms: *timeout_ms, time_ms: 0 },
        Work::Write(request) | Work::Read(request) => Entry::Write(Box::new(Write {
            session,
            attachment: core.attachment.load(Ordering::Acquire),
            number: core.number.fetch_add(1, Ordering::AcqRel) + 1,
            answered: core.answered.load(Ordering::Acquire),
            time_ms: 0,
            identities,
            request: std::mem::replace(request, Request::WhoAmI),
        })),
    }
}
