//! What we answer against what a ZooKeeper answered: `tests/data/admin`, by `tests/recorder/admin.py`.

use super::commands::{self, Call};
use super::view::*;
use super::words::{self, AllowList, NOT_SERVING, Word};
use super::{VERSION, monitor};
use crate::ids::{SessionId, Zxid};
use regex::Regex;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

/// The server that the recorder asks: see its head.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) stopped: bool,
    pub(super) mode: Mode,
    /// Whether who asks has a connection itself: so with words.
    pub(super) asker: bool,
    /// Measured beyond the usual.
    pub(super) more: Option<Vec<Metric>>,
    /// Whether it panics when asked for a list, or for what is on disk.
    pub(super) cheap: bool,
    pub(super) mask: Mutex<i64>,
    pub(super) done: Mutex<Vec<String>>,
}

const A: SessionId = SessionId(0x100_011d_f85d_0000);
const B: SessionId = SessionId(0x100_011d_f85d_0001);

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.done.lock().unwrap().push(what.into());
    }
}

impl Source for Fake {
    fn serving(&self) -> bool {
        !self.stopped
    }
    fn settings(&self) -> Settings {
        Settings {
            client_port: Some(2181),
            data_dir: "/data/version-2".into(),
            data_log_dir: "/data/version-2".into(),
            tick_ms: 2000,
            min_session_timeout_ms: 4000,
            max_session_timeout_ms: 40_000,
            initial_configuration: "tickTime=2000\n".into(),
            properties: vec![("zookeeper.b".into(), "2".into()), ("zookeeper.a".into(), "1".into())],
            ..Settings::default()
        }
    }
    fn environment(&self) -> Environment {
        Environment { host_name: Some("host".into()), memory_max: Some(5 << 20), ..Environment::default() }
    }
    fn statistics(&self) -> Statistics {
        let summary = Summary { count: 3, sum: 10, min: 1, max: 7, percentiles: None };
        let metric = |name: &'static str, label: Option<&str>, value| Metric {
            name: name.into(),
            help: "Help.".into(),
            label: label.map(|of| ("key".into(), of.to_owned())),
            value,
        };
        Statistics {
            mode: self.mode,
            started_ms: 1_795_601_042_000,
            zxid: Zxid(0x108),
            znodes: 7,
            ephemerals: 2,
            latency_avg_ms: 2.0 / 3.0,
            latency_max_ms: 13,
            connections: 3,
            descriptors_open: Some(54),
            descriptors_max: Some(20_000),
            proposals: Some(Sizes { last: Some(36), min: Some(32), max: None }),
            more: self.more.clone().unwrap_or(vec![
                metric("fsynctime", None, Value::Summary(summary)),
                metric("readlatency", None, Value::Summary(Summary { percentiles: Some([1, 2, 3, 4]), ..summary })),
                metric("write_per_namespace", Some("a"), Value::Summary(summary)),
                metric("write_per_namespace", Some("b"), Value::Summary(summary)),
            ]),
            ..Statistics::default()
        }
    }
    fn disk_use(&self) -> DiskUse {
        assert!(!self.cheap);
        DiskUse { data_dir_bytes: 66_030, log_dir_bytes: 66_030 }
    }
    fn connections(&self) -> Vec<Connection> {
        assert!(!self.cheap);
        let one = |port: u16, session, expires_ms| Connection {
            session,
            received: 6,
            last_operation: "GETD".into(),
            last_xid: 5,
            last_zxid: 4,
            timeout_ms: 40_000,
            expires_ms,
            ..Connection::new(([127, 0, 0, 1], port).into(), 1_795_601_043_206)
        };
        let mut all = vec![one(60_444, A, 1_795_601_060_000), one(60_450, B, 1_795_601_080_000)];
        if self.asker {
            all.push(Connection { interest: 0, expires_ms: 1_795_601_050_000, ..Connection::new(([127, 0, 0, 1], 60_478).into(), 1_795_601_043_300) });
        }
        all
    }
    fn sessions(&self) -> Vec<Session> {
        assert!(!self.cheap);
        let paths = vec!["/a".to_owned(), "/b".to_owned()];
        vec![
            Session { id: A, timeout_ms: 20_000, expires_ms: 1_795_601_060_000, ephemerals: paths },
            Session { id: B, timeout_ms: 40_000, expires_ms: 1_795_601_080_000, ephemerals: vec![] },
        ]
    }
    fn watch_summary(&self) -> WatchSummary {
        WatchSummary { sessions: 2, paths: 2, watches: 3 }
    }
    fn watches(&self) -> Vec<Watched> {
        assert!(!self.cheap);
        vec![Watched { session: A, paths: vec!["/a".into(), "/b".into()] }, Watched { session: B, paths: vec!["/a".into()] }]
    }
    fn digests(&self) -> Vec<Digest> {
        assert!(!self.cheap);
        [0x80, 0x100].map(|zxid| Digest { zxid: Zxid(zxid), digest: -5_700_358_441, version: 2 }).into()
    }
    fn last_snapshot(&self) -> Option<Snapshot> {
        assert!(!self.cheap);
        Some(Snapshot { zxid: Zxid(0), taken_ms: 1_795_601_042_999, bytes: 500 })
    }
    fn reset_statistics(&self) {
        self.note("reset_statistics");
    }
    fn reset_connections(&self) {
        self.note("reset_connections");
    }
    fn close_connection(&self, session: SessionId) -> bool {
        self.note(format!("close {session}"));
        session == A
    }
    fn take_snapshot(&self) -> Result<Snapshot, SnapshotError> {
        if self.done.lock().unwrap().iter().any(|done| done == "snapshot") {
            return Err(SnapshotError::TooSoon);
        }
        self.note("snapshot");
        Ok(Snapshot { zxid: Zxid(0x108), taken_ms: 1, bytes: 500 })
    }
    fn trace_mask(&self) -> i64 {
        *self.mask.lock().unwrap()
    }
    fn set_trace_mask(&self, mask: i64) {
        *self.mask.lock().unwrap() = mask;
    }
    fn authorize(&self, scheme: &str, credential: Option<&[u8]>, peer: IpAddr) -> Access {
        match (scheme, credential) {
            ("digest", Some(b"root:secret")) => Access::Granted,
            ("digest", Some(b"someone:secret")) => Access::NotAuthorized,
            ("ip", None) if peer.is_loopback() => Access::Granted,
            _ => Access::NotAuthenticated,
        }
    }
}

