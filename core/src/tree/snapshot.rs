//! A tree frozen at one zxid, and the way back.
//!
//! What a snapshot says is believed only after it was checked: links that lead nowhere, twice to one
//! place or in a circle are refused as corruption.

use super::Tree;
use super::arena::{Acls, Arena, Index, NONE, ROOT, Znode};
use super::quota::limited_by;
use crate::error::{Error, ErrorKind, Result};
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
        self.index = Index::new(seed);
        let mut seen = 0_u32;
        let mut waiting = vec![(ROOT, self.index.root())];
        while let Some((id, hash)) = waiting.pop() {
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
                waiting.push((at, Index::child(hash, &child.name)));
                (before, at, count) = (at, child.older, count + 1);
            }
            if count != children {
                return Err(corrupt("a wrong count of children"));
            }
            if id != ROOT {
                self.index.insert(hash, id);
                self.register(id);
            }
        }
        if seen != self.arena.occupied() {
            return Err(corrupt("znodes that nothing leads to"));
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
