//! `folkmoot bench`: what a server of ZooKeeper's protocol can do, by replies that were checked.
//!
//! One thread drives all connections. Each keeps a number of requests unanswered and sends the next when a
//! reply has come; a reply is looked at before it is counted: its number in order, its error, and what it
//! says. The first that is wrong ends the run with an error, so a row that is printed is of right replies.
//!
//! What a run makes stands under one znode, `/folkmoot-bench-PID`, and is removed.

mod connection;
mod histogram;
mod pipeline;
mod processes;
mod sessions;
mod whole;
mod wire;

use super::{Failure, broken};
use crate::error::{Error, ErrorKind};
use histogram::Histogram;
use lexopt::prelude::*;
use processes::{Usage, machine_cpu_us, usage};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

/// Session timeout asked for, in milliseconds: no run is to lose a session to a slow moment.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// How long a run may stand still before it is given up.
const STUCK: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Set,
    Get,
    Exists,
    Children,
    Mixed,
    ConnectStorm,
    WatchFanout,
    Idle,
    Fill,
    FirstRead,
}

const OPERATIONS: [(&str, Operation); 11] = [
    ("create", Operation::Create),
    ("set", Operation::Set),
    ("get", Operation::Get),
    ("exists", Operation::Exists),
    ("children", Operation::Children),
    ("mixed", Operation::Mixed),
    ("connect-storm", Operation::ConnectStorm),
    ("watch-fanout", Operation::WatchFanout),
    ("idle", Operation::Idle),
    ("fill", Operation::Fill),
    ("first-read", Operation::FirstRead),
];

/// What is asked for.
#[derive(Clone, Debug)]
struct Plan {
    operation: Operation,
    name: &'static str,
    servers: Vec<String>,
    connections: usize,
    in_flight: usize,
    warm_up: Duration,
    time: Duration,
    data_bytes: usize,
    pids: Vec<u32>,
    /// How many each connection reads and writes, where an operation does not say otherwise.
    znodes: usize,
    /// How many znodes `fill` makes.
    count: u64,
    /// The server that `first-read` starts.
    command: Vec<OsString>,
    json: bool,
    /// The znode everything is under.
    root: String,
}

impl Plan {
    fn server(&self, connection: usize) -> &str {
        &self.servers[connection % self.servers.len()]
    }
}

/// What had been used at a moment.
struct Reading {
    at: Instant,
    servers: Usage,
    own: Usage,
    machine_us: u64,
}

/// When to count what happens, and what was counted.
struct Meter {
    pids: Vec<u32>,
    from: Instant,
    until: Instant,
    latencies: Histogram,
    began: Option<Reading>,
    ended: Option<Reading>,
}

impl Meter {
    fn new(plan: &Plan) -> Self {
        let from = Instant::now() + plan.warm_up;
        Self { pids: plan.pids.clone(), from, until: from + plan.time, latencies: Histogram::new(), began: None, ended: None }
    }

    fn reading(&self) -> Result<Reading, String> {
        let own = usage(&[std::process::id()]).unwrap_or_default();
        Ok(Reading { at: Instant::now(), servers: usage(&self.pids)?, own, machine_us: machine_cpu_us() })
    }

    /// Notes that time has come to `now`; false once the run is over.
    fn goes_on(&mut self, now: Instant) -> Result<bool, String> {
        if self.began.is_none() && now >= self.from {
            self.began = Some(self.reading()?);
        }
        if self.ended.is_none() && now >= self.until {
            self.ended = Some(self.reading()?);
        }
        Ok(self.ended.is_none())
    }

    fn counts(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }

    /// Counts one operation that was begun at `begun` and is done `now`.
    fn count(&mut self, begun: Instant, now: Instant) {
        if self.counts() {
            self.latencies.add(now.saturating_duration_since(begun));
        }
    }

    fn row(self, plan: &Plan, more: Vec<(&'static str, f64)>) -> Result<Row, String> {
        let (Some(began), Some(ended)) = (self.began, self.ended) else {
            return Err("the run ended before it had begun".into());
        };
        let seconds = ended.at.saturating_duration_since(began.at).as_secs_f64();
        let count = self.latencies.count();
        let mut row = Row { name: plan.name, figures: Vec::new() };
        let mut add = |name, value| row.figures.push((name, value));
        add("conns", plan.connections as f64);
        add("inflight", plan.in_flight as f64);
        add("size", plan.data_bytes as f64);
        add("seconds", seconds);
        add("ops", count as f64);
        add("ops_per_s", count as f64 / seconds);
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)] {
            add(name, self.latencies.quantile_us(share));
        }
        let servers_us = ended.servers.cpu_us.saturating_sub(began.servers.cpu_us);
        let own_us = ended.own.cpu_us.saturating_sub(began.own.cpu_us);
        let percent = |us: u64| us as f64 / seconds / 10_000.0;
        if !self.pids.is_empty() {
            let cpu_us = servers_us as f64;
            add("server_cpu_us_per_op", if count == 0 { 0.0 } else { cpu_us / count as f64 });
            add("server_cpu_percent", percent(servers_us));
            add("server_rss_kib", ended.servers.resident_kib as f64);
        }
        add("own_cpu_percent", percent(own_us));
        // A row from a machine that others used is worth less.
        let all_us = ended.machine_us.saturating_sub(began.machine_us);
        add("other_cpu_percent", percent(all_us.saturating_sub(servers_us + own_us)));
        row.figures.extend(more);
        Ok(row)
    }
}

