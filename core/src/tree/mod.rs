//! The tree: versioned storage, ZooKeeper's data model.
//!
//! Reads take a path and who asks; writes go through a [`Transaction`], which checks in ZooKeeper's order,
//! changes, and tells what changed. A transaction that fails in the middle is taken back whole.
//!
//! What always holds: `/`, `/zookeeper`, `/zookeeper/quota` and `/zookeeper/config` are there; an ephemeral has no
//! children; the index, the sets of ephemerals, containers and TTL znodes, and the quota limits say what the znodes say.
//!
//! Not here: sessions (`machine`), watches (`watch`), time and chance (arguments).

pub mod acl;
mod arena;
pub mod path;
mod quota;
mod read;
mod snapshot;
mod write;

pub(crate) use snapshot::{Frozen, Part};
pub(crate) use write::{Context, Transaction};

use crate::ids::Zxid;
use crate::request::{Acl, CONTAINER_OWNER, Identity, perms};
use arena::{Acls, Arena, Index, NONE, ROOT, Znode};
use std::collections::{BTreeMap, BTreeSet};

/// Versioned storage.
#[derive(Debug)]
pub struct Tree {
    arena: Arena,
    index: Index,
    acls: Acls,
    /// Places of each session's ephemerals.
    ephemerals: BTreeMap<i64, BTreeSet<u32>>,
    /// Places of containers that had children and have none.
    empty_containers: BTreeSet<u32>,
    /// (when it is due, place) of childless TTL znodes.
    ttls: BTreeSet<(i64, u32)>,
    /// Paths that have a quota.
    limits: BTreeSet<String>,
    /// Bytes of all names and data.
    bytes: i64,
}

impl Tree {
    /// A tree with what every tree has. `seed` scatters the index; it changes nothing that can be seen.
    pub fn new(seed: u64) -> Self {
        let mut tree = Self::empty(seed);
        tree.arena.put(Znode { parent: ROOT, ..Znode::new("", Some(std::sync::Arc::from([])), Zxid(0), 0, 0, 0) });
        let read_only = tree.acls.hold(vec![Acl { perms: perms::READ, identity: Identity::new("world", "anyone") }]);
        for (path, acl) in [("/zookeeper", 0), ("/zookeeper/config", read_only), ("/zookeeper/quota", 0)] {
            if let Some((parent, name)) = path::split(path)
                && let Some(parent) = tree.find(parent)
            {
                tree.link(parent, Znode::new(name, Some(std::sync::Arc::from([])), Zxid(0), 0, 0, acl), path);
                // They were always there: nobody created them.
                tree.arena.get_mut(parent).creates = 0;
            }
        }
        // As on a fresh ZooKeeper: cversion -1 at the root, -2 at /zookeeper.
        tree
    }

