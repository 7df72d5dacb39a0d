//! The listeners of a member, and the threads their connections live on.

use super::Engine;
use crate::admin::http;
use crate::error::Result;
use crate::member::threads;
use crate::wire::Options;
use crate::wire::facts::Facts;
use crate::wire::server::{Running, bind};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Most threads for connections: what they wait for is the log, which has one.
const THREADS_MAX: usize = 4;

/// Listeners, and the runtime that they share; none before the first.
#[derive(Default)]
pub(super) struct Doors(Mutex<Option<Open>>);

struct Open {
    listeners: Vec<Running>,
    /// Admin doors: their sockets in a forked child. Their tasks end with the runtime.
    admin: Vec<Option<folkmoot_sys::ClosedInChild>>,
    runtime: Runtime,
}

impl Engine {
    /// Listens for ZooKeeper's clients; says where.
    pub(in crate::member) fn listen(&self, address: &str, options: Options) -> Result<SocketAddr> {
        self.check()?;
        let super_digest = options.super_digest.clone().or_else(|| self.super_digest.clone());
        let options = Options { super_digest, ..options };
        self.doors.with(|open| {
            let running = Running::start(open.runtime.handle(), self.core.clone(), address, options)?;
            let at = running.address();
            open.listeners.push(running);
            Ok(at)
        })
    }

    /// Opens an admin door; says where.
    pub(in crate::member) fn admin(&self, address: &str, options: http::Options) -> Result<SocketAddr> {
        self.check()?;
        self.doors.with(|open| {
            let (listener, at) = bind(open.runtime.handle(), address)?;
            options.check(at.ip())?;
            open.admin.push(folkmoot_sys::ClosedInChild::new(listener.as_raw_fd()));
            let facts = Arc::new(Facts::new(self.core.clone(), None, None));
            open.runtime.spawn(async move {
                if let Err(error) = http::serve(listener, facts, options, std::future::pending()).await {
                    tracing::warn!(%error, "the admin door has closed");
                }
            });
            Ok(at)
        })
    }

    pub(in crate::member) fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.0.lock().iter().flat_map(|open| open.listeners.iter().map(Running::address)).collect()
    }
}

fn runtime() -> Result<Runtime> {
    threads::start("fm-wire", std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX)), || {})
}

impl Doors {
    /// Does something with the listeners, whose threads start with the first.
    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let mut doors = self.0.lock();
        let open = match &mut *doors {
            Some(open) => open,
            none => none.insert(Open { listeners: Vec::new(), admin: Vec::new(), runtime: runtime()? }),
        };
        work(open)
    }

    /// Stops listening, closes the connections and, if `wait`, waits for their threads to end.
    pub(super) fn close(&self, wait: bool) {
        let Some(Open { listeners, admin: _admin, runtime }) = self.0.lock().take() else { return };
        drop(listeners);
        threads::end(runtime, wait);
    }

    /// In a forked child: none of the threads is there to be waited for.
    pub(super) fn forget(&mut self) {
        std::mem::forget(self.0.get_mut().take());
    }
}
