//! Slot maps, and what finds keys where other programs put them: values that need no member and no session.
//!
//! Nodes are named by any bytes; answers are their numbers, 0, 1, ... in the order of the names, so that a lookup writes two bytes.
//!
//! Not here: how slots are given out (`folkmoot::hashing`), rings (`algorithms`).

use crate::guard::{allocated, bad, bytes, enter, give, options, plain, put, wanted};
use crate::types::folkmoot_status;
use folkmoot::hashing::{Dialect, Filler, Ketama, KeyHash, Maglev, Placement, Plan, SlotMap, SlotNode, SlotOptions, Spread};
use folkmoot::limits::NODES_MAX;
use folkmoot::{Error, ErrorKind, Result};
use std::ffi::c_void;

/// The number of no node: there are none, or a row has fewer replicas than were asked for.
pub const FOLKMOOT_NOBODY: u16 = 65535;

/// From the map before: loads within one slot of each quota, and the fewest moves that allows.
pub const FOLKMOOT_COORDINATED: i32 = 0;
/// From the set of nodes alone, each slot by lot: whoever knows the nodes has the same map.
pub const FOLKMOOT_RENDEZVOUS: i32 = 1;

/// Replicas are apart at the widest level of their domains at which every quota still fits.
pub const FOLKMOOT_SPREAD_BALANCE: i32 = 0;
/// Replicas are apart at the widest level with enough domains, whatever that does to balance.
pub const FOLKMOOT_SPREAD_DOMAINS: i32 = 1;

/// libmemcached's KETAMA and nothing else set.
pub const FOLKMOOT_KETAMA_LIBMEMCACHED: i32 = 0;
/// libmemcached's KETAMA with HASH_MD5.
pub const FOLKMOOT_KETAMA_LIBMEMCACHED_MD5: i32 = 1;
/// libmemcached's KETAMA_WEIGHTED, about 160 points a server.
pub const FOLKMOOT_KETAMA_WEIGHTED: i32 = 2;
/// libmemcached's KETAMA_SPY with HASH_MD5.
pub const FOLKMOOT_KETAMA_SPY: i32 = 3;
/// twemproxy's ketama.
pub const FOLKMOOT_KETAMA_TWEMPROXY: i32 = 4;

/// Which nodes own a key. Immutable: any threads may use one at once, and no lookup waits.
pub struct folkmoot_slot_map {
    map: SlotMap,
}

/// What moves between two slot maps. Immutable.
pub struct folkmoot_slot_plan {
    plan: Plan,
    moves: Vec<folkmoot_slot_move>,
}

/// A ketama continuum. Immutable.
pub struct folkmoot_ketama {
    ketama: Ketama,
}

/// A Maglev table. Immutable.
pub struct folkmoot_maglev {
    maglev: Maglev,
}

/// How a slot map is made. All zeros but for the size are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_slot_options {
    /// sizeof(folkmoot_slot_options)
    pub size: usize,
    /// A power of two, 2 to 1048576; 0: 16384, doubled while a coordinated map has fewer than 128 for each node.
    pub slots: u32,
    /// Nodes for each slot, the owner included, at most 8; 0 is 1.
    pub replicas: u32,
    /// FOLKMOOT_COORDINATED or _RENDEZVOUS.
    pub filler: i32,
    /// FOLKMOOT_SPREAD_BALANCE or _DOMAINS.
    pub spread: i32,
    /// One more than the percent by which a node may exceed its share, by lot and with one replica only; 0: no bound.
    pub cap_percent_and_one: u32,
    /// 1: keys are hashed with SipHash-2-4 under the secret; 0: with folkmoot_hash.
    pub keyed: u32,
    /// The secret, the same for all who share the map.
    pub secret: [u8; 16],
}

const DEFAULTS: folkmoot_slot_options = folkmoot_slot_options {
    size: 0,
    slots: 0,
    replicas: 0,
    filler: FOLKMOOT_COORDINATED,
    spread: FOLKMOOT_SPREAD_BALANCE,
    cap_percent_and_one: 0,
    keyed: 0,
    secret: [0; 16],
};

