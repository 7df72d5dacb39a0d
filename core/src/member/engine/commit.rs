//! One group: taken from the queue, to disk, applied, answered.
//!
//! What always holds: nothing is applied before it is on disk, nothing is answered before it is applied, and events are
//! with their receivers before the lock of the state is given back.

use super::{Asker, COMPLETING, Committer, Core, Done, Item, Sink, State, Work, encode};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::GROUP_BYTES_MAX;
use crate::machine::{Entry, Machine, Write};
use crate::request::{Change, Event, Reply, Request, SessionState, perms};
use crate::tree::acl;
use parking_lot::MutexGuard;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// How a piece of work ended, and the last transaction then.
pub(super) type Ended = (Zxid, Result<Reply>);

impl Core {
    /// Takes what waits, as one group: to disk, applied, answered.
    pub(super) fn commit(&self, committer: &mut MutexGuard<'_, Committer>) {
        if let Some(ensemble) = &self.ensemble {
            return self.submit_group(ensemble);
        }
        let time_ms = self.clock.wall_ms();
        let mut items: Vec<Item> = Vec::new();
        let mut entries: Vec<Option<Entry>> = Vec::new();
        let mut numbers: HashMap<SessionId, (u64, u64)> = HashMap::new();
        let mut bytes: Vec<Vec<u8>> = Vec::new();
        let mut total = 0;
        let is_durable = committer.store.is_some();
        {
            let state = self.state.read();
            let mut queue = self.queue.lock();
            while total < GROUP_BYTES_MAX {
                let Some(mut item) = queue.items.pop_front() else { break };
                queue.bytes -= item.work.bytes();
                let entry = entry(&mut item, time_ms, &state.machine, &mut numbers);
                if is_durable && let Some(entry) = &entry {
                    match encode(entry) {
                        Ok(encoded) => {
                            total += encoded.len();
                            bytes.push(encoded);
                        }
                        Err(error) => self.fail(error),
                    }
                }
                entries.push(entry);
                let shows = matches!(item.work, Work::Read(Request::AddAuth { .. }));
                items.push(item);
                if shows {
                    // What comes after it is to be done in its light.
                    break;
                }
            }
        }
        if items.is_empty() {
            return;
        }
        let writes = entries.iter().any(Option::is_some);
        let outcome = if writes { self.check_writes(committer) } else { self.check() }.and_then(|()| match &mut committer.store {
            Some(store) if !bytes.is_empty() => {
                let began = self.clock.steady_ms();
                let appended = store.append(&bytes);
                self.note_append(began);
                appended.map(drop).map_err(|error| match error.kind() {
                    ErrorKind::DiskFailed => {
                        self.fail(error.clone());
                        Error::new(ErrorKind::OutcomeUnknown, format!("the disk failed under this write: {}", error.context()))
                    }
                    _ => error,
                })
            }
            _ => Ok(()),
        });
        let results = match outcome {
            Ok(()) => match catch_unwind(AssertUnwindSafe(|| self.apply(&mut items, &entries))) {
                Ok(results) => results,
                Err(_) => {
                    let error = Error::new(ErrorKind::Panic, "a bug was caught while a write was applied; this member answers no more");
                    self.fail(error.clone());
                    items.iter().filter(|item| !matches!(item.done, Done::Told)).map(|_| (Zxid(0), Err(error.clone()))).collect()
                }
            },
            Err(error) => {
                let state = self.state.read();
                // What waited only for its turn is answered all the same.
                let results = items.iter().zip(&entries).map(|(item, entry)| match (&item.asker, &item.work) {
                    (Some(asker), Work::Read(request)) => self.check().and_then(|()| self.read(&state, asker, request)),
                    _ => match entry {
                        Some(Entry::Write(write)) if error.kind() == ErrorKind::OutcomeUnknown => Err(error.clone().about_write(write.session, write.number)),
                        _ => Err(error.clone()),
                    },
                });
                results.map(|result| (state.machine.zxid(), result)).collect()
            }
        };
        let untold = items.into_iter().filter(|item| !matches!(item.done, Done::Told));
        finish(untold.zip(results).map(|(item, ended)| (item.asker, item.done, ended)));
        if committer.store.as_ref().is_some_and(|store| store.bytes_since_snapshot() >= self.snapshot_bytes)
            && committer.snapshotting.as_ref().is_none_or(JoinHandle::is_finished)
            && let Err(error) = self.start_snapshot(committer)
        {
            tracing::warn!("no snapshot: {error}");
        }
    }

