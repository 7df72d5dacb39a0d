//! The facts behind the answers: plain owned data, and who gives it.
//!
//! Numbers are as they are now; nothing here is computed from another. Durations and times are in
//! milliseconds; times are since 1970 unless said otherwise.
//!
//! Not here: how an answer is written.

use crate::ensemble::View;
use crate::ids::{SessionId, Zxid};
use crate::request::Identity;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// Part of an ensemble, or alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One member, no peers.
    #[default]
    Standalone,
    /// Leads an ensemble.
    Leader,
    /// Follows and votes.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Has no quorum and serves reads to those who asked for that.
    ReadOnly,
}

impl Mode {
    /// ZooKeeper's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Standalone => "standalone",
            Mode::Leader => "leader",
            Mode::Follower => "follower",
            Mode::Observer => "observer",
            Mode::ReadOnly => "read-only",
        }
    }
}

/// What was set, and does not change while a listener lives.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where plaintext clients connect; none: nowhere.
    pub client_port: Option<u16>,
    /// Where TLS clients connect; none: nowhere, or on the port above.
    pub secure_client_port: Option<u16>,
    /// The folder of snapshots, absolute; empty if nothing is kept.
    pub data_dir: String,
    /// The folder of the log, absolute.
    pub data_log_dir: String,
    /// The unit of session timeouts.
    pub tick_ms: u32,
    /// Connections from one address; 0 for no limit.
    pub max_client_connections: u32,
    /// Shortest session timeout.
    pub min_session_timeout_ms: u32,
    /// Longest session timeout.
    pub max_session_timeout_ms: u32,
    /// Connections that may wait to be accepted; none: the system's default.
    pub listen_backlog: Option<u32>,
    /// This member's number; 0 when alone.
    pub server_id: i64,
    /// The text of the settings it was started with. Anyone who may ask can read it: leave secrets out.
    pub initial_configuration: String,
    /// More settings by their `zookeeper.` names, for `system_properties`. No secrets here either.
    pub properties: Vec<(String, String)>,
}

/// The machine and the process, for `envi`. What is none is shown as `<NA>`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The machine's name.
    pub host_name: Option<String>,
    /// The system's release.
    pub os_version: Option<String>,
    /// Whose process this is.
    pub user_name: Option<String>,
    /// Their home.
    pub user_home: Option<String>,
    /// Where the process was started.
    pub user_dir: Option<String>,
    /// Memory nobody uses, bytes.
    pub memory_free: Option<u64>,
    /// Memory the process may use, bytes.
    pub memory_max: Option<u64>,
    /// Memory the process uses, bytes.
    pub memory_total: Option<u64>,
}

/// The last, least and largest size in bytes; none until there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The last one.
    pub last: Option<u32>,
    /// The least since the statistics were reset.
    pub min: Option<u32>,
    /// The largest since the statistics were reset.
    pub max: Option<u32>,
}

