//! The slot map: which nodes own a key, in one load.
//!
//! The 64-bit hashes of keys are cut into a power of two of equal ranges, the slots; a table says for each slot who owns it and who
//! holds its replicas. Looking up is the hash and one load, at any number of nodes, without a lock: a map never changes, a change
//! gives another one.
//!
//! What always holds: a row names no node twice, and a node that is not there never. Equal maps have equal bytes
//! and digests on every machine. Doubling the slots splits each in two and moves nothing.
//!
//! Who fills the table is the [`Filler`]: `Coordinated` works from the map before, so whoever the group elects makes the next
//! map and stores its bytes under its epoch; `Rendezvous` needs the nodes only.
//!
//! Not here: who is alive (`heartbeat`), moving the data (the caller).

mod candidates;
mod codec;
mod coordinated;
mod groups;
mod members;
mod picture;
mod plan;
mod primaries;
mod quota;
mod rendezvous;
#[cfg(test)]
mod tests;

pub use candidates::Candidates;
pub(super) use members::check_count as check_nodes;
pub use members::{NO_NODE, SlotNode};
pub use plan::{Plan, SlotMove};

use super::hash::KeyHash;
use super::placement::{Move, Moves, NodeName, Placement};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{CAP_PERCENT_MAX, REPLICAS_MAX, SLOTS_DEFAULT, SLOTS_MAX, SLOTS_PER_NODE};
use members::Members;
use std::sync::{Arc, OnceLock};

/// Who decides which slot belongs to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filler {
    /// From the map before: loads within one slot of each quota, and the fewest moves that allows. Depends on the history, so all
    /// share the map itself.
    #[default]
    Coordinated,
    /// From the set of nodes alone, each slot by lot: whoever knows the nodes has the same map. Loads scatter as lots do.
    Rendezvous {
        /// No node takes more than its share and this many percent; `None` for no bound. With one replica only.
        cap_percent: Option<u32>,
    },
}

/// What gives way when replicas cannot both be in different domains and balanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// The domains: the widest level is taken at which every quota still fits.
    #[default]
    Balance,
    /// The balance: the widest level with enough domains is taken, and what a small domain cannot take the others share.
    Domains,
}

/// How a new map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotOptions {
    /// A power of two, 2 to [`SLOTS_MAX`]. `None`: [`SLOTS_DEFAULT`], and for `Coordinated` doubled while there are fewer than
    /// [`SLOTS_PER_NODE`] for each node.
    pub slots: Option<u32>,
    /// Nodes for each slot, the owner included: 1 to [`REPLICAS_MAX`].
    pub replicas: usize,
    /// Who decides.
    pub filler: Filler,
    /// What gives way.
    pub spread: Spread,
    /// How keys are hashed.
    pub hash: KeyHash,
}

impl Default for SlotOptions {
    fn default() -> Self {
        Self { slots: None, replicas: 1, filler: Filler::Coordinated, spread: Spread::Balance, hash: KeyHash::Fm1 }
    }
}

/// What a map could do of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Replicas each slot really has: as many as asked for, or as there are nodes.
    pub columns: usize,
    /// Replicas of one slot differ in the first so many labels of their domains; 0: they are different nodes.
    pub level: usize,
    /// Domains (at level 0 nodes) whose weight asks for more than every slot once, so that the others hold more than their share.
    pub capped: usize,
}

/// Which nodes own a key. A value: a clone shares the table, and any threads may look up at once without waiting.
#[derive(Clone, Debug)]
pub struct SlotMap {
    table: Arc<Table>,
}

#[derive(Debug)]
struct Table {
    /// A hash shifted right by this is its slot.
    shift: u32,
    replicas: usize,
    hash: KeyHash,
    rows: Box<[u16]>,
    members: Members,
    filler: Filler,
    spread: Spread,
    own_slots: bool,
    epoch: u64,
    standing: Standing,
    digest: OnceLock<[u8; 16]>,
}

impl Table {
    fn new(options: &SlotOptions, slots: usize, epoch: u64, members: Members, rows: Vec<u16>, standing: Standing) -> Self {
        Self {
            shift: 64 - slots.trailing_zeros(),
            replicas: options.replicas,
            hash: options.hash,
            rows: rows.into(),
            members,
            filler: options.filler,
            spread: options.spread,
            own_slots: options.slots.is_none(),
            epoch,
            standing,
            digest: OnceLock::new(),
        }
    }

    fn slots(&self) -> usize {
        1 << (64 - self.shift)
    }

    #[inline]
    fn row(&self, hash: u64) -> &[u16] {
        let at = (hash >> self.shift) as usize * self.replicas;
        &self.rows[at..at + self.replicas]
    }

