//! A map as bytes, and its digest.
//!
//! Numbers stand lowest byte first. `FMSM`, version 1, filler (0 coordinated, 1 rendezvous), log2 of the slots, replicas, flags (1:
//! keyed hash, 2: slots were chosen by us, 4: domains before balance, 8: load cap); epoch (8); if keyed the secret (16); if capped
//! the percent (4); how many nodes (4); of each the name's length (2), the name, its weight (2), the domain's length (2), the domain;
//! then how many replicas each slot has (1), the level (1) and the capped groups (4); then every row, two bytes a place; at the end
//! the digest: the first 16 bytes of the SHA-256 of all before.
//!
//! Reading takes any bytes. What is not exactly what writing gives is refused, so equal maps have equal bytes.

use super::members::{Members, NO_NODE, Packer, SlotNode, check_count};
use super::{Filler, SlotMap, SlotOptions, Spread, Standing, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::hashing::KeyHash;
use crate::limits::{CAP_PERCENT_MAX, REPLICAS_MAX, SLOTS_MAX};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

const MAGIC: &[u8; 4] = b"FMSM";
const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 16;

const KEYED: u8 = 1;
const OWN_SLOTS: u8 = 2;
const DOMAINS_FIRST: u8 = 4;
const CAPPED: u8 = 8;

/// All but the digest.
pub(super) fn body(table: &Table) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + table.members.bytes() + 2 * table.rows.len());
    let (filler, cap) = match table.filler {
        Filler::Coordinated => (0, None),
        Filler::Rendezvous { cap_percent } => (1, cap_percent),
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let keyed = matches!(table.hash, KeyHash::Sip(_));
    let flags = flag(keyed, KEYED) | flag(table.own_slots, OWN_SLOTS) | flag(table.spread == Spread::Domains, DOMAINS_FIRST) | flag(cap.is_some(), CAPPED);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[VERSION, filler, (64 - table.shift) as u8, table.replicas as u8, flags]);
    out.extend_from_slice(&table.epoch.to_le_bytes());
    if let KeyHash::Sip(secret) = &table.hash {
        out.extend_from_slice(secret);
    }
    if let Some(percent) = cap {
        out.extend_from_slice(&percent.to_le_bytes());
    }
    out.extend_from_slice(&(table.members.len() as u32).to_le_bytes());
    for node in table.members.iter() {
        out.extend_from_slice(&(node.name.len() as u16).to_le_bytes());
        out.extend_from_slice(node.name);
        out.extend_from_slice(&(node.weight as u16).to_le_bytes());
        out.extend_from_slice(&(node.domain.len() as u16).to_le_bytes());
        out.extend_from_slice(node.domain);
    }
    out.extend_from_slice(&[table.standing.columns as u8, table.standing.level as u8]);
    out.extend_from_slice(&(table.standing.capped as u32).to_le_bytes());
    table.rows.iter().for_each(|node| out.extend_from_slice(&node.to_le_bytes()));
    out
}

pub(super) fn digest(body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&Sha256::digest(body)[..DIGEST_BYTES]);
    digest
}

pub(super) fn write(table: &Table) -> Vec<u8> {
    let mut out = body(table);
    out.extend_from_slice(&digest(&out));
    out
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what.into())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8]> {
        let left = &self.bytes[self.at..];
        if left.len() < len {
            return Err(refused(format!("slot map ends at byte {}, {} bytes short of its {what}", self.bytes.len(), len - left.len())));
        }
        self.at += len;
        Ok(&left[..len])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u16(&mut self, what: &str) -> Result<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<SlotMap> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4, "first four bytes")? != MAGIC {
        return Err(refused("these bytes are no slot map: they do not begin with FMSM"));
    }
    let [version] = reader.array("version")?;
    if version != VERSION {
        return Err(Error::new(ErrorKind::UnknownFormat, format!("slot map of format {version}, known is {VERSION}")));
    }
    let [filler, bits, replicas, flags] = reader.array("head")?;
    let most = SLOTS_MAX.trailing_zeros() as u8;
    if filler > 1 || flags > 15 || !(1..=most).contains(&bits) || replicas == 0 || usize::from(replicas) > REPLICAS_MAX {
        return Err(refused(format!("slot map with filler {filler}, flags {flags}, 2^{bits} slots and {replicas} replicas")));
    }
    let epoch = u64::from_le_bytes(reader.array("epoch")?);
    let hash = if flags & KEYED == 0 { KeyHash::Fm1 } else { KeyHash::Sip(reader.array("secret")?) };
    let cap_percent = if flags & CAPPED == 0 { None } else { Some(reader.u32("load cap")?) };
    if cap_percent.is_some_and(|percent| filler == 0 || replicas != 1 || percent > CAP_PERCENT_MAX) {
        return Err(refused("slot map with a load cap it cannot have"));
    }
    let members = read_members(&mut reader)?;
    let [columns, level] = reader.array("standing")?;
    let capped = reader.u32("standing")? as usize;
    if usize::from(columns) != usize::from(replicas).min(members.len()) || capped > members.len() || usize::from(level) > crate::limits::DOMAIN_LEVELS_MAX {
        return Err(refused(format!("slot map of {} nodes with {columns} replicas a slot at level {level}, {capped} capped", members.len())));
    }
    let (slots, replicas) = (1usize << bits, usize::from(replicas));
    let rows: Vec<u16> = reader.take(2 * slots * replicas, "slots")?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    for (slot, row) in rows.chunks_exact(replicas).enumerate() {
        let (full, vacant) = row.split_at(usize::from(columns));
        let known = full.iter().enumerate().all(|(at, node)| usize::from(*node) < members.len() && !full[..at].contains(node));
        if !known || vacant.iter().any(|node| *node != NO_NODE) {
            return Err(refused(format!("slot {slot} of the slot map names {row:?}, there are {} nodes", members.len())));
        }
    }
    let digest = digest(&bytes[..reader.at]);
    if reader.take(DIGEST_BYTES, "digest")? != digest || reader.at != bytes.len() {
        return Err(refused(format!("slot map of {} bytes does not match the digest at its end", bytes.len())));
    }
    let filler = if filler == 0 { Filler::Coordinated } else { Filler::Rendezvous { cap_percent } };
    let spread = if flags & DOMAINS_FIRST == 0 { Spread::Balance } else { Spread::Domains };
    let options = SlotOptions { slots: (flags & OWN_SLOTS == 0).then_some(1 << bits), replicas, filler, spread, hash };
    let standing = Standing { columns: usize::from(columns), level: usize::from(level), capped };
    let mut table = Table::new(&options, slots, epoch, members, rows, standing);
    table.digest = OnceLock::from(digest);
    Ok(SlotMap::from(table))
}

fn read_members(reader: &mut Reader<'_>) -> Result<Members> {
    let many = reader.u32("number of nodes")? as usize;
    check_count(many)?;
    // No room is taken by what a number says: each node has six bytes at least.
    let mut packer = Packer::new(many.min(reader.bytes.len() / 6));
    let mut last: Option<&[u8]> = None;
    for at in 0..many {
        let len = reader.u16("name")?;
        let name = reader.take(usize::from(len), "name")?;
        let weight = u32::from(reader.u16("weight")?);
        let len = reader.u16("domain")?;
        let node = SlotNode { name, weight, domain: reader.take(usize::from(len), "domain")? };
        node.check()?;
        if last.is_some_and(|last| last >= name) {
            return Err(refused(format!("node {at} of the slot map is out of order")));
        }
        last = Some(name);
        packer.push(node);
    }
    Ok(packer.done())
}