/// One node of a slot map, a continuum or a table. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_slot_node {
    /// Any bytes, name_len of them.
    pub name: *const c_void,
    /// How many.
    pub name_len: usize,
    /// 1 to 1000: twice the weight is twice the slots.
    pub weight: u32,
    /// What it fails together with, widest first, as zone/rack/host; NULL when nothing is known.
    pub domain: *const c_void,
    /// How many bytes that is.
    pub domain_len: usize,
}

/// Slots that one node takes over from another. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_slot_move {
    /// First slot, in slots of the map that has more of them.
    pub slot_lo: u32,
    /// Last slot, itself included.
    pub slot_hi: u32,
    /// The lowest hash of a key that moves.
    pub hash_lo: u64,
    /// The highest, itself included.
    pub hash_hi: u64,
    /// The column, 0 is the owner's.
    pub replica: u32,
    /// Number of the node that leaves, in the map before; FOLKMOOT_NOBODY when the place was vacant.
    pub from: u16,
    /// Number of the node that comes, in the map after; FOLKMOOT_NOBODY when the place stays vacant.
    pub to: u16,
}

/// # Safety
/// The conventions: what the node points to is as long as it says.
unsafe fn slot_node<'a>(node: &folkmoot_slot_node) -> Result<SlotNode<'a>> {
    // SAFETY: as asked of the caller.
    let (name, domain) = unsafe { (bytes(node.name, node.name_len, "name")?, bytes(node.domain, node.domain_len, "domain")?) };
    Ok(SlotNode { name: name.unwrap_or_default(), weight: node.weight, domain: domain.unwrap_or_default() })
}

/// # Safety
/// The conventions: `count` nodes.
unsafe fn slot_nodes<'a>(nodes: *const folkmoot_slot_node, count: usize) -> Result<Vec<SlotNode<'a>>> {
    if count > NODES_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{count} nodes, NODES_MAX is {NODES_MAX}")));
    }
    if count > 0 && nodes.is_null() {
        return Err(bad("nodes is NULL"));
    }
    // SAFETY: as asked of the caller.
    (0..count).map(|at| unsafe { slot_node(&nodes.add(at).read()) }).collect()
}

/// A map without nodes. options may be NULL. To be freed with folkmoot_slot_map_free.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_new(options: *const folkmoot_slot_options, map_out: *mut *mut folkmoot_slot_map) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(map_out, "map_out")?;
        let asked = self::options(options, DEFAULTS, "options")?;
        let filler = match asked.filler {
            FOLKMOOT_COORDINATED if asked.cap_percent_and_one != 0 => return Err(bad("options->cap_percent_and_one is for FOLKMOOT_RENDEZVOUS")),
            FOLKMOOT_COORDINATED => Filler::Coordinated,
            FOLKMOOT_RENDEZVOUS => Filler::Rendezvous { cap_percent: asked.cap_percent_and_one.checked_sub(1) },
            other => return Err(bad(format!("options->filler is {other}"))),
        };
        let spread = match asked.spread {
            FOLKMOOT_SPREAD_BALANCE => Spread::Balance,
            FOLKMOOT_SPREAD_DOMAINS => Spread::Domains,
            other => return Err(bad(format!("options->spread is {other}"))),
        };
        let hash = match asked.keyed {
            0 => KeyHash::Fm1,
            1 => KeyHash::Sip(asked.secret),
            other => return Err(bad(format!("options->keyed is {other}"))),
        };
        let slots = (asked.slots != 0).then_some(asked.slots);
        let map = SlotMap::with_options(SlotOptions { slots, replicas: asked.replicas.max(1) as usize, filler, spread, hash })?;
        give(map_out, folkmoot_slot_map { map });
        Ok(())
    })
}

/// The map for exactly these nodes, all in one step of one epoch: who is missing leaves, who is new joins, weights and domains
/// change. Of a name given twice the last holds. A new map; the old one stays.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_next(
    map: *const folkmoot_slot_map,
    nodes: *const folkmoot_slot_node,
    count: usize,
    map_out: *mut *mut folkmoot_slot_map,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(map_out, "map_out")?;
        let map = plain(map, "map")?.map.next(slot_nodes(nodes, count)?)?;
        give(map_out, folkmoot_slot_map { map });
        Ok(())
    })
}

