//! Writes: checked in ZooKeeper's order, all or nothing.
//!
//! A failed check leaves nothing behind: an operation changes only after all its checks. What the
//! earlier operations of a multi did is undone in reverse, each undoing exact.

use super::arena::{ROOT, Znode};
use super::quota::{counted_by, limited_by};
use super::read::{no_auth, no_node};
use super::{Tree, acl, path};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ANY_VERSION, Zxid, next_version};
use crate::limits::TTL_MS_MAX;
use crate::request::{Acl, CONTAINER_OWNER, Change, CreateMode, Data, EventKind, Reply, Request, Requester, TTL_OWNER_MARK, perms};
use std::sync::Arc;

/// What is there in every tree.
pub(super) const RESERVED: [&str; 4] = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];

/// What a write is told from outside.
pub(crate) struct Context<'a> {
    pub(crate) zxid: Zxid,
    pub(crate) time_ms: i64,
    pub(crate) who: &'a Requester,
    pub(crate) enforce_quota: bool,
}

enum Undo {
    Unlink(u32, String, i32, i64),
    Relink(Znode, String, i64),
    Data(u32, Data, i32, i64, i64),
    Stats(u32, Data),
    Acl(u32, u32, i32),
    Limited(String),
    Unlimited(String),
}

/// One transaction under way.
pub(crate) struct Transaction<'t, 'c> {
    tree: &'t mut Tree,
    with: &'c Context<'c>,
    undo: Option<Vec<Undo>>,
    /// ACLs of znodes that went, still needed if they come back.
    released: Vec<u32>,
    pub(crate) changes: Vec<Change>,
}

fn version_matches(now: i32, named: i32, path: &str) -> Result<()> {
    if named != ANY_VERSION && named != now {
        return Err(Error::new(ErrorKind::BadVersion, format!("{path} is at version {now}, caller named {named}")));
    }
    Ok(())
}

fn bad_path(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::BadArguments, format!("path {path:?}: {why}"))
}

impl<'t, 'c> Transaction<'t, 'c> {
    /// A transaction of one operation, or (`several`) of more.
    pub(crate) fn new(tree: &'t mut Tree, with: &'c Context<'c>, several: bool) -> Self {
        Self { tree, with, undo: several.then(Vec::new), released: Vec::new(), changes: Vec::new() }
    }

    /// Carries out one write; after an error of a transaction of several, [`Self::undo`] is due.
    pub(crate) fn write(&mut self, request: &Request) -> Result<Reply> {
        match request {
            Request::Create { path, data, acl, mode, ttl_ms } => self.create(path, data, acl, *mode, *ttl_ms),
            Request::Delete { path, version } => self.delete(path, *version),
            Request::Set { path, data, version } => self.set(path, data, *version),
            Request::SetAcl { path, acl, version } => self.set_acl(path, acl, *version),
            Request::Check { path, version } => self.check(path, *version),
            Request::Refused(kind) => Err(Error::new(*kind, "the operation makes no sense")),
            _ => Err(Error::new(ErrorKind::MarshallingError, "a multi holds writes only, and writes hold no multi")),
        }
    }

    /// Takes everything back.
    pub(crate) fn undo(mut self) {
        for step in self.undo.take().unwrap_or_default().into_iter().rev() {
            match step {
                Undo::Unlink(id, path, creates, pzxid) => {
                    let parent = self.tree.arena.get(id).parent;
                    let znode = self.tree.unlink(id, &path);
                    self.tree.acls.release(znode.acl);
                    self.tree.unschedule(parent);
                    let above = self.tree.arena.get_mut(parent);
                    above.creates = creates;
                    above.pzxid = pzxid;
                    self.tree.schedule(parent);
                }
                Undo::Relink(znode, path, pzxid) => {
                    self.released.pop();
                    let parent = znode.parent;
                    self.tree.relink(znode, &path);
                    self.tree.arena.get_mut(parent).pzxid = pzxid;
                }
                Undo::Data(id, data, version, mzxid, mtime) => self.put_data(id, data, version, mzxid, mtime),
                Undo::Stats(id, data) => drop(self.tree.replace_data(id, data)),
                Undo::Acl(id, acl, aversion) => {
                    self.released.pop();
                    let znode = self.tree.arena.get_mut(id);
                    let newer = std::mem::replace(&mut znode.acl, acl);
                    znode.aversion = aversion;
                    self.tree.acls.release(newer);
                }
                Undo::Limited(path) => drop(self.tree.limits.remove(&path)),
                Undo::Unlimited(path) => drop(self.tree.limits.insert(path)),
            }
        }
    }

    /// Lets go of what only an undo would have needed.
    pub(crate) fn commit(self) -> Vec<Change> {
        for acl in self.released {
            self.tree.acls.release(acl);
        }
        self.changes
    }

    fn note(&mut self, step: impl FnOnce() -> Undo) {
        if let Some(undo) = &mut self.undo {
            undo.push(step());
        }
    }

    /// What a stats znode said before this transaction, if it has changed since.
    fn stats_before(&self, wanted: u32) -> Option<Data> {
        self.undo.iter().flatten().find_map(|step| match step {
            Undo::Stats(id, data) if *id == wanted => Some(data.clone()),
            _ => None,
        })
    }

