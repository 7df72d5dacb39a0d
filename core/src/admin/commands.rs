//! The HTTP door's commands: `/commands/NAME` as ZooKeeper's AdminServer answers them.
//!
//! Each answer is an object with what the command tells, then `command` (its first name) and `error` (null, or why
//! not). Like ZooKeeper's, a command that is not known or not possible now is answered with status 200 and an `error`.
//!
//! Not here: HTTP itself, the token.
//! Source: ZooKeeper Administrator's Guide, "The AdminServer".

use super::json::{Fields, Json};
use super::view::{Access, Connection, Mode, Sizes, SnapshotError, Source, Statistics};
use super::words::{self, NOT_SERVING};
use super::{VERSION, java, monitor, status};
use crate::ids::SessionId;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

/// Commands by their names, the first one first, in the order of those.
///
/// `ensemble` is ours: the members, as this one sees them. `close_connection` is ours too: POST only, `?session=0x...`, for who may do everything to the root.
pub const COMMANDS: &[&[&str]] = &[
    &["close_connection"],
    &["configuration", "conf", "config"],
    &["connection_stat_reset", "crst"],
    &["connections", "cons"],
    &["dirs"],
    &["dump"],
    &["ensemble", "fmst"],
    &["environment", "env", "envi"],
    &["get_trace_mask", "gtmk"],
    &["hash"],
    &["initial_configuration", "icfg"],
    &["is_read_only", "isro"],
    &["last_snapshot", "lsnp"],
    &["leader", "lead"],
    &["monitor", "mntr"],
    &["observer_connection_stat_reset", "orst"],
    &["observers", "obsr"],
    &["restore", "rest"],
    &["ruok"],
    &["server_stats", "srvr"],
    &["set_trace_mask", "stmk"],
    &["snapshot", "snap"],
    &["stat_reset", "srst"],
    &["stats", "stat"],
    &["system_properties", "sysp"],
    &["voting_view"],
    &["watch_summary", "wchs"],
    &["watches", "wchc"],
    &["watches_by_path", "wchp"],
    &["zabstate"],
];

/// Answered even while nothing is served.
const ALWAYS: &[&str] = &["ensemble", "environment", "get_trace_mask", "monitor", "set_trace_mask", "system_properties", "zabstate"];
/// Only for who may do everything to the root znode.
const GUARDED: &[&str] = &["close_connection", "restore", "snapshot"];
/// Only by POST.
const POSTED: &[&str] = &["close_connection", "restore"];

/// A command as it was asked.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Any of its names.
    pub name: &'a str,
    /// What follows `?`, decoded.
    pub parameters: &'a [(String, String)],
    /// Whether it came by POST.
    pub post: bool,
    /// Whether whoever asks has shown the token, and needs show nothing else.
    pub trusted: bool,
    /// What stands in the `Authorization` header: a scheme, and perhaps a credential after a space.
    pub authorization: Option<&'a str>,
    /// Where it comes from.
    pub peer: IpAddr,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// Headers beyond those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// A JSON object.
    pub body: Vec<u8>,
}

/// The page of links that stands at `/commands`.
pub fn index() -> String {
    let mut out = String::new();
    for names in COMMANDS {
        let _ = writeln!(out, "<a href=\"/commands/{0}\">{0}</a>\n<br/>", names[0]);
    }
    out
}