/// map with node: added, or its weight and domain changed. A new map; the old one stays.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_with(
    map: *const folkmoot_slot_map,
    node: *const folkmoot_slot_node,
    map_out: *mut *mut folkmoot_slot_map,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(map_out, "map_out")?;
        let map = plain(map, "map")?.map.with_node(slot_node(plain(node, "node")?)?)?;
        give(map_out, folkmoot_slot_map { map });
        Ok(())
    })
}

/// map without the node of that name. A new map; the old one stays.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS when it is not part of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_without(
    map: *const folkmoot_slot_map,
    name: *const c_void,
    name_len: usize,
    map_out: *mut *mut folkmoot_slot_map,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(map_out, "map_out")?;
        let map = plain(map, "map")?.map.without(bytes(name, name_len, "name")?.unwrap_or_default())?;
        give(map_out, folkmoot_slot_map { map });
        Ok(())
    })
}

/// The number of the node that owns key; FOLKMOOT_NOBODY when there are none, or map is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_locate(map: *const folkmoot_slot_map, key: *const c_void, key_len: usize) -> u16 {
    // SAFETY: the conventions. Nothing here can panic: a row is always there.
    unsafe {
        match (plain(map, "map"), bytes(key, key_len, "key")) {
            (Ok(map), Ok(key)) => map.map.locate_number(key.unwrap_or_default()),
            _ => FOLKMOOT_NOBODY,
        }
    }
}

/// The first max nodes for key: its replicas, the owner first, then the others in the order in which to try them.
///
/// nodes_out  room for max numbers
/// count_out  how many were written
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_locate_n(
    map: *const folkmoot_slot_map,
    key: *const c_void,
    key_len: usize,
    max: usize,
    nodes_out: *mut u16,
    count_out: *mut usize,
) -> folkmoot_status {
    // SAFETY: the conventions: `max` numbers have room.
    enter(|| unsafe {
        wanted(count_out, "count_out")?;
        if max > 0 {
            wanted(nodes_out, "nodes_out")?;
        }
        let mut count = 0;
        for node in plain(map, "map")?.map.candidates(bytes(key, key_len, "key")?.unwrap_or_default()).take(max) {
            put(nodes_out.add(count), node);
            count += 1;
        }
        put(count_out, count);
        Ok(())
    })
}

/// The owners of count keys. key_lens may be NULL: then each key is text that ends in NUL.
///
/// nodes_out  room for count numbers
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS; then some of nodes_out may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_locate_batch(
    map: *const folkmoot_slot_map,
    keys: *const *const c_void,
    key_lens: *const usize,
    count: usize,
    nodes_out: *mut u16,
) -> folkmoot_status {
    // SAFETY: the conventions: `count` keys, lengths unless NULL, and room.
    enter(|| unsafe {
        let map = &plain(map, "map")?.map;
        if count == 0 {
            return Ok(());
        }
        wanted(nodes_out, "nodes_out")?;
        if keys.is_null() {
            return Err(bad("keys is NULL"));
        }
        for at in 0..count {
            let key = keys.add(at).read();
            let len = match key_lens.is_null() {
                true if key.is_null() => 0,
                true => std::ffi::CStr::from_ptr(key.cast()).count_bytes(),
                false => key_lens.add(at).read(),
            };
            put(nodes_out.add(at), map.locate_number(bytes(key, len, "a key")?.unwrap_or_default()));
        }
        Ok(())
    })
}

/// The owners of count keys that are integers: each is hashed as its eight bytes, lowest first, on every machine.
///
/// nodes_out  room for count numbers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_locate_integers(
    map: *const folkmoot_slot_map,
    keys: *const u64,
    count: usize,
    nodes_out: *mut u16,
) -> folkmoot_status {
    // SAFETY: the conventions: `count` keys and room.
    enter(|| unsafe {
        let map = &plain(map, "map")?.map;
        if count > 0 {
            wanted(nodes_out, "nodes_out")?;
            wanted(keys.cast_mut(), "keys")?;
        }
        for at in 0..count {
            put(nodes_out.add(at), map.locate_number(&keys.add(at).read().to_le_bytes()));
        }
        Ok(())
    })
}

