//! Watch tables: who is told when a znode changes.
//!
//! Each member keeps them for its own sessions only; they are never logged, saved or compared. As
//! in ZooKeeper there are two tables: *data* (set by reading data, asking for existence, and by
//! `add_watch`) and *child* (set by listing, and by a persistent watch).
//!
//! What always holds: a one-shot watch fires once; a watcher is told once of a deletion even if both tables
//! match; for every pair in a table there is its twin in the watcher's own list.
//!
//! Not here: who may see an event (the caller compares ACLs), queues.
//! Source: ZooKeeper Programmer's Guide, "ZooKeeper Watches".

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{WATCH_BYTES_MAX, WATCHES_MAX};
use crate::request::{Acl, Change, Event, EventKind, SessionState, WatchKind, WatchMode};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One receiver of events: a session's queue, or a watch with a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatcherId(pub u64);

const ONE_SHOT: u8 = 1;
const PERSISTENT: u8 = 2;
const RECURSIVE: u8 = 4;

/// What one watcher watches.
#[derive(Debug, Default)]
struct Watched {
    paths: HashSet<Arc<str>>,
    /// Of the paths.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    by_path: HashMap<Arc<str>, Vec<(WatcherId, u8)>>,
    by_watcher: HashMap<WatcherId, Watched>,
    recursive: usize,
}

impl Table {
    fn add(&mut self, path: &str, watcher: WatcherId, mode: u8) {
        let path = match self.by_path.get_key_value(path) {
            Some((path, _)) => path.clone(),
            None => Arc::from(path),
        };
        let list = self.by_path.entry(path.clone()).or_default();
        match list.iter_mut().find(|(other, _)| *other == watcher) {
            Some((_, modes)) => {
                self.recursive += usize::from(mode & !*modes & RECURSIVE != 0);
                *modes |= mode;
            }
            None => {
                list.push((watcher, mode));
                self.recursive += usize::from(mode & RECURSIVE != 0);
                let watched = self.by_watcher.entry(watcher).or_default();
                watched.bytes += path.len();
                watched.paths.insert(path);
            }
        }
    }

    fn modes(&self, path: &str, watcher: WatcherId) -> u8 {
        self.by_path.get(path).and_then(|list| list.iter().find(|(other, _)| *other == watcher)).map_or(0, |(_, modes)| *modes)
    }

    /// Takes modes away; whether there was any of them.
    fn remove(&mut self, path: &str, watcher: WatcherId, modes: u8) -> bool {
        let Some(list) = self.by_path.get_mut(path) else { return false };
        let Some(at) = list.iter().position(|(other, _)| *other == watcher) else { return false };
        let removed = list[at].1 & modes;
        list[at].1 &= !modes;
        self.recursive -= usize::from(removed & RECURSIVE != 0);
        if list[at].1 == 0 {
            list.swap_remove(at);
            if list.is_empty() {
                self.by_path.remove(path);
            }
            if let Some(watched) = self.by_watcher.get_mut(&watcher) {
                watched.bytes -= path.len();
                watched.paths.remove(path);
                if watched.paths.is_empty() {
                    self.by_watcher.remove(&watcher);
                }
            }
        }
        removed != 0
    }

    fn forget(&mut self, watcher: WatcherId) {
        let paths = self.by_watcher.get(&watcher).map(|watched| watched.paths.clone());
        for path in paths.unwrap_or_default() {
            self.remove(&path, watcher, !0);
        }
    }

    fn count(&self, watcher: WatcherId) -> usize {
        self.by_watcher.get(&watcher).map_or(0, |watched| watched.paths.len())
    }

    fn bytes(&self, watcher: WatcherId) -> usize {
        self.by_watcher.get(&watcher).map_or(0, |watched| watched.bytes)
    }

    /// Who is to be told of something at `path`; their one-shot watches are used up.
    fn take(&mut self, path: &str) -> Vec<WatcherId> {
        let mut told: Vec<WatcherId> = Vec::new();
        if let Some(list) = self.by_path.get(path) {
            told.extend(list.iter().map(|(watcher, _)| *watcher));
            let used: Vec<_> = list.iter().filter(|(_, modes)| modes & ONE_SHOT != 0).map(|(watcher, _)| *watcher).collect();
            for watcher in used {
                self.remove(path, watcher, ONE_SHOT);
            }
        }
        if self.recursive > 0 {
            let mut at = path;
            while at != "/" {
                at = match at.rfind('/') {
                    Some(slash) if slash > 0 => &at[..slash],
                    _ => "/",
                };
                for (watcher, modes) in self.by_path.get(at).into_iter().flatten() {
                    if modes & RECURSIVE != 0 && !told.contains(watcher) {
                        told.push(*watcher);
                    }
                }
            }
        }
        told
    }
}

