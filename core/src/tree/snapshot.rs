//! A tree frozen at one zxid, and the way back.
//!
//! What a snapshot says is believed only after it was checked: links that lead nowhere, twice to one
//! place or in a circle, and paths that no write would have made are refused as corruption.

use super::Tree;
use super::arena::{Acls, Arena, Index, NONE, ROOT, Znode};
use super::path;
use super::quota::limited_by;
use super::write::RESERVED;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::PATH_BYTES_MAX;
use crate::request::Acl;
use serde::{Deserialize, Serialize};

/// A tree as it was. Cheap to make; holds on to chunks that change meanwhile.
pub(crate) struct Frozen {
    arena: Arena,
    acls: Vec<Vec<Acl>>,
}

/// A piece of a snapshot of a tree.
#[derive(Serialize, Deserialize)]
pub(crate) enum Part {
    /// Every ACL in use, by place. Comes first.
    Acls(Vec<Vec<Acl>>),
    /// The next chunk of znodes.
    Znodes(Vec<Option<Znode>>),
}

impl Frozen {
    /// Calls `out` with every part in order.
    pub(crate) fn parts(&self, out: &mut dyn FnMut(Part) -> Result<()>) -> Result<()> {
        out(Part::Acls(self.acls.clone()))?;
        for chunk in &self.arena.chunks {
            out(Part::Znodes(chunk.iter().map(|znode| (!znode.is_free()).then(|| znode.clone())).collect()))?;
        }
        Ok(())
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("snapshot of the tree: {what}"))
}

impl Tree {
    /// The tree as it is now.
    pub(crate) fn freeze(&self) -> Frozen {
        Frozen { arena: self.arena.clone(), acls: self.acls.lists() }
    }

    /// A tree to be filled by [`Tree::load`].
    pub(crate) fn to_load(seed: u64) -> Tree {
        Tree::empty(seed)
    }

