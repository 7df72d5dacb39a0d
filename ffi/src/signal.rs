//! A descriptor that is readable while something waits: for programs with their own loop.

use folkmoot::{Error, ErrorKind, Result};
use folkmoot_sys::ClosedInChild;

/// On Linux one eventfd; elsewhere a pipe.
pub(crate) struct Signal {
    read: i32,
    write: i32,
    generation: u64,
    closed_in_child: [Option<ClosedInChild>; 2],
}

impl Signal {
    pub(crate) fn new() -> Result<Signal> {
        #[cfg(target_os = "linux")]
        let (read, write) = {
            // SAFETY: eventfd takes no memory of ours.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            (fd, fd)
        };
        #[cfg(not(target_os = "linux"))]
        let (read, write) = {
            let mut fds = [-1; 2];
            // SAFETY: two descriptors are written to a place for two, and then made close-on-exec and non-blocking.
            unsafe {
                if libc::pipe(fds.as_mut_ptr()) == 0 {
                    for fd in fds {
                        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                        libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
                    }
                }
            }
            (fds[0], fds[1])
        };
        if read < 0 {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("a descriptor: {}", std::io::Error::last_os_error())));
        }
        let other = if write == read { None } else { ClosedInChild::new(write) };
        Ok(Signal { read, write, generation: folkmoot_sys::generation(), closed_in_child: [ClosedInChild::new(read), other] })
    }

    pub(crate) fn fd(&self) -> i32 {
        self.read
    }

    /// Makes it readable. A full pipe is readable already.
    pub(crate) fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes of ours are read; the descriptor is open as long as `self`.
        unsafe { libc::write(self.write, one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        let mut sink = [0u8; 512];
        // SAFETY: at most 512 bytes are written to a place for 512; the descriptor does not block.
        while unsafe { libc::read(self.read, sink.as_mut_ptr().cast(), sink.len()) } == sink.len() as isize {}
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // First: once it is closed, its number may be another descriptor's, which a child is to keep.
        self.closed_in_child = [None, None];
        if self.generation == folkmoot_sys::generation() {
            // SAFETY: ours, and closed once; in a child the fork handler has closed it.
            unsafe {
                libc::close(self.read);
                if self.write != self.read {
                    libc::close(self.write);
                }
            }
        }
    }
}
