//! The disk below a real member: one directory of the file system, held by one process at a time.
//!
//! The holder has an exclusive `flock` on the file `LOCK`, which tells its pid to whoever finds the
//! directory taken. The lock goes with the process, however it ends; a forked child closes its copy of
//! the descriptor at once, so it never keeps a dead parent's directory.

use super::disk::{Disk, DiskFile, disk_error};
use crate::error::{Error, ErrorKind, Result};
use folkmoot_sys::ClosedInChild;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// The file whose lock is the directory's.
const LOCK: &str = "LOCK";
/// How much is written at once when a file is filled with zeros.
const ZEROS: &[u8] = &[0; 256 * 1024];
/// After how many bytes of them they are synced.
const ZEROS_SYNCED: u64 = 4 << 20;

/// A directory of the file system.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    directory: File,
    lock: Option<(ClosedInChild, File)>,
    generation: u64,
}

impl RealDisk {
    /// Opens the directory, making it (mode 0700) when there is none, and holds it until dropped.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] when a process (this one included) holds it: the text names its pid.
    /// [`ErrorKind::DiskFull`] and [`ErrorKind::DiskFailed`] when it cannot be made or opened.
    pub fn open(dir: &Path) -> Result<Arc<dyn Disk>> {
        let failed = |what: &str, error: &io::Error| {
            let kind = if super::disk::is_full(error) { ErrorKind::DiskFull } else { ErrorKind::DiskFailed };
            Error::new(kind, format!("{}: {what}: {error}", dir.display()))
        };
        make(dir).map_err(|error| failed("making the directory", &error))?;
        let path = dir.canonicalize().map_err(|error| failed("opening the directory", &error))?;
        let directory = File::open(&path).map_err(|error| failed("opening the directory", &error))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(|error| failed("opening its LOCK", &error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                let mut text = String::new();
                let pid = match (&lock).take(32).read_to_string(&mut text) {
                    Ok(_) => text.trim().parse::<u32>().ok(),
                    Err(_) => None,
                };
                let holder = pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
                return Err(Error::new(ErrorKind::InUse, format!("{} is held by {holder}", dir.display())));
            }
            Err(error) => return Err(failed("locking it", &error.into())),
        }
        let closed = ClosedInChild::new(lock.as_raw_fd())
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, format!("{} directories and listeners are open", folkmoot_sys::FDS_MAX)))?;
        let pid = format!("{}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.write_all(pid.as_bytes())).map_err(|error| failed("writing its LOCK", &error))?;
        let disk = Self { path, directory, lock: Some((closed, lock)), generation: folkmoot_sys::generation() };
        disk.sync_dir().map_err(|error| disk_error(&disk, "syncing", ".", &error))?;
        Ok(Arc::new(disk))
    }

    /// In a forked child the directory belongs to the parent.
    fn owned(&self) -> io::Result<()> {
        if self.generation == folkmoot_sys::generation() { Ok(()) } else { Err(io::Error::other("forked: the directory is the parent's")) }
    }
}

/// Makes `dir` and its missing parents, each durable in its own parent.
fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make(parent)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        made => made?,
    }
    File::open(parent)?.sync_all()
}

impl Drop for RealDisk {
    fn drop(&mut self) {
        // In a child the descriptor was closed at the fork, and its number may be another file's by now.
        if let Some((closed, lock)) = self.lock.take()
            && self.owned().is_err()
        {
            std::mem::forget((closed, lock));
        }
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(OpenOptions::new().read(true).write(true).open(self.path.join(name))?)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.owned()?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.owned()?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.owned()?;
        fs::remove_file(self.path.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes {
            let part = ZEROS.len().min(usize::try_from(bytes - done).unwrap_or(usize::MAX));
            self.0.write_all_at(&ZEROS[..part], done)?;
            done += part as u64;
            // The log's syncs must not wait for all of it at once.
            if done.is_multiple_of(ZEROS_SYNCED) {
                self.0.sync_data()?;
            }
        }
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