/// Carries a command out.
pub fn run(call: &Call<'_>, source: &dyn Source) -> Answer {
    let Some(names) = COMMANDS.iter().find(|names| names.contains(&call.name)) else {
        return refusal(200, call.name, format!("Unknown command: {}", call.name));
    };
    let name = names[0];
    if POSTED.contains(&name) && !call.post {
        let mut answer = refusal(405, name, format!("{name} is asked for by POST"));
        answer.headers.push(("Allow", "POST".into()));
        return answer;
    }
    if !source.serving() && !ALWAYS.contains(&name) {
        return refusal(200, call.name, NOT_SERVING);
    }
    if GUARDED.contains(&name) && !call.trusted {
        let Some(authorization) = call.authorization else {
            return refusal(401, call.name, "Auth info is missing for the command");
        };
        let mut parts = authorization.split(' ');
        let access = match (parts.next(), parts.next(), parts.next()) {
            (Some(scheme), credential, None) => source.authorize(scheme, credential.map(str::as_bytes), call.peer),
            _ => Access::NotAuthenticated,
        };
        match access {
            Access::Granted => {}
            Access::NotAuthenticated => return refusal(401, call.name, "Not authenticated"),
            Access::NotAuthorized => return refusal(403, call.name, "Not authorized"),
        }
    }
    let mut out = Reply { status: 200, headers: Vec::new(), fields: Vec::new(), error: None };
    carry_out(name, call, source, &mut out);
    out.finish(name)
}

/// An answer while it is put together.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    fields: Fields,
    error: Option<String>,
}

impl Reply {
    fn put(&mut self, key: &'static str, value: impl Into<Json>) {
        self.fields.push((key.into(), value.into()));
    }

    fn finish(self, name: &str) -> Answer {
        let mut fields = self.fields;
        // An error that a command found itself stands before its name, as in ZooKeeper.
        let (before, after) = match self.error {
            Some(error) => (Some(error), None),
            None => (None, Some(Json::Null)),
        };
        fields.extend(before.map(|error| ("error".into(), Json::Text(error))));
        fields.push(("command".into(), name.into()));
        fields.extend(after.map(|null| ("error".into(), null)));
        Answer { status: self.status, headers: self.headers, body: Json::Map(fields).write() }
    }
}

fn refusal(status: u16, name: &str, error: impl Into<String>) -> Answer {
    let fields = vec![("command".into(), name.into()), ("error".into(), Json::Text(error.into()))];
    Answer { status, headers: Vec::new(), body: Json::Map(fields).write() }
}

