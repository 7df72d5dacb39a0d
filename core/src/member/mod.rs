//! The member: the awake part. It owns threads, clock, files and chance, and decides nothing.

mod call;
mod clock;
pub(crate) mod engine;
mod events;
pub(crate) mod links;
mod session;
mod target;
mod threads;

pub use call::{Call, Completion};
pub use events::Events;
pub use session::{CreateOptions, Heartbeat, Session, SessionOptions, Watch};

/// Tries the parser of what other members send with any bytes. For fuzzing only; panics if it finds a bug.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_link(bytes: &[u8]) {
    links::fuzz(bytes);
}

use crate::error::Result;
use engine::Engine;
use std::sync::Arc;

/// A participant that lives in this process. Clones are the same member; its threads, files and
/// ports are freed when the last handle (sessions included) is gone.
#[derive(Clone)]
pub struct Member {
    engine: Arc<Engine>,
}

/// Opens a session on the ground that `target` names: `memory:`, `memory:?time=virtual`,
/// `file:./data` or a plain path; with `listen=host:port`, for ZooKeeper's clients too.
///
/// # Errors
/// `BadArguments` names an unknown scheme or key; `InUse`, `Corrupt`, `DiskFailed` as [`Member::open`].
pub fn open(target: &str) -> Result<Session> {
    Member::open(target)?.session(SessionOptions::default())
}

/// Makes the damaged directory of an embedded member, which opening refuses with `Corrupt`, one that opens: with the state that can be
/// told from what is left, which may lack acknowledged writes. None if nothing is damaged; nothing is changed then. Files are given other
/// names, none that holds entries is removed. The target's `recover=yes` does the same when it is needed.
///
/// # Errors
/// `NoNode`: there is no such directory; `InUse`; `Corrupt`: nothing in it can be relied on; `BadArguments`: it is that of a member of an
/// ensemble, which learns from the others; `DiskFull`, `DiskFailed`: it can be tried again.
pub fn recover(directory: impl AsRef<std::path::Path>) -> Result<Option<crate::log::Recovered>> {
    engine::recovery::recover(directory.as_ref())
}

impl Member {
    /// Opens a member without a session.
    ///
    /// # Errors
    /// `BadArguments`; `InUse` names the process that has the directory; `Corrupt` names file and offset.
    pub fn open(target: &str) -> Result<Member> {
        let target = target::Target::parse(target)?;
        let member = Member { engine: Engine::open(&target, None)? };
        for address in &target.listen {
            member.listen(address)?;
        }
        if let Some(address) = &target.admin {
            member.admin(address, crate::admin::http::Options::default())?;
        }
        Ok(member)
    }

    /// Opens a member on a disk that fails when it is told to. `options` are those of a target: `time=virtual` too, or (with an `id`)
    /// those of a member of an ensemble.
    ///
    /// # Errors
    /// As [`Member::open`].
    #[cfg(feature = "simulation")]
    pub fn open_on(disk: &crate::log::SimulatedDisk, options: &str) -> Result<Member> {
        let is_member = options.split('&').any(|pair| pair.starts_with("id="));
        let scheme = if is_member { "ensemble:simulated" } else { "memory:" };
        let mut target = target::Target::parse(&format!("{scheme}?{options}"))?;
        if !is_member {
            target.ground = target::Ground::Directory("simulated".into());
        }
        Ok(Member { engine: Engine::open(&target, Some(disk.disk()))? })
    }