    /// Applies a group and hands its events out, all under one lock. Listeners are answered here too: the events of a
    /// change stand between the answers of the writes before it and its own.
    fn apply(&self, items: &mut [Item], entries: &[Option<Entry>]) -> Vec<Ended> {
        let mut state = self.state.write();
        let mut results = Vec::with_capacity(items.len());
        for (item, entry) in items.iter_mut().zip(entries) {
            let Some(entry) = entry else {
                let result = match (&item.asker, &item.work) {
                    (Some(asker), Work::Read(request)) => self.read(&state, asker, request),
                    _ => Err(ErrorKind::SystemError.into()),
                };
                results.extend(tell_listener(item, (state.machine.zxid(), result)));
                continue;
            };
            let applied = state.machine.apply(entry);
            self.tell(&state, &applied.changes);
            if let Some(asker) = &item.asker {
                match (&item.work, &applied.outcome) {
                    (Work::Open { .. }, Ok(_)) => self.opened(&mut state, &asker.core),
                    (Work::Close { expired }, Ok(_)) => self.ended(&mut state, &asker.core, *expired),
                    _ => {}
                }
            }
            let outcome = match (&item.asker, &item.work) {
                // Queued behind the session's end: told so in the words in which a read is.
                (Some(asker), Work::Write(_)) if is_over(&applied.outcome) => asker.core.check().and(applied.outcome),
                (Some(asker), Work::Close { expired: false }) if is_over(&applied.outcome) && asker.core.state() == SessionState::Closed => Ok(Reply::Done),
                _ => applied.outcome,
            };
            results.extend(tell_listener(item, (applied.zxid, outcome)));
        }
        let next = state.machine.tree().next_due_ms().unwrap_or(i64::MAX);
        if self.due_ms.swap(next, Ordering::SeqCst) > next && !self.clock.is_virtual() {
            drop(state);
            self.kick();
        }
        results
    }

    /// Hands out the events of some changes.
    pub(super) fn tell(&self, state: &State, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut watches = self.watches.lock();
        for change in changes {
            watches.fire(change, &mut |watcher, event: &Event, list| {
                let Some(receiver) = state.receivers.get(&watcher) else { return };
                match &receiver.sink {
                    Sink::Listener(listener) => listener.tell(event, list),
                    Sink::Queue(events) => {
                        if acl::allows(list, perms::READ, &receiver.core.identities.read()) {
                            events.push(event.clone());
                        }
                    }
                }
            });
        }
    }
}

pub(super) fn is_over(outcome: &Result<Reply>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::SessionExpired)
}

/// Answers those who asked. No lock may be held that a listener or a completion takes.
pub(super) fn finish(answers: impl IntoIterator<Item = (Option<Asker>, Done, Ended)>) {
    COMPLETING.set(true);
    for (asker, done, ended) in answers {
        if let Some(asker) = &asker {
            asker.core.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        // A completion that panics must not take the member with it.
        let _ = catch_unwind(AssertUnwindSafe(|| answer(done, ended)));
    }
    COMPLETING.set(false);
}

fn answer(done: Done, (zxid, result): Ended) {
    match done {
        Done::Call(done) => done(result),
        Done::Listener(listener, ticket) => listener.answer(ticket, zxid, result),
        Done::Told => {}
    }
}

/// Answers a listener; gives the outcome back if somebody else asked.
pub(super) fn tell_listener(item: &mut Item, ended: Ended) -> Option<Ended> {
    if !matches!(item.done, Done::Listener(..)) {
        return Some(ended);
    }
    if let Some(asker) = &item.asker {
        asker.core.waiting.fetch_sub(1, Ordering::AcqRel);
    }
    answer(std::mem::replace(&mut item.done, Done::Told), ended);
    None
}

/// The entry of a piece of work; none for a read.
fn entry(item: &mut Item, time_ms: i64, machine: &Machine, numbers: &mut HashMap<SessionId, (u64, u64)>) -> Option<Entry> {
    let session = item.asker.as_ref().map_or(SessionId(0), |asker| asker.core.id);
    match &mut item.work {
        Work::Read(_) => None,
        Work::Move { attachment, timeout_ms } => Some(Entry::Move { session, attachment: *attachment, timeout_ms: *timeout_ms, time_ms }),
        Work::Open { timeout_ms, in_process } => Some(Entry::Open { session, timeout_ms: *timeout_ms, in_process: *in_process, time_ms }),
        Work::Close { expired } => Some(Entry::Close { session, expired: *expired, time_ms }),
        Work::Sweep(path) => Some(Entry::Sweep { path: std::mem::take(path), time_ms }),
        Work::Write(request) => {
            let (number, answered) = numbers.entry(session).or_insert_with(|| machine.session(session).map_or((0, 0), |record| (record.number, record.number)));
            *number += 1;
            Some(Entry::Write(Box::new(Write {
                session,
                attachment: 0,
                number: *number,
                answered: *answered,
                time_ms,
                identities: item.asker.as_ref().map_or_else(|| [].into(), Asker::shown),
                request: std::mem::replace(request, Request::WhoAmI),
            })))
        }
    }
}