    fn empty(seed: u64) -> Self {
        Self {
            arena: Arena::default(),
            index: Index::new(seed),
            acls: Acls::new(),
            ephemerals: BTreeMap::new(),
            empty_containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            limits: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn find(&self, path: &str) -> Option<u32> {
        self.index.find(&self.arena, path)
    }

    /// How many znodes there are, the root included.
    pub fn len(&self) -> usize {
        self.arena.occupied() as usize
    }

    /// Bytes of all names and data.
    pub fn bytes(&self) -> u64 {
        self.bytes.unsigned_abs()
    }

    /// How many of them are ephemeral.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Paths of a session's ephemerals, sorted.
    pub fn ephemerals_of(&self, session: i64) -> Vec<String> {
        self.ephemeral_paths(session)
    }

    /// Puts other data in a znode; gives back what was there.
    fn replace_data(&mut self, id: u32, data: crate::request::Data) -> crate::request::Data {
        let znode = self.arena.get_mut(id);
        let before = znode.bytes();
        let old = std::mem::replace(&mut znode.data, data);
        self.bytes += znode.bytes() - before;
        old
    }

    /// Never: there is always the root.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Puts a znode under its parent, everywhere it must be known. The parent's counters are the caller's.
    fn link(&mut self, parent: u32, mut znode: Znode, path: &str) -> u32 {
        let head = self.arena.get(parent).newest;
        znode.parent = parent;
        znode.older = head;
        znode.newer = NONE;
        let id = self.arena.put(znode);
        if head != NONE {
            self.arena.get_mut(head).newer = id;
        }
        self.unschedule(parent);
        let above = self.arena.get_mut(parent);
        above.newest = id;
        above.children += 1;
        self.index.insert_path(path, id);
        self.schedule(parent);
        self.register(id);
        id
    }

    /// Takes a znode out, everywhere. It keeps its neighbours' places, for [`Self::relink`].
    fn unlink(&mut self, id: u32, path: &str) -> Znode {
        self.unschedule(id);
        self.index.remove(path, id);
        let znode = self.arena.take(id);
        self.bytes -= znode.bytes();
        if znode.newer != NONE {
            self.arena.get_mut(znode.newer).older = znode.older;
        } else {
            self.arena.get_mut(znode.parent).newest = znode.older;
        }
        if znode.older != NONE {
            self.arena.get_mut(znode.older).newer = znode.newer;
        }
        if let Some(owner) = znode.ephemeral_of()
            && let Some(owned) = self.ephemerals.get_mut(&owner)
        {
            owned.remove(&id);
            if owned.is_empty() {
                self.ephemerals.remove(&owner);
            }
        }
        self.unschedule(znode.parent);
        self.arena.get_mut(znode.parent).children -= 1;
        self.schedule(znode.parent);
        znode
    }

    /// Undoes [`Self::unlink`], if everything later has been undone before.
    fn relink(&mut self, znode: Znode, path: &str) {
        let (parent, older, newer) = (znode.parent, znode.older, znode.newer);
        let id = self.arena.put(znode);
        if newer != NONE {
            self.arena.get_mut(newer).older = id;
        } else {
            self.arena.get_mut(parent).newest = id;
        }
        if older != NONE {
            self.arena.get_mut(older).newer = id;
        }
        self.unschedule(parent);
        self.arena.get_mut(parent).children += 1;
        self.schedule(parent);
        self.index.insert_path(path, id);
        self.register(id);
    }

    fn register(&mut self, id: u32) {
        self.bytes += self.arena.get(id).bytes();
        if let Some(owner) = self.arena.get(id).ephemeral_of() {
            self.ephemerals.entry(owner).or_default().insert(id);
        }
        self.schedule(id);
    }

    /// Notes when a container or TTL znode is due. To be called after its children, data or mtime changed,
    /// and [`Self::unschedule`] before.
    fn schedule(&mut self, id: u32) {
        let znode = self.arena.get(id);
        if znode.owner >= 0 || znode.children > 0 {
            return;
        }
        if znode.owner == CONTAINER_OWNER {
            if znode.creates > 0 {
                self.empty_containers.insert(id);
            }
        } else if let Some(ttl) = znode.ttl_ms() {
            let due = znode.mtime.saturating_add(ttl);
            self.ttls.insert((due, id));
        }
    }

    fn unschedule(&mut self, id: u32) {
        let znode = self.arena.get(id);
        if znode.owner >= 0 {
            return;
        }
        if znode.owner == CONTAINER_OWNER {
            self.empty_containers.remove(&id);
        } else if let Some(ttl) = znode.ttl_ms() {
            let due = znode.mtime.saturating_add(ttl);
            self.ttls.remove(&(due, id));
        }
    }

    /// Up to `most` containers and TTL znodes that are due at `now_ms`.
    pub fn due(&self, now_ms: i64, most: usize) -> Vec<String> {
        let ttls = self.ttls.iter().take_while(|(due, _)| *due < now_ms).map(|(_, id)| id);
        self.empty_containers.iter().chain(ttls).take(most).map(|id| self.arena.path(*id)).collect()
    }

    /// When the next one is due: milliseconds since 1970; 0 for a container that is.
    pub fn next_due_ms(&self) -> Option<i64> {
        if !self.empty_containers.is_empty() {
            return Some(0);
        }
        self.ttls.first().map(|(due, _)| due.saturating_add(1))
    }

    /// Sessions that own ephemerals.
    pub(crate) fn owners(&self) -> impl Iterator<Item = i64> {
        self.ephemerals.keys().copied()
    }

    /// Whether a session owns any ephemeral.
    pub fn owns_any(&self, session: i64) -> bool {
        self.ephemerals.contains_key(&session)
    }

    fn ephemeral_paths(&self, session: i64) -> Vec<String> {
        let mut paths: Vec<_> = self.ephemerals.get(&session).into_iter().flatten().map(|id| self.arena.path(*id)).collect();
        paths.sort_unstable();
        paths
    }
}
