//! What the log promises, held against every moment at which the power can go.

use super::{Disk, RealDisk, Recovery, SimulatedDisk, Store, StoreOptions};
use crate::error::{ErrorKind, Result};
use std::sync::Arc;

pub(super) fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 8 * 512, first_segment_bytes: 4 * 512, snapshots_kept: 2, spares_kept: 2, prepare_ahead: false }
}

pub(super) struct Opened {
    pub(super) store: Store,
    recovery: Recovery,
    /// Each entry, from the snapshot or from the log: the snapshots of these tests hold all entries before them.
    pub(super) entries: Vec<Vec<u8>>,
}

pub(super) fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Opened> {
    let (mut from_snapshot, mut from_log) = (Vec::new(), Vec::new());
    let (store, recovery) = Store::open(
        disk,
        options,
        &mut |record| {
            from_snapshot.push(record.to_vec());
            Ok(())
        },
        &mut |index, entry| {
            from_log.push((index, entry.to_vec()));
            Ok(())
        },
    )?;
    let mut entries = from_snapshot;
    assert_eq!(entries.len() as u64, recovery.snapshot_index.unwrap_or(0));
    for (index, entry) in from_log {
        assert_eq!(index, entries.len() as u64 + 1, "entries are fed in order, without gaps");
        entries.push(entry);
    }
    assert_eq!(recovery.last_index, entries.len() as u64);
    assert_eq!(store.last_index(), recovery.last_index);
    Ok(Opened { store, recovery, entries })
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A random group; some are of several sectors, a few need a segment of their own.
fn group(random: &mut u64) -> Vec<Vec<u8>> {
    let many = [1, 1, 2, 4][(next(random) % 4) as usize];
    (0..many)
        .map(|_| {
            let length = match next(random) % 24 {
                0 => 6000,
                1..=9 => 400 + next(random) % 1200,
                10 => 0,
                _ => next(random) % 300,
            };
            (0..length).map(|_| next(random) as u8).collect()
        })
        .collect()
}

struct Outcome {
    acknowledged: Vec<Vec<u8>>,
    in_flight: Vec<Vec<u8>>,
}

/// Appends, and now and then snapshots, until something fails.
fn workload(disk: &Arc<SimulatedDisk>, options: StoreOptions, seed: u64, steps: u64) -> Outcome {
    let mut random = seed.wrapping_mul(2) + 1;
    let mut outcome = Outcome { acknowledged: Vec::new(), in_flight: Vec::new() };
    let Ok(Opened { mut store, entries, .. }) = open(disk.disk(), options) else { return outcome };
    outcome.acknowledged = entries;
    for step in 0..steps {
        let group = group(&mut random);
        outcome.in_flight = group.clone();
        match store.append(&group) {
            Ok(last) => {
                outcome.acknowledged.append(&mut outcome.in_flight);
                assert_eq!(last, outcome.acknowledged.len() as u64);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DiskFailed, "{error}");
                let again = store.append(&[vec![1]]).unwrap_err();
                assert_eq!(again.kind(), ErrorKind::DiskFailed, "stopped for good: {again}");
                return outcome;
            }
        }
        if step % 5 == 4 && snapshot(&mut store, &outcome.acknowledged).is_err() {
            return outcome;
        }
    }
    outcome
}

fn snapshot(store: &mut Store, entries: &[Vec<u8>]) -> Result<()> {
    let mut writer = store.snapshot_writer(entries.len() as u64)?;
    for entry in entries {
        writer.record(entry)?;
    }
    let done = writer.finish()?;
    store.snapshot_finished(done)?.discard()?;
    assert_eq!(store.bytes_since_snapshot(), 0);
    assert_eq!(store.entries_since_snapshot(), 0);
    Ok(())
}

fn holds(entries: &[Vec<u8>], outcome: &Outcome, what: &str) {
    let acknowledged = outcome.acknowledged.len();
    assert!(entries.len() >= acknowledged, "{what}: {acknowledged} acknowledged, {} found", entries.len());
    assert!(entries[..acknowledged] == outcome.acknowledged[..], "{what}: acknowledged, then changed");
    let rest = &entries[acknowledged..];
    assert!(rest.is_empty() || rest == outcome.in_flight.as_slice(), "{what}: found {} entries nobody wrote so", rest.len());
}