    #[inline]
    fn owner(&self, hash: u64) -> u16 {
        self.rows[(hash >> self.shift) as usize * self.replicas]
    }

    /// What is not hashed in a few instructions stands apart, so that a lookup is short enough to become part of its caller.
    #[inline(never)]
    fn owner_of(&self, key: &[u8]) -> u16 {
        self.owner(self.hash.hash(key))
    }

    #[inline(never)]
    fn row_of(&self, key: &[u8]) -> &[u16] {
        self.row(self.hash.hash(key))
    }

    fn loads(&self) -> Vec<u32> {
        let mut loads = vec![0; self.members.len()];
        for node in self.rows.iter() {
            if let Some(load) = loads.get_mut(usize::from(*node)) {
                *load += 1;
            }
        }
        loads
    }

    fn options(&self) -> SlotOptions {
        let slots = (!self.own_slots).then(|| self.slots() as u32);
        SlotOptions { slots, replicas: self.replicas, filler: self.filler, spread: self.spread, hash: self.hash }
    }
}

impl From<Table> for SlotMap {
    fn from(table: Table) -> Self {
        Self { table: Arc::new(table) }
    }
}

impl PartialEq for SlotMap {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.table, &*other.table);
        Arc::ptr_eq(&self.table, &other.table)
            || (a.options() == b.options() && a.shift == b.shift && a.epoch == b.epoch && a.standing == b.standing)
                && a.rows == b.rows
                && a.members.iter().eq(b.members.iter())
    }
}

impl Eq for SlotMap {}

impl Default for SlotMap {
    fn default() -> Self {
        Self::empty(&SlotOptions::default(), SLOTS_DEFAULT as usize)
    }
}

impl SlotMap {
    /// A map without nodes, coordinated, one replica.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map without nodes.
    ///
    /// # Errors
    /// `BadArguments` or `LimitExceeded`, naming the option.
    pub fn with_options(options: SlotOptions) -> Result<Self> {
        let bad = |text: String| Err(Error::new(ErrorKind::BadArguments, text));
        let limit = |text: String| Err(Error::new(ErrorKind::LimitExceeded, text));
        let slots = options.slots.unwrap_or(SLOTS_DEFAULT);
        if !slots.is_power_of_two() || slots < 2 {
            return bad(format!("slots is {slots}, not a power of two from 2 on"));
        }
        if slots > SLOTS_MAX {
            return limit(format!("slots is {slots}, SLOTS_MAX is {SLOTS_MAX}"));
        }
        if options.replicas == 0 {
            return bad("replicas is 0, least is 1".into());
        }
        if options.replicas > REPLICAS_MAX {
            return limit(format!("replicas is {}, REPLICAS_MAX is {REPLICAS_MAX}", options.replicas));
        }
        if let Filler::Rendezvous { cap_percent: Some(percent) } = options.filler {
            if percent > CAP_PERCENT_MAX {
                return limit(format!("load cap is {percent} percent, CAP_PERCENT_MAX is {CAP_PERCENT_MAX}"));
            }
            if options.replicas != 1 {
                return bad(format!("a load cap is for one replica, replicas is {}", options.replicas));
            }
        }
        Ok(Self::empty(&options, slots as usize))
    }

    fn empty(options: &SlotOptions, slots: usize) -> Self {
        let standing = Standing { columns: 0, level: 0, capped: 0 };
        Table::new(options, slots, 0, Members::default(), vec![NO_NODE; slots * options.replicas], standing).into()
    }

