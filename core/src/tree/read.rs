//! Reads. They change nothing, so any number may run at once.

use super::arena::{ROOT, Znode};
use super::{Tree, acl};
use crate::error::{Error, ErrorKind, Result};
use crate::request::{Acl, Data, Requester, Stat, perms};

pub(super) fn no_node(path: &str) -> Error {
    Error::new(ErrorKind::NoNode, format!("{path} does not exist"))
}

pub(super) fn no_auth(path: &str, what: &str) -> Error {
    Error::new(ErrorKind::NoAuth, format!("{path}: {what} is not permitted to the requester"))
}

impl Tree {
    fn readable(&self, path: &str, perms: u32, who: &Requester) -> Result<(u32, &Znode)> {
        let id = self.find(path).ok_or_else(|| no_node(path))?;
        let znode = self.arena.get(id);
        if znode.acl != 0 && !acl::allows(self.acls.get(znode.acl), perms, &who.identities) {
            return Err(no_auth(path, "reading"));
        }
        Ok((id, znode))
    }

    /// Data and Stat.
    pub fn get(&self, path: &str, who: &Requester) -> Result<(Data, Stat)> {
        let (_, znode) = self.readable(path, perms::READ, who)?;
        Ok((znode.data.clone(), znode.stat()))
    }

    /// Data, where it lies, and Stat.
    pub fn data(&self, path: &str, who: &Requester) -> Result<(&Data, Stat)> {
        let (_, znode) = self.readable(path, perms::READ, who)?;
        Ok((&znode.data, znode.stat()))
    }

    /// Whether someone has all of `perms` to a znode; false if there is none.
    pub fn permits(&self, path: &str, perms: u32, who: &Requester) -> bool {
        self.find(path).is_some_and(|id| {
            let list = self.acls.get(self.arena.get(id).acl);
            (0..5).map(|bit| perms & 1 << bit).filter(|perm| *perm != 0).all(|perm| acl::allows(list, perm, &who.identities))
        })
    }

    /// Stat, whoever asks; none if there is no such znode.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.find(path).map(|id| self.arena.get(id).stat())
    }

    /// Stat. A protected znode is `NoAuth`, a missing one `NoNode`.
    pub fn exists(&self, path: &str, who: &Requester) -> Result<Stat> {
        if path.contains('\0') {
            return Err(Error::new(ErrorKind::BadArguments, format!("path {path:?} has a NUL")));
        }
        Ok(self.readable(path, perms::READ, who)?.1.stat())
    }

    /// Names of the children, oldest first.
    pub fn children(&self, path: &str, who: &Requester) -> Result<(Vec<String>, Stat)> {
        let (id, znode) = self.readable(path, perms::READ, who)?;
        Ok((self.arena.children(id).into_iter().map(|child| self.arena.get(child).name.to_string()).collect(), znode.stat()))
    }

    /// ACL, with password hashes hidden from whoever lacks ADMIN.
    pub fn get_acl(&self, path: &str, who: &Requester) -> Result<(Vec<Acl>, Stat)> {
        let (_, znode) = self.readable(path, perms::READ | perms::ADMIN, who)?;
        let list = self.acls.get(znode.acl);
        let full = acl::allows(list, perms::ADMIN, &who.identities);
        Ok((if full { list.to_vec() } else { acl::masked(list) }, znode.stat()))
    }

    /// How many descendants.
    pub fn count_descendants(&self, path: &str, who: &Requester) -> Result<u64> {
        let (id, _) = self.readable(path, perms::READ, who)?;
        if id == ROOT {
            // Asked by its empty name, ZooKeeper counts the root as well.
            return Ok(self.len() as u64 - u64::from(!path.is_empty()));
        }
        let mut count = 0;
        self.walk(id, &mut |_| count += 1);
        Ok(count - 1)
    }

    /// Paths of a session's ephemerals that start with `prefix`, sorted.
    pub fn ephemerals(&self, session: i64, prefix: &str) -> Vec<String> {
        let mut paths = self.ephemeral_paths(session);
        // What Java's `trim` leaves: control characters go with the blanks.
        let trimmed = prefix.trim_matches(|c| c <= ' ');
        if !trimmed.is_empty() && trimmed != "/" {
            paths.retain(|path| path.starts_with(prefix));
        }
        paths
    }

    /// Calls `visit` for a znode and all below it.
    pub(super) fn walk(&self, id: u32, visit: &mut dyn FnMut(&Znode)) {
        let mut waiting = vec![id];
        while let Some(at) = waiting.pop() {
            visit(self.arena.get(at));
            waiting.extend(self.arena.children(at));
        }
    }
}
