//! What the machine wrote in the first version of each format is read for ever, and means the same.
//!
//! The files (each record a length, u16 little-endian, and its bytes) are also what the fuzzer begins with.

use folkmoot::ids::SessionId;
use folkmoot::machine::{Entry, Machine, Write};
use folkmoot::request::{Acl, CreateMode, Identity, Request, perms};
use std::path::PathBuf;
use std::sync::Arc;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/golden/machine/format-1").join(name)
}

fn pack(records: &[Vec<u8>]) -> Vec<u8> {
    let framed = records.iter().flat_map(|record| [&u16::try_from(record.len()).expect("a short record").to_le_bytes()[..], record].concat());
    framed.collect()
}

fn unpack(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (record, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

fn create(path: &str, mode: CreateMode, ttl_ms: i64) -> Request {
    Request::Create { path: path.into(), data: Some(Arc::from(path.as_bytes())), acl: Acl::open(), mode, ttl_ms }
}

/// One of everything.
fn entries() -> Vec<Entry> {
    let (one, two) = (SessionId(0x1_0000_0001), SessionId(0x1_0000_0002));
    let mut entries = vec![
        Entry::Begin { secret: [7; 32], time_ms: 1 },
        Entry::Open { session: one, timeout_ms: 10_000, in_process: true, time_ms: 2 },
        Entry::Open { session: two, timeout_ms: 4000, in_process: false, time_ms: 3 },
    ];
    let read_only = vec![Acl { perms: perms::READ, identity: Identity::new("digest", "ann:hash") }];
    let requests = [
        create("/a", CreateMode::Persistent, 0),
        create("/a/e", CreateMode::Ephemeral, 0),
        create("/a/s-", CreateMode::EphemeralSequential, 0),
        create("/a/p-", CreateMode::PersistentSequential, 0),
        create("/c", CreateMode::Container, 0),
        create("/c/x", CreateMode::Persistent, 0),
        create("/t", CreateMode::Ttl, 500),
        create("/a name beyond the length that is kept in place", CreateMode::TtlSequential, 1000),
        Request::Create { path: "/null".into(), data: None, acl: read_only.clone(), mode: CreateMode::Persistent, ttl_ms: 0 },
        Request::Set { path: "/a".into(), data: Some(Arc::from(&b"new"[..])), version: 0 },
        Request::Set { path: "/a".into(), data: None, version: 0 },
        Request::SetAcl { path: "/c".into(), acl: read_only, version: -1 },
        Request::Delete { path: "/c/x".into(), version: -1 },
        create("/zookeeper/quota/a", CreateMode::Persistent, 0),
        Request::Create {
            path: "/zookeeper/quota/a/zookeeper_limits".into(),
            data: Some(Arc::from(&b"count=9,bytes=-1"[..])),
            acl: Acl::open(),
            mode: CreateMode::Persistent,
            ttl_ms: 0,
        },
        create("/zookeeper/quota/a/zookeeper_stats", CreateMode::Persistent, 0),
        Request::Multi(vec![Request::Check { path: "/a".into(), version: 1 }, create("/a/m", CreateMode::Persistent, 0)]),
        Request::Multi(vec![create("/gone", CreateMode::Persistent, 0), Request::Check { path: "/none".into(), version: 1 }]),
    ];
    for (number, request) in (1..).zip(requests) {
        let identities = vec![Identity::new("digest", "ann:hash")];
        let write = Write {
            session: one,
            attachment: 0,
            number,
            answered: number.saturating_sub(4),
            time_ms: 10 + number as i64,
            identities: identities.into(),
            request,
        };
        entries.push(Entry::Write(Box::new(write)));
    }
    entries.push(Entry::Attach { session: two, attachment: 5, time_ms: 40 });
    let write =
        Write { session: two, attachment: 5, number: 1, answered: 0, time_ms: 41, identities: [].into(), request: create("/b", CreateMode::Ephemeral, 0) };
    entries.push(Entry::Write(Box::new(write)));
    entries.push(Entry::Sweep { path: "/c".into(), time_ms: 42 });
    entries.push(Entry::Open { session: SessionId(0x1_0000_0003), timeout_ms: 4000, in_process: true, time_ms: 43 });
    let write = Write {
        session: SessionId(0x1_0000_0003),
        attachment: 0,
        number: 1,
        answered: 0,
        time_ms: 44,
        identities: [].into(),
        request: create("/d", CreateMode::Ephemeral, 0),
    };
    entries.push(Entry::Write(Box::new(write)));
    entries.push(Entry::Close { session: SessionId(0x1_0000_0003), expired: true, time_ms: 45 });
    entries
}

fn frozen(machine: &Machine) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let put = &mut |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    machine.freeze().records(put).expect("a snapshot");
    records
}

fn encoded() -> Vec<Vec<u8>> {
    entries().iter().map(|entry| postcard::to_stdvec(entry).expect("an encoding")).collect()
}

fn applied<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Machine {
    let mut machine = Machine::new(1, false);
    for entry in entries {
        let _ = machine.apply(entry);
    }
    machine
}

#[test]
fn golden_entries_are_read_and_written() {
    let bytes = std::fs::read(golden("entries")).expect("the golden entries");
    let read: Vec<Entry> = unpack(&bytes).iter().map(|record| postcard::from_bytes(record).expect("an entry")).collect();
    assert_eq!(read, entries());
    assert!(pack(&encoded()) == bytes, "what is written today is what was written then");
}

#[test]
fn golden_snapshots_are_read_and_written() {
    let bytes = std::fs::read(golden("records")).expect("the golden records");
    let mut machine = Machine::to_load(9, false);
    for record in unpack(&bytes) {
        machine.load(&record).expect("a record");
    }
    assert!(machine.is_complete());
    assert!(pack(&frozen(&machine)) == bytes, "what is written today is what was written then");
    assert!(frozen(&machine) == frozen(&applied(&entries())), "the entries lead to the same");
}

#[test]
#[ignore = "run once for each new format"]
fn golden_files_are_written() {
    std::fs::create_dir_all(golden("")).expect("the folder");
    for (name, bytes) in [("entries", pack(&encoded())), ("records", pack(&frozen(&applied(&entries()))))] {
        assert!(!golden(name).exists(), "golden files are never written anew");
        std::fs::write(golden(name), bytes).expect("a file");
    }
}