    fn permitted(&self, id: u32, perms: u32) -> bool {
        let list = self.tree.arena.get(id).acl;
        list == 0 || acl::allows(self.tree.acls.get(list), perms, &self.with.who.identities)
    }

    fn create(&mut self, asked: &str, data: &Data, acl: &[Acl], mode: CreateMode, ttl_ms: i64) -> Result<Reply> {
        let has_ttl = matches!(mode, CreateMode::Ttl | CreateMode::TtlSequential);
        if has_ttl && !(1..=TTL_MS_MAX).contains(&ttl_ms) {
            return Err(Error::new(ErrorKind::BadArguments, format!("{asked}: a TTL of {ttl_ms} ms, it can be 1 to {TTL_MS_MAX}")));
        }
        if asked.contains('\0') {
            return Err(bad_path(asked, "it has a NUL"));
        }
        let (parent_path, name) = path::split(asked).ok_or_else(|| bad_path(asked, "it must start with /"))?;
        let acl = acl::fix_up(acl, &self.with.who.identities, asked)?;
        let parent = self.tree.find(parent_path).ok_or_else(|| no_node(parent_path))?;
        if !self.permitted(parent, perms::CREATE) {
            return Err(no_auth(asked, "creating"));
        }
        let above = self.tree.arena.get(parent);
        let (creates, pzxid) = (above.creates, above.pzxid);
        let is_ephemeral = above.ephemeral_of().is_some();
        let mut path = asked.to_owned();
        let mut name = std::borrow::Cow::Borrowed(name);
        if mode.is_sequential() {
            let number = format!("{creates:010}");
            path.push_str(&number);
            name.to_mut().push_str(&number);
        }
        path::validate(&path)?;
        if self.tree.find(&path).is_some() {
            return Err(Error::new(ErrorKind::NodeExists, format!("{path} exists")));
        }
        if is_ephemeral {
            return Err(Error::new(ErrorKind::NoChildrenForEphemerals, format!("{parent_path} is ephemeral, so {path} cannot be")));
        }
        let bytes = data.as_ref().map_or(0, |data| data.len() as i64);
        if self.with.enforce_quota {
            self.tree.check_quota(&path, 1, bytes, |id| self.stats_before(id))?;
        }

        let owner = match mode {
            CreateMode::Persistent | CreateMode::PersistentSequential => 0,
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => self.with.who.session.0,
            CreateMode::Container => CONTAINER_OWNER,
            CreateMode::Ttl | CreateMode::TtlSequential => TTL_OWNER_MARK | ttl_ms,
        };
        let acl = self.tree.acls.hold(acl);
        let znode = Znode::new(&name, data.clone(), self.with.zxid, self.with.time_ms, owner, acl);
        let stat = znode.stat();
        let id = self.tree.link(parent, znode, &path);
        let above = self.tree.arena.get_mut(parent);
        above.creates = creates.wrapping_add(1);
        above.pzxid = self.with.zxid.0;
        let path_undone = if self.undo.is_some() { path.clone() } else { String::new() };
        self.note(|| Undo::Unlink(id, path_undone, creates, pzxid));
        self.mind_quota(&path, 1, bytes, Some(id));
        self.change(EventKind::Created, &path, acl, self.tree.arena.get(parent).acl);
        Ok(Reply::Created { path, stat })
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<Reply> {
        if path.contains('\0') || RESERVED.contains(&path) {
            return Err(bad_path(path, "it is reserved, or has a NUL"));
        }
        let (parent_path, _) = path::split(path).ok_or_else(|| bad_path(path, "it must start with /"))?;
        let parent = self.tree.find(parent_path).ok_or_else(|| no_node(parent_path))?;
        if !self.permitted(parent, perms::DELETE) {
            return Err(no_auth(path, "deleting"));
        }
        let id = self.tree.find(path).ok_or_else(|| no_node(path))?;
        let znode = self.tree.arena.get(id);
        version_matches(znode.version, version, path)?;
        if znode.children > 0 {
            return Err(Error::new(ErrorKind::NotEmpty, format!("{path} has {} children", znode.children)));
        }
        self.remove(id, path);
        Ok(Reply::Done)
    }

    /// Removes a childless znode, unconditionally.
    fn remove(&mut self, id: u32, path: &str) {
        let znode = self.tree.unlink(id, path);
        let (parent, acl, bytes) = (znode.parent, znode.acl, znode.data_bytes());
        let above = self.tree.arena.get_mut(parent);
        let pzxid = std::mem::replace(&mut above.pzxid, self.with.zxid.0);
        let parent_acl = above.acl;
        self.note(|| Undo::Relink(znode, path.to_owned(), pzxid));
        self.released.push(acl);
        if let Some(limited) = limited_by(path)
            && self.tree.limits.remove(limited)
        {
            self.note(|| Undo::Unlimited(limited.to_owned()));
        }
        self.mind_quota(path, -1, -bytes, None);
        self.change(EventKind::Deleted, path, acl, parent_acl);
    }

    /// Removes what a session leaves behind.
    pub(crate) fn remove_ephemerals(&mut self, session: i64) {
        for path in self.tree.ephemeral_paths(session) {
            if let Some(id) = self.tree.find(&path) {
                self.remove(id, &path);
            }
        }
    }

    /// Removes a container or TTL znode that is due.
    pub(crate) fn sweep(&mut self, path: &str) -> Result<Reply> {
        let id = self.tree.find(path).ok_or_else(|| no_node(path))?;
        let znode = self.tree.arena.get(id);
        if znode.children > 0 {
            return Err(Error::new(ErrorKind::NotEmpty, format!("{path} has {} children", znode.children)));
        }
        let due = if znode.owner == CONTAINER_OWNER {
            znode.creates > 0
        } else {
            znode.ttl_ms().is_some_and(|ttl| znode.mtime.saturating_add(ttl) < self.with.time_ms)
        };
        if !due {
            return Err(Error::new(ErrorKind::BadVersion, format!("{path} is not due")));
        }
        self.remove(id, path);
        Ok(Reply::Done)
    }

    fn set(&mut self, path: &str, data: &Data, version: i32) -> Result<Reply> {
        let id = self.existing(path)?;
        if !self.permitted(id, perms::WRITE) {
            return Err(no_auth(path, "writing"));
        }
        let znode = self.tree.arena.get(id);
        let more = data.as_ref().map_or(0, |data| data.len() as i64) - znode.data_bytes();
        if self.with.enforce_quota {
            self.tree.check_quota(path, 0, more, |id| self.stats_before(id))?;
        }
        version_matches(znode.version, version, path)?;
        let before = (znode.data.clone(), znode.version, znode.mzxid, znode.mtime);
        let version = next_version(znode.version);
        self.note(|| Undo::Data(id, before.0, before.1, before.2, before.3));
        self.put_data(id, data.clone(), version, self.with.zxid.0, self.with.time_ms);
        self.mind_quota(path, 0, more, None);
        let znode = self.tree.arena.get(id);
        let (stat, acl) = (znode.stat(), znode.acl);
        self.change(EventKind::DataChanged, path, acl, acl);
        Ok(Reply::Stat(stat))
    }

    fn put_data(&mut self, id: u32, data: Data, version: i32, mzxid: i64, mtime: i64) {
        self.tree.unschedule(id);
        self.tree.replace_data(id, data);
        let znode = self.tree.arena.get_mut(id);
        znode.version = version;
        znode.mzxid = mzxid;
        znode.mtime = mtime;
        self.tree.schedule(id);
    }

    fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> Result<Reply> {
        path::validate(path)?;
        let acl = acl::fix_up(acl, &self.with.who.identities, path)?;
        let id = self.tree.find(path).ok_or_else(|| no_node(path))?;
        if !self.permitted(id, perms::ADMIN) {
            return Err(no_auth(path, "changing the ACL"));
        }
        let now = self.tree.arena.get(id).aversion;
        version_matches(now, version, path)?;
        let newer = self.tree.acls.hold(acl);
        let znode = self.tree.arena.get_mut(id);
        let older = std::mem::replace(&mut znode.acl, newer);
        znode.aversion = next_version(now);
        let stat = znode.stat();
        self.note(|| Undo::Acl(id, older, now));
        self.released.push(older);
        Ok(Reply::Stat(stat))
    }

    fn check(&mut self, path: &str, version: i32) -> Result<Reply> {
        let id = self.existing(path)?;
        if !self.permitted(id, perms::READ) {
            return Err(no_auth(path, "checking"));
        }
        version_matches(self.tree.arena.get(id).version, version, path)?;
        Ok(Reply::Done)
    }

    fn existing(&self, path: &str) -> Result<u32> {
        path::validate(path)?;
        self.tree.find(path).ok_or_else(|| no_node(path))
    }

    /// Keeps the books of quotas after a change at `path`.
    fn mind_quota(&mut self, path: &str, count: i64, bytes: i64, created: Option<u32>) {
        if let Some(id) = created {
            if let Some(limited) = limited_by(path)
                && self.tree.limits.insert(limited.to_owned())
            {
                self.note(|| Undo::Limited(limited.to_owned()));
            }
            if let Some(counted) = counted_by(path) {
                let data = self.tree.count_afresh(counted);
                let before = self.tree.replace_data(id, Some(data));
                self.note(|| Undo::Stats(id, before));
            }
        }
        if let Some((id, data)) = self.tree.counted(path, count, bytes) {
            let before = self.tree.replace_data(id, Some(data));
            self.note(|| Undo::Stats(id, before));
        }
    }

    fn change(&mut self, kind: EventKind, path: &str, acl: u32, parent_acl: u32) {
        self.changes.push(Change {
            kind,
            path: Arc::from(path),
            zxid: self.with.zxid,
            acl: self.tree.acls.get(acl).clone(),
            parent_acl: self.tree.acls.get(parent_acl).clone(),
        });
    }
}

// `ROOT` cannot be deleted (`RESERVED`), so `unlink` never meets it.
const _: () = assert!(ROOT == 0);
