//! What a directory holds, brought back; what can be read of a damaged one, when that was asked for.

use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::is_replicated;
use crate::log::{Disk, RealDisk, Recovered, Store, StoreOptions};
use crate::machine::{Entry, Machine};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

/// A directory's state, and in words what had to be given up for it.
pub(super) type Opened = (Machine, Store, Option<String>);

/// Brings a directory's state back; one that is damaged only if `recover` says so.
pub(super) fn open(disk: Arc<dyn Disk>, path: &Path, seed: u64, enforce_quota: bool, recover: bool) -> Result<Opened> {
    let error = match load(disk.clone(), path, seed, enforce_quota) {
        Err(error) if is_damage(&error) => error,
        opened => return opened,
    };
    if !recover {
        let hint = "recover=yes in the target, or `folkmoot recover`, opens it with what can still be read";
        return Err(if error.kind() == ErrorKind::Corrupt { Error::new(error.kind(), format!("{} ({hint})", error.context())) } else { error });
    }
    let recovered = crate::log::recover(&*disk, &mut |bytes| refuse_replicated(path, bytes))?;
    let text = format!("{}: recovered, as was asked for: {recovered}; it could not be opened because of {}", path.display(), error.context());
    tracing::warn!("{text}");
    let (machine, store, _) = load(disk, path, seed, enforce_quota)?;
    Ok((machine, store, Some(text)))
}

/// [`crate::recover`].
pub(in crate::member) fn recover(path: &Path) -> Result<Option<Recovered>> {
    if !path.is_dir() {
        return Err(Error::new(ErrorKind::NoNode, format!("{}: there is no such directory", path.display())));
    }
    let disk: Arc<dyn Disk> = RealDisk::open(path)?;
    match load(disk.clone(), path, 0, false) {
        Ok(_) => Ok(None),
        Err(error) if is_damage(&error) => {
            let recovered = crate::log::recover(&*disk, &mut |bytes| refuse_replicated(path, bytes))?;
            load(disk, path, 0, false)?;
            Ok(Some(recovered))
        }
        Err(error) => Err(error),
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::DiskFailed)
}

fn refuse_replicated(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_replicated(bytes) {
        return Err(Error::new(ErrorKind::BadArguments, format!("{}: this is the directory of a member of an ensemble", path.display())));
    }
    Ok(())
}

fn load(disk: Arc<dyn Disk>, path: &Path, seed: u64, enforce_quota: bool) -> Result<Opened> {
    let machine = RefCell::new(None::<Machine>);
    let endless = || Error::new(ErrorKind::Corrupt, format!("{}: a snapshot without an end", path.display()));
    let (store, recovery) = Store::open(
        disk,
        StoreOptions::default(),
        &mut |record| {
            refuse_replicated(path, record)?;
            machine.borrow_mut().get_or_insert_with(|| Machine::to_load(seed, enforce_quota)).load(record)
        },
        &mut |index, bytes| {
            refuse_replicated(path, bytes)?;
            let entry: Entry = postcard::from_bytes(bytes)
                .map_err(|error| Error::new(ErrorKind::Corrupt, format!("{}: entry {index} of the log cannot be read: {error}", path.display())))?;
            let mut machine = machine.borrow_mut();
            let machine = machine.get_or_insert_with(|| Machine::new(seed, enforce_quota));
            if !machine.is_complete() {
                return Err(endless());
            }
            machine.apply(&entry);
            Ok(())
        },
    )?;
    let machine = machine.into_inner().unwrap_or_else(|| Machine::new(seed, enforce_quota));
    if !machine.is_complete() {
        return Err(endless());
    }
    let cut = recovery.cut.map(|cut| format!("{}: {} bytes of an unfinished write were cut at offset {}", cut.file, cut.bytes, cut.offset));
    if let Some(cut) = &cut {
        tracing::warn!("{cut}");
    }
    Ok((machine, store, cut))
}
