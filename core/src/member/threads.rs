//! Threads for sockets, which no signal of the host's reaches.

use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long ending such threads is waited for. They never block for longer than an append.
const CLOSING: Duration = Duration::from_secs(5);

/// A runtime of so many threads with that name; each does `first` when it starts.
///
/// # Errors
/// `SystemError`: the system has no thread left.
pub(super) fn start(name: &'static str, threads: usize, first: impl Fn() + Send + Sync + 'static) -> Result<Runtime> {
    let failed = |why: String| Error::new(ErrorKind::SystemError, format!("threads {name} cannot start: {why}"));
    let build = move || Builder::new_multi_thread().worker_threads(threads).thread_name(name).on_thread_start(first).enable_all().build();
    // Threads inherit from the one that starts them that no signal reaches them.
    let built = folkmoot_sys::spawn(name, build).map_err(|error| failed(error.to_string()))?;
    built.join().map_err(|_| failed("a bug".into()))?.map_err(|error| failed(error.to_string()))
}

/// Ends a runtime, and if `wait` returns only then. Whoever ends it may be a task of some other runtime, where nothing may block:
/// so it is done on a thread that is none.
pub(super) fn end(runtime: Runtime, wait: bool) {
    if let Ok(closing) = folkmoot_sys::spawn("fm-closing", move || runtime.shutdown_timeout(CLOSING))
        && wait
    {
        let _ = closing.join();
    }
}
