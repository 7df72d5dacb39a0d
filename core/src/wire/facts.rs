//! The facts that words, admin door and metrics show: of one member and all its listeners.

use super::connection::Connection;
use super::records::op;
use super::server::Door;
use crate::admin::view::{self, Access, DiskUse, Environment, Session, Settings, Snapshot, SnapshotError, Source, Statistics, WatchSummary, Watched};
use crate::error::ErrorKind;
use crate::ids::SessionId;
use crate::limits::LISTEN_BACKLOG;
use crate::member::engine::Core;
use crate::request::{Identity, Requester, perms};
use crate::tree::acl;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A member and its listeners. Asked through a listener, it tells that one's settings.
pub(crate) struct Facts {
    core: Arc<Core>,
    door: Option<Arc<Door>>,
    /// Who asks a word: a connection that has no session.
    asking: Option<view::Connection>,
}

impl Facts {
    pub(crate) fn new(core: Arc<Core>, door: Option<Arc<Door>>, asking: Option<view::Connection>) -> Self {
        Self { core, door, asking }
    }

    fn doors(&self) -> Vec<Arc<Door>> {
        self.core.doors.lock().iter().filter_map(std::sync::Weak::upgrade).collect()
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        let mut all: Vec<_> = self.doors().iter().flat_map(|door| door.all()).collect();
        all.sort_by_key(|connection| (connection.books.established_ms.load(Ordering::Relaxed), connection.number));
        all
    }
}

impl Source for Facts {
    fn serving(&self) -> bool {
        self.core.serving()
    }

    fn settings(&self) -> Settings {
        let doors = self.doors();
        let door = self.door.as_ref().or(doors.first());
        let directory = self.core.directory().map(|path| path.display().to_string()).unwrap_or_default();
        let port = |secure: bool| doors.iter().find(|door| door.options.tls.is_some() == secure).map(|door| door.address.port());
        Settings {
            client_port: port(false),
            secure_client_port: port(true),
            data_dir: directory.clone(),
            data_log_dir: directory,
            tick_ms: door.map_or(0, |door| door.options.tick_ms),
            max_client_connections: door.map_or(0, |door| door.options.max_client_connections),
            min_session_timeout_ms: door.map_or(0, |door| door.options.shortest_timeout_ms()),
            max_session_timeout_ms: door.map_or(0, |door| door.options.longest_timeout_ms()),
            listen_backlog: Some(LISTEN_BACKLOG),
            server_id: self.core.ensemble_view().map_or(0, |view| i64::from(view.id)),
            ..Settings::default()
        }
    }

    fn environment(&self) -> Environment {
        let system = rustix::system::uname();
        Environment {
            host_name: system.nodename().to_str().ok().map(Into::into),
            os_version: system.release().to_str().ok().map(Into::into),
            user_dir: std::env::current_dir().ok().map(|path| path.display().to_string()),
            ..Environment::default()
        }
    }