/// The numbers that cost nothing to read.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Part of an ensemble, or alone.
    pub mode: Mode,
    /// When the member started.
    pub started_ms: i64,
    /// How long it has been running, by a clock that does not jump.
    pub uptime_ms: u64,
    /// The last transaction applied.
    pub zxid: Zxid,
    /// Znodes, the reserved ones too.
    pub znodes: u64,
    /// Ephemeral znodes.
    pub ephemerals: u64,
    /// Bytes of all paths and data.
    pub data_bytes: u64,
    /// Watches of all kinds.
    pub watches: u64,
    /// Sessions that the ensemble keeps.
    pub global_sessions: u64,
    /// Sessions that this member alone keeps.
    pub local_sessions: u64,
    /// Connections open now, those without a session too.
    pub connections: u64,
    /// Requests read and not answered yet.
    pub outstanding: u64,
    /// Least time from a request to its answer since the statistics were reset.
    pub latency_min_ms: u64,
    /// Mean of the same; shown with four decimals.
    pub latency_avg_ms: f64,
    /// Largest of the same.
    pub latency_max_ms: u64,
    /// Requests received since the statistics were reset, words included.
    pub received: u64,
    /// Answers and events sent since the statistics were reset.
    pub sent: u64,
    /// Bytes received from clients.
    pub received_bytes: u64,
    /// Bytes of answers sent to clients.
    pub sent_bytes: u64,
    /// Sizes of answers.
    pub responses: Sizes,
    /// Sizes of proposals, on a leader.
    pub proposals: Option<Sizes>,
    /// Credentials that were refused.
    pub auth_failures: u64,
    /// Connections from this machine whose client showed no certificate.
    pub without_certificate_local: u64,
    /// Connections from elsewhere whose client showed no certificate.
    pub without_certificate_remote: u64,
    /// TLS handshakes under way.
    pub tls_handshakes: u64,
    /// Connections refused: too many in all or of one address.
    pub connections_refused: u64,
    /// Connections closed by us because of what their client did or failed to do.
    pub connections_dropped: u64,
    /// Connections that never said who they are.
    pub handshakes_timed_out: u64,
    /// Requests that began a connection.
    pub connection_requests: u64,
    /// Sessions that were resumed on another connection.
    pub sessions_resumed: u64,
    /// Sessions that ended by silence.
    pub sessions_expired: u64,
    /// Requests refused for their size.
    pub requests_too_large: u64,
    /// Requests answered with `THROTTLEDOP`.
    pub throttled: u64,
    /// Times that reading from clients was held back since too much was outstanding.
    pub held_back: u64,
    /// Syncs of the log that took longer than a second.
    pub slow_syncs: u64,
    /// Snapshots that failed.
    pub snapshot_errors: u64,
    /// File descriptors open in this process, if known.
    pub descriptors_open: Option<u64>,
    /// How many there may be, if known.
    pub descriptors_max: Option<u64>,
    /// Anything else worth measuring, under ZooKeeper's name if it has one.
    pub more: Vec<Metric>,
}

/// One thing measured.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Lower case, words joined by `_`; what is not allowed in a name is replaced.
    pub name: Cow<'static, str>,
    /// One sentence.
    pub help: Cow<'static, str>,
    /// A label's name and value, to tell apart several metrics of one name. They must stand together.
    pub label: Option<(Cow<'static, str>, String)>,
    /// How much.
    pub value: Value,
}

/// How much of it there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Only grows, but for resets.
    Counter(u64),
    /// Goes up and down.
    Gauge(i64),
    /// The same, with a fraction.
    Fraction(f64),
    /// Many observations.
    Summary(Summary),
}

/// What is kept of many observations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The least; 0 if there was none.
    pub min: u64,
    /// The largest; 0 if there was none.
    pub max: u64,
    /// What 50, 95, 99 and 99.9 in a hundred do not exceed, if that is kept.
    pub percentiles: Option<[u64; 4]>,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskUse {
    /// Of snapshots.
    pub data_dir_bytes: u64,
    /// Of the log.
    pub log_dir_bytes: u64,
}

/// One connection of a client.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Its session; 0 if it has none: it has not said who it is, or asks a word.
    pub session: SessionId,
    /// 1 if we wait for its bytes, 4 if we wait until it takes ours, 5 for both; 0 while it is answered a word.
    pub interest: u8,
    /// Requests read and not answered yet.
    pub queued: u64,
    /// Requests received.
    pub received: u64,
    /// Answers and events sent.
    pub sent: u64,
    /// The last operation, in four letters as ZooKeeper has them (`SESS`, `PING`, `GETD`...); `NA` before the first.
    pub last_operation: Cow<'static, str>,
    /// When it was accepted.
    pub established_ms: i64,
    /// Its session's timeout.
    pub timeout_ms: u32,
    /// The client's number of its last request; negative before the first.
    pub last_xid: i64,
    /// The zxid in the last answer; -1 before the first.
    pub last_zxid: i64,
    /// When the last answer left, by the clock that does not jump.
    pub last_response_ms: u64,
    /// Time from the last request to its answer.
    pub latency_last_ms: u64,
    /// The least of those.
    pub latency_min_ms: u64,
    /// Their mean.
    pub latency_avg_ms: u64,
    /// The largest of those.
    pub latency_max_ms: u64,
    /// When it is closed if it stays silent.
    pub expires_ms: i64,
    /// Whether it is TLS.
    pub secure: bool,
    /// Who the client has shown to be. Not shown by any word or command of ZooKeeper's.
    pub identities: Vec<Identity>,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(peer: SocketAddr, established_ms: i64) -> Self {
        Self {
            peer,
            session: SessionId(0),
            interest: 1,
            queued: 0,
            received: 0,
            sent: 0,
            last_operation: Cow::Borrowed("NA"),
            established_ms,
            timeout_ms: 0,
            last_xid: -1,
            last_zxid: -1,
            last_response_ms: 0,
            latency_last_ms: 0,
            latency_min_ms: 0,
            latency_avg_ms: 0,
            latency_max_ms: 0,
            expires_ms: established_ms,
            secure: false,
            identities: Vec::new(),
        }
    }
}

