//! Reads, and the watches they set.

use super::{Asker, Core, SessionCore, Sink, State};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Zxid;
use crate::limits::IDENTITIES_MAX;
use crate::request::{Event, EventKind, Reply, Request, Requester, SessionState, SetWatches, WatchKind, WatchMode};
use crate::tree::acl;
use crate::watch::Which;
use std::sync::Arc;

impl Core {
    pub(super) fn read_now(&self, core: &Arc<SessionCore>, request: &Request) -> Result<Reply> {
        self.read(&self.state.read(), &Asker::of(core), request)
    }

    /// Answers what needs no log, and sets its watch in the same breath.
    pub(super) fn read(&self, state: &State, asker: &Asker, request: &Request) -> Result<Reply> {
        // Sessions end under the lock of the state: whoever passes here is in time.
        asker.core.check()?;
        let who = Requester { session: asker.core.id, identities: asker.shown() };
        let watcher = asker.watcher;
        match request {
            Request::AddAuth { scheme, credential } => self.add_auth(&asker.core, scheme, credential),
            Request::AddWatch { path, mode } => self.watches.lock().add_lasting(path, watcher, *mode).map(|()| Reply::Done),
            Request::RemoveWatches { path, kind } => {
                self.watches.lock().remove(path, watcher, *kind).then_some(Reply::Done).ok_or_else(|| no_watcher(path, *kind))
            }
            Request::CheckWatches { path, kind } => {
                self.watches.lock().contains(path, watcher, *kind).then_some(Reply::Done).ok_or_else(|| no_watcher(path, *kind))
            }
            Request::Refused(kind) => Err((*kind).into()),
            Request::SetWatches(wanted) => self.set_watches(state, asker, wanted),
            Request::Exists { path, watch } => {
                let found = state.machine.read(request, &who);
                let missing = found.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoNode);
                if *watch && (found.is_ok() || missing) {
                    self.watches.lock().add(path, watcher, Which::Data)?;
                }
                if missing { Ok(Reply::Done) } else { found }
            }
            Request::Get { path, watch: true } => {
                let reply = state.machine.read(request, &who)?;
                self.watches.lock().add(path, watcher, Which::Data)?;
                Ok(reply)
            }
            Request::Children { path, watch: true } => {
                let reply = state.machine.read(request, &who)?;
                self.watches.lock().add(path, watcher, Which::Children)?;
                Ok(reply)
            }
            _ => state.machine.read(request, &who),
        }
    }

    fn add_auth(&self, core: &SessionCore, scheme: &str, credential: &[u8]) -> Result<Reply> {
        let shown = acl::authenticate(scheme, credential, self.super_digest.as_deref())?;
        let mut identities = core.identities.write();
        let mut all = identities.to_vec();
        for identity in shown {
            if !all.contains(&identity) {
                all.push(identity);
            }
        }
        if all.len() > IDENTITIES_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("a session can show {IDENTITIES_MAX} identities at most")));
        }
        *identities = all.into();
        Ok(Reply::Done)
    }

    /// Watches of an earlier connection: what has changed since is told now, the others are set again. As in ZooKeeper
    /// these events carry no transaction number and no ACL is asked: that it is there was known before.
    fn set_watches(&self, state: &State, asker: &Asker, wanted: &SetWatches) -> Result<Reply> {
        let stat = |path: &str| state.machine.tree().stat(path);
        let mut watches = self.watches.lock();
        let tell = |kind, path: &str| {
            let event = Event { kind, state: SessionState::Connected, path: path.into(), zxid: Zxid(-1) };
            if let Some(receiver) = state.receivers.get(&asker.watcher) {
                match &receiver.sink {
                    Sink::Queue(events) => events.push(event),
                    Sink::Listener(listener) => listener.tell(&event, &[]),
                }
            }
        };
        for path in &wanted.data {
            match stat(path) {
                None => tell(EventKind::Deleted, path),
                Some(stat) if stat.mzxid > wanted.relative_zxid => tell(EventKind::DataChanged, path),
                Some(_) => watches.add(path, asker.watcher, Which::Data)?,
            }
        }
        for path in &wanted.exist {
            match stat(path) {
                Some(_) => tell(EventKind::Created, path),
                None => watches.add(path, asker.watcher, Which::Data)?,
            }
        }
        for path in &wanted.child {
            match stat(path) {
                None => tell(EventKind::Deleted, path),
                Some(stat) if stat.pzxid > wanted.relative_zxid => tell(EventKind::ChildrenChanged, path),
                Some(_) => watches.add(path, asker.watcher, Which::Children)?,
            }
        }
        for path in &wanted.persistent {
            watches.add_lasting(path, asker.watcher, WatchMode::Persistent)?;
        }
        for path in &wanted.recursive {
            watches.add_lasting(path, asker.watcher, WatchMode::Recursive)?;
        }
        Ok(Reply::Done)
    }
}

fn no_watcher(path: &str, kind: WatchKind) -> Error {
    Error::new(ErrorKind::NoWatcher, format!("no {kind:?} watch of this session at {path}"))
}