    fn statistics(&self) -> Statistics {
        let mut facts = self.core.statistics();
        let (mut sum, mut count) = (0, 0);
        for door in self.doors() {
            let stats = &door.stats;
            facts.received += stats.received.load(Ordering::Relaxed);
            facts.sent += stats.sent.load(Ordering::Relaxed);
            facts.auth_failures += stats.auth_failed.load(Ordering::Relaxed);
            facts.connections_refused += stats.rejected.load(Ordering::Relaxed);
            facts.handshakes_timed_out += stats.timed_out.load(Ordering::Relaxed);
            facts.connection_requests += stats.connects.load(Ordering::Relaxed);
            facts.sessions_resumed += stats.resumed.load(Ordering::Relaxed);
            facts.received_bytes += stats.received_bytes.load(Ordering::Relaxed);
            facts.sent_bytes += stats.sent_bytes.load(Ordering::Relaxed);
            facts.requests_too_large += stats.too_large.load(Ordering::Relaxed);
            facts.connections_dropped += stats.dropped.load(Ordering::Relaxed);
            facts.throttled += stats.throttled.load(Ordering::Relaxed);
            facts.tls_handshakes += stats.handshakes.load(Ordering::Relaxed);
            facts.without_certificate_local += stats.without_certificate_here.load(Ordering::Relaxed);
            facts.without_certificate_remote += stats.without_certificate_elsewhere.load(Ordering::Relaxed);
            facts.connections += door.count();
            facts.outstanding += door.all().iter().map(|connection| connection.pending() as u64).sum::<u64>();
            facts.latency_max_ms = facts.latency_max_ms.max(stats.latency_max.load(Ordering::Relaxed).unsigned_abs());
            sum += stats.latency_sum.load(Ordering::Relaxed);
            count += stats.latencies.load(Ordering::Relaxed);
        }
        if count > 0 {
            facts.latency_avg_ms = sum as f64 / count as f64;
        }
        facts.descriptors_open = std::fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64).ok();
        facts.descriptors_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        facts
    }

    fn ensemble(&self) -> Option<crate::ensemble::View> {
        self.core.ensemble_view()
    }

    fn disk_use(&self) -> DiskUse {
        self.core.disk_use()
    }

    fn connections(&self) -> Vec<view::Connection> {
        let wall = self.core.wall_ms();
        self.all().iter().map(|connection| show(connection, wall)).chain(self.asking.clone()).collect()
    }

    fn sessions(&self) -> Vec<Session> {
        self.core.session_views()
    }

    fn watch_summary(&self) -> WatchSummary {
        self.core.watch_summary()
    }

    fn watches(&self) -> Vec<Watched> {
        self.core.watched()
    }

    fn last_snapshot(&self) -> Option<Snapshot> {
        self.core.last_snapshot()
    }

    fn reset_statistics(&self) {
        self.doors().iter().for_each(|door| door.stats.reset());
    }

    fn reset_connections(&self) {
        self.all().iter().for_each(|connection| connection.books.reset());
    }

    fn close_connection(&self, session: SessionId) -> bool {
        let of_session = self.all().into_iter().find(|connection| connection.attached().is_some_and(|attached| attached.core.id() == session));
        if let Some(connection) = &of_session {
            connection.kill();
        }
        of_session.is_some()
    }

    fn take_snapshot(&self) -> Result<Snapshot, SnapshotError> {
        if self.core.directory().is_none() {
            return Err(SnapshotError::Disabled);
        }
        self.core.snapshot().map_err(|error| match error.kind() {
            ErrorKind::InvalidState => SnapshotError::TooSoon,
            _ => SnapshotError::Failed(error.to_string()),
        })?;
        self.core.last_snapshot().ok_or(SnapshotError::Disabled)
    }

    fn trace_mask(&self) -> i64 {
        self.core.trace_mask.load(Ordering::Relaxed)
    }

    fn set_trace_mask(&self, mask: i64) {
        self.core.trace_mask.store(mask, Ordering::Relaxed);
    }

    fn authorize(&self, scheme: &str, credential: Option<&[u8]>, peer: IpAddr) -> Access {
        let doors = self.doors();
        let super_digest = doors.iter().find_map(|door| door.options.super_digest.as_deref());
        let shown = match (scheme, credential) {
            ("ip", _) => vec![Identity::new("ip", peer.to_canonical().to_string())],
            (scheme, Some(credential)) => match acl::authenticate(scheme, credential, super_digest) {
                Ok(shown) => shown,
                Err(_) => return Access::NotAuthenticated,
            },
            _ => return Access::NotAuthenticated,
        };
        let who = Requester { session: SessionId(0), identities: shown.into() };
        match self.core.reading().machine().tree().permits("/", perms::ALL, &who) {
            true => Access::Granted,
            false => Access::NotAuthorized,
        }
    }
}

fn show(connection: &Connection, wall: i64) -> view::Connection {
    let books = &connection.books;
    let load = |number: &std::sync::atomic::AtomicI64| number.load(Ordering::Relaxed);
    let mut shown = view::Connection::new(connection.peer, load(&books.established_ms));
    let sent = books.sent.load(Ordering::Relaxed);
    shown.queued = connection.pending() as u64;
    shown.received = books.received.load(Ordering::Relaxed);
    shown.sent = sent;
    shown.secure = connection.secure;
    shown.identities = connection.identities().to_vec();
    shown.last_operation = four_letters(load(&books.last_op));
    if sent > 0 {
        shown.last_xid = load(&books.last_xid);
        shown.last_zxid = load(&books.last_zxid);
        shown.last_response_ms = load(&books.last_response_ms).unsigned_abs();
        shown.latency_min_ms = load(&books.latency_min).clamp(0, i64::from(u32::MAX)).unsigned_abs();
        shown.latency_max_ms = load(&books.latency_max).unsigned_abs();
        shown.latency_avg_ms = load(&books.latency_sum).unsigned_abs().checked_div(sent).unwrap_or(0);
    }
    if let Some(attached) = connection.attached() {
        shown.session = attached.core.id();
        shown.timeout_ms = attached.core.timeout_ms();
        shown.expires_ms = wall + i64::from(shown.timeout_ms);
    }
    shown
}

/// ZooKeeper's short names of operations.
fn four_letters(op: i64) -> Cow<'static, str> {
    Cow::Borrowed(match i32::try_from(op).unwrap_or(0) {
        op::CREATE | op::CREATE2 | op::CREATE_TTL | op::CREATE_CONTAINER => "CREA",
        op::DELETE | op::DELETE_CONTAINER => "DELE",
        op::EXISTS => "EXIS",
        op::GET_DATA => "GETD",
        op::SET_DATA => "SETD",
        op::GET_ACL => "GETA",
        op::SET_ACL => "SETA",
        op::GET_CHILDREN | op::GET_CHILDREN2 => "GETC",
        op::SYNC => "SYNC",
        op::PING => "PING",
        op::MULTI => "MULT",
        op::MULTI_READ => "MLTR",
        op::RECONFIG => "RECO",
        op::CHECK_WATCHES => "CHKW",
        op::REMOVE_WATCHES => "REMW",
        op::SET_WATCHES => "SETW",
        op::SET_WATCHES2 => "STW2",
        op::GET_EPHEMERALS => "GETE",
        op::GET_ALL_CHILDREN_NUMBER => "GETACN",
        op::ADD_WATCH => "ADDW",
        op::WHO_AM_I => "HOMI",
        op::CREATE_SESSION => "SESS",
        op::CLOSE_SESSION => "CLOS",
        _ => "NA",
    })
}