    /// Takes the next part.
    pub(crate) fn load(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Acls(lists) => {
                self.acls = Acls::new();
                if !self.arena.chunks.is_empty() || !self.acls.load(lists) {
                    return Err(corrupt("the table of ACLs is out of place"));
                }
            }
            Part::Znodes(znodes) => {
                if !self.arena.load_chunk(znodes) {
                    return Err(corrupt("a chunk of a wrong size"));
                }
            }
        }
        Ok(())
    }

    /// Checks what was loaded and builds what is not saved.
    pub(crate) fn loaded(&mut self, seed: u64) -> Result<()> {
        let places = self.arena.places();
        if places == 0 || self.arena.get(ROOT).is_free() {
            return Err(corrupt("there is no root"));
        }
        let root = self.arena.get(ROOT);
        if root.parent != ROOT || !root.name.is_empty() || root.older != NONE || root.newer != NONE {
            return Err(corrupt("the root is somebody's child"));
        }
        self.index = Index::new(seed);
        let mut seen = 0_u32;
        let mut waiting = vec![(ROOT, self.index.root(), 0)];
        while let Some((id, hash, path_bytes)) = waiting.pop() {
            seen += 1;
            let znode = self.arena.get(id);
            if !self.acls.contains(znode.acl) {
                return Err(corrupt("an ACL that is not there"));
            }
            self.acls.again(znode.acl);
            let (children, acl_of) = (znode.children, znode.ephemeral_of());
            if acl_of.is_some() && children > 0 {
                return Err(corrupt("an ephemeral with children"));
            }
            let (mut at, mut before, mut count) = (znode.newest, NONE, 0);
            while at != NONE {
                if at >= places || count >= children {
                    return Err(corrupt("a list of children that does not end where it should"));
                }
                let child = self.arena.get(at);
                if child.is_free() || child.parent != id || child.newer != before || at == ROOT {
                    return Err(corrupt("a child that is not its parent's"));
                }
                let path_bytes = path_bytes + 1 + child.name.len();
                if !path::is_name(&child.name) || path_bytes > PATH_BYTES_MAX {
                    return Err(corrupt(&format!("a znode cannot have the name {:?}", child.name)));
                }
                waiting.push((at, Index::child(hash, &child.name), path_bytes));
                (before, at, count) = (at, child.older, count + 1);
            }
            if count != children {
                return Err(corrupt("a wrong count of children"));
            }
            if id != ROOT {
                if !self.index.insert_new(&self.arena, hash, id) {
                    return Err(corrupt(&format!("{} is there twice", self.arena.path(id))));
                }
                self.register(id);
            }
        }
        if seen != self.arena.occupied() {
            return Err(corrupt("znodes that nothing leads to"));
        }
        if let Some(path) = RESERVED.iter().find(|path| self.find(path).is_none()) {
            return Err(corrupt(&format!("there is no {path}")));
        }
        self.acls.settle();
        self.find_limits();
        Ok(())
    }

    fn find_limits(&mut self) {
        let mut waiting: Vec<u32> = self.find("/zookeeper/quota").into_iter().collect();
        while let Some(id) = waiting.pop() {
            waiting.extend(self.arena.children(id));
            if let Some(limited) = limited_by(&self.arena.path(id)) {
                self.limits.insert(limited.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Zxid;

    /// A tree with `/a` and `/a/b`, taken apart.
    fn parts() -> Vec<Part> {
        let mut tree = Tree::new(1);
        for path in ["/a", "/a/b", "/c"] {
            let (parent, name) = path::split(path).unwrap();
            let parent = tree.find(parent).unwrap();
            tree.link(parent, Znode::new(name, None, Zxid(1), 0, 0, 0), path);
        }
        let mut parts = Vec::new();
        tree.freeze()
            .parts(&mut |part| {
                parts.push(part);
                Ok(())
            })
            .unwrap();
        parts
    }

    /// Loads the tree after `change` was made to the znode called `name`.
    fn load_changed(name: &str, change: impl Fn(&mut Znode)) -> Result<Tree> {
        let mut tree = Tree::to_load(7);
        for mut part in parts() {
            if let Part::Znodes(znodes) = &mut part {
                change(znodes.iter_mut().flatten().find(|znode| znode.name == name).unwrap());
            }
            tree.load(part)?;
        }
        tree.loaded(7)?;
        Ok(tree)
    }

    #[test]
    fn what_was_frozen_is_loaded() {
        let tree = load_changed("a", |_| ()).unwrap();
        assert!(tree.find("/a/b").is_some() && tree.find("/c").is_some() && tree.len() == 7);
    }

    #[test]
    fn paths_that_no_write_makes_are_refused() {
        for (name, changed) in
            [("c", "a"), ("c", ""), ("c", "a/b"), ("c", "/"), ("c", "."), ("b", ".."), ("b", "x\0"), ("b", "\u{10000}"), ("quota", "a"), ("", "r")]
        {
            let error = load_changed(name, |znode| znode.name = changed.into()).err().unwrap_or_else(|| panic!("{name} as {changed:?}"));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} as {changed:?}: {error}");
        }
        let longest = "x".repeat(PATH_BYTES_MAX - 1);
        assert!(load_changed("c", |znode| znode.name = longest.as_str().into()).is_ok());
        assert!(load_changed("b", |znode| znode.name = longest.as_str().into()).is_err());
    }

    #[test]
    fn links_that_contradict_each_other_are_refused() {
        type Change = fn(&mut Znode);
        let changes: [(&str, Change); 9] = [
            ("a", |znode| znode.children = 0),
            ("a", |znode| znode.newest = 6),
            ("a", |znode| znode.newest = NONE),
            ("a", |znode| znode.owner = 5),
            ("b", |znode| znode.parent = 0),
            ("b", |znode| znode.older = 5),
            ("c", |znode| znode.newer = 4),
            ("c", |znode| znode.acl = 9),
            ("", |znode| znode.parent = 4),
        ];
        for (at, (name, change)) in changes.into_iter().enumerate() {
            assert_eq!(load_changed(name, change).err().map(|error| error.kind()), Some(ErrorKind::Corrupt), "change {at}, of {name}");
        }
    }
}
