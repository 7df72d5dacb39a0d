//! A snapshot of the machine: refused, or a machine that works, and whose own snapshot says the same.
//!
//! Input: records, each a length (u16, little-endian) and its bytes.
#![no_main]

use folkmoot::machine::{Entry, Machine};
use folkmoot::request::{Identity, Reply, Request, Requester};
use folkmoot_fuzz::records;

fn frozen(machine: &Machine) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let put = &mut |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    machine.freeze().records(put).expect("a snapshot of what was loaded");
    records
}

fn load<'r>(records: impl Iterator<Item = &'r [u8]>) -> Option<Machine> {
    let mut machine = Machine::to_load(1, false);
    for record in records {
        machine.load(record).ok()?;
    }
    machine.is_complete().then_some(machine)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(mut machine) = load(records(data)) else { return };
    let first = frozen(&machine);
    let again = load(first.iter().map(Vec::as_slice)).expect("what was loaded and frozen loads");
    assert!(frozen(&again) == first, "a snapshot of a snapshot says the same");
    let who = Requester { identities: [Identity::new("super", "")].into(), ..Requester::default() };
    let (mut waiting, mut found) = (vec!["/".to_owned()], 0);
    while let Some(path) = waiting.pop() {
        found += 1;
        let Ok(Reply::Children { names, .. }) = machine.read(&Request::Children { path: path.clone(), watch: false }, &who) else {
            panic!("{path:?} is listed and not found")
        };
        waiting.extend(names.iter().map(|name| if path == "/" { format!("/{name}") } else { format!("{path}/{name}") }));
    }
    assert_eq!(found, machine.tree().len(), "everything can be found");
    let ids: Vec<_> = machine.sessions().map(|(id, _)| id).collect();
    for session in ids {
        let _ = machine.apply(&Entry::Close { session, expired: true, time_ms: 0 });
        assert!(!machine.tree().owns_any(session.0));
    }
    for path in machine.tree().due(i64::MAX, 100) {
        let _ = machine.apply(&Entry::Sweep { path, time_ms: i64::MAX });
    }
});