    /// The map for exactly these nodes: who is missing leaves, who is new joins, weights and domains change, all in one step of one
    /// epoch. Of a name given twice the last holds. The same nodes again give the same map.
    ///
    /// # Errors
    /// `BadArguments` for a weight out of range, `LimitExceeded` for too many nodes, too long a name or domain.
    pub fn next<'a>(&self, nodes: impl IntoIterator<Item = SlotNode<'a>>) -> Result<Self> {
        Ok(self.filled(Members::collect(nodes)?))
    }

    /// This map with all of `nodes`: added, or their weights and domains changed.
    ///
    /// # Errors
    /// As [`SlotMap::next`].
    pub fn with_all<'a>(&self, nodes: impl IntoIterator<Item = SlotNode<'a>>) -> Result<Self> {
        self.next(self.table.members.iter().map(|node| SlotNode { ..node }).chain(nodes.into_iter().map(|node| SlotNode { ..node })))
    }

    /// This map with `node`: added, or its weight and domain changed.
    ///
    /// # Errors
    /// As [`SlotMap::next`].
    pub fn with_node(&self, node: SlotNode<'_>) -> Result<Self> {
        Ok(self.filled(self.table.members.with(node)?))
    }

    fn filled(&self, members: Members) -> Self {
        let table = &*self.table;
        if members == table.members {
            return self.clone();
        }
        let options = table.options();
        let mut slots = table.slots();
        let (rows, standing, epoch) = match table.filler {
            Filler::Coordinated => {
                if table.own_slots {
                    let wanted = (members.len() as u32).saturating_mul(SLOTS_PER_NODE).next_power_of_two();
                    slots = slots.max(wanted.min(SLOTS_MAX) as usize);
                }
                let before = coordinated::Before { members: &table.members, rows: &table.rows, slots: table.slots() };
                let (rows, standing) = coordinated::fill(Some(before), &members, slots, table.replicas, table.spread);
                (rows, standing, table.epoch.saturating_add(1))
            }
            Filler::Rendezvous { cap_percent } => {
                let (rows, standing) = rendezvous::fill(&members, slots, table.replicas, cap_percent);
                (rows, standing, 0)
            }
        };
        Table::new(&options, slots, epoch, members, rows, standing).into()
    }

    /// The node that owns `key`; `None` only when there are no nodes.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Option<&[u8]> {
        self.table.members.name(self.locate_number(key))
    }

    /// The number of the node that owns `key`, [`NO_NODE`] when there are no nodes.
    #[inline]
    pub fn locate_number(&self, key: &[u8]) -> u16 {
        match self.table.hash.quick(key) {
            Some(hash) => self.table.owner(hash),
            None => self.table.owner_of(key),
        }
    }

    /// The numbers of all replicas of `key`, the owner first, without copying. Places at the end are [`NO_NODE`] when there are fewer
    /// nodes than replicas.
    #[inline]
    pub fn replicas_of(&self, key: &[u8]) -> &[u16] {
        match self.table.hash.quick(key) {
            Some(hash) => self.table.row(hash),
            None => self.table.row_of(key),
        }
    }

    /// The owners' numbers of many keys.
    ///
    /// # Errors
    /// `BadArguments` when `owners` is not as long as `keys`.
    pub fn locate_batch<K: AsRef<[u8]>>(&self, keys: &[K], owners: &mut [u16]) -> Result<()> {
        if keys.len() != owners.len() {
            return Err(Error::new(ErrorKind::BadArguments, format!("{} keys and room for {} owners", keys.len(), owners.len())));
        }
        for (key, owner) in keys.iter().zip(owners) {
            *owner = self.locate_number(key.as_ref());
        }
        Ok(())
    }

    /// The nodes for `key` in the order in which to try them: its replicas, then all others in an order of its own.
    pub fn candidates(&self, key: &[u8]) -> Candidates<'_> {
        Candidates::new(self, self.table.hash.hash(key))
    }

    /// The first candidate for `key` whose load stays within `c` times its fair share when it takes one more.
    ///
    /// `load` tells what a node, by its number, carries now, `total` what all carry together; both are the caller's own
    /// count. 1.25 is usual: less is more even and sends more keys away from their owner.
    ///
    /// # Errors
    /// `BadArguments` when `c` is not a number from 1 on.
    /// Source: Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads, 2016.
    pub fn bounded(&self, key: &[u8], total: u64, mut load: impl FnMut(u16) -> u64, c: f64) -> Result<Option<&[u8]>> {
        if !(c >= 1.0 && c.is_finite()) {
            return Err(Error::new(ErrorKind::BadArguments, format!("c is {c}, not a number from 1 on")));
        }
        let members = &self.table.members;
        let whole = c * (total as f64 + 1.0) / members.weight as f64;
        let has_room = |node: &u16| (load(*node) as f64) < (whole * f64::from(members.weight(usize::from(*node)))).ceil();
        let node = self.candidates(key).find(has_room).or_else(|| self.candidates(key).next());
        Ok(node.and_then(|node| members.name(node)))
    }

    /// What moves from this map to `after`.
    ///
    /// # Errors
    /// `BadArguments` when the two differ in replicas or in how they hash keys.
    pub fn plan(&self, after: &Self) -> Result<Plan> {
        plan::diff(self, after)
    }

    /// How many changes lie behind this map; 0 for one that has no past.
    pub fn epoch(&self) -> u64 {
        self.table.epoch
    }

    /// 128 bits that are equal for equal maps, on any machine, and for no others: who looks up for others compares them first.
    pub fn digest(&self) -> [u8; 16] {
        *self.table.digest.get_or_init(|| codec::digest(&codec::body(&self.table)))
    }

    /// The map as bytes, to be stored and sent. They hold the secret of a keyed hash.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::write(&self.table)
    }

    /// The map that [`SlotMap::to_bytes`] wrote. Any bytes may be given.
    ///
    /// # Errors
    /// `Corrupt` or `UnknownFormat`, saying where, for what is not a map; as [`SlotMap::next`] for nodes out of bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        codec::read(bytes)
    }

    /// What was asked for when the map was made.
    pub fn options(&self) -> SlotOptions {
        self.table.options()
    }

    /// What of it could be done.
    pub fn standing(&self) -> Standing {
        self.table.standing
    }

    /// How many slots there are.
    pub fn slots(&self) -> u32 {
        self.table.slots() as u32
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.table.members.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.table.members.is_empty()
    }

    /// Node `number`: numbers are 0, 1, ... in the order of the names.
    pub fn node(&self, number: u16) -> Option<SlotNode<'_>> {
        (usize::from(number) < self.len()).then(|| self.table.members.get(usize::from(number)))
    }

    /// The number of the node `name`.
    pub fn number(&self, name: &[u8]) -> Option<u16> {
        self.table.members.find(name).ok().map(|at| at as u16)
    }

    /// The nodes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = SlotNode<'_>> {
        self.table.members.iter()
    }

    /// The slot of `key`.
    pub fn slot_of(&self, key: &[u8]) -> u32 {
        (self.table.hash.hash(key) >> self.table.shift) as u32
    }

    /// The replicas of `slot`, the owner first; slots past the last count from the first again.
    pub fn row(&self, slot: u32) -> &[u16] {
        let at = slot as usize % self.table.slots() * self.table.replicas;
        &self.table.rows[at..at + self.table.replicas]
    }

    /// How many slots each node holds, in whatever column, by number.
    pub fn loads(&self) -> Vec<u32> {
        self.table.loads()
    }

    /// How many slots each node is the owner of, by number.
    pub fn owned(&self) -> Vec<u32> {
        let mut owned = vec![0; self.len()];
        for row in self.table.rows.chunks_exact(self.table.replicas) {
            if let Some(owned) = owned.get_mut(usize::from(row[0])) {
                *owned += 1;
            }
        }
        owned
    }

    /// Bytes of memory the map holds.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Table>() + 2 * self.table.rows.len() + self.table.members.bytes()
    }
}