/// The recorder's rules. One that is changed there is changed here.
fn normalised(text: &str) -> String {
    let rules = [
        (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]+ \d{4}", "DATE"),
        (r#"(?m)((?:version: |version=|version\t|version" : "))\d[^"\n]*"#, "${1}VERSION"),
        (r"(?m)^((?:host|java|os|user)\.[a-z.]+)=.*$", "${1}=VALUE"),
        (r#""((?:host|java|os|user)\.[a-z.]+|initial_configuration|data_dir|data_log_dir)" : ".*""#, "\"${1}\" : \"VALUE\""),
        (r"(?m)^(dataDir|dataLogDir)=.*$", "${1}=VALUE"),
        (r"0x[0-9a-f]+", "0xN"),
        (r"-?\b[0-9]+(\.[0-9]+)?(E-?[0-9]+)?\b", "N"),
    ];
    rules.iter().fold(text.to_owned(), |text, (rule, by)| Regex::new(rule).unwrap().replace_all(&text, *by).into_owned())
}

fn sorted_by(text: &str, what: &str) -> String {
    let rule = Regex::new(what).unwrap();
    let mut found: Vec<_> = rule.find_iter(text).map(|found| found.as_str().to_owned()).collect();
    found.sort();
    let mut found = found.into_iter();
    rule.replace_all(text, |_: &regex::Captures<'_>| found.next().unwrap()).into_owned()
}

fn golden(name: &str) -> String {
    let path = format!("{}/../tests/data/admin/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn say(word: Word, source: &Fake) -> String {
    words::answer(word, &306i64.to_be_bytes(), source, &AllowList::new(["*"], false)).unwrap()
}

fn ask(source: &Fake, name: &str) -> commands::Answer {
    let (name, query) = name.split_once('?').unwrap_or((name, ""));
    let parameters: Vec<_> = query.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
    let peer = Ipv4Addr::LOCALHOST.into();
    commands::run(&Call { name, parameters: &parameters, post: false, trusted: false, authorization: None, peer }, source)
}

fn body(answer: &commands::Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn words_have_the_shape_of_zookeepers() {
    for word in Word::ALL.iter().filter(|word| !matches!(word, Word::TelnetClose | Word::Mntr | Word::Fmst)) {
        let mut ours = normalised(&say(*word, &Fake { asker: true, ..Fake::default() }));
        ours = match word {
            Word::Cons | Word::Stat => sorted_by(&ours, r"(?m)^ /.*\n"),
            Word::Wchc | Word::Wchp => sorted_by(&ours, r"(?m)^\S.*\n(?:\t.*\n)*"),
            _ => ours,
        };
        assert_eq!(ours, golden(&format!("word-{}", word.name())), "{word:?}");
    }
}

#[test]
fn commands_have_the_shape_of_zookeepers() {
    let unlike = ["close_connection", "ensemble", "monitor", "restore", "system_properties"];
    let more = ["nonsense", "set_trace_mask?traceMask=x", "set_trace_mask?traceMask=306"];
    for name in commands::COMMANDS.iter().map(|names| names[0]).filter(|name| !unlike.contains(name)).chain(more) {
        let answer = ask(&Fake::default(), name);
        let ours = normalised(&format!("{} application/json\n{}", answer.status, String::from_utf8(answer.body).unwrap()));
        let ours = if name == "watches" { sorted_by(&ours, r#"(?m)^ *"N" : .*\]"#) } else { ours };
        assert_eq!(ours, golden(&format!("command-{}", name.replace(['?', '='], "-"))), "{name}");
    }
    let ours = ["close_connection", "ensemble"]
        .iter()
        .fold(commands::index(), |page, own| page.replace(&format!("<a href=\"/commands/{own}\">{own}</a>\n<br/>\n"), ""));
    assert_eq!(format!("N None\n{ours}"), golden("commands"));
}

/// What `mntr` shows is among what ZooKeeper shows, and has what monitoring looks at.
#[test]
fn numbers_have_zookeepers_names() {
    let keys = |text: &str, rule: &str| -> BTreeSet<String> { Regex::new(rule).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect() };
    let source = Fake::default();
    let ours = keys(&say(Word::Mntr, &source), r"(?m)^zk_(\w+)\t\S");
    let theirs = keys(&golden("word-mntr"), r"(?m)^zk_(\w+)\t");
    let json = String::from_utf8(ask(&source, "monitor").body).unwrap();
    assert_eq!(keys(&json, r#"(?m)^  "(\w+)" : "#), &ours | &["command", "error"].map(String::from).into());
    // In ZooKeeper's documents, but not what it does; and a leader's.
    let known = ["fsync_threshold_exceed_count", "last_proposal_size", "max_proposal_size", "min_proposal_size"].map(String::from).into();
    // The recorder's b only wrote below /b.
    assert_eq!(&(&ours - &theirs) - &known, BTreeSet::new());
    for key in [
        "version",
        "server_state",
        "avg_latency",
        "min_latency",
        "max_latency",
        "packets_received",
        "packets_sent",
        "num_alive_connections",
        "outstanding_requests",
        "znode_count",
        "watch_count",
        "ephemerals_count",
        "approximate_data_size",
        "open_file_descriptor_count",
        "max_file_descriptor_count",
        "uptime",
        "global_sessions",
        "avg_fsynctime",
        "cnt_fsynctime",
        "p99_readlatency",
        "avg_a_write_per_namespace",
    ] {
        assert!(ours.contains(key), "{key}");
    }
    let text = say(Word::Mntr, &source);
    assert!(text.contains("zk_avg_latency\t0.6667\n") && text.contains("zk_avg_fsynctime\t3.3333\n"), "{text}");
    assert!(text.contains("zk_last_client_response_size\t-1\n"));
}

/// The expressions of programs that take our version apart.
#[test]
fn versions_are_understood() {
    let source = Fake { asker: true, ..Fake::default() };
    let group = |rule: &str, text: &str| Regex::new(rule).unwrap().captures(text).map(|found| found[1].to_owned()).unwrap_or_default();
    // kazoo: lines cut at the first `=`, then digits and dots from the start.
    let envi = say(Word::Envi, &source);
    let version = envi.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "zookeeper.version").unwrap().1;
    let digits = group(r"^([\d\.]*)", version);
    assert_eq!(digits.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>(), [3, 9, 5]);
    // zktop, on the first line of `stat`; then its rows and attributes.
    let stat = say(Word::Stat, &source);
    let mut lines = stat.lines();
    assert_eq!(group(r".*: (\d+\.\d+\.\d+)-.*", lines.next().unwrap()), "3.9.5");
    assert_eq!(lines.next(), Some("Clients:"));
    let row = Regex::new(r"/([\da-fA-F:\.]+):(\d+)\[(\d+)\]\((.*)\)").unwrap();
    let rows: Vec<_> = lines.by_ref().take_while(|line| !line.trim().is_empty()).collect();
    assert_eq!(rows.len(), 3);
    for line in rows {
        let found = row.captures(line.trim()).unwrap();
        assert!(found[4].split(',').all(|pair| pair.split('=').count() == 2));
    }
    assert!(lines.all(|line| line.split(':').count() == 2));
    // Collectors of `mntr`: no second tab.
    assert!(say(Word::Mntr, &source).lines().all(|line| line.split('\t').count() == 2));
    assert!(VERSION.split_once(", built on ").is_some_and(|(version, date)| !version.contains(' ') && date.ends_with(" UTC")));
}

#[test]
fn only_words_are_words() {
    assert_eq!(Word::ALL.len(), 20);
    for word in Word::ALL {
        let first: [u8; 4] = if *word == Word::TelnetClose { [0xff, 0xf4, 0xff, 0xfd] } else { word.name().as_bytes().try_into().unwrap() };
        assert_eq!(Word::from_bytes(first), Some(*word));
        // As a length it is more than any frame has, or negative.
        let length = i32::from_be_bytes(first);
        assert!(length < 0 || length as usize > crate::limits::FRAME_BYTES_MAX);
        assert_eq!(word.more_bytes(), if *word == Word::Stmk { 8 } else { 0 });
    }
    for first in [*b"RUOK", *b"ruo\0", [0, 0, 0, 44], *b"GET ", *b"srvx"] {
        assert_eq!(Word::from_bytes(first), None);
    }
}

#[test]
fn words_not_allowed_say_so() {
    let none: [&str; 0] = [];
    let source = Fake::default();
    let default = AllowList::new(none, false);
    for word in Word::ALL.iter().filter(|word| !matches!(word, Word::Srvr | Word::Fmst)) {
        let text = words::answer(*word, &[], &source, &default).unwrap();
        assert_eq!(text, format!("{} is not executed because it is not in the whitelist.\n", word.name()));
    }
    assert!(source.done.lock().unwrap().is_empty());
    assert!(default.allows(Word::Srvr) && default.allows(Word::Fmst) && !default.allows(Word::Isro) && AllowList::new(none, true).allows(Word::Isro));
    let some = AllowList::new([" ruok ", "nonsense", "", "telnet close"], false);
    assert!(some.allows(Word::Ruok) && some.allows(Word::TelnetClose) && !some.allows(Word::Stat));
    let all = AllowList::new(["stat".to_owned(), " * ".to_owned()], false);
    assert!(Word::ALL.iter().all(|word| all.allows(*word)));
}

#[test]
fn words_that_act() {
    let source = Fake::default();
    let all = AllowList::new(["*"], false);
    assert_eq!(words::answer(Word::Stmk, &(-2i64).to_be_bytes(), &source, &all).unwrap(), "-2");
    assert_eq!(say(Word::Gtmk, &source), "-2");
    assert_eq!(words::answer(Word::Stmk, &[0; 7], &source, &all), None);
    assert_eq!(words::answer(Word::TelnetClose, &[], &source, &all), None);
    say(Word::Srst, &source);
    say(Word::Crst, &source);
    assert_eq!(*source.done.lock().unwrap(), ["reset_statistics", "reset_connections"]);
}

#[test]
fn who_serves_nothing_says_so() {
    let source = Fake { stopped: true, ..Fake::default() };
    for word in Word::ALL {
        let expected = match word {
            Word::Ruok => "imok".into(),
            Word::Isro => "null".into(),
            Word::Hash => NOT_SERVING.into(),
            Word::Envi | Word::Fmst | Word::Gtmk | Word::Stmk | Word::TelnetClose => continue,
            _ => format!("{NOT_SERVING}\n"),
        };
        assert_eq!(say(*word, &source), expected);
    }
    assert!(source.done.lock().unwrap().is_empty());
    assert_eq!(body(&ask(&source, "srvr"))["error"], NOT_SERVING);
    assert_eq!(body(&ask(&source, "monitor"))["error"], serde_json::Value::Null);
}

#[test]
fn other_modes() {
    let read_only = Fake { mode: Mode::ReadOnly, ..Fake::default() };
    assert_eq!(say(Word::Isro, &read_only), "ro");
    assert!(say(Word::Srvr, &read_only).contains("UTC\nREAD-ONLY mode; serving only read-only clients\nLatency"));
    assert_eq!(body(&ask(&read_only, "isro"))["read_only"], true);
    let leader = Fake { mode: Mode::Leader, ..Fake::default() };
    assert!(say(Word::Srvr, &leader).ends_with("Mode: leader\nNode count: 7\nProposal sizes last/min/max: 36/32/-1\n"));
    assert_eq!(body(&ask(&leader, "stat"))["proposal_stats"]["max_buffer_size"], -1);
}

#[test]
fn aliases_are_the_same_command() {
    let source = Fake::default();
    for names in commands::COMMANDS {
        for name in *names {
            let command = body(&ask(&source, name))["command"].as_str().unwrap().to_owned();
            assert!(command == names[0] || command == *name, "{name}: {command}"); // a refusal repeats the name it was given
        }
    }
}

#[test]
fn what_needs_rights_asks_for_them() {
    let source = Fake::default();
    let parameters = [("streaming".to_owned(), "false".to_owned()), ("session".to_owned(), A.to_string())];
    let run = |name, post, trusted, authorization| {
        let call = Call { name, parameters: &parameters, post, trusted, authorization, peer: Ipv4Addr::LOCALHOST.into() };
        let answer = commands::run(&call, &source);
        (answer.status, body(&answer)["error"].as_str().unwrap_or_default().to_owned(), answer.headers)
    };
    for (given, status, error) in [
        (None, 401, "Auth info is missing for the command"),
        (Some("digest root:wrong"), 401, "Not authenticated"),
        (Some("digest root:secret more"), 401, "Not authenticated"),
        (Some(""), 401, "Not authenticated"),
        (Some("digest someone:secret"), 403, "Not authorized"),
    ] {
        for name in ["snapshot", "restore", "close_connection"] {
            assert_eq!(run(name, true, false, given), (status, error.into(), vec![]), "{name} {given:?}");
        }
    }
    assert!(source.done.lock().unwrap().is_empty());
    let headers = vec![("last_zxid", "0x108".into()), ("snapshot_size", "500".into())];
    assert_eq!(run("snapshot", false, false, Some("digest root:secret")), (200, String::new(), headers));
    assert_eq!(run("snap", false, true, None).0, 429);
    assert_eq!(run("restore", true, false, Some("ip")).0, 503);
    assert_eq!(run("restore", false, true, None), (405, "restore is asked for by POST".into(), vec![("Allow", "POST".into())]));
    assert_eq!(run("close_connection", false, true, None).0, 405);
    assert_eq!(run("close_connection", true, true, None).0, 200);
    assert_eq!(*source.done.lock().unwrap(), ["snapshot".to_owned(), format!("close {A}")]);
    // Nothing is taken only to find out that it cannot be sent.
    let call = Call { name: "snapshot", parameters: &[], post: false, trusted: true, authorization: None, peer: Ipv4Addr::LOCALHOST.into() };
    assert_eq!(commands::run(&call, &Fake::default()).status, 501);
}

/// Every line of the page is one that the format has; names come once, together, after their HELP and TYPE.
#[test]
fn metrics_can_be_read() {
    let source = Fake::default();
    let page = monitor::prometheus(&source);
    let line = Regex::new(
        r#"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\})? (\S+)$"#,
    )
    .unwrap();
    let (mut seen, mut now) = (BTreeSet::new(), String::new());
    let mut lines = page.lines();
    while let Some(text) = lines.next() {
        if let Some(help) = text.strip_prefix("# HELP ") {
            now = help.split(' ').next().unwrap().to_owned();
            assert!(seen.insert(now.clone()), "{now} twice");
            assert!(lines.next().unwrap().starts_with(&format!("# TYPE {now} ")));
            continue;
        }
        let found = line.captures(text).unwrap_or_else(|| panic!("{text}"));
        let name = found[1].strip_suffix("_sum").or(found[1].strip_suffix("_count")).filter(|name| *name == now).unwrap_or(&found[1]);
        assert_eq!(name, now);
        found[3].parse::<f64>().unwrap();
    }
    for part in [
        "# TYPE packets_received counter\npackets_received 0\n",
        "# TYPE znode_count gauge\nznode_count 7\n",
        "avg_latency 0.6667\n",
        "# TYPE readlatency summary\nreadlatency{quantile=\"0.5\"} 1\nreadlatency{quantile=\"0.95\"} 2\n",
        "readlatency_sum 10\nreadlatency_count 3\n",
        "write_per_namespace_count{key=\"a\"} 3\nwrite_per_namespace_sum{key=\"b\"} 10\n",
        "mode=\"standalone\"} 1\n",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

/// Names and labels made of anything: still a page, and nothing breaks out of its quotes.
#[test]
fn metrics_with_odd_names() {
    let metric = |name: &str, value: &str| Metric {
        name: name.to_owned().into(),
        help: "a\\b\nc".into(),
        label: Some(("9-x:".into(), value.to_owned())),
        value: Value::Counter(1),
    };
    let more = vec![metric("é 1", "q\"\\\n}"), metric("1", ""), metric("znode_count", "z"), metric("", "")];
    let source = Fake { more: Some(more), ..Fake::default() };
    let page = monitor::prometheus(&source);
    assert!(page.contains("# HELP __1 a\\\\b\\nc\n# TYPE __1 counter\n__1{_9_x_=\"q\\\"\\\\\\n}\"} 1\n"), "{page}");
    assert!(page.contains("# TYPE _1 counter\n_1{_9_x_=\"\"} 1\n") && page.contains("\n_{_9_x_=\"\"} 1\n"), "{page}");
    assert_eq!(page.matches("TYPE znode_count").count(), 1);
    let text = words::answer(Word::Mntr, &[], &source, &AllowList::new(["*"], false)).unwrap();
    assert!(text.lines().all(|line| line.split('\t').count() == 2), "{text}");
    assert_eq!(text.matches("zk_last_client_response_size\t-1").count(), 1);
}

/// Reading the numbers asks for no list.
#[test]
fn what_is_cheap_asks_for_nothing_dear() {
    let source = Fake { cheap: true, ..Fake::default() };
    for word in [Word::Ruok, Word::Srvr, Word::Isro, Word::Mntr, Word::Envi, Word::Wchs, Word::Crst, Word::Srst, Word::Gtmk] {
        assert!(words::answer(word, &[], &source, &AllowList::new(["*"], false)).is_some());
    }
    assert!(!monitor::prometheus(&source).is_empty());
}
