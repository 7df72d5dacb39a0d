//! What of the system the rest needs `unsafe` for: forks, and the signals of threads.
//!
//! Has this process been forked since a handle was made?
//!
//! A child of `fork()` has the parent's memory but none of its threads, so every handle in it is
//! dead. One counter is raised in each child; a handle remembers the count it was made at, and
//! compares (one load). File descriptors that a child must not keep, such as the one that
//! holds a directory's lock, are registered here and closed in the child.
//!
//! What always holds: nothing here allocates or locks in the child, as POSIX asks of code between
//! `fork` and `exec` in a threaded program.
//!
//! Not here: what a dead handle answers (the doors).

mod per_process;
mod threads;

pub use per_process::PerProcess;
pub use threads::spawn;

use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Most descriptors that can be registered at once: one lock a member, and its listeners.
pub const FDS_MAX: usize = 4096;

static GENERATION: AtomicU64 = AtomicU64::new(1);
static FDS: [AtomicI32; FDS_MAX] = [const { AtomicI32::new(-1) }; FDS_MAX];
static INSTALL: Once = Once::new();

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
    for slot in &FDS {
        let fd = slot.swap(-1, Ordering::SeqCst);
        if fd >= 0 {
            // SAFETY: close is async-signal-safe; the descriptor is this child's own copy, and its
            // owner never closes it in a child (it asks `generation` first).
            unsafe { libc::close(fd) };
        }
    }
}

/// The fork generation of this process: greater in every child than in its parent.
#[inline]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Arranges for children to be counted. To be called before the first handle is made; cheap and
/// harmless to repeat.
pub fn install() {
    INSTALL.call_once(|| {
        // SAFETY: `in_child` is a plain function that lives as long as the program and does only
        // what is allowed in a child.
        let status = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        assert_eq!(status, 0, "pthread_atfork has room for one handler");
    });
}

/// A descriptor that a forked child closes. Forgets it when dropped: before the descriptor is closed.
#[derive(Debug)]
pub struct ClosedInChild {
    slot: usize,
    generation: u64,
}

impl ClosedInChild {
    /// Registers `fd`; `None` when [`FDS_MAX`] are registered already.
    pub fn new(fd: i32) -> Option<Self> {
        install();
        FDS.iter()
            .position(|slot| slot.compare_exchange(-1, fd, Ordering::SeqCst, Ordering::SeqCst).is_ok())
            .map(|slot| Self { slot, generation: generation() })
    }
}

impl Drop for ClosedInChild {
    fn drop(&mut self) {
        // In a child the slot has been emptied, and may be another's by now.
        if self.generation == generation() {
            FDS[self.slot].store(-1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_forgets_of_its_parents_is_none_of_its_own() {
        let parents = ClosedInChild::new(1_000_000).expect("room");
        let slot = parents.slot;
        // SAFETY: the child touches only what is here and leaves at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own: Vec<_> = (0..=slot).map(|at| ClosedInChild::new(2_000_000 + at as i32)).collect();
            let before = FDS[slot].load(Ordering::SeqCst);
            drop(parents);
            let kept = own.iter().flatten().any(|one| one.slot == slot) && before >= 2_000_000 && FDS[slot].load(Ordering::SeqCst) == before;
            std::mem::forget(own);
            // SAFETY: leaves without running anything else of the test's.
            unsafe { libc::_exit(i32::from(!kept)) };
        }
        let mut status = -1;
        // SAFETY: the status goes to a place of ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