    /// Opens a session.
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        let core = self.engine.open_session(&options)?;
        Ok(Session { inner: Arc::new(session::Open { engine: self.engine.clone(), core }) })
    }

    /// Moves virtual time on by `ms` milliseconds: sessions whose silence is over expire, TTL
    /// znodes go, before this returns.
    ///
    /// # Errors
    /// `InvalidState` unless the target said `time=virtual`; `WouldDeadlock` inside a [`Completion`].
    pub fn advance(&self, ms: u64) -> Result<()> {
        self.engine.advance(ms)
    }

    /// The member's time: milliseconds since 1970, or since its start if virtual.
    pub fn now_ms(&self) -> i64 {
        self.engine.wall_ms()
    }

    /// Writes a snapshot now and waits until it is on disk. Nothing to do in memory.
    ///
    /// # Errors
    /// `DiskFull`, `DiskFailed`, `Closed`; `WouldDeadlock` inside a [`Completion`].
    pub fn snapshot(&self) -> Result<()> {
        self.engine.snapshot()
    }

    /// Listens at `address` (`host:port`; port 0 for any free one) for clients that speak ZooKeeper's protocol, until the
    /// member closes. Returns where it listens.
    ///
    /// # Errors
    /// `BadArguments` for an address that is none; `SystemError` when it is taken or not allowed.
    pub fn listen(&self, address: &str) -> Result<std::net::SocketAddr> {
        self.listen_with(address, crate::wire::Options::default())
    }

    /// [`Member::listen`], with settings.
    ///
    /// # Errors
    /// As [`Member::listen`].
    pub fn listen_with(&self, address: &str, options: crate::wire::Options) -> Result<std::net::SocketAddr> {
        self.engine.listen(address, options)
    }

    /// Opens the admin door at `address`: ZooKeeper's `/commands/...` as JSON, and `/metrics`. Without a token in `options`
    /// only at a loopback address. Returns where it listens.
    ///
    /// # Errors
    /// As [`Member::listen`]; `BadArguments` for an address that others can reach when there is no token.
    pub fn admin(&self, address: &str, options: crate::admin::http::Options) -> Result<std::net::SocketAddr> {
        self.engine.admin(address, options)
    }

    /// Where it listens, in the order in which that began.
    pub fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.engine.addresses()
    }

    /// What became of write `number` of a session whose answer did not arrive: `OutcomeUnknown` names both
    /// ([`Error::write`](crate::Error::write)). Can be asked until ten minutes after the session has ended, in another life of the
    /// process too, and (in an ensemble) of any member: each answers by what it has applied.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn outcome(&self, session: crate::ids::SessionId, number: u64) -> Result<crate::request::Outcome> {
        self.engine.outcome(session, number)
    }

    /// What this member knows of its ensemble: roles, term, who was heard when; none if it is one alone. At most 100 ms old.
    pub fn ensemble(&self) -> Option<crate::ensemble::View> {
        self.engine.ensemble_view()
    }

    /// Hands leadership to the voter `to`, or to the one that fits best. Returns when this member leads no more.
    ///
    /// # Errors
    /// `InvalidState`: this member does not lead, is one alone, or the other did not take over within a second (it leads on then);
    /// `BadArguments`: there is no such voter; `WouldDeadlock` inside a [`Completion`].
    pub fn transfer(&self, to: Option<crate::log::replica::MemberId>) -> Result<()> {
        self.engine.transfer(to)
    }

    /// Changes who takes part in the ensemble, on any of its members; returns the new configuration, as `/zookeeper/config` tells it.
    /// Whoever joins is opened with `join=yes`, before or after; it votes once it has caught up, which
    /// [`Member::ensemble`] shows. Whoever leaves ends its part by itself once the others go on without it. Never is there a moment at
    /// which two majorities could decide.
    ///
    /// # Errors
    /// `Unimplemented`: this member is one alone; `BadArguments` says what makes no sense, and `BadVersion` that the configuration is
    /// another than `from` says: nothing was changed. As any write besides.
    pub fn reconfigure(&self, change: crate::roster::Reconfig) -> Result<String> {
        let session = self.session(SessionOptions { superuser: true, ..SessionOptions::default() })?;
        let reply = session.call_blocking(crate::request::Request::Reconfig(Box::new(change)));
        let closed = session.close_blocking();
        let crate::request::Reply::Data { data, .. } = reply? else {
            return Err(crate::ErrorKind::SystemError.into());
        };
        // Should it end only by silence, what was asked for is done all the same.
        drop(closed);
        Ok(String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned())
    }

    /// What opening had to cut from the log's end, or with `recover=yes` to give up, if anything, in words.
    pub fn recovery(&self) -> Option<String> {
        self.engine.recovery()
    }

    /// Closes the member: sessions end, threads stop, files are closed, before this returns. Handles
    /// answer `Closed` from then on; closing again is no error.
    ///
    /// # Errors
    /// `WouldDeadlock` inside a [`Completion`]: it would wait for the thread that it is on.
    pub fn close(&self) -> Result<()> {
        self.engine.close()
    }
}
