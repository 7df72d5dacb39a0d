use super::recover::{Recovered, recover};
use super::tests::{open, options, sample};
use super::*;
use crate::error::ErrorKind;
use std::sync::Arc;

fn copy(of: &SimulatedDisk) -> Arc<SimulatedDisk> {
    let disk = SimulatedDisk::new(5);
    for name in of.list().unwrap() {
        disk.put(&name, &of.contents(&name).unwrap());
    }
    disk
}

fn repair(disk: &Arc<SimulatedDisk>) -> crate::Result<Recovered> {
    recover(&*disk.disk(), &mut |_| Ok(()))
}

/// Opened and gone on with after recovering: the entries kept are the first of `entries`. Gives how many.
fn kept(disk: &Arc<SimulatedDisk>, recovered: &Recovered, entries: &[Vec<u8>], what: &str) -> usize {
    let mut opened = open(disk.disk(), options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let count = opened.entries.len();
    assert_eq!(recovered.last_index, count as u64, "{what}");
    assert!(opened.entries == entries[..count], "{what}: {count} entries, and others than were written");
    opened.store.append(&[b"one more".to_vec()]).unwrap();
    opened.entries.push(b"one more".to_vec());
    drop(opened.store);
    assert!(open(disk.crash().disk(), options()).unwrap().entries == opened.entries, "{what}: what was written after recovering");
    count
}

/// Every group's place: file, first sector, sectors, first entry.
fn groups(disk: &SimulatedDisk) -> Vec<(String, u64, u64, u64)> {
    let mut groups = Vec::new();
    for name in disk.list().unwrap().into_iter().filter(|name| name.starts_with("log-")) {
        let (contents, epoch) = (disk.contents(&name).unwrap(), u32::from_str_radix(&name[4..], 16).unwrap());
        for at in 1..contents.len() as u64 / 512 {
            if let Ok(header) = format::decode_group_header(&contents[at as usize * 512..][..512], epoch) {
                groups.push((name.clone(), at, u64::from(header.sectors), header.first_index));
            }
        }
    }
    groups
}

/// Wherever one bit has rotted: with snapshots all that is on the disk is kept unless the last groups are hit, and without them
/// all that stands before the damage.
#[test]
fn nothing_is_lost_but_what_damage_cuts_off() {
    let clean = SimulatedDisk::new(5);
    let entries = sample(&clean, true);
    let bare = copy(&clean);
    for name in bare.list().unwrap().into_iter().filter(|name| name.starts_with("snapshot-")) {
        bare.remove(&name).unwrap();
    }
    let (mut whole, mut shorter) = (0, 0);
    for (clean, newest) in [(&clean, 56), (&bare, 0)] {
        let groups = groups(clean);
        for name in clean.list().unwrap().into_iter().filter(|name| name.starts_with("log-")) {
            for offset in (0..clean.contents(&name).unwrap().len() as u64).step_by(61) {
                let disk = copy(clean);
                disk.rot(&name, offset, (offset % 8) as u8);
                if open(disk.disk(), options()).is_ok() {
                    continue;
                }
                let what = format!("{name} at {offset}");
                let hit = groups.iter().find(|(file, at, sectors, _)| *file == name && (*at..at + sectors).contains(&(offset / 512)));
                let expected = hit.map(|(.., first)| *first - 1).filter(|before| *before >= newest).map_or(entries.len(), |before| before as usize);
                let recovered = match repair(&disk) {
                    Ok(recovered) => recovered,
                    Err(error) => {
                        assert_eq!((error.kind(), expected), (ErrorKind::Corrupt, 0), "{what}: {error}");
                        continue;
                    }
                };
                assert_eq!(kept(&disk, &recovered, &entries, &what), expected, "{what}");
                assert!(recovered.seen_index >= recovered.last_index && !recovered.aside.is_empty());
                assert!(
                    disk.contents(&format!("{name}.damaged")).is_some_and(|bytes| bytes.len() == clean.contents(&name).unwrap().len()),
                    "{what}: put aside"
                );
                *(if expected < entries.len() { &mut shorter } else { &mut whole }) += 1;
            }
        }
    }
    assert!(whole > 100 && shorter > 100, "{whole} whole, {shorter} shorter");
}

/// However recovering is cut short, it is not opened with less, and recovering again ends the same.
#[test]
fn recovering_can_be_cut_short_anywhere() {
    for (seed, rotten) in [(1, "log-00000003"), (2, "log-00000002"), (3, "log-00000005")] {
        let clean = SimulatedDisk::new(seed);
        let entries = sample(&clean, true);
        let newest = format!("snapshot-{:016x}", 56);
        if seed == 3 {
            clean.remove(&newest).unwrap();
        }
        clean.rot(rotten, 700, 3);
        let through = copy(&clean);
        let expected = repair(&through).unwrap();
        let (mut opened, mut refused) = (0, 0);
        for point in 0.. {
            let disk = copy(&clean);
            disk.stop_at(disk.operations() + point);
            let is_through = repair(&disk).is_ok();
            let disk = disk.crash();
            let what = format!("seed {seed}, operation {point}");
            match open(disk.disk(), options()) {
                Ok(found) => {
                    opened += 1;
                    assert_eq!(found.entries.len() as u64, expected.last_index, "{what}");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
                    let again = repair(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(again.last_index, expected.last_index, "{what}");
                    kept(&disk, &again, &entries, &what);
                }
            }
            if is_through {
                break;
            }
        }
        assert!(opened > 0 && refused > 5, "{opened} opened, {refused} refused");
    }
}

#[test]
fn a_snapshot_alone_is_enough() {
    let disk = SimulatedDisk::new(7);
    let entries = sample(&disk, false);
    for name in disk.list().unwrap().into_iter().filter(|name| !name.starts_with("snapshot-")) {
        disk.remove(&name).unwrap();
    }
    assert_eq!(open(disk.disk(), options()).err().map(|error| error.kind()), Some(ErrorKind::Corrupt));
    let recovered = repair(&disk).unwrap();
    assert_eq!((recovered.last_index, recovered.snapshot_index, recovered.seen_index), (56, 56, 56));
    assert_eq!(kept(&disk, &recovered, &entries, "a snapshot alone"), 56);
}

#[test]
fn what_nothing_can_be_told_from_is_left_as_it_is() {
    let disk = SimulatedDisk::new(7);
    sample(&disk, false);
    for name in disk.list().unwrap().into_iter().filter(|name| name.starts_with("snapshot-")) {
        disk.rot(&name, 700, 3);
    }
    let before = disk.list().unwrap();
    assert_eq!(repair(&disk).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(disk.list().unwrap(), before);
    // And so is what the caller does not want.
    let disk = SimulatedDisk::new(7);
    sample(&disk, true);
    disk.rot("log-00000002", 700, 3);
    let before = disk.list().unwrap();
    assert!(recover(&*disk.disk(), &mut |_| Err(ErrorKind::BadArguments.into())).is_err());
    assert_eq!(disk.list().unwrap(), before);
}

/// With no room to write what was kept anew, everything is where it was.
#[test]
fn a_full_disk_changes_nothing() {
    let disk = SimulatedDisk::new(7);
    let entries = sample(&disk, true);
    disk.rot("log-00000002", 700, 3);
    disk.set_capacity(Some(disk.used() + 1024));
    let error = repair(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    disk.set_capacity(None);
    let recovered = repair(&disk).unwrap();
    assert_eq!(kept(&disk, &recovered, &entries, "once there was room"), entries.len());
}