/// The first node for key whose load stays within c times its fair share when it takes one more.
///
/// loads  what each node carries now, by number, as many as there are nodes
/// c      1.25 is usual; less is more even and sends more keys away from their owner
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_bounded(
    map: *const folkmoot_slot_map,
    key: *const c_void,
    key_len: usize,
    loads: *const u64,
    load_count: usize,
    c: f64,
    node_out: *mut u16,
) -> folkmoot_status {
    // SAFETY: the conventions: `load_count` loads.
    enter(|| unsafe {
        wanted(node_out, "node_out")?;
        let map = &plain(map, "map")?.map;
        if load_count != map.len() {
            return Err(bad(format!("{load_count} loads of {} nodes", map.len())));
        }
        if load_count > 0 && loads.is_null() {
            return Err(bad("loads is NULL"));
        }
        let loads = if load_count == 0 { &[][..] } else { std::slice::from_raw_parts(loads, load_count) };
        let total = loads.iter().fold(0u64, |total, load| total.saturating_add(*load));
        let key = bytes(key, key_len, "key")?.unwrap_or_default();
        let node = map.bounded(key, total, |node| loads.get(usize::from(node)).copied().unwrap_or(0), c)?;
        put(node_out, node.and_then(|name| map.number(name)).unwrap_or(FOLKMOOT_NOBODY));
        Ok(())
    })
}

/// Node number, from 0, in the order of the names. What it points to is valid until the map is freed.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_node(map: *const folkmoot_slot_map, number: u16, node_out: *mut folkmoot_slot_node) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(node_out, "node_out")?;
        let map = &plain(map, "map")?.map;
        let node = map.node(number).ok_or_else(|| bad(format!("number is {number}; the map has {} nodes", map.len())))?;
        let (name, domain) = (node.name, node.domain);
        put(
            node_out,
            folkmoot_slot_node {
                name: name.as_ptr().cast(),
                name_len: name.len(),
                weight: node.weight,
                domain: domain.as_ptr().cast(),
                domain_len: domain.len(),
            },
        );
        Ok(())
    })
}

/// How many nodes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_count(map: *const folkmoot_slot_map) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(map, "map") }.map_or(0, |map| map.map.len())
}

/// How many slots; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_slots(map: *const folkmoot_slot_map) -> u32 {
    // SAFETY: the conventions.
    unsafe { plain(map, "map") }.map_or(0, |map| map.map.slots())
}

/// How many changes lie behind the map; 0 for one by lot, which has no past.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_epoch(map: *const folkmoot_slot_map) -> u64 {
    // SAFETY: the conventions.
    unsafe { plain(map, "map") }.map_or(0, |map| map.map.epoch())
}

/// What the map could do of what was asked. Each output may be NULL.
///
/// replicas_out  how many each slot has: as many as were asked for, or as there are nodes
/// level_out     replicas of one slot differ in the first so many labels of their domains; 0: they are different nodes
/// capped_out    domains (at level 0 nodes) whose weight asks for more than every slot once
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_standing(
    map: *const folkmoot_slot_map,
    replicas_out: *mut u32,
    level_out: *mut u32,
    capped_out: *mut u32,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let standing = plain(map, "map")?.map.standing();
        put(replicas_out, standing.columns as u32);
        put(level_out, standing.level as u32);
        put(capped_out, standing.capped as u32);
        Ok(())
    })
}

/// How many slots each node holds, or is the owner of, by number. Either output may be NULL.
///
/// loads_out, owned_out  room for as many numbers as there are nodes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_loads(map: *const folkmoot_slot_map, loads_out: *mut u32, owned_out: *mut u32) -> folkmoot_status {
    // SAFETY: the conventions: room for every node.
    enter(|| unsafe {
        let map = &plain(map, "map")?.map;
        for (all, out) in [(map.loads(), loads_out), (map.owned(), owned_out)] {
            if !out.is_null() {
                out.copy_from_nonoverlapping(all.as_ptr(), all.len());
            }
        }
        Ok(())
    })
}