/// What was acknowledged is still there after the power has gone at any moment, recovery included.
/// Method: one workload is run once for each of its operations, which the power then precedes; then recovery is
/// stopped before each of its own; then appends go on. `FOLKMOOT_SEED=<n>` replays one seed.
#[test]
fn acknowledged_entries_outlive_a_crash_at_every_operation() {
    let seeds: Vec<u64> = match std::env::var("FOLKMOOT_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..4).collect(),
    };
    let (mut cuts, mut whole, mut absent, mut recovered_from_snapshot) = (0, 0, 0, 0);
    for seed in seeds {
        let disk = SimulatedDisk::new(seed);
        workload(&disk, options(), seed, 24);
        let operations = disk.operations();
        for (point, tear) in (0..operations).flat_map(|point| [(point, 1), (point, 2), (point, 3)]) {
            let disk = SimulatedDisk::new(seed.wrapping_mul(1_000_003 * (3 * point + tear)));
            disk.stop_at(point);
            let outcome = workload(&disk, options(), seed, 24);
            let mut disk = disk.crash();
            // Two thirds of the recoveries go through at once.
            for stop in (if tear > 1 { 1000 } else { 0 }).. {
                disk.stop_at(stop);
                let opened = open(disk.disk(), options());
                if let Ok(opened) = &opened {
                    cuts += u32::from(opened.recovery.cut.is_some());
                    holds(&opened.entries, &outcome, &format!("seed {seed}, power gone at {point}, again at {stop}"));
                } else if let Err(error) = &opened {
                    assert_eq!(error.kind(), ErrorKind::DiskFailed, "seed {seed}, {point}, {stop}: {error}");
                }
                let through = opened.is_ok();
                disk = disk.crash();
                if through {
                    break;
                }
            }
            let what = format!("seed {seed}, power gone at {point}, tear {tear}");
            let mut opened = open(disk.disk(), options()).unwrap_or_else(|error| panic!("{what}: {error}"));
            holds(&opened.entries, &outcome, &what);
            recovered_from_snapshot += u32::from(opened.recovery.snapshot_index.is_some());
            if !outcome.in_flight.is_empty() {
                *(if opened.entries.len() > outcome.acknowledged.len() { &mut whole } else { &mut absent }) += 1;
            }
            let mut random = point * 2 + 1;
            for step in 0..4 {
                let group = group(&mut random);
                opened.store.append(&group).unwrap_or_else(|error| panic!("{what}: {error}"));
                opened.entries.extend(group);
                if step == 2 {
                    snapshot(&mut opened.store, &opened.entries).unwrap();
                }
            }
            drop(opened.store);
            let again = open(disk.crash().disk(), options()).unwrap_or_else(|error| panic!("{what}, then appended: {error}"));
            assert!(again.entries == opened.entries, "{what}: what followed the recovery");
        }
    }
    if std::env::var_os("FOLKMOOT_SEED").is_none() {
        let met = format!("cut {cuts}, whole {whole}, absent {absent}, from a snapshot {recovered_from_snapshot}");
        assert!(cuts > 10 && whole > 20 && absent > 20 && recovered_from_snapshot > 20, "every kind of end is met: {met}");
    }
}

