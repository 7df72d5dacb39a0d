//! Entries of the log, applied one after the other: never a panic, and the same replies and state on two members.
//!
//! Input: entries, each a length (u16, little-endian) and its bytes.
#![no_main]

use folkmoot::machine::{Entry, Machine};
use folkmoot_fuzz::{entry, records};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Unlike seeds of the index must not show.
    let (mut one, mut other) = (Machine::new(1, true), Machine::new(2, true));
    for record in records(data) {
        let Some(entry): Option<Entry> = entry(record) else { continue };
        let (first, second) = (one.apply(&entry), other.apply(&entry));
        assert_eq!((first.outcome, first.zxid, first.changes), (second.outcome, second.zxid, second.changes));
    }
    let state = |machine: &Machine| {
        let mut records = Vec::new();
        let put = &mut |record: &[u8]| {
            records.push(record.to_vec());
            Ok(())
        };
        machine.freeze().records(put).map(|()| records)
    };
    let records = state(&one).expect("a snapshot");
    assert!(Ok(&records) == state(&other).as_ref(), "the same state");
    let mut loaded = Machine::to_load(3, true);
    for record in &records {
        loaded.load(record).expect("what was frozen loads");
    }
    assert!(loaded.is_complete() && state(&loaded).as_ref() == Ok(&records), "the state comes back");
});
