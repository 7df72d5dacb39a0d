//! How requests come in: answered at once, or put in the queue.

use super::{Asker, COMPLETING, Core, Done, Item, Queue, SessionCore, Work, may_wait, size};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{FRAME_BYTES_MAX, IN_FLIGHT_MAX, QUEUE_BYTES_MAX, QUEUE_MAX};
use crate::member::call::{Call, Completion};
use crate::request::{Data, Reply, Request, SessionState, Stat};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn work(request: Request) -> Work {
    if request.is_write() { Work::Write(request) } else { Work::Read(request) }
}

impl Core {
    /// Makes a request. Reads are answered at once unless the session's own writes are still on their way.
    pub(in crate::member) fn submit(&self, core: &Arc<SessionCore>, request: Request, done: Completion) {
        match self.admit(core, &request) {
            Err(error) => done(Err(error)),
            Ok(true) => done(self.read_now(core, &request)),
            Ok(false) => {
                if let Err((error, done)) = self.enqueue(Some(Asker::of(core)), work(request), done) {
                    return done(Err(error));
                }
                self.kick();
            }
        }
    }

    pub(in crate::member) fn call_blocking(&self, core: &Arc<SessionCore>, request: Request) -> Result<Reply> {
        if self.admit(core, &request)? {
            return self.read_now(core, &request);
        }
        self.wait_for(Some(Asker::of(core)), work(request))
    }

    /// Data and Stat of a znode, unless the session's own writes are still on their way. As a `Get` without a
    /// watch, but the path need not be copied for it, nor a reply packed and unpacked.
    pub(in crate::member) fn get_now(&self, core: &SessionCore, path: &str) -> Result<Option<(Data, Stat)>> {
        self.check()?;
        core.check()?;
        self.hear(core);
        if core.waiting.load(Ordering::Acquire) > 0 {
            return Ok(None);
        }
        let state = self.state.read();
        // Sessions end under the lock of the state: whoever passes here is in time.
        core.check()?;
        state.machine.tree().get(path, &core.requester()).map(Some)
    }

    /// Whether the request can be answered here and now.
    fn admit(&self, core: &SessionCore, request: &Request) -> Result<bool> {
        self.check()?;
        core.check()?;
        self.hear(core);
        if request.is_write() {
            // Before anything walks down into it.
            if let Request::Multi(operations) = request
                && operations.iter().any(|operation| matches!(operation, Request::Multi(_)))
            {
                return Err(Error::new(ErrorKind::MarshallingError, "a multi holds writes only, and writes hold no multi"));
            }
            let bytes = size(request);
            if bytes > FRAME_BYTES_MAX {
                return Err(Error::new(ErrorKind::LimitExceeded, format!("a request of {bytes} bytes, at most {FRAME_BYTES_MAX} are allowed")));
            }
            return Ok(false);
        }
        // What others have done counts for a sync: it goes through the ensemble.
        let is_sync = self.ensemble.is_some() && request.is_sync();
        Ok(core.waiting.load(Ordering::Acquire) == 0 && !is_sync)
    }

    pub(super) fn enqueue(&self, asker: Option<Asker>, work: Work, done: Completion) -> std::result::Result<(), (Error, Completion)> {
        let mut queue = self.queue.lock();
        let is_closing = matches!(work, Work::Close { .. });
        if queue.stop {
            return Err((Error::new(ErrorKind::Closed, "the member is closing"), done));
        }
        let bytes = work.bytes();
        if !self.has_room(&queue, 1, bytes) && !is_closing {
            return Err((too_many(), done));
        }
        if let Some(asker) = &asker {
            let core = &asker.core;
            if core.waiting.load(Ordering::Relaxed) >= IN_FLIGHT_MAX && !is_closing {
                return Err((Error::new(ErrorKind::Throttled, format!("{IN_FLIGHT_MAX} requests of session {} wait; that is the most", core.id)), done));
            }
            core.waiting.fetch_add(1, Ordering::AcqRel);
        }
        queue.bytes += bytes;
        queue.items.push_back(Item { asker, work, done: Done::Call(done) });
        Ok(())
    }

    /// Whether so many more can wait, beside what an ensemble has not answered yet.
    pub(super) fn has_room(&self, queue: &Queue, items: usize, bytes: usize) -> bool {
        let (away, away_bytes) = self.ensemble.as_ref().map_or((0, 0), |ensemble| ensemble.under_way());
        let waiting = queue.bytes + away_bytes;
        queue.items.len() + items + away <= QUEUE_MAX && (waiting == 0 || waiting + bytes <= QUEUE_BYTES_MAX)
    }

    pub(super) fn kick(&self) {
        let mut queue = self.queue.lock();
        if !queue.kicked {
            queue.kicked = true;
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Carries out a group here if nobody else is at it. Whoever is will look at the queue again.
    pub(super) fn commit_here(&self) {
        if let Some(mut committer) = self.committer.try_lock() {
            self.commit(&mut committer);
            drop(committer);
            if !self.queue.lock().items.is_empty() {
                self.kick();
            }
        }
    }

    /// Puts work in the queue and blocks until it is done, carrying it out here if nobody else is at it.
    pub(super) fn wait_for(&self, asker: Option<Asker>, work: Work) -> Result<Reply> {
        may_wait()?;
        let (call, done) = Call::pair();
        if let Err((error, _)) = self.enqueue(asker, work, done) {
            return Err(error);
        }
        self.commit_here();
        call.wait()
    }

    /// As [`Self::wait_for`], for the timers: the thread that others count on to look at the queue must not count on
    /// them. All the work is put in the queue before any of it is waited for.
    pub(super) fn carry_out(&self, works: impl IntoIterator<Item = (Option<Asker>, Work)>) -> Vec<Result<Reply>> {
        debug_assert!(!COMPLETING.get(), "timers run in no completion");
        let calls: Vec<_> = works
            .into_iter()
            .map(|(asker, work)| {
                let (call, done) = Call::pair();
                self.enqueue(asker, work, done).map(|()| call).map_err(|(error, _)| error)
            })
            .collect();
        let results = calls
            .into_iter()
            .map(|call| {
                let call = call?;
                loop {
                    if let Some(result) = call.wait_for(Duration::ZERO) {
                        return result;
                    }
                    let mut committer = self.committer.lock();
                    self.commit(&mut committer);
                }
            })
            .collect();
        if !self.queue.lock().items.is_empty() {
            self.kick();
        }
        results
    }

    pub(in crate::member) fn close_session(&self, core: &Arc<SessionCore>, done: Completion) {
        if let Err(error) = self.check() {
            return done(Err(error));
        }
        match core.state() {
            SessionState::Closed => return done(Ok(Reply::Done)),
            SessionState::Connected => {}
            _ => return done(core.check().map(|()| Reply::Done)),
        }
        match self.enqueue(Some(Asker::of(core)), Work::Close { expired: false }, done) {
            Ok(()) => self.kick(),
            Err((error, done)) => done(Err(error)),
        }
    }

    /// The last handle of a session is gone.
    pub(in crate::member) fn abandon_session(&self, core: &Arc<SessionCore>) {
        if !self.is_forked() && core.state() == SessionState::Connected {
            self.close_session(core, Box::new(drop));
        }
    }
}

pub(super) fn too_many() -> Error {
    Error::new(ErrorKind::Throttled, format!("{QUEUE_MAX} requests or {QUEUE_BYTES_MAX} bytes of writes wait in this member; that is the most"))
}