/// One session, connected or not.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// After how long a silence it ends.
    pub timeout_ms: u32,
    /// When it ends if it stays silent: the bucket's time, so that several sessions may share it.
    pub expires_ms: i64,
    /// The paths of its ephemeral znodes.
    pub ephemerals: Vec<String>,
}

/// How many watches there are, without which. As in ZooKeeper the table of *data* watches alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchSummary {
    /// Sessions that watch something.
    pub sessions: u64,
    /// Paths that are watched.
    pub paths: u64,
    /// Pairs of both.
    pub watches: u64,
}

/// What one session watches. As in ZooKeeper the table of *data* watches alone, in which persistent ones are too.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Who watches.
    pub session: SessionId,
    /// What.
    pub paths: Vec<String>,
}

/// The tree's checksum at one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The transaction.
    pub zxid: Zxid,
    /// The checksum after it.
    pub digest: i64,
    /// How it was computed.
    pub version: u32,
}

/// A snapshot on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last transaction in it.
    pub zxid: Zxid,
    /// When it was finished.
    pub taken_ms: i64,
    /// Its size.
    pub bytes: u64,
}

/// Why no snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Nothing is kept on disk, or it is not allowed.
    Disabled,
    /// The last one is too recent, or one is being written.
    TooSoon,
    /// It failed; why.
    Failed(String),
}

/// Whether credentials suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They do.
    Granted,
    /// They are not right, or nobody knows their scheme.
    NotAuthenticated,
    /// They are right, and not enough.
    NotAuthorized,
}

/// Who gives the facts, and does what little can be done from here.
///
/// A method may take locks and read the disk; it is called from a thread that may block when it comes through `http`.
/// Lists are asked for only by what shows them.
pub trait Source: Send + Sync {
    /// Whether requests are served now: neither starting, nor stopping, nor (unless read-only) without a quorum.
    fn serving(&self) -> bool;
    /// What was set.
    fn settings(&self) -> Settings;
    /// The machine and the process.
    fn environment(&self) -> Environment;
    /// The numbers that cost nothing to read.
    fn statistics(&self) -> Statistics;
    /// What the member knows of its ensemble; none if it is one alone.
    fn ensemble(&self) -> Option<View> {
        None
    }
    /// Bytes on disk; walks folders.
    fn disk_use(&self) -> DiskUse;
    /// All connections, in the order of their age, the one who asks too.
    fn connections(&self) -> Vec<Connection>;
    /// All sessions, by their numbers.
    fn sessions(&self) -> Vec<Session>;
    /// How many watches there are.
    fn watch_summary(&self) -> WatchSummary;
    /// All watches, by session; only of sessions that have one.
    fn watches(&self) -> Vec<Watched>;
    /// Checksums kept, the oldest first.
    fn digests(&self) -> Vec<Digest> {
        Vec::new()
    }
    /// The last snapshot that is safe on disk.
    fn last_snapshot(&self) -> Option<Snapshot>;

    /// Starts the statistics anew: latencies, packets, sizes, summaries.
    fn reset_statistics(&self);
    /// Starts every connection's statistics anew.
    fn reset_connections(&self);
    /// Closes the connection of a session, which lives on; whether there was one.
    fn close_connection(&self, session: SessionId) -> bool;
    /// Takes a snapshot now and waits until it is safe.
    fn take_snapshot(&self) -> Result<Snapshot, SnapshotError>;
    /// Which events are traced; ZooKeeper starts with 306. Only kept, and told.
    fn trace_mask(&self) -> i64;
    /// Sets it.
    fn set_trace_mask(&self, mask: i64);
    /// Whether these credentials, from that address, may do everything to the root znode. `credential` is what
    /// follows the scheme, such as `user:password`; schemes that look at the connection have none.
    fn authorize(&self, scheme: &str, credential: Option<&[u8]>, peer: IpAddr) -> Access {
        let _ = (scheme, credential, peer);
        Access::NotAuthenticated
    }
}