fn carry_out(name: &str, call: &Call<'_>, source: &dyn Source, out: &mut Reply) {
    match name {
        "close_connection" => {
            let text = call.parameter("session").unwrap_or_default();
            match text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok().map(|id| id as i64)) {
                Some(id) => out.put("closed", source.close_connection(SessionId(id))),
                None => (out.status, out.error) = (400, Some("close_connection requires session argument, such as 0x1".into())),
            }
        }
        "configuration" => {
            let set = source.settings();
            out.put("client_port", set.client_port.map_or(-1, i64::from));
            out.put("data_dir", set.data_dir);
            out.put("data_log_dir", set.data_log_dir);
            out.put("tick_time", set.tick_ms);
            out.put("max_client_cnxns", set.max_client_connections);
            out.put("min_session_timeout", set.min_session_timeout_ms);
            out.put("max_session_timeout", set.max_session_timeout_ms);
            out.put("server_id", set.server_id);
            out.put("client_port_listen_backlog", set.listen_backlog.map_or(-1, i64::from));
        }
        "connection_stat_reset" => source.reset_connections(),
        "connections" => connections(out, source, false),
        "dirs" => {
            let used = source.disk_use();
            out.put("datadir_size", used.data_dir_bytes);
            out.put("logdir_size", used.log_dir_bytes);
        }
        "dump" => {
            let mut buckets: BTreeMap<i64, Vec<Json>> = BTreeMap::new();
            let mut owners = Fields::new();
            for session in source.sessions() {
                buckets.entry(session.expires_ms).or_default().push(session.id.0.into());
                if !session.ephemerals.is_empty() {
                    owners.push((session.id.0.to_string().into(), texts(session.ephemerals)));
                }
            }
            let buckets = buckets.into_iter().map(|(time, ids)| (time.to_string().into(), Json::List(ids))).collect();
            out.put("expiry_time_to_session_ids", Json::Map(buckets));
            out.put("session_id_to_ephemeral_paths", Json::Map(owners));
        }
        "ensemble" => out.fields = status::fields(source),
        "environment" => {
            for (key, value) in words::environment(source) {
                out.put(key, value);
            }
        }
        "get_trace_mask" => out.put("tracemask", source.trace_mask()),
        "hash" => {
            let digest = |digest: super::view::Digest| {
                Json::Map(vec![
                    ("zxid".into(), digest.zxid.0.into()),
                    ("digest".into(), digest.digest.into()),
                    ("digest_version".into(), digest.version.into()),
                ])
            };
            out.put("digests", Json::List(source.digests().into_iter().map(digest).collect()));
        }
        "initial_configuration" => out.put("initial_configuration", source.settings().initial_configuration),
        "is_read_only" => out.put("read_only", source.statistics().mode == Mode::ReadOnly),
        "last_snapshot" => {
            let last = source.last_snapshot();
            out.put("zxid", format!("{:x}", last.map_or(-1, |last| last.zxid.0)));
            out.put("timestamp", last.map_or(-1, |last| last.taken_ms.div_euclid(1000)));
        }
        "leader" => out.error = Some("server is not initialized".into()),
        "monitor" => out.fields = monitor::fields(source),
        "observer_connection_stat_reset" | "ruok" => {}
        "observers" => {
            out.put("synced_observers", 0u32);
            out.put("observers", Json::List(Vec::new()));
        }
        // A tree cannot be replaced under its sessions; ZooKeeper says so in the same way when it is told not to.
        "restore" => (out.status, out.error) = (503, Some("a snapshot is not restored into a member that serves".into())),
        "server_stats" => server_stats(out, source),
        "set_trace_mask" => match call.parameter("traceMask").map(|mask| (mask, mask.parse::<i64>())) {
            Some((_, Ok(mask))) => {
                source.set_trace_mask(mask);
                out.put("tracemask", mask);
            }
            Some((given, Err(_))) => out.error = Some(format!("setTraceMask requires long traceMask argument, got {given}")),
            None => out.error = Some("setTraceMask requires long traceMask argument".into()),
        },
        "snapshot" => snapshot(out, call, source),
        "stat_reset" => source.reset_statistics(),
        "stats" => {
            server_stats(out, source);
            connections(out, source, true);
        }
        "system_properties" => {
            let sorted: BTreeMap<String, String> = source.settings().properties.into_iter().collect();
            out.fields = sorted.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        }
        "voting_view" => out.put("current_config", Json::Map(Vec::new())),
        "watch_summary" => {
            let of = source.watch_summary();
            out.put("num_connections", of.sessions);
            out.put("num_paths", of.paths);
            out.put("num_total_watches", of.watches);
        }
        "watches" => {
            let watches = source.watches().into_iter().map(|of| (of.session.0.to_string().into(), texts(of.paths))).collect();
            out.put("session_id_to_watched_paths", Json::Map(watches));
        }
        "watches_by_path" => {
            let paths = words::by_path(source).into_iter();
            let paths = paths.map(|(path, ids)| (path.into(), Json::List(ids.into_iter().map(Json::Int).collect()))).collect();
            out.put("path_to_session_ids", Json::Map(paths));
        }
        "zabstate" => {
            out.put("voting", false);
            out.put("zabstate", "");
        }
        _ => unreachable!("every name of the table is above"),
    }
}

fn texts(of: Vec<String>) -> Json {
    Json::List(of.into_iter().map(Json::Text).collect())
}

fn connections(out: &mut Reply, source: &dyn Source, brief: bool) {
    let (secure, plain): (Vec<_>, Vec<_>) = source.connections().into_iter().partition(|connection| connection.secure);
    let list = |of: Vec<Connection>| Json::List(of.iter().map(|connection| about(connection, brief)).collect());
    out.put("connections", list(plain));
    out.put("secure_connections", list(secure));
}