impl Placement for SlotMap {
    #[inline]
    fn position(&self, key: &[u8]) -> u64 {
        self.table.hash.hash(key)
    }

    #[inline]
    fn locate(&self, key: &[u8]) -> Option<&[u8]> {
        SlotMap::locate(self, key)
    }

    fn locate_n(&self, key: &[u8], n: usize) -> Vec<&[u8]> {
        self.candidates(key).take(n).filter_map(|node| self.table.members.name(node)).collect()
    }

    fn nodes(&self) -> Vec<(&[u8], u32)> {
        self.iter().map(|node| (node.name, node.weight)).collect()
    }

    /// A node that is there keeps its domain.
    fn with(&self, node: &[u8], weight: u32) -> Result<Self> {
        let domain = self.table.members.find(node).map_or(&[][..], |at| self.table.members.domain(at));
        self.with_node(SlotNode { name: node, weight, domain })
    }

    fn without(&self, node: &[u8]) -> Result<Self> {
        match self.table.members.find(node) {
            Ok(at) => Ok(self.filled(self.table.members.without(at))),
            Err(_) => Err(Error::new(ErrorKind::BadArguments, format!("node \"{}\" is not in the map", node[..node.len().min(64)].escape_ascii()))),
        }
    }

    /// By owners; [`SlotMap::plan`] tells of every replica.
    fn diff(&self, after: &Self) -> Result<Vec<Move>> {
        if self.table.hash != after.table.hash {
            return Err(Error::new(ErrorKind::BadArguments, "maps hash their keys differently: every key would move"));
        }
        let names = |map: &Self| -> Vec<NodeName> { map.iter().map(|node| node.name.into()).collect() };
        let (old, new) = (names(self), names(after));
        let shift = self.table.shift.min(after.table.shift);
        let mut moves = Moves::default();
        for slot in 0..1u64 << (64 - shift) {
            let lo = slot << shift;
            let (from, to) = (old.get(usize::from(self.table.owner(lo))), new.get(usize::from(after.table.owner(lo))));
            if from != to {
                moves.push(lo, lo | u64::MAX >> (64 - shift), from, to);
            }
        }
        Ok(moves.into_vec())
    }

    fn hashes_in(&self, lo: u64, hi: u64) -> u128 {
        if lo > hi { 0 } else { u128::from(hi - lo) + 1 }
    }
}