/// 128 bits that are equal for equal maps, on any machine, and for no others.
///
/// digest_out  room for 16 bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_digest(map: *const folkmoot_slot_map, digest_out: *mut u8) -> folkmoot_status {
    // SAFETY: the conventions: 16 bytes have room.
    enter(|| unsafe {
        wanted(digest_out, "digest_out")?;
        put(digest_out.cast::<[u8; 16]>(), plain(map, "map")?.map.digest());
        Ok(())
    })
}

/// The map as bytes, to be stored and sent; to be freed with folkmoot_free. They hold the secret of a keyed hash.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_to_bytes(map: *const folkmoot_slot_map, bytes_out: *mut *mut c_void, len_out: *mut usize) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(bytes_out, "bytes_out")?;
        wanted(len_out, "len_out")?;
        let bytes = plain(map, "map")?.map.to_bytes();
        put(bytes_out, allocated(&bytes)?.cast());
        put(len_out, bytes.len());
        Ok(())
    })
}

/// The map that folkmoot_slot_map_to_bytes wrote. Any bytes may be given.
///
/// FOLKMOOT_OK, _CORRUPT, _UNKNOWN_FORMAT, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_from_bytes(bytes: *const c_void, len: usize, map_out: *mut *mut folkmoot_slot_map) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(map_out, "map_out")?;
        let map = SlotMap::from_bytes(crate::guard::bytes(bytes, len, "bytes")?.unwrap_or_default())?;
        give(map_out, folkmoot_slot_map { map });
        Ok(())
    })
}

/// What moves from before to after, to be freed with folkmoot_slot_plan_free. Both have the same replicas and hash keys alike.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_plan(
    before: *const folkmoot_slot_map,
    after: *const folkmoot_slot_map,
    plan_out: *mut *mut folkmoot_slot_plan,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(plan_out, "plan_out")?;
        let plan = plain(before, "before")?.map.plan(&plain(after, "after")?.map)?;
        let each = |one: &folkmoot::hashing::SlotMove| folkmoot_slot_move {
            slot_lo: one.slot_lo,
            slot_hi: one.slot_hi,
            hash_lo: one.hash_lo,
            hash_hi: one.hash_hi,
            replica: u32::from(one.replica),
            from: one.from.unwrap_or(FOLKMOOT_NOBODY),
            to: one.to.unwrap_or(FOLKMOOT_NOBODY),
        };
        let moves = plan.moves.iter().map(each).collect();
        give(plan_out, folkmoot_slot_plan { plan, moves });
        Ok(())
    })
}

/// How many moves; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_plan_count(plan: *const folkmoot_slot_plan) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(plan, "plan") }.map_or(0, |plan| plan.moves.len())
}

/// The moves, one behind the other; NULL if there are none. Valid until the plan is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_plan_moves(plan: *const folkmoot_slot_plan) -> *const folkmoot_slot_move {
    // SAFETY: the conventions.
    unsafe { plain(plan, "plan") }.ok().filter(|plan| !plan.moves.is_empty()).map_or(std::ptr::null(), |plan| plan.moves.as_ptr())
}

/// How much moves. Each output may be NULL.
///
/// moved_out     replicas of slots that someone has to take over
/// least_out     the least that any change between two maps of these loads would move
/// promoted_out  slots whose owner is another one that held a replica before
/// whole_out     slots times replicas, what all these are of
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_plan_figures(
    plan: *const folkmoot_slot_plan,
    moved_out: *mut u64,
    least_out: *mut u64,
    promoted_out: *mut u64,
    whole_out: *mut u64,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let plan = &plain(plan, "plan")?.plan;
        put(moved_out, plan.moved_slots);
        put(least_out, plan.least_slots);
        put(promoted_out, plan.promoted_slots);
        put(whole_out, plan.whole_slots);
        Ok(())
    })
}

/// Jump hash: the bucket of key, 0 to buckets - 1; 0 when there are none. Buckets come and go at the end only.
#[unsafe(no_mangle)]
pub extern "C" fn folkmoot_jump_hash(key: u64, buckets: u32) -> u32 {
    folkmoot::hashing::jump(key, buckets).unwrap_or(0)
}

