//! A directory of the log, whatever is in its files: opened, or refused and then recovered; what was opened takes an entry and keeps it.
//!
//! Checksums count as right here, or nothing behind them would ever be reached. Input: two segments and a snapshot,
//! with [`CUT`] between them; what is empty is not there.
#![no_main]

use folkmoot::log::{SimulatedDisk, Store, StoreOptions};
use std::sync::Arc;

const CUT: &[u8] = b"--8<--";

/// The entries after the snapshot.
fn open(disk: &Arc<SimulatedDisk>) -> folkmoot::Result<(Store, Vec<Vec<u8>>)> {
    let options = StoreOptions { segment_bytes: 8192, first_segment_bytes: 4096, prepare_ahead: false, ..StoreOptions::default() };
    let mut entries = Vec::new();
    let (store, _) = Store::open(disk.disk(), options, &mut |_| Ok(()), &mut |_, entry| {
        entries.push(entry.to_vec());
        Ok(())
    })?;
    Ok((store, entries))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let disk = SimulatedDisk::new(0);
    let mut rest = data;
    for name in ["log-00000001", "log-00000002", "snapshot-0000000000000003"] {
        let end = rest.windows(CUT.len()).position(|window| window == CUT).unwrap_or(rest.len());
        let (file, after) = rest.split_at(end);
        rest = after.get(CUT.len()..).unwrap_or_default();
        if !file.is_empty() {
            disk.put(name, file);
        }
    }
    let (mut store, mut entries) = match open(&disk) {
        Ok(opened) => opened,
        Err(_) => {
            let Ok(recovered) = folkmoot::log::recover(&*disk.disk(), &mut |_| Ok(())) else { return };
            let (store, entries) = open(&disk).expect("what was recovered opens");
            assert_eq!(store.last_index(), recovered.last_index);
            (store, entries)
        }
    };
    let Ok(last) = store.append(&[b"one more".to_vec()]) else { return };
    entries.push(b"one more".to_vec());
    drop(store);
    let (store, found) = open(&disk.crash()).expect("what was opened and written to opens again");
    assert!(store.last_index() == last && found == entries, "{} entries, then {}", entries.len(), found.len());
});