/// The same while the next segment is made ready on the store's own thread; when, no seed decides.
#[test]
fn acknowledged_entries_outlive_a_crash_beside_the_preparer() {
    let ahead = StoreOptions { prepare_ahead: true, ..options() };
    for seed in 1..6 {
        let disk = SimulatedDisk::new(seed);
        workload(&disk, ahead.clone(), seed, 40);
        for point in 0..disk.operations() {
            let disk = SimulatedDisk::new(seed.wrapping_mul(999_983 * (1 + point)));
            disk.stop_at(point);
            let outcome = workload(&disk, ahead.clone(), seed, 40);
            let what = format!("seed {seed}, power gone at {point}");
            let opened = open(disk.crash().disk(), ahead.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
            holds(&opened.entries, &outcome, &what);
        }
    }
}

#[test]
fn torn_tail_is_cut_and_told() {
    let mut told = 0;
    for seed in 1..60 {
        let disk = SimulatedDisk::new(seed);
        let mut store = open(disk.disk(), StoreOptions { first_segment_bytes: 1 << 16, segment_bytes: 1 << 16, ..options() }).unwrap().store;
        store.append(&[vec![1; 100]]).unwrap();
        disk.stop_at(disk.operations() + 1);
        store.append(&[vec![2; 5000]]).unwrap_err();
        let disk = disk.crash();
        let opened = open(disk.disk(), options()).unwrap();
        if let Some(cut) = &opened.recovery.cut {
            assert_eq!((cut.file.as_str(), cut.offset), ("log-00000001", 1024));
            assert!(cut.bytes > 0 && cut.bytes <= 11 * 512 && cut.bytes % 512 == 0);
            assert_eq!(opened.entries.len(), 1);
            told += 1;
            assert_eq!(open(disk.crash().disk(), options()).unwrap().recovery.cut, None, "cut once");
        }
    }
    assert!(told > 10, "torn {told} times");
}

#[test]
fn failed_sync_stops_the_store() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new(seed);
        let mut store = open(disk.disk(), options()).unwrap().store;
        store.append(&[b"a".to_vec()]).unwrap();
        disk.fail_sync(0);
        assert_eq!(store.append(&[b"b".to_vec()]).unwrap_err().kind(), ErrorKind::DiskFailed);
        let syncs = disk.syncs();
        assert_eq!(store.append(&[b"c".to_vec()]).unwrap_err().kind(), ErrorKind::DiskFailed);
        assert_eq!(store.snapshot_writer(1).err().unwrap().kind(), ErrorKind::DiskFailed);
        assert_eq!(disk.syncs(), syncs, "never retried");
        drop(store);
        // Restarted without a crash the group is read from memory; found, it must stay.
        let opened = open(disk.disk(), options()).unwrap();
        let again = open(disk.crash().disk(), options()).unwrap();
        assert_eq!(again.entries, opened.entries);
    }
}

#[test]
fn failed_sync_of_a_snapshot_stops_the_store() {
    let disk = SimulatedDisk::new(1);
    let mut store = open(disk.disk(), options()).unwrap().store;
    store.append(&[b"a".to_vec()]).unwrap();
    let writer = store.snapshot_writer(1).unwrap();
    disk.fail_sync(0);
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::DiskFailed);
    assert_eq!(store.append(&[b"b".to_vec()]).unwrap_err().kind(), ErrorKind::DiskFailed);
}

#[test]
fn refused_write_stops_the_store() {
    let disk = SimulatedDisk::new(1);
    let mut store = open(disk.disk(), options()).unwrap().store;
    disk.refuse_writes(true);
    assert_eq!(store.append(&[b"a".to_vec()]).unwrap_err().kind(), ErrorKind::DiskFailed);
    disk.refuse_writes(false);
    assert_eq!(store.append(&[b"a".to_vec()]).unwrap_err().kind(), ErrorKind::DiskFailed);
    drop(store);
    assert!(open(disk.restart().disk(), options()).unwrap().entries.is_empty());
}