/// What is printed.
struct Row {
    name: &'static str,
    figures: Vec<(&'static str, f64)>,
}

impl Row {
    fn text(&self, json: bool) -> String {
        let mut text = if json { format!("{{\"op\":\"{}\"", self.name) } else { self.name.to_owned() };
        for (name, value) in &self.figures {
            let digits = if value.fract() == 0.0 { 0 } else { 2 };
            let _ = if json { write!(text, ",\"{name}\":{value:.digits$}") } else { write!(text, " {name}={value:.digits$}") };
        }
        text.push_str(if json { "}\n" } else { "\n" });
        text
    }
}

pub(super) fn run(args: lexopt::Parser, out: &mut dyn Write) -> Result<(), Failure> {
    let plan = settle(args)?;
    let failed = |what: String| Failure::Error(Error::new(ErrorKind::SystemError, format!("bench {}: {what}", plan.name)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(e.to_string()))?;
    let row = tokio::task::LocalSet::new().block_on(&runtime, async {
        match plan.operation {
            Operation::ConnectStorm => sessions::connect_storm(&plan).await,
            Operation::WatchFanout => sessions::watch_fanout(&plan).await,
            Operation::Idle => sessions::idle(&plan).await,
            Operation::Fill => whole::fill(&plan).await,
            Operation::FirstRead => whole::first_read(&plan).await,
            _ => pipeline::load(&plan).await,
        }
    });
    out.write_all(row.map_err(failed)?.text(plan.json).as_bytes()).map_err(broken)
}

fn settle(mut args: lexopt::Parser) -> Result<Plan, Failure> {
    let usage = |text: String| Failure::Usage(format!("bench: {text}"));
    let mut operation = None;
    let mut plan = Plan {
        operation: Operation::Get,
        name: "",
        servers: Vec::new(),
        connections: 1,
        in_flight: 1,
        warm_up: Duration::from_secs(1),
        time: Duration::from_secs(5),
        data_bytes: 100,
        pids: Vec::new(),
        znodes: 16,
        count: 100_000,
        command: Vec::new(),
        json: false,
        root: format!("/folkmoot-bench-{}", std::process::id()),
    };
    let seconds = |text: String, name: &str| match text.parse() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(usage(format!("{name} {text}: it is a number of seconds"))),
    };
    while let Some(argument) = args.next()? {
        match argument {
            Long("servers") => plan.servers = args.value()?.string()?.split(',').map(str::to_owned).collect(),
            Long("conns") => plan.connections = args.value()?.parse()?,
            Long("inflight") => plan.in_flight = args.value()?.parse()?,
            Long("seconds") => plan.time = seconds(args.value()?.string()?, "--seconds")?,
            Long("warmup") => plan.warm_up = seconds(args.value()?.string()?, "--warmup")?,
            Long("size") => plan.data_bytes = args.value()?.parse()?,
            Long("znodes") => plan.znodes = args.value()?.parse()?,
            Long("count") => plan.count = args.value()?.parse()?,
            Long("pids") => {
                for pid in args.value()?.string()?.split(',') {
                    plan.pids.push(pid.parse().map_err(|_| usage(format!("--pids {pid}: it is a number")))?);
                }
            }
            Long("json") => plan.json = true,
            Value(name) if operation.is_none() => {
                let name = name.string()?;
                let found = OPERATIONS.iter().find(|(known, _)| *known == name);
                operation = Some(found.ok_or_else(|| usage(format!("{name} is none of {}", OPERATIONS.map(|(name, _)| name).join(", "))))?);
            }
            Value(word) if matches!(operation, Some((_, Operation::FirstRead))) => plan.command.push(word),
            argument => return Err(argument.unexpected().into()),
        }
    }
    let names = || OPERATIONS.map(|(name, _)| name).join(", ");
    let (name, operation) = operation.ok_or_else(|| usage(format!("what is to be done? One of {}", names())))?;
    plan.name = name;
    plan.operation = *operation;
    if plan.servers.is_empty() {
        return Err(usage("--servers HOST:PORT,... is missing".into()));
    }
    let limits = [
        ("--conns", plan.connections, 1, 1_000_000),
        ("--inflight", plan.in_flight, 1, 100_000),
        ("--znodes", plan.znodes, 1, 1_000_000),
        ("--size", plan.data_bytes, 0, 1_000_000),
    ];
    if let Some((name, value, least, most)) = limits.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        return Err(usage(format!("{name} {value}: it is from {least} to {most}")));
    }
    if plan.operation == Operation::FirstRead && plan.command.is_empty() {
        return Err(usage("first-read needs the server's command: first-read --servers HOST:PORT -- PROGRAM ARGUMENT...".into()));
    }
    if plan.operation == Operation::WatchFanout && plan.connections < 2 {
        return Err(usage("watch-fanout needs --conns of 2 at least: one writes, the others watch".into()));
    }
    Ok(plan)
}

/// Ends a run that stands still.
async fn unstuck<T>(task: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(STUCK, task).await.unwrap_or_else(|_| Err(format!("nothing has happened for {} s", STUCK.as_secs())))
}

#[cfg(test)]
mod tests;