fn about(of: &Connection, brief: bool) -> Json {
    let mut fields: Fields = vec![
        ("remote_socket_address".into(), java::address(of.peer).into()),
        ("interest_ops".into(), u32::from(of.interest).into()),
        ("outstanding_requests".into(), of.queued.into()),
        ("packets_received".into(), of.received.into()),
        ("packets_sent".into(), of.sent.into()),
    ];
    if !brief {
        fields.extend([
            ("session_id".into(), of.session.0.into()),
            ("last_operation".into(), of.last_operation.as_ref().into()),
            ("established".into(), of.established_ms.into()),
            ("session_timeout".into(), of.timeout_ms.into()),
            ("last_cxid".into(), of.last_xid.into()),
            ("last_zxid".into(), of.last_zxid.into()),
            ("last_response_time".into(), of.last_response_ms.into()),
            ("last_latency".into(), of.latency_last_ms.into()),
            ("min_latency".into(), of.latency_min_ms.into()),
            ("avg_latency".into(), of.latency_avg_ms.into()),
            ("max_latency".into(), of.latency_max_ms.into()),
        ]);
    }
    Json::Map(fields)
}

fn sizes(of: Sizes) -> Json {
    let size = |size: Option<u32>| Json::Int(size.map_or(-1, i64::from));
    Json::Map(vec![("last_buffer_size".into(), size(of.last)), ("min_buffer_size".into(), size(of.min)), ("max_buffer_size".into(), size(of.max))])
}

fn server_stats(out: &mut Reply, source: &dyn Source) {
    let (of, used) = (source.statistics(), source.disk_use());
    let Statistics { responses, proposals, .. } = of;
    out.put("version", VERSION);
    out.put("read_only", of.mode == Mode::ReadOnly);
    let stats: Fields = vec![
        ("packets_sent".into(), of.sent.into()),
        ("packets_received".into(), of.received.into()),
        ("fsync_threshold_exceed_count".into(), of.slow_syncs.into()),
        ("client_response_stats".into(), sizes(responses)),
        ("data_dir_size".into(), used.data_dir_bytes.into()),
        ("log_dir_size".into(), used.log_dir_bytes.into()),
        ("provider_null".into(), false.into()),
        ("last_processed_zxid".into(), of.zxid.0.into()),
        ("outstanding_requests".into(), of.outstanding.into()),
        ("server_state".into(), of.mode.name().into()),
        ("avg_latency".into(), Json::Fraction(java::mean(of.latency_avg_ms))),
        ("max_latency".into(), of.latency_max_ms.into()),
        ("min_latency".into(), of.latency_min_ms.into()),
        ("num_alive_client_connections".into(), of.connections.into()),
        ("uptime".into(), of.uptime_ms.into()),
        ("auth_failed_count".into(), of.auth_failures.into()),
        ("non_mtlsremote_conn_count".into(), of.without_certificate_remote.into()),
        ("non_mtlslocal_conn_count".into(), of.without_certificate_local.into()),
    ];
    out.put("server_stats", Json::Map(stats));
    out.put("client_response", sizes(responses));
    if let Some(proposals) = proposals.filter(|_| of.mode == Mode::Leader) {
        out.put("proposal_stats", sizes(proposals));
    }
    out.put("node_count", of.znodes);
}

/// A snapshot of ours is of no use to a ZooKeeper, so it is not streamed: it stays where the member keeps it.
fn snapshot(out: &mut Reply, call: &Call<'_>, source: &dyn Source) {
    if call.parameter("streaming").is_none_or(|streaming| streaming.eq_ignore_ascii_case("true")) {
        (out.status, out.error) = (501, Some("a snapshot stays with its member: ask for it with streaming=false".into()));
        return;
    }
    match source.take_snapshot() {
        Ok(taken) => {
            out.headers.push(("last_zxid", format!("0x{:x}", taken.zxid.0)));
            out.headers.push(("snapshot_size", taken.bytes.to_string()));
        }
        Err(SnapshotError::Disabled) => (out.status, out.error) = (503, Some("no snapshots are taken here".into())),
        Err(SnapshotError::TooSoon) => (out.status, out.error) = (429, Some("the last snapshot is too recent".into())),
        Err(SnapshotError::Failed(why)) => (out.status, out.error) = (500, Some(why)),
    }
}