#[test]
fn full_disk_refuses_and_takes_again() {
    for prepare_ahead in [false, true] {
        let disk = SimulatedDisk::new(3);
        let options = StoreOptions { prepare_ahead, ..options() };
        let mut opened = open(disk.disk(), options.clone()).unwrap();
        disk.set_capacity(Some(30 * 512 + 100));
        let mut refused = 0;
        for number in 0..60_u8 {
            match opened.store.append(&[vec![number; 300]]) {
                Ok(_) => opened.entries.push(vec![number; 300]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 20 && opened.entries.len() > 15, "{refused}");
        let found = open(disk.crash().disk(), options.clone()).unwrap();
        assert_eq!(found.entries, opened.entries, "nothing of what was refused");

        let disk = SimulatedDisk::new(3);
        let mut opened = open(disk.disk(), options.clone()).unwrap();
        for round in 0..3 {
            disk.set_capacity(Some(disk.used() + 700));
            while opened.store.append(&[vec![round; 100]]).is_ok() {
                opened.entries.push(vec![round; 100]);
            }
            disk.set_capacity(None);
            opened.store.append(&[vec![9; 900]]).unwrap();
            opened.entries.push(vec![9; 900]);
        }
        assert_eq!(open(disk.crash().disk(), options).unwrap().entries, opened.entries);
    }
}

/// A file system that writes elsewhere can be full even for an overwrite.
#[test]
fn full_disk_within_a_group_leaves_nothing_of_it() {
    for seed in 0..40 {
        for bytes in [0, 512, 700, 2000, 2559, 2560, 3100, 5000] {
            let disk = SimulatedDisk::new(seed);
            let roomy = StoreOptions { first_segment_bytes: 1 << 16, segment_bytes: 1 << 16, ..options() };
            let mut opened = open(disk.disk(), roomy.clone()).unwrap();
            opened.store.append(&[vec![1; 10]]).unwrap();
            disk.full_after(Some(bytes));
            assert_eq!(opened.store.append(&[vec![2; 2300]]).err().map(|error| error.kind()), (bytes < 2560).then_some(ErrorKind::DiskFull));
            if bytes >= 2560 {
                continue;
            }
            if seed % 2 == 0 {
                let found = open(disk.crash().disk(), roomy.clone()).err().map(|error| error.kind());
                assert_eq!(found, None);
                continue;
            }
            disk.full_after(None);
            opened.store.append(&[vec![3; 10]]).unwrap();
            assert_eq!(open(disk.crash().disk(), roomy).unwrap().entries, [vec![1; 10], vec![3; 10]]);
        }
    }
}

pub(super) fn sample(disk: &Arc<SimulatedDisk>, keep_all: bool) -> Vec<Vec<u8>> {
    let options = StoreOptions { snapshots_kept: if keep_all { 9 } else { 2 }, ..options() };
    let mut opened = open(disk.disk(), options).unwrap();
    for number in 0..30_u8 {
        let group = [vec![number; 150], vec![number; 150 + number as usize]];
        opened.store.append(&group).unwrap();
        opened.entries.extend(group);
        if number % 10 == 7 {
            snapshot(&mut opened.store, &opened.entries).unwrap();
        }
    }
    opened.entries
}

/// Every bit of every group, flipped: refused by name and place, or of no consequence; never a shorter log.
#[test]
fn damage_is_refused_and_located() {
    let clean = SimulatedDisk::new(5);
    let entries = sample(&clean, true);
    let (mut refused, mut harmless) = (0, 0);
    for name in clean.list().unwrap() {
        let contents = clean.contents(&name).unwrap();
        for offset in (0..contents.len() as u64).step_by(3) {
            let disk = SimulatedDisk::new(5);
            for name in clean.list().unwrap() {
                disk.put(&name, &clean.contents(&name).unwrap());
            }
            disk.rot(&name, offset, (offset % 8) as u8);
            match open(disk.disk(), options()) {
                Ok(opened) => {
                    assert!(opened.entries == entries, "{name} at {offset}: found {} of {}", opened.entries.len(), entries.len());
                    assert!(name.starts_with("snapshot") || contents[offset as usize / 512 * 512..][..512].iter().all(|byte| *byte == 0));
                    harmless += 1;
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let text = error.to_string();
                    let told: u64 = text.split("offset ").nth(1).and_then(|rest| rest.split(':').next()).unwrap().parse().unwrap();
                    assert!(text.contains(&name), "{name} at {offset}: {text}");
                    assert!(told <= offset && offset - told < 8192, "{name} at {offset}: {text}");
                    refused += 1;
                }
                Err(error) => panic!("{name} at {offset}: {error}"),
            }
        }
    }
    assert!(refused > 3000 && harmless > 1000);
}

#[test]
fn a_lost_sector_before_the_last_group_is_damage() {
    let disk = SimulatedDisk::new(1);
    let roomy = StoreOptions { first_segment_bytes: 1 << 16, segment_bytes: 1 << 16, ..options() };
    let mut store = open(disk.disk(), roomy.clone()).unwrap().store;
    for number in 0..5 {
        store.append(&[vec![number; 1200]]).unwrap();
    }
    let contents = disk.contents("log-00000001").unwrap();
    for sector in 1..=15 {
        let mut bytes = contents.clone();
        bytes[sector * 512..(sector + 1) * 512].fill(0);
        let disk = SimulatedDisk::new(1);
        disk.put("log-00000001", &bytes);
        match open(disk.disk(), roomy.clone()) {
            // Of the last group it cannot be told from a write cut short.
            Ok(opened) => assert!(sector > 12 && opened.entries.len() == 4 && opened.recovery.cut.is_some()),
            Err(error) => {
                assert!(sector <= 12, "{error}");
                let start = 512 * (1 + (sector - 1) / 3 * 3);
                assert!(error.to_string().contains(&format!("log-00000001 at offset {start}:")), "{error}");
            }
        }
    }
}

/// A sector that rotted behind the end holds nothing; the log that grows up to it must not be refused for it.
#[test]
fn rot_behind_the_end_does_not_wait_for_the_log_to_reach_it() {
    for rotten in 3..16 {
        let disk = SimulatedDisk::new(1);
        let roomy = StoreOptions { first_segment_bytes: 16 * 512, segment_bytes: 16 * 512, ..options() };
        let mut opened = open(disk.disk(), roomy.clone()).unwrap();
        opened.store.append(&[vec![1; 100]]).unwrap();
        drop(opened);
        assert!(disk.rot("log-00000001", rotten * 512 + 5, 3));
        let mut opened = open(disk.disk(), roomy.clone()).unwrap();
        assert_eq!((opened.entries.len(), &opened.recovery.cut), (1, &None), "nothing was cut: nothing was there");
        for number in 2..30 {
            opened.store.append(&[vec![number; 100]]).unwrap();
            opened.entries.push(vec![number; 100]);
            let copy = SimulatedDisk::new(1);
            for name in disk.list().unwrap() {
                copy.put(&name, &disk.contents(&name).unwrap());
            }
            assert_eq!(open(copy.disk(), roomy.clone()).unwrap().entries, opened.entries, "sector {rotten}, entry {number}");
        }
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let clean = SimulatedDisk::new(1);
    sample(&clean, true);
    let names: Vec<String> = clean.list().unwrap().into_iter().filter(|name| name.starts_with("log-")).collect();
    assert!(names.len() > 4);
    for missing in &names[1..names.len() - 1] {
        let disk = SimulatedDisk::new(1);
        for name in clean.list().unwrap() {
            disk.put(&name, &clean.contents(&name).unwrap());
        }
        disk.remove(missing).unwrap();
        let error = open(disk.disk(), options()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "without {missing}: {error}");
    }
}

#[test]
fn a_damaged_snapshot_gives_way_to_an_older_one() {
    let disk = SimulatedDisk::new(2);
    let entries = sample(&disk, false);
    let mut snapshots: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.starts_with("snapshot-")).collect();
    assert_eq!(snapshots.len(), 2);
    let newest = snapshots.pop().unwrap();
    disk.rot(&newest, 700, 3);
    let mut opened = open(disk.disk(), options()).unwrap();
    assert_eq!(opened.entries, entries);
    assert_eq!(format!("snapshot-{:016x}", opened.recovery.snapshot_index.unwrap()), snapshots[0]);
    snapshot(&mut opened.store, &entries).unwrap();
    drop(opened);
    assert!(!disk.list().unwrap().contains(&newest), "the damaged one goes once a newer one is whole");

    let disk = SimulatedDisk::new(2);
    sample(&disk, false);
    disk.rot(&snapshots[0], 700, 3);
    disk.rot(&newest, 700, 3);
    let error = open(disk.disk(), options()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&newest), "{error}");
}

/// Wherever the power goes while files are given back: all entries are found, and no half of a snapshot is relied on.
#[test]
fn a_crash_while_files_are_given_back_loses_nothing() {
    // Few entries of the log are left, so the snapshots count; spares are not kept, so segments go the same way.
    let options = StoreOptions { spares_kept: 0, ..options() };
    let (mut half, mut gone, mut shorter) = (0, 0, 0);
    for seed in 0..24 {
        for point in 0.. {
            let disk = SimulatedDisk::new(seed);
            let mut opened = open(disk.disk(), options.clone()).unwrap();
            let mut retired = None;
            for round in 0..3_u8 {
                for number in 0..6 {
                    let group = [vec![round * 16 + number; 900]];
                    opened.store.append(&group).unwrap();
                    opened.entries.extend(group);
                }
                let mut writer = opened.store.snapshot_writer(opened.entries.len() as u64).unwrap();
                opened.entries.iter().for_each(|entry| writer.record(entry).unwrap());
                let done = writer.finish().unwrap();
                retired = Some(opened.store.snapshot_finished(done).unwrap());
            }
            let name = format!("snapshot-{:016x}", 6);
            let whole = disk.contents(&name).unwrap().len();
            disk.stop_at(disk.operations() + point);
            let through = retired.unwrap().discard().is_ok();
            drop(opened.store);
            let disk = disk.crash();
            if let Some(left) = disk.contents(&format!("{name}.old")) {
                half += usize::from(left.len() < whole);
            } else if let Some(left) = disk.contents(&name) {
                assert_eq!(left.len(), whole, "seed {seed}, {point}: what has its own name is whole");
            } else {
                gone += 1;
            }
            let spares = disk.list().unwrap().into_iter().filter(|name| name.starts_with("spare-"));
            shorter += spares.filter(|name| disk.contents(name).unwrap().len() < 8 * 512).count();
            let again = open(disk.disk(), options.clone()).unwrap_or_else(|error| panic!("seed {seed}, {point}: {error}"));
            assert!(again.entries == opened.entries, "seed {seed}, {point}");
            drop(again);
            assert!(disk.list().unwrap().iter().all(|name| !name.ends_with(".old")), "seed {seed}, {point}: cleaned up");
            // What is left stands on snapshots that are whole: without the newest, too.
            disk.rot(&format!("snapshot-{:016x}", 18), 700, 1);
            let again = open(disk.disk(), options.clone()).unwrap_or_else(|error| panic!("seed {seed}, {point}, without the newest: {error}"));
            assert!(again.entries == opened.entries, "seed {seed}, {point}, without the newest");
            if through {
                break;
            }
        }
    }
    assert!(half > 20 && gone > 20 && shorter > 20, "half {half}, gone {gone}, shorter segments {shorter}");
}

#[test]
fn a_disk_that_fails_while_files_are_given_back_stops_the_store() {
    for more in 0..2 {
        let disk = SimulatedDisk::new(1);
        let mut opened = open(disk.disk(), options()).unwrap();
        let mut retired = Vec::new();
        for number in 0..3_u8 {
            opened.store.append(&[vec![number; 3000]]).unwrap();
            opened.entries.push(vec![number; 3000]);
            let mut writer = opened.store.snapshot_writer(opened.entries.len() as u64).unwrap();
            opened.entries.iter().for_each(|entry| writer.record(entry).unwrap());
            let done = writer.finish().unwrap();
            retired.push(opened.store.snapshot_finished(done).unwrap());
        }
        disk.fail_sync(more);
        assert_eq!(retired.pop().unwrap().discard().unwrap_err().kind(), ErrorKind::DiskFailed);
        assert_eq!(opened.store.append(&[vec![1]]).unwrap_err().kind(), ErrorKind::DiskFailed);
        assert!(open(disk.crash().disk(), options()).unwrap().entries == opened.entries);
    }
}

/// Segments are used again, their length does not grow without bound, and what they held before stays gone.
#[test]
fn recycled_records_never_resurface() {
    for seed in 0..12 {
        let mut disk = SimulatedDisk::new(seed);
        let mut random = seed + 99;
        let mut entries = Vec::new();
        for round in 0..40 {
            let mut opened = open(disk.disk(), options()).unwrap();
            assert_eq!(opened.entries, entries, "seed {seed}, round {round}");
            for _ in 0..next(&mut random) % 12 {
                // One size, so that old groups stand exactly where new ones could.
                let group = [next(&mut random).to_le_bytes().repeat(30)];
                opened.store.append(&group).unwrap();
                entries.extend(group);
            }
            if round % 2 == 1 && !entries.is_empty() {
                snapshot(&mut opened.store, &entries).unwrap();
            }
            drop(opened);
            disk = disk.crash();
        }
        let names = disk.list().unwrap();
        assert!(names.iter().filter(|name| name.starts_with("log-") || name.starts_with("spare-")).count() < 16, "{names:?}");
    }
}

#[test]
fn another_format_is_not_guessed_at() {
    let disk = SimulatedDisk::new(1);
    sample(&disk, false);
    for name in disk.list().unwrap() {
        let mut bytes = disk.contents(&name).unwrap();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..508]);
        bytes[508..512].copy_from_slice(&crc.to_le_bytes());
        let other = SimulatedDisk::new(1);
        for name in disk.list().unwrap() {
            other.put(&name, &disk.contents(&name).unwrap());
        }
        other.put(&name, &bytes);
        if name.starts_with("log-") || name.ends_with(&format!("{:x}", 2 * 28)) {
            let error = open(other.disk(), options()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::UnknownFormat, "{name}: {error}");
        }
    }
}

