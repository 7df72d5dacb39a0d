//! Where znodes live: chunks that a snapshot shares until they change.
//!
//! [`Arena::clone`] takes one reference a chunk, so freezing a million znodes is well under a
//! millisecond; after that the first change to a chunk copies that chunk. The index from path to znode is
//! not shared and not saved: it is rebuilt on loading.
//!
//! The index is split in 256 tables by hash, so that growing one never stops writes for long.

use crate::ids::Zxid;
use crate::request::{Acl, CONTAINER_OWNER, Data, Stat, TTL_OWNER_MARK};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// No znode.
pub(super) const NONE: u32 = u32::MAX;
/// The root's place.
pub(super) const ROOT: u32 = 0;
/// The `parent` of a free place.
const FREE: u32 = u32::MAX - 1;
const CHUNK: usize = 64;

/// One znode. 128 bytes, beside names beyond 23 bytes and the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Znode {
    pub(super) name: SmolStr,
    pub(super) data: Data,
    pub(super) czxid: i64,
    pub(super) mzxid: i64,
    pub(super) pzxid: i64,
    pub(super) ctime: i64,
    pub(super) mtime: i64,
    pub(super) owner: i64,
    pub(super) version: i32,
    /// Children ever created: what sequential names are numbered by.
    pub(super) creates: i32,
    pub(super) aversion: i32,
    pub(super) children: u32,
    pub(super) parent: u32,
    /// The child created last; the others follow by `older`.
    pub(super) newest: u32,
    pub(super) older: u32,
    pub(super) newer: u32,
    pub(super) acl: u32,
}

impl Znode {
    fn free() -> Self {
        Self {
            name: SmolStr::default(),
            data: None,
            czxid: 0,
            mzxid: 0,
            pzxid: 0,
            ctime: 0,
            mtime: 0,
            owner: 0,
            version: 0,
            creates: 0,
            aversion: 0,
            children: 0,
            parent: FREE,
            newest: NONE,
            older: NONE,
            newer: NONE,
            acl: 0,
        }
    }

    pub(super) fn new(name: &str, data: Data, zxid: Zxid, time_ms: i64, owner: i64, acl: u32) -> Self {
        Self { name: name.into(), data, czxid: zxid.0, mzxid: zxid.0, pzxid: zxid.0, ctime: time_ms, mtime: time_ms, owner, acl, ..Self::free() }
    }

    pub(super) fn is_free(&self) -> bool {
        self.parent == FREE
    }

    pub(super) fn stat(&self) -> Stat {
        Stat {
            czxid: Zxid(self.czxid),
            mzxid: Zxid(self.mzxid),
            pzxid: Zxid(self.pzxid),
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Creations and deletions both count, and deletions are the creations that are not there any more.
            cversion: self.creates.wrapping_mul(2).wrapping_sub(self.children as i32),
            aversion: self.aversion,
            // The marks of containers and TTL znodes are for ourselves, as in ZooKeeper.
            ephemeral_owner: self.ephemeral_of().unwrap_or(0),
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children: self.children as i32,
        }
    }

    /// Bytes of name and data.
    pub(super) fn bytes(&self) -> i64 {
        self.name.len() as i64 + self.data_bytes()
    }

    pub(super) fn data_bytes(&self) -> i64 {
        self.data.as_ref().map_or(0, |data| data.len() as i64)
    }

    /// The session that owns it, if it is an ephemeral.
    pub(super) fn ephemeral_of(&self) -> Option<i64> {
        (self.owner != 0 && self.owner != CONTAINER_OWNER && self.ttl_ms().is_none()).then_some(self.owner)
    }

    pub(super) fn ttl_ms(&self) -> Option<i64> {
        (self.owner & TTL_OWNER_MARK == TTL_OWNER_MARK).then_some(self.owner & crate::limits::TTL_MS_MAX)
    }
}

/// The znodes, by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    pub(super) chunks: Vec<Arc<[Znode]>>,
    free: Vec<u32>,
}

