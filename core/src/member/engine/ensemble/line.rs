//! From the queue into the line: numbered, and on its way to whoever leads.
//!
//! Reads that nothing of their session is in front of are answered here; others wait in the session's own line.

use super::{Ensemble, Flight, Input};
use crate::error::{Error, ErrorKind};
use crate::machine::{Entry, Write};
use crate::member::engine::commit::finish;
use crate::member::engine::{Asker, Core, Item, Work};
use crate::request::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request of a session that is not answered yet.
pub(in crate::member::engine) enum Waits {
    /// Until the entry with this number is applied.
    Entry(u64, Item),
    /// Until all before it are answered.
    Read(Item),
    /// Until this barrier is met, and all before it are answered.
    Barrier { number: u64, met: bool, item: Item },
    /// It has its answer, and waits for its turn.
    Known(Item, Box<crate::Result<crate::request::Reply>>),
}

impl Core {
    /// Takes what waits in the queue and sends it on its way; called with the committer held.
    pub(in crate::member::engine) fn submit_group(&self, ensemble: &Ensemble) {
        let mut answered = Vec::new();
        loop {
            let items: Vec<Item> = {
                let mut queue = self.queue.lock();
                queue.bytes = 0;
                queue.items.drain(..).collect()
            };
            if items.is_empty() {
                break;
            }
            let mut entries = Vec::new();
            let mut barriers = 0;
            for item in items {
                self.line_up(ensemble, item, &mut entries, &mut barriers, &mut answered);
            }
            let submit = (!entries.is_empty()).then_some(Input::Submit(entries));
            ensemble.inbox.put_all(submit.into_iter().chain((0..barriers).map(|_| Input::Barrier)));
        }
        finish(answered);
    }

    fn line_up(&self, ensemble: &Ensemble, mut item: Item, entries: &mut Vec<Entry>, barriers: &mut usize, answered: &mut Vec<(Item, super::apply::Ended)>) {
        let Some(asker) = item.asker.clone() else {
            // Only the leader's own timers ask for nobody, and they do not come this way.
            return item.refuse(&Error::new(ErrorKind::SystemError, "nobody asks"));
        };
        let core = asker.core.clone();
        if let Err(error) = self.check() {
            let zxid = self.state.read().machine.zxid();
            answered.push((item, (zxid, Err(error))));
            return;
        }
        let mut line = core.line.lock();
        match &mut item.work {
            Work::Read(Request::AddAuth { .. }) if !line.is_empty() => {
                // What comes after it counts on it; what came before was shown what there was.
                let result = {
                    let state = self.state.read();
                    let Work::Read(request) = &item.work else { return };
                    self.read(&state, &asker, request)
                };
                line.push_back(Waits::Known(item, Box::new(result)));
            }
            Work::Read(Request::Sync { path }) if !path.is_empty() => {
                let number = {
                    let mut numbers = ensemble.numbers.lock();
                    numbers.barriers += 1;
                    numbers.barriers
                };
                *barriers += 1;
                ensemble.barriers.lock().insert(number, core.clone());
                line.push_back(Waits::Barrier { number, met: false, item });
            }
            Work::Read(_) if line.is_empty() => {
                drop(line);
                let state = self.state.read();
                let result = match &item.work {
                    Work::Read(request) => self.read(&state, &asker, request),
                    _ => return,
                };
                answered.push((item, (state.machine.zxid(), result)));
            }
            Work::Read(_) => line.push_back(Waits::Read(item)),
            work => {
                let bytes = work.bytes();
                let entry = entry(work, &asker);
                let number = {
                    let mut numbers = ensemble.numbers.lock();
                    numbers.entries += 1;
                    numbers.entries
                };
                line.push_back(Waits::Entry(number, item));
                let write = if let Entry::Write(write) = &entry { write.number } else { 0 };
                let mut flights = ensemble.flights.lock();
                flights.bytes += bytes;
                flights.all.push_back(Flight { number, core: core.clone(), since_ms: self.clock.steady_ms(), bytes, write });
                drop(flights);
                entries.push(entry);
            }
        }
    }
}

/// The entry of what is no read. The leader puts the time in.
fn entry(work: &mut Work, asker: &Asker) -> Entry {
    let core: &Arc<_> = &asker.core;
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
            identities: asker.shown(),
            request: std::mem::replace(request, Request::WhoAmI),
        })),
    }
}