/// Where a one-shot watch belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Data and existence.
    Data,
    /// The list of children.
    Children,
}

/// The watches of one member.
#[derive(Debug, Default)]
pub struct Watches {
    data: Table,
    child: Table,
}

impl Watches {
    /// Empty tables.
    pub fn new() -> Self {
        Self::default()
    }

    fn room(&self, path: &str, watcher: WatcherId) -> Result<()> {
        if self.count(watcher) >= WATCHES_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("a session has {WATCHES_MAX} watches; that is the most")));
        }
        let bytes = self.data.bytes(watcher) + self.child.bytes(watcher) + path.len();
        if bytes > WATCH_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the paths that a session watches have {bytes} bytes, at most {WATCH_BYTES_MAX} are allowed"),
            ));
        }
        Ok(())
    }

    /// Watches for one change.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn add(&mut self, path: &str, watcher: WatcherId, which: Which) -> Result<()> {
        self.room(path, watcher)?;
        match which {
            Which::Data => self.data.add(path, watcher, ONE_SHOT),
            Which::Children => self.child.add(path, watcher, ONE_SHOT),
        }
        Ok(())
    }

    /// Watches until removed.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn add_lasting(&mut self, path: &str, watcher: WatcherId, mode: WatchMode) -> Result<()> {
        self.room(path, watcher)?;
        match mode {
            WatchMode::Persistent => {
                self.data.add(path, watcher, PERSISTENT);
                self.child.add(path, watcher, PERSISTENT);
            }
            WatchMode::Recursive => self.data.add(path, watcher, RECURSIVE),
        }
        Ok(())
    }

    /// Whether there is such a watch.
    pub fn contains(&self, path: &str, watcher: WatcherId, kind: WatchKind) -> bool {
        let (data, child) = (self.data.modes(path, watcher), self.child.modes(path, watcher));
        match kind {
            WatchKind::Children => child & ONE_SHOT != 0,
            WatchKind::Data => data & ONE_SHOT != 0,
            WatchKind::Persistent => data & PERSISTENT != 0,
            WatchKind::Recursive => data & RECURSIVE != 0,
            WatchKind::Any => data | child != 0,
        }
    }

    /// Takes watches away; false if there was none.
    pub fn remove(&mut self, path: &str, watcher: WatcherId, kind: WatchKind) -> bool {
        let (data, child) = match kind {
            WatchKind::Children => (0, ONE_SHOT),
            WatchKind::Data => (ONE_SHOT, 0),
            WatchKind::Persistent => (PERSISTENT, PERSISTENT),
            WatchKind::Recursive => (RECURSIVE, 0),
            WatchKind::Any => (!0, !0),
        };
        let from_child = self.child.remove(path, watcher, child);
        self.data.remove(path, watcher, data) || from_child
    }

    /// Takes all of a watcher's watches away.
    pub fn forget(&mut self, watcher: WatcherId) {
        self.data.forget(watcher);
        self.child.forget(watcher);
    }

    /// How many (path, table) pairs a watcher has.
    pub fn count(&self, watcher: WatcherId) -> usize {
        self.data.count(watcher) + self.child.count(watcher)
    }

    /// How many pairs of watcher and path there are, in both tables.
    pub fn len(&self) -> usize {
        [&self.data, &self.child].into_iter().flat_map(|table| table.by_watcher.values()).map(|watched| watched.paths.len()).sum()
    }

    /// How many watchers, paths and pairs of both there are in the table of data watches.
    pub fn summary(&self) -> (usize, usize, usize) {
        (self.data.by_watcher.len(), self.data.by_path.len(), self.data.by_watcher.values().map(|watched| watched.paths.len()).sum())
    }

    /// What a watcher watches in the table of data watches, sorted.
    pub fn paths(&self, watcher: WatcherId) -> Vec<Arc<str>> {
        let mut paths: Vec<_> = self.data.by_watcher.get(&watcher).into_iter().flat_map(|watched| &watched.paths).cloned().collect();
        paths.sort_unstable();
        paths
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.data.by_path.is_empty() && self.child.by_path.is_empty()
    }

    /// Turns one change into events; `tell` gets each with the ACL that its receiver must be able to read by.
    pub fn fire(&mut self, change: &Change, tell: &mut dyn FnMut(WatcherId, &Event, &[Acl])) {
        if self.is_empty() {
            return;
        }
        let event = |kind, path: &Arc<str>| Event { kind, state: SessionState::Connected, path: path.clone(), zxid: change.zxid };
        let told = self.data.take(&change.path);
        let news = event(change.kind, &change.path);
        told.iter().for_each(|watcher| tell(*watcher, &news, &change.acl));
        if change.kind == EventKind::Deleted {
            for watcher in self.child.take(&change.path) {
                if !told.contains(&watcher) {
                    tell(watcher, &news, &change.acl);
                }
            }
        }
        if matches!(change.kind, EventKind::Created | EventKind::Deleted)
            && let Some((parent, _)) = crate::tree::path::split(&change.path)
        {
            let parents = self.child.take(parent);
            if !parents.is_empty() {
                let news = event(EventKind::ChildrenChanged, &Arc::from(parent));
                parents.into_iter().for_each(|watcher| tell(watcher, &news, &change.parent_acl));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Zxid;

    fn fired(watches: &mut Watches, kind: EventKind, path: &str) -> Vec<(u64, EventKind, String)> {
        let change = Change { kind, path: path.into(), zxid: Zxid(1), acl: Arc::from([]), parent_acl: Arc::from([]) };
        let mut told = Vec::new();
        watches.fire(&change, &mut |watcher, event, _| told.push((watcher.0, event.kind, event.path.to_string())));
        told
    }

    #[test]
    fn a_one_shot_watch_fires_once_and_a_deletion_is_told_once() {
        let mut watches = Watches::new();
        watches.add("/a", WatcherId(1), Which::Data).unwrap();
        watches.add("/a", WatcherId(1), Which::Children).unwrap();
        assert_eq!(fired(&mut watches, EventKind::Deleted, "/a"), [(1, EventKind::Deleted, "/a".into())]);
        assert!(fired(&mut watches, EventKind::Created, "/a").is_empty());
        assert!(watches.is_empty());
    }

    #[test]
    fn the_bytes_of_what_is_watched_are_bounded_and_given_back() {
        let mut watches = Watches::new();
        let path = |number: usize| format!("/{number:08}{}", "x".repeat(1024 * 1024 - 9));
        for number in 0..64 {
            watches.add(&path(number), WatcherId(1), Which::Data).unwrap();
        }
        let refused = watches.add("/a", WatcherId(1), Which::Children).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded);
        assert_eq!(watches.add("/a", WatcherId(2), Which::Children), Ok(()));
        assert!(watches.remove(&path(7), WatcherId(1), WatchKind::Data));
        assert_eq!(watches.add("/a", WatcherId(1), Which::Children), Ok(()));
        watches.forget(WatcherId(1));
        assert_eq!((watches.data.bytes(WatcherId(1)), watches.child.bytes(WatcherId(1))), (0, 0));
    }

    #[test]
    fn a_recursive_watch_hears_of_everything_below_but_not_of_lists() {
        let mut watches = Watches::new();
        watches.add_lasting("/a", WatcherId(1), WatchMode::Recursive).unwrap();
        assert_eq!(fired(&mut watches, EventKind::Created, "/a/b/c"), [(1, EventKind::Created, "/a/b/c".into())]);
        assert!(fired(&mut watches, EventKind::Created, "/ab").is_empty());
        assert!(watches.remove("/a", WatcherId(1), WatchKind::Recursive));
        assert!(!watches.remove("/a", WatcherId(1), WatchKind::Recursive));
        assert!(watches.is_empty() && watches.data.recursive == 0);
    }

    #[test]
    fn a_persistent_watch_hears_of_data_and_lists_and_stays() {
        let mut watches = Watches::new();
        watches.add_lasting("/a", WatcherId(1), WatchMode::Persistent).unwrap();
        for _ in 0..2 {
            assert_eq!(fired(&mut watches, EventKind::Created, "/a/b"), [(1, EventKind::ChildrenChanged, "/a".into())]);
            assert_eq!(fired(&mut watches, EventKind::DataChanged, "/a"), [(1, EventKind::DataChanged, "/a".into())]);
        }
        watches.forget(WatcherId(1));
        assert!(watches.is_empty() && watches.count(WatcherId(1)) == 0);
    }
}