#[test]
fn abandoned_snapshots_leave_nothing() {
    let disk = SimulatedDisk::new(1);
    let mut store = open(disk.disk(), options()).unwrap().store;
    store.append(&[vec![1]]).unwrap();
    let mut writer = store.snapshot_writer(1).unwrap();
    writer.record(&[1; 100_000]).unwrap();
    let mut second = store.snapshot_writer(1).unwrap();
    assert_eq!(second.record(&[1; 100_000]).unwrap_err().kind(), ErrorKind::InvalidState);
    second.abandon();
    assert!(disk.list().unwrap().iter().any(|name| name.starts_with("snapshot")), "the first one's file is the first one's");
    writer.abandon();
    assert!(disk.list().unwrap().iter().all(|name| !name.starts_with("snapshot")));
    assert_eq!(store.snapshot_writer(2).err().unwrap().kind(), ErrorKind::BadArguments);
    assert_eq!(store.snapshot_writer(0).err().unwrap().kind(), ErrorKind::BadArguments);
    let writer = store.snapshot_writer(1).unwrap();
    disk.set_capacity(Some(disk.used()));
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::DiskFull);
    disk.set_capacity(None);
    store.append(&[vec![2]]).unwrap();
}

#[test]
fn too_large_a_group_is_refused() {
    let disk = SimulatedDisk::new(1);
    let mut store = open(disk.disk(), options()).unwrap().store;
    assert_eq!(store.append(&[vec![0; 9 << 20]]).unwrap_err().kind(), ErrorKind::LimitExceeded);
    assert_eq!(store.append(&[vec![7; 5 << 20]]).unwrap(), 1);
    assert_eq!(store.append(&[]).unwrap(), 1);
    assert_eq!(open(disk.crash().disk(), options()).unwrap().entries, [vec![7; 5 << 20]]);
}