impl Arena {
    #[inline]
    pub(super) fn get(&self, id: u32) -> &Znode {
        &self.chunks[id as usize / CHUNK][id as usize % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Znode {
        &mut Arc::make_mut(&mut self.chunks[id as usize / CHUNK])[id as usize % CHUNK]
    }

    pub(super) fn places(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    /// Puts a znode in a free place.
    pub(super) fn put(&mut self, znode: Znode) -> u32 {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let first = self.places();
                self.chunks.push((0..CHUNK).map(|_| Znode::free()).collect());
                self.free.extend((first + 1..first + CHUNK as u32).rev());
                first
            }
        };
        *self.get_mut(id) = znode;
        id
    }

    pub(super) fn take(&mut self, id: u32) -> Znode {
        self.free.push(id);
        std::mem::replace(self.get_mut(id), Znode::free())
    }

    /// Appends a chunk read from a snapshot: exactly 64 places, or it says no.
    pub(super) fn load_chunk(&mut self, znodes: Vec<Option<Znode>>) -> bool {
        if znodes.len() != CHUNK || self.chunks.len() >= (FREE as usize) / CHUNK {
            return false;
        }
        let first = self.places();
        self.free.extend(znodes.iter().enumerate().filter(|(_, znode)| znode.is_none()).map(|(at, _)| first + at as u32));
        self.chunks.push(znodes.into_iter().map(|znode| znode.unwrap_or_else(Znode::free)).collect());
        true
    }

    pub(super) fn occupied(&self) -> u32 {
        self.places() - self.free.len() as u32
    }

    /// The path of a znode.
    pub(super) fn path(&self, id: u32) -> String {
        if id == ROOT {
            return "/".into();
        }
        let (mut names, mut at) = (Vec::new(), id);
        while at != ROOT {
            let znode = self.get(at);
            names.push(znode.name.as_str());
            at = znode.parent;
        }
        let mut path = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// Children of a znode, oldest first.
    pub(super) fn children(&self, id: u32) -> Vec<u32> {
        let mut children = Vec::with_capacity(self.get(id).children as usize);
        let mut at = self.get(id).newest;
        while at != NONE {
            children.push(at);
            at = self.get(at).older;
        }
        children.reverse();
        children
    }
}

/// From path to place: by a hash that grows with each name, so that a lookup touches the znode's own
/// chunk and those of its ancestors only to compare.
#[derive(Debug)]
pub(super) struct Index {
    seed: u64,
    tables: Vec<HashTable<(u32, u32)>>,
}

fn spread(tag: &(u32, u32)) -> u64 {
    u64::from(tag.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, tables: (0..256).map(|_| HashTable::new()).collect() }
    }

    /// The hash of the root.
    pub(super) fn root(&self) -> u64 {
        self.seed
    }

    /// The hash of a child.
    #[inline]
    pub(super) fn child(parent: u64, name: &str) -> u64 {
        xxh3_64_with_seed(name.as_bytes(), parent)
    }

    /// The hash of a path, if it can be one.
    #[inline]
    fn hash(&self, path: &str) -> Option<u64> {
        let rest = path.strip_prefix('/')?;
        Some(if rest.is_empty() { self.seed } else { rest.split('/').fold(self.seed, Self::child) })
    }

    fn insert(&mut self, hash: u64, id: u32) {
        let tag = (hash as u32, id);
        self.tables[(hash >> 56) as usize].insert_unique(spread(&tag), tag, spread);
    }

    pub(super) fn insert_path(&mut self, path: &str, id: u32) {
        if let Some(hash) = self.hash(path) {
            self.insert(hash, id);
        }
    }

    /// Inserts what was not checked before; false if there is a znode with that path already.
    pub(super) fn insert_new(&mut self, arena: &Arena, hash: u64, id: u32) -> bool {
        let (tag, znode) = ((hash as u32, id), arena.get(id));
        let same = |other: &(u32, u32)| {
            let there = arena.get(other.1);
            other.0 == tag.0 && there.parent == znode.parent && there.name == znode.name
        };
        match self.tables[(hash >> 56) as usize].entry(spread(&tag), same, spread) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(tag);
                true
            }
        }
    }

    pub(super) fn remove(&mut self, path: &str, id: u32) {
        if let Some(hash) = self.hash(path) {
            let tag = (hash as u32, id);
            if let Ok(entry) = self.tables[(hash >> 56) as usize].find_entry(spread(&tag), |other| *other == tag) {
                entry.remove();
            }
        }
    }

    #[inline]
    pub(super) fn find(&self, arena: &Arena, path: &str) -> Option<u32> {
        // The empty path names the root too, for whoever reads; no write takes it.
        if path.is_empty() || path == "/" {
            return Some(ROOT);
        }
        let hash = self.hash(path)?;
        let tag = hash as u32;
        self.tables[(hash >> 56) as usize].find(spread(&(tag, 0)), |(other, id)| *other == tag && is_at(arena, *id, path)).map(|(_, id)| *id)
    }
}