/// The slot of key in a Redis Cluster, 0 to 16383: CRC16, of the hash tag only if the key has one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_redis_slot(key: *const c_void, key_len: usize) -> u16 {
    // SAFETY: the conventions.
    folkmoot::hashing::redis_slot(unsafe { bytes(key, key_len, "key") }.ok().flatten().unwrap_or_default())
}

/// The continuum of count servers, each named host:port, in a dialect: FOLKMOOT_KETAMA_LIBMEMCACHED and so on. Servers are known by
/// their place in the list; domains are not looked at. To be freed with folkmoot_ketama_free.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ketama_new(
    dialect: i32,
    servers: *const folkmoot_slot_node,
    count: usize,
    ketama_out: *mut *mut folkmoot_ketama,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(ketama_out, "ketama_out")?;
        let dialect = match dialect {
            FOLKMOOT_KETAMA_LIBMEMCACHED => Dialect::Libmemcached,
            FOLKMOOT_KETAMA_LIBMEMCACHED_MD5 => Dialect::LibmemcachedMd5,
            FOLKMOOT_KETAMA_WEIGHTED => Dialect::Weighted,
            FOLKMOOT_KETAMA_SPY => Dialect::Spy,
            FOLKMOOT_KETAMA_TWEMPROXY => Dialect::Twemproxy,
            other => return Err(bad(format!("dialect is {other}"))),
        };
        let servers: Vec<(&[u8], u32)> = slot_nodes(servers, count)?.into_iter().map(|node| (node.name, node.weight)).collect();
        give(ketama_out, folkmoot_ketama { ketama: Ketama::new(dialect, &servers)? });
        Ok(())
    })
}

/// The server of key, by its place in the list; FOLKMOOT_NOBODY when there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ketama_locate(ketama: *const folkmoot_ketama, key: *const c_void, key_len: usize) -> u16 {
    // SAFETY: the conventions.
    unsafe {
        match (plain(ketama, "ketama"), bytes(key, key_len, "key")) {
            (Ok(ketama), Ok(key)) => ketama.ketama.locate(key.unwrap_or_default()).map_or(FOLKMOOT_NOBODY, |at| at as u16),
            _ => FOLKMOOT_NOBODY,
        }
    }
}

/// The Maglev table of size places, a prime, over count nodes, as Envoy fills it; 0 is 65537. Nodes are known by their place in the
/// list; domains are not looked at. To be freed with folkmoot_maglev_free.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_maglev_new(
    nodes: *const folkmoot_slot_node,
    count: usize,
    size: u32,
    maglev_out: *mut *mut folkmoot_maglev,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(maglev_out, "maglev_out")?;
        let nodes: Vec<(&[u8], u32)> = slot_nodes(nodes, count)?.into_iter().map(|node| (node.name, node.weight)).collect();
        let size = if size == 0 { folkmoot::hashing::MAGLEV_TABLE } else { size };
        give(maglev_out, folkmoot_maglev { maglev: Maglev::new(&nodes, size)? });
        Ok(())
    })
}

/// The node of key, hashed with XXH64 and seed 0, by its place in the list; FOLKMOOT_NOBODY when there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_maglev_locate(maglev: *const folkmoot_maglev, key: *const c_void, key_len: usize) -> u16 {
    // SAFETY: the conventions.
    unsafe {
        match (plain(maglev, "maglev"), bytes(key, key_len, "key")) {
            (Ok(maglev), Ok(key)) => maglev.maglev.locate(key.unwrap_or_default()).map_or(FOLKMOOT_NOBODY, |at| at as u16),
            _ => FOLKMOOT_NOBODY,
        }
    }
}

macro_rules! free {
    ($pointer:expr) => {
        if !$pointer.is_null() {
            // SAFETY: the conventions: made by `give`, freed once.
            drop(unsafe { Box::from_raw($pointer) });
        }
    };
}

/// Frees the map. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_map_free(map: *mut folkmoot_slot_map) {
    free!(map);
}

/// Frees the plan. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_slot_plan_free(plan: *mut folkmoot_slot_plan) {
    free!(plan);
}

/// Frees the continuum. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ketama_free(ketama: *mut folkmoot_ketama) {
    free!(ketama);
}

/// Frees the table. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_maglev_free(maglev: *mut folkmoot_maglev) {
    free!(maglev);
}