/// Whatever bytes are in the files: an answer, soon.
#[test]
fn mutated_files_are_survived() {
    let clean = SimulatedDisk::new(5);
    sample(&clean, false);
    let names = clean.list().unwrap();
    let mut random = 77;
    for _ in 0..3000 {
        let disk = SimulatedDisk::new(5);
        for name in &names {
            disk.put(name, &clean.contents(name).unwrap());
        }
        let name = &names[next(&mut random) as usize % names.len()];
        let mut bytes = clean.contents(name).unwrap();
        for _ in 0..1 + next(&mut random) % 4 {
            match next(&mut random) % 5 {
                0 => bytes.truncate(next(&mut random) as usize % (bytes.len() + 1)),
                1 => bytes.extend((0..next(&mut random) % 2000).map(|at| at as u8)),
                2 if !bytes.is_empty() => {
                    let from = next(&mut random) as usize % bytes.len();
                    let many = (next(&mut random) as usize % 600).min(bytes.len() - from);
                    bytes[from..from + many].fill_with(|| next(&mut random) as u8);
                }
                3 if bytes.len() > 1024 => {
                    let sectors = bytes.len() / 512;
                    let (from, to) = (next(&mut random) as usize % sectors, next(&mut random) as usize % sectors);
                    bytes.copy_within(from * 512..(from + 1) * 512, to * 512);
                }
                _ if bytes.len() > 8 => {
                    // A length or a number of a checksummed field, with the checksum made right again for the header.
                    let at = next(&mut random) as usize % (bytes.len() - 8);
                    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
                    if bytes.len() >= 512 {
                        let crc = crc32c::crc32c(&bytes[..508]);
                        bytes[508..512].copy_from_slice(&crc.to_le_bytes());
                    }
                }
                _ => {}
            }
        }
        disk.put(name, &bytes);
        let _ = Store::open(disk.disk(), options(), &mut |_| Ok(()), &mut |_, _| Ok(()));
    }
}

