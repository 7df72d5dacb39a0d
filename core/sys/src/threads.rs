//! Threads that leave the host's signals to the host.

use std::io::Result;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::thread::{Builder, JoinHandle};

/// Starts a thread to which no signal is delivered: a handler of the host's never runs on it.
///
/// # Errors
/// The system has no thread left.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    // SAFETY: all zeroes is a set of signals; both calls write to sets of ours.
    let before = unsafe {
        let (mut all, mut before) = (zeroed::<libc::sigset_t>(), zeroed::<libc::sigset_t>());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    };
    // A new thread inherits the mask of the one that starts it.
    let thread = Builder::new().name(name.to_owned()).spawn(work);
    // SAFETY: the mask that was there before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut()) };
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(signal: i32) -> bool {
        // SAFETY: reads this thread's mask into a set of ours.
        unsafe {
            let mut now = zeroed::<libc::sigset_t>();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut now);
            libc::sigismember(&raw const now, signal) == 1
        }
    }

    #[test]
    fn the_new_thread_blocks_signals_and_this_one_does_not() {
        let there = spawn("fm-test", || (blocked(libc::SIGINT), blocked(libc::SIGTERM))).expect("started");
        assert_eq!(there.join().expect("ended"), (true, true));
        assert!(!blocked(libc::SIGINT) && !blocked(libc::SIGTERM));
    }
}
