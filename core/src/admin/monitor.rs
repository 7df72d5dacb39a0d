//! Every number under one name: `mntr`, `/commands/monitor` and `/metrics` show the same list.
//!
//! Names are ZooKeeper's, so that dashboards and alerts made for it go on working; what it has and we have
//! no counterpart for (its commit processor's queues, its response cache, the JVM) is left out.

use super::VERSION;
use super::java;
use super::json::{Fields, Json};
use super::status;
use super::view::{Metric, Mode, Source, Statistics, Summary, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

fn metric(name: &'static str, help: &'static str, value: Value) -> Metric {
    Metric { name: name.into(), help: help.into(), label: None, value }
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Metric {
    metric(name, help, Value::Gauge(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Metric {
    metric(name, help, Value::Counter(value))
}

fn size(name: &'static str, help: &'static str, value: Option<u32>) -> Metric {
    metric(name, help, Value::Gauge(value.map_or(-1, i64::from)))
}

/// Everything measured, under ZooKeeper's names.
pub fn metrics(of: &Statistics) -> Vec<Metric> {
    let mut all = vec![
        metric("avg_latency", "Mean time from a request to its answer, in ms.", Value::Fraction(java::mean(of.latency_avg_ms))),
        gauge("max_latency", "Longest time from a request to its answer, in ms.", of.latency_max_ms),
        gauge("min_latency", "Shortest time from a request to its answer, in ms.", of.latency_min_ms),
        counter("packets_received", "Requests received.", of.received),
        counter("packets_sent", "Answers and events sent.", of.sent),
        gauge("num_alive_connections", "Open connections.", of.connections),
        gauge("outstanding_requests", "Requests that are not answered yet.", of.outstanding),
        gauge("znode_count", "Znodes.", of.znodes),
        gauge("watch_count", "Watches.", of.watches),
        gauge("ephemerals_count", "Ephemeral znodes.", of.ephemerals),
        gauge("approximate_data_size", "Bytes of all paths and data.", of.data_bytes),
        gauge("global_sessions", "Sessions kept by the ensemble.", of.global_sessions),
        gauge("local_sessions", "Sessions kept by this member alone.", of.local_sessions),
        gauge("uptime", "How long this member has been running, in ms.", of.uptime_ms),
        counter("auth_failed_count", "Credentials refused.", of.auth_failures),
        counter("non_mtls_local_conn_count", "Connections from this machine without a client's certificate.", of.without_certificate_local),
        counter("non_mtls_remote_conn_count", "Connections from elsewhere without a client's certificate.", of.without_certificate_remote),
        gauge("outstanding_tls_handshake", "TLS handshakes under way.", of.tls_handshakes),
        size("last_client_response_size", "Bytes of the last answer.", of.responses.last),
        size("max_client_response_size", "Bytes of the largest answer.", of.responses.max),
        size("min_client_response_size", "Bytes of the smallest answer.", of.responses.min),
        counter("bytes_received_count", "Bytes received from clients.", of.received_bytes),
        counter("response_bytes", "Bytes of answers sent.", of.sent_bytes),
        counter("connection_rejected", "Connections refused for there were too many.", of.connections_refused),
        counter("connection_drop_count", "Connections closed for what their client did or failed to do.", of.connections_dropped),
        counter("connection_request_count", "Requests that began a connection.", of.connection_requests),
        counter("connection_revalidate_count", "Sessions resumed on another connection.", of.sessions_resumed),
        counter("sessionless_connections_expired", "Connections that never said who they are.", of.handshakes_timed_out),
        counter("stale_sessions_expired", "Sessions that ended by silence.", of.sessions_expired),
        counter("large_requests_rejected", "Requests refused for their size.", of.requests_too_large),
        counter("throttled_ops", "Requests answered that there are too many.", of.throttled),
        counter("request_throttle_wait_count", "Times that clients were not read from since too much was outstanding.", of.held_back),
        counter("snapshot_error_count", "Snapshots that failed.", of.snapshot_errors),
        counter("fsync_threshold_exceed_count", "Syncs of the log that took longer than a second.", of.slow_syncs),
    ];
    all.extend(of.descriptors_open.map(|open| gauge("open_file_descriptor_count", "Open file descriptors.", open)));
    all.extend(of.descriptors_max.map(|max| gauge("max_file_descriptor_count", "File descriptors that may be open.", max)));
    if let Some(proposals) = of.proposals {
        all.push(size("last_proposal_size", "Bytes of the last proposal.", proposals.last));
        all.push(size("max_proposal_size", "Bytes of the largest proposal.", proposals.max));
        all.push(size("min_proposal_size", "Bytes of the smallest proposal.", proposals.min));
    }
    all.extend(of.more.iter().cloned());
    all
}

/// Keys and values as `mntr` has them, a summary in several.
fn flat(metrics: &[Metric]) -> Fields {
    let mut out: Fields = Vec::new();
    for Metric { name, label, value, .. } in metrics {
        // A label's value stands before the name, as in ZooKeeper's sets of counters.
        let name = match label {
            Some((_, of)) => Cow::Owned(allowed(&format!("{of}_{name}"))),
            None => name.clone(),
        };
        match value {
            Value::Counter(value) => out.push((name, (*value).into())),
            Value::Gauge(value) => out.push((name, (*value).into())),
            Value::Fraction(value) => out.push((name, Json::Fraction(*value))),
            Value::Summary(summary) => {
                let Summary { count, sum, min, max, percentiles } = *summary;
                let average = if count == 0 { 0.0 } else { java::mean(sum as f64 / count as f64) };
                out.push((format!("avg_{name}").into(), Json::Fraction(average)));
                for (prefix, value) in [("min", min), ("max", max), ("cnt", count), ("sum", sum)] {
                    out.push((format!("{prefix}_{name}").into(), value.into()));
                }
                for (prefix, value) in ["p50", "p95", "p99", "p999"].iter().zip(percentiles.into_iter().flatten()) {
                    out.push((format!("{prefix}_{name}").into(), value.into()));
                }
            }
        }
    }
    out
}

/// What `mntr` and `/commands/monitor` show.
pub(super) fn fields(source: &dyn Source) -> Fields {
    let statistics = source.statistics();
    let mut out: Fields = vec![("version".into(), VERSION.into()), ("server_state".into(), statistics.mode.name().into())];
    out.extend(flat(&metrics(&statistics)));
    out
}

/// The text of `mntr`.
pub(super) fn mntr(source: &dyn Source) -> String {
    let mut out = String::new();
    for (key, value) in fields(source) {
        let value = match value {
            Json::Int(value) => value.to_string(),
            Json::Fraction(value) => java::double(value),
            Json::Text(value) => value,
            Json::Bool(value) => value.to_string(),
            Json::Null | Json::List(_) | Json::Map(_) => continue,
        };
        let _ = writeln!(out, "zk_{key}\t{value}");
    }
    out
}

/// A name with what may stand in one.
fn allowed(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' }).collect();
    if !out.starts_with(|c: char| !c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

fn escaped(text: &str, quote: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quote { text.replace('"', "\\\"") } else { text }
}

/// `{name="value"}`, or nothing.
fn labels(of: &[(&str, &str)]) -> String {
    if of.is_empty() {
        return String::new();
    }
    let all: Vec<_> = of.iter().map(|(name, value)| format!("{}=\"{}\"", allowed(name).replace(':', "_"), escaped(value, true))).collect();
    format!("{{{}}}", all.join(","))
}

/// The page that Prometheus reads: text format 0.0.4, the names without `zk_`, as ZooKeeper's own exporter has them.
pub fn prometheus(source: &dyn Source) -> String {
    let statistics = source.statistics();
    let mut out = String::new();
    let mut seen: HashSet<String> = HashSet::new();
    let info = labels(&[("version", VERSION), ("mode", statistics.mode.name())]);
    let serving = u8::from(source.serving());
    let read_only = u8::from(statistics.mode == Mode::ReadOnly);
    let started = java::double(statistics.started_ms as f64 / 1000.0);
    let zxid = statistics.zxid.0;
    let _ = write!(
        out,
        "# HELP folkmoot_info What answers here.\n# TYPE folkmoot_info gauge\nfolkmoot_info{info} 1\n\
         # HELP folkmoot_serving Whether requests are served.\n# TYPE folkmoot_serving gauge\nfolkmoot_serving {serving}\n\
         # HELP folkmoot_read_only Whether only reads are served.\n# TYPE folkmoot_read_only gauge\nfolkmoot_read_only {read_only}\n\
         # HELP folkmoot_start_time_seconds When this member started.\n# TYPE folkmoot_start_time_seconds gauge\nfolkmoot_start_time_seconds {started}\n\
         # HELP folkmoot_last_zxid The last transaction applied.\n# TYPE folkmoot_last_zxid gauge\nfolkmoot_last_zxid {zxid}\n"
    );
    if let Some(view) = source.ensemble() {
        status::rows(&mut out, &view);
    }
    let metrics = metrics(&statistics);
    for (at, metric) in metrics.iter().enumerate() {
        let name = allowed(&metric.name);
        let follows = at > 0 && metrics[at - 1].name == metric.name;
        if !follows {
            if !seen.insert(name.clone()) {
                continue; // a second group of one name would make the whole page unreadable
            }
            let kind = match metric.value {
                Value::Counter(_) => "counter",
                Value::Gauge(_) | Value::Fraction(_) => "gauge",
                Value::Summary(_) => "summary",
            };
            let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(&metric.help, false));
        }
        let label: Vec<(&str, &str)> = metric.label.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        let plain = labels(&label);
        let _ = match metric.value {
            Value::Counter(value) => writeln!(out, "{name}{plain} {value}"),
            Value::Gauge(value) => writeln!(out, "{name}{plain} {value}"),
            Value::Fraction(value) => writeln!(out, "{name}{plain} {}", java::double(value).replace("Infinity", "Inf")),
            Value::Summary(summary) => {
                for (quantile, value) in ["0.5", "0.95", "0.99", "0.999"].iter().zip(summary.percentiles.into_iter().flatten()) {
                    let mut with = label.clone();
                    with.push(("quantile", quantile));
                    let _ = writeln!(out, "{name}{} {value}", labels(&with));
                }
                writeln!(out, "{name}_sum{plain} {}\n{name}_count{plain} {}", summary.sum, summary.count)
            }
        };
    }
    out
}