/// Whether the znode at `id` has this path.
fn is_at(arena: &Arena, mut id: u32, path: &str) -> bool {
    let mut rest = path;
    while id != ROOT {
        let znode = arena.get(id);
        match rest.strip_suffix(znode.name.as_str()).and_then(|rest| rest.strip_suffix('/')) {
            Some(shorter) => rest = shorter,
            None => return false,
        }
        id = znode.parent;
    }
    rest.is_empty()
}

/// ACLs, each kept once. Place 0 is the open ACL and never goes.
#[derive(Clone, Debug)]
pub(super) struct Acls {
    lists: Vec<(Arc<[Acl]>, u32)>,
    places: BTreeMap<Arc<[Acl]>, u32>,
    free: Vec<u32>,
}

impl Acls {
    pub(super) fn new() -> Self {
        let mut acls = Self { lists: Vec::new(), places: BTreeMap::new(), free: Vec::new() };
        acls.hold(Acl::open());
        acls
    }

    pub(super) fn get(&self, id: u32) -> &Arc<[Acl]> {
        &self.lists[id as usize].0
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        (id as usize) < self.lists.len()
    }

    /// Counts one more user of an ACL; returns its place.
    pub(super) fn hold(&mut self, acl: Vec<Acl>) -> u32 {
        if let Some(id) = self.places.get(acl.as_slice()) {
            let id = *id;
            self.again(id);
            return id;
        }
        let acl: Arc<[Acl]> = acl.into();
        let id = match self.free.pop() {
            Some(id) => {
                self.lists[id as usize] = (acl.clone(), 1);
                id
            }
            None => {
                self.lists.push((acl.clone(), 1));
                (self.lists.len() - 1) as u32
            }
        };
        self.places.insert(acl, id);
        id
    }

    pub(super) fn again(&mut self, id: u32) {
        if id != 0 {
            self.lists[id as usize].1 += 1;
        }
    }

    pub(super) fn release(&mut self, id: u32) {
        if id == 0 {
            return;
        }
        let (acl, users) = &mut self.lists[id as usize];
        *users -= 1;
        if *users == 0 {
            let acl = std::mem::replace(acl, Arc::from([]));
            self.places.remove(&acl);
            self.free.push(id);
        }
    }

    pub(super) fn lists(&self) -> Vec<Vec<Acl>> {
        self.lists.iter().map(|(acl, _)| acl.to_vec()).collect()
    }

    /// The table of a snapshot, users not yet counted. False if it has no open ACL at its head.
    pub(super) fn load(&mut self, lists: Vec<Vec<Acl>>) -> bool {
        if lists.first() != Some(&Acl::open()) {
            return false;
        }
        self.places.clear();
        self.lists = lists.into_iter().map(|acl| (Arc::from(acl), 0)).collect();
        self.lists[0].1 = 1;
        true
    }

    /// After loading: places nobody uses are free.
    pub(super) fn settle(&mut self) {
        for (id, (acl, users)) in self.lists.iter().enumerate() {
            if *users == 0 {
                self.free.push(id as u32)
            } else {
                self.places.insert(acl.clone(), id as u32);
            }
        }
    }
}
