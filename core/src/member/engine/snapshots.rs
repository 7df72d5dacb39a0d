//! Snapshots: from a frozen machine, on a thread of their own.

use super::{Committer, Core, may_wait};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Retired;
use std::sync::atomic::Ordering;

impl Core {
    /// Writes a snapshot and waits until it is on disk.
    pub(crate) fn snapshot(&self) -> Result<()> {
        self.check()?;
        may_wait()?;
        if let Some(ensemble) = &self.ensemble {
            return ensemble.snapshot(self);
        }
        let mut committer = self.committer.lock();
        if let Some(thread) = committer.snapshotting.take() {
            drop(committer);
            self.kick();
            let _ = thread.join();
            committer = self.committer.lock();
        }
        let started = self.start_snapshot(&mut committer);
        let thread = committer.snapshotting.take();
        drop(committer);
        // Who found the committer taken counts on its holder to look at the queue.
        self.kick();
        started?;
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        match self.snapshot_error.lock().clone() {
            Some(error) => Err(error),
            None => self.check(),
        }
    }

    /// Writes a snapshot of what is applied, on a thread of its own; writes go on meanwhile.
    pub(super) fn start_snapshot(&self, committer: &mut Committer) -> Result<()> {
        let Some(store) = &committer.store else { return Ok(()) };
        let mut writer = store.snapshot_writer(store.last_index())?;
        let (frozen, zxid) = {
            let state = self.state.read();
            (state.machine.freeze(), state.machine.zxid())
        };
        let me = self.me.clone();
        *self.snapshot_error.lock() = None;
        let write = move || {
            let outcome = match frozen.records(&mut |record| writer.record(record)) {
                Ok(()) => writer.finish(),
                Err(error) => {
                    writer.abandon();
                    Err(error)
                }
            };
            drop(frozen);
            let Some(core) = me.upgrade() else { return };
            let finished = outcome.and_then(|done| core.committer.lock().store.as_mut().map(|store| store.snapshot_finished(done)).transpose());
            core.kick();
            // Files go while nobody waits for them.
            let finished = finished.and_then(|retired| retired.map_or(Ok(()), Retired::discard));
            if let Err(error) = finished {
                tracing::warn!("no snapshot: {error}");
                *core.snapshot_error.lock() = Some(error);
            } else {
                core.snapshot_zxid.store(zxid.0, Ordering::Relaxed);
            }
        };
        let thread = folkmoot_sys::spawn("fm-snapshot", write);
        committer.snapshotting = Some(thread.map_err(|error| Error::new(ErrorKind::SystemError, format!("thread fm-snapshot cannot start: {error}")))?);
        Ok(())
    }
}
