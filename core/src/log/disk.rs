//! The storage seam: one directory of flat files, and what may be assumed of it.
//!
//! A write or a change of the directory may be lost, in part or whole, until the file's
//! [`DiskFile::sync_data`] or the directory's [`Disk::sync_dir`] has returned. A sector of 512 bytes
//! is written whole or not at all. After a failed sync nothing is known of what it covered.
//!
//! Not here: what is in the files (`format`, `snapshot`).

use crate::error::{Error, ErrorKind};
use std::{io, sync::Arc};

/// One directory.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a file that does not exist yet.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in place of whatever had that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes every change of the directory so far durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// The name of the directory, for messages.
    fn describe(&self) -> String;
}

/// One open file.
#[allow(clippy::len_without_is_empty)] // a length in bytes, not a collection
pub trait DiskFile: Send + Sync + 'static {
    /// Reads from `offset`; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at `offset`. After an error any part of it may have been written, but never all.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Fills an empty file with `bytes` zeros that are really written, so that no later overwrite needs space.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Shortens the file to `bytes`.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Makes every write so far durable, and the length.
    fn sync_data(&self) -> io::Result<()>;
}

/// Is it only space that is missing?
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// What the caller hears of `error`, met while doing `what` to `name`.
pub(super) fn disk_error(disk: &dyn Disk, what: &str, name: &str, error: &io::Error) -> Error {
    let kind = if is_full(error) { ErrorKind::DiskFull } else { ErrorKind::DiskFailed };
    Error::new(kind, format!("{}/{name}: {what}: {error}", disk.describe()))
}

/// What the caller hears of a file that contradicts itself at `offset`.
pub(super) fn corrupt(disk: &dyn Disk, name: &str, offset: u64, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{}/{name} at offset {offset}: {what}", disk.describe()))
}

/// What the caller hears of an error after which nothing is known of what is on the disk.
pub(super) fn disk_failed(disk: &dyn Disk, what: &str, name: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::DiskFailed, format!("{}/{name}: {what}: {error}", disk.describe()))
}