#[test]
fn a_real_directory_is_held_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let disk = RealDisk::open(&path).unwrap();
    let error = RealDisk::open(&path).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut entries = Vec::new();
    let mut opened = open(disk, StoreOptions { segment_bytes: 1 << 18, first_segment_bytes: 1 << 14, ..StoreOptions::default() }).unwrap();
    for number in 0..600_u32 {
        let group = [number.to_le_bytes().repeat(1 + number as usize)];
        opened.store.append(&group).unwrap();
        entries.extend(group);
        if number % 150 == 149 {
            let mut writer = opened.store.snapshot_writer(u64::from(number) + 1).unwrap();
            let records = entries.clone();
            let thread = std::thread::spawn(move || {
                for record in &records {
                    writer.record(record).unwrap();
                }
                writer.finish().unwrap()
            });
            let group = vec![b"meanwhile".to_vec()];
            opened.store.append(&group).unwrap();
            opened.store.snapshot_finished(thread.join().unwrap()).unwrap().discard().unwrap();
            assert_eq!(opened.store.entries_since_snapshot(), 1);
            assert_eq!(opened.store.bytes_since_snapshot(), 9);
            // The next snapshot is at a later index than the entries below: keep the numbering equal.
            entries.extend(group);
            break;
        }
    }
    drop(opened);
    let opened = open(RealDisk::open(&path).unwrap(), StoreOptions::default()).unwrap();
    assert_eq!(opened.entries, entries);
    assert_eq!(opened.recovery.snapshot_index, Some(150));
}

