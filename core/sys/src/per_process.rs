//! A static that a forked child starts anew, so that it never waits for a lock of a thread it has not.

use crate::{generation, install};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One value a process, made when first asked for. A child of `fork` gets its own; the parent's,
/// whose locks may be held by threads that are not there, is left alone and leaked in the child.
#[derive(Debug)]
pub struct PerProcess<T: 'static>(AtomicPtr<(u64, T)>);

impl<T: Default + Sync + Send> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// This process's value, if it has one.
    pub fn get(&'static self) -> Option<&'static T> {
        // SAFETY: NULL, or a box that was leaked below and is never freed.
        let (made_in, value) = unsafe { self.0.load(Ordering::Acquire).as_ref() }?;
        (*made_in == generation()).then_some(value)
    }

    /// This process's value, made now if need be.
    pub fn get_or_default(&'static self) -> &'static T {
        install();
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            let before = self.0.load(Ordering::Acquire);
            // SAFETY: as in `get`.
            if unsafe { before.as_ref() }.is_some_and(|(made_in, _)| *made_in == generation()) {
                continue;
            }
            let made = Box::into_raw(Box::new((generation(), T::default())));
            if self.0.compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }
}

impl<T: Default + Sync + Send> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_child_does_not_wait_for_the_parents_locks() {
        static VALUE: PerProcess<Mutex<i32>> = PerProcess::new();
        assert!(VALUE.get().is_none());
        *VALUE.get_or_default().lock().expect("not poisoned") = 7;
        let held = VALUE.get_or_default().lock().expect("not poisoned");
        // SAFETY: the child does nothing but look at the value and leave at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = VALUE.get().is_none() && VALUE.get_or_default().try_lock().is_ok_and(|value| *value == 0);
            // SAFETY: leaves without running anything else of the test's.
            unsafe { libc::_exit(i32::from(!fresh)) };
        }
        let mut status = -1;
        // SAFETY: the status goes to a place of ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(*held, 7);
    }
}
