//! `fm-log`: what a member owes the disk, in order.
//!
//! Everything that waits goes with one sync. A disk that is full is tried again: what was handed here cannot be taken back, and
//! until it is written this member promises nothing more. One that has failed ends this member's part for good.

use super::{Ensemble, Input, Log, Write};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::GROUP_BYTES_MAX;
use crate::log::{Retired, SnapshotDone};
use crate::machine::FrozenMachine;
use crate::member::engine::Core;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// When what a full disk has refused is tried again.
const FULL_AGAIN: Duration = Duration::from_millis(200);

pub(super) fn run(ensemble: &Arc<Ensemble>, mut log: Log) {
    loop {
        let jobs = {
            let mut items = ensemble.writes.items.lock();
            while items.is_empty() {
                ensemble.writes.arrived.wait(&mut items);
            }
            std::mem::take(&mut *items)
        };
        let Some(core) = ensemble.core() else { return };
        match log.carry_out(&core, ensemble, jobs) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, "this member's log has ended; it takes no part any more");
                core.fail(error.clone());
                return ensemble.end(&core, error);
            }
        }
    }
}

/// Records that go to the disk together.
#[derive(Default)]
struct Group {
    records: Vec<Vec<u8>>,
    bytes: usize,
    /// Reported once they are there; 0 for nothing.
    number: u64,
}

impl Log {
    /// Whether to go on.
    fn carry_out(&mut self, core: &Arc<Core>, ensemble: &Arc<Ensemble>, jobs: VecDeque<Write>) -> Result<bool> {
        let mut group = Group::default();
        for job in jobs {
            let Write::Records { number, records } = job else {
                self.flush(core, ensemble, &mut group)?;
                if !self.other(core, ensemble, job)? {
                    return Ok(false);
                }
                continue;
            };
            for record in records {
                if group.bytes + record.len() > GROUP_BYTES_MAX {
                    self.append(core, ensemble, &std::mem::take(&mut group.records))?;
                    group.bytes = 0;
                }
                group.bytes += record.len();
                group.records.push(record);
            }
            group.number = number;
        }
        self.flush(core, ensemble, &mut group)?;
        Ok(true)
    }

    fn flush(&mut self, core: &Core, ensemble: &Ensemble, group: &mut Group) -> Result<()> {
        let Group { records, number, .. } = std::mem::take(group);
        self.append(core, ensemble, &records)?;
        if number > 0 {
            ensemble.inbox.put(Input::Persisted(number));
        }
        Ok(())
    }

    fn append(&mut self, core: &Core, ensemble: &Ensemble, group: &[Vec<u8>]) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let began = core.steady_ms();
        ensemble.writing_ms.store(began, Ordering::Release);
        let appended = loop {
            match self.store.append(group) {
                Err(error) if error.kind() == ErrorKind::DiskFull && core.serving() => {
                    tracing::warn!(%error, "no room for the log; it is tried again");
                    std::thread::sleep(FULL_AGAIN);
                }
                other => break other,
            }
        };
        ensemble.writing_ms.store(-1, Ordering::Release);
        core.note_append(began);
        ensemble.log_bytes.store(self.store.bytes_since_snapshot(), Ordering::Relaxed);
        appended.map(drop)
    }

    /// Whether to go on.
    fn other(&mut self, core: &Arc<Core>, ensemble: &Arc<Ensemble>, job: Write) -> Result<bool> {
        match job {
            Write::Records { .. } => {}
            Write::Stop => return Ok(false),
            Write::Install { number, mark, head, frozen, records } => {
                // A record of its own: a snapshot that is being written meanwhile is of an earlier one.
                self.append(core, ensemble, &[mark])?;
                self.installed = self.store.last_index();
                let mut writer = self.store.snapshot_writer(self.store.last_index())?;
                let written = head.iter().try_for_each(|record| writer.record(record)).and_then(|()| frozen.records(&mut |record| writer.record(record)));
                if let Err(error) = written {
                    writer.abandon();
                    return Err(error);
                }
                let retired = self.store.snapshot_finished(writer.finish()?)?;
                retired.discard()?;
                self.append(core, ensemble, &records)?;
                ensemble.inbox.put(Input::Persisted(number));
            }
            Write::Snapshot { head, frozen } => {
                let writer = self.store.snapshot_writer(self.store.last_index())?;
                let (ensemble, core) = (ensemble.clone(), Arc::downgrade(core));
                let spawned = folkmoot_sys::spawn("fm-snapshot", move || {
                    let outcome = snapshot(&ensemble, writer, &head, frozen);
                    let Some(core) = core.upgrade() else { return };
                    if let Err(error) = &outcome {
                        tracing::warn!("no snapshot: {error}");
                    }
                    ensemble.snapshot_over(&core, outcome.err());
                    core.kick();
                });
                spawned.map(drop).map_err(|error| Error::new(ErrorKind::SystemError, format!("thread fm-snapshot cannot start: {error}")))?;
            }
            Write::Finished(done, tell) if done.index() < self.installed => {
                let _ = tell.send(Err(Error::new(ErrorKind::InvalidState, "a later state has come whole meanwhile")));
            }
            Write::Finished(done, tell) => {
                let finished = self.store.snapshot_finished(done);
                ensemble.log_bytes.store(self.store.bytes_since_snapshot(), Ordering::Relaxed);
                let _ = tell.send(finished);
            }
        }
        Ok(true)
    }
}

fn snapshot(ensemble: &Ensemble, mut writer: crate::log::SnapshotWriter, head: &[Vec<u8>], frozen: FrozenMachine) -> Result<()> {
    let written = head.iter().try_for_each(|record| writer.record(record)).and_then(|()| frozen.records(&mut |record| writer.record(record)));
    drop(frozen);
    let done: SnapshotDone = match written {
        Ok(()) => writer.finish()?,
        Err(error) => {
            writer.abandon();
            return Err(error);
        }
    };
    let (tell, told) = mpsc::channel();
    ensemble.writes.put(Write::Finished(done, tell));
    // Files go while nobody waits for them.
    told.recv().map_err(|_| Error::new(ErrorKind::Closed, "the member was closed"))?.and_then(Retired::discard)
}