fn golden() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/golden/log/format-1")
}

fn golden_entries() -> Vec<Vec<u8>> {
    (0..7_u16).map(|number| number.to_be_bytes().repeat(usize::from(number) * 90)).collect()
}

/// Files written by the first version of each format are read for ever.
#[test]
fn golden_files_are_read() {
    let disk = SimulatedDisk::new(1);
    let mut files = 0;
    for file in std::fs::read_dir(golden()).unwrap() {
        let file = file.unwrap();
        disk.put(file.file_name().to_str().unwrap(), &std::fs::read(file.path()).unwrap());
        files += 1;
    }
    assert_eq!(files, 2);
    let opened = open(disk.disk(), options()).unwrap();
    assert_eq!(opened.recovery, Recovery { snapshot_index: Some(3), last_index: 7, cut: None });
    assert_eq!(opened.entries, golden_entries());
    // And what is written today is, byte for byte, what was written then.
    let again = write_golden();
    for file in std::fs::read_dir(golden()).unwrap() {
        let file = file.unwrap();
        assert!(again.contents(file.file_name().to_str().unwrap()).unwrap() == std::fs::read(file.path()).unwrap(), "{:?}", file.file_name());
    }
}

fn write_golden() -> Arc<SimulatedDisk> {
    let disk = SimulatedDisk::new(1);
    let entries = golden_entries();
    let roomy = StoreOptions { first_segment_bytes: 16 * 512, segment_bytes: 16 * 512, ..options() };
    let mut store = open(disk.disk(), roomy).unwrap().store;
    store.append(&entries[..1]).unwrap();
    store.append(&entries[1..3]).unwrap();
    snapshot(&mut store, &entries[..3]).unwrap();
    store.append(&entries[3..]).unwrap();
    disk
}

#[test]
#[ignore = "run once for each new format"]
fn golden_files_are_written() {
    std::fs::create_dir_all(golden()).unwrap();
    let disk = write_golden();
    for name in disk.list().unwrap() {
        let path = golden().join(&name);
        assert!(!path.exists(), "golden files are never written anew");
        std::fs::write(path, disk.contents(&name).unwrap()).unwrap();
    }
}

#[test]
fn handles_may_change_threads() {
    fn send<T: Send>() {}
    send::<Store>();
    send::<super::SnapshotWriter>();
    send::<super::SnapshotDone>();
}

/// Prints what one append costs beside a bare write and sync of written blocks.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)] // what a measurement is for
fn append_latency() {
    use std::{os::unix::fs::FileExt, time::Instant};
    const ROUNDS: usize = 1000;
    let dir = tempfile::tempdir_in(std::env::var("FOLKMOOT_BENCH_DIR").unwrap_or_else(|_| ".".to_owned())).unwrap();
    let raw = std::fs::File::options().read(true).write(true).create_new(true).open(dir.path().join("raw")).unwrap();
    raw.write_all_at(&vec![0; 8 << 20], 0).unwrap();
    raw.sync_all().unwrap();
    let start = Instant::now();
    let mut store = open(RealDisk::open(&dir.path().join("store")).unwrap(), StoreOptions::default()).unwrap().store;
    println!("a fresh directory opens in {:?}", start.elapsed());
    let entry = [vec![7; 200]];
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    // In turn, so that both meet the same disk.
    for round in 0..ROUNDS * 4 {
        let start = Instant::now();
        if round % 2 == 0 {
            raw.write_all_at(&[7; 512], (round / 2 * 512) as u64).unwrap();
            raw.sync_data().unwrap();
            bare.push(start.elapsed());
        } else {
            store.append(&entry).unwrap();
            ours.push(start.elapsed());
        }
    }
    bare.sort_unstable();
    ours.sort_unstable();
    for (what, at) in [("best", 0), ("median", ROUNDS), ("p99", ROUNDS * 2 * 99 / 100), ("worst", ROUNDS * 2 - 1)] {
        println!("{what}: bare {:?}, append {:?}, ratio {:.3}", bare[at], ours[at], ours[at].as_secs_f64() / bare[at].as_secs_f64());
    }
    let start = Instant::now();
    drop(store);
    let store = open(RealDisk::open(&dir.path().join("store")).unwrap(), StoreOptions::default()).unwrap().store;
    println!("{} entries open again in {:?}", store.last_index(), start.elapsed());
}
