//! The four-letter words: what a connection may say instead of a request.
//!
//! A word is the first four bytes of a connection, where a frame's length would be; as a length
//! every one of them would be too large. The answer is text, and then the connection closes, even if the asker has
//! closed its own side already (as `nc` does).
//!
//! Not here: the socket.
//! Source: ZooKeeper Administrator's Guide, "ZooKeeper Commands: The Four Letter Words".

use super::view::{Connection, Mode, Source};
use super::{VERSION, java, monitor, status};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What every word but a few answers while nothing is served.
pub const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

macro_rules! words {
    ($($(#[$doc:meta])* $word:ident = $name:literal, $first:literal;)*) => {
        /// A four-letter word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Word { $($(#[$doc])* $word,)* }

        impl Word {
            /// All of them.
            pub const ALL: &'static [Word] = &[$(Word::$word,)*];

            /// The word that these first bytes of a connection are.
            pub fn from_bytes(first: [u8; 4]) -> Option<Word> {
                match &first { $($first => Some(Word::$word),)* _ => None }
            }

            /// Its name, as an allow-list has it.
            pub fn name(self) -> &'static str {
                match self { $(Word::$word => $name,)* }
            }
        }
    };
}

words! {
    /// The settings.
    Conf = "conf", b"conf";
    /// The connections, at length.
    Cons = "cons", b"cons";
    /// Starts the connections' statistics anew.
    Crst = "crst", b"crst";
    /// Bytes on disk.
    Dirs = "dirs", b"dirs";
    /// Sessions, their ephemerals, connections, and when they end.
    Dump = "dump", b"dump";
    /// The environment.
    Envi = "envi", b"envi";
    /// Tells the trace mask.
    Gtmk = "gtmk", b"gtmk";
    /// Whether somebody is there.
    Ruok = "ruok", b"ruok";
    /// Sets the trace mask to the eight bytes that follow.
    Stmk = "stmk", b"stmk";
    /// Starts the statistics anew.
    Srst = "srst", b"srst";
    /// The statistics.
    Srvr = "srvr", b"srvr";
    /// The statistics, and the connections in short.
    Stat = "stat", b"stat";
    /// Watches by session.
    Wchc = "wchc", b"wchc";
    /// Watches by path.
    Wchp = "wchp", b"wchp";
    /// How many watches there are.
    Wchs = "wchs", b"wchs";
    /// Everything measured.
    Mntr = "mntr", b"mntr";
    /// Whether writes are taken.
    Isro = "isro", b"isro";
    /// The ensemble as this member sees it, as a table. Not one of ZooKeeper's.
    Fmst = "fmst", b"fmst";
    /// Checksums of the tree.
    Hash = "hash", b"hash";
    /// Not four letters: what telnet sends when it is interrupted.
    TelnetClose = "telnet close", b"\xff\xf4\xff\xfd";
}

impl Word {
    /// How many bytes belong to it beyond the first four.
    pub fn more_bytes(self) -> usize {
        if self == Word::Stmk { 8 } else { 0 }
    }
}

/// The words that are answered; the others are told that they are not.
#[derive(Clone, Debug, Default)]
pub struct AllowList(Vec<Word>);

impl AllowList {
    /// From the setting `4lw.commands.whitelist`, already cut at its commas; `*` is all. `srvr` always is in it
    /// (`zkServer.sh status` asks it) and so is `fmst` (`folkmoot status` does), and `isro` if members may serve without a quorum (clients look for one that does not).
    /// What is no word is passed over, as in ZooKeeper.
    pub fn new<I>(words: I, read_only_mode: bool) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut allowed = vec![Word::Srvr, Word::Fmst];
        if read_only_mode {
            allowed.push(Word::Isro);
        }
        for name in words {
            match name.as_ref().trim() {
                "*" => allowed.extend(Word::ALL),
                name => allowed.extend(Word::ALL.iter().filter(|word| word.name() == name)),
            }
        }
        AllowList(allowed)
    }

    /// Whether this one is.
    pub fn allows(&self, word: Word) -> bool {
        self.0.contains(&word)
    }
}

/// The text to send before closing; none to close at once. `more` are the [`Word::more_bytes`] that followed; without
/// all of them there is no answer, as in ZooKeeper.
pub fn answer(word: Word, more: &[u8], source: &dyn Source, allowed: &AllowList) -> Option<String> {
    if !allowed.allows(word) {
        return Some(format!("{} is not executed because it is not in the whitelist.\n", word.name()));
    }
    let serving = source.serving();
    match word {
        Word::Ruok => return Some("imok".into()),
        Word::Envi => return Some(envi(source)),
        // Without a majority too: that is when it is asked.
        Word::Fmst => return Some(status::text(source)),
        Word::Gtmk => return Some(source.trace_mask().to_string()),
        Word::Stmk => {
            let mask = i64::from_be_bytes(more.get(..8)?.try_into().ok()?);
            source.set_trace_mask(mask);
            return Some(mask.to_string());
        }
        Word::Isro if serving => return Some(if source.statistics().mode == Mode::ReadOnly { "ro" } else { "rw" }.into()),
        Word::Isro => return Some("null".into()),
        Word::TelnetClose => return None,
        Word::Hash if !serving => return Some(NOT_SERVING.into()), // no line end after this one
        _ if !serving => return Some(format!("{NOT_SERVING}\n")),
        _ => {}
    }
    let mut out = String::new();
    match word {
        Word::Conf => conf(&mut out, source),
        Word::Cons => {
            for connection in source.connections() {
                row(&mut out, &connection, false);
            }
            out.push('\n');
        }
        Word::Crst => {
            source.reset_connections();
            out.push_str("Connection stats reset.\n");
        }
        Word::Dirs => {
            let used = source.disk_use();
            let _ = writeln!(out, "datadir_size: {}\nlogdir_size: {}", used.data_dir_bytes, used.log_dir_bytes);
        }
        Word::Dump => dump(&mut out, source),
        Word::Srst => {
            source.reset_statistics();
            out.push_str("Server stats reset.\n");
        }
        Word::Srvr | Word::Stat => stat(&mut out, source, word == Word::Stat),
        Word::Wchs => {
            let of = source.watch_summary();
            let _ = writeln!(out, "{} connections watching {} paths\nTotal watches:{}", of.sessions, of.paths, of.watches);
        }
        Word::Wchc => {
            for watched in source.watches() {
                let _ = writeln!(out, "{}", watched.session);
                for path in watched.paths {
                    let _ = writeln!(out, "\t{path}");
                }
            }
            out.push('\n');
        }
        Word::Wchp => {
            for (path, sessions) in by_path(source) {
                let _ = writeln!(out, "{path}");
                for session in sessions {
                    let _ = writeln!(out, "\t{session:#x}");
                }
            }
            out.push('\n');
        }
        Word::Mntr => out = monitor::mntr(source),
        Word::Hash => {
            for digest in source.digests() {
                let _ = writeln!(out, "{:x}: {}", digest.zxid.0, digest.digest);
            }
        }
        Word::Envi | Word::Fmst | Word::Gtmk | Word::Stmk | Word::Ruok | Word::Isro | Word::TelnetClose => unreachable!("answered above"),
    }
    Some(out)
}

/// Who watches each path.
pub(super) fn by_path(source: &dyn Source) -> BTreeMap<String, Vec<i64>> {
    let mut paths: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for watched in source.watches() {
        for path in watched.paths {
            paths.entry(path).or_default().push(watched.session.0);
        }
    }
    paths
}

fn conf(out: &mut String, source: &dyn Source) {
    let (set, used) = (source.settings(), source.disk_use());
    let port = |port: Option<u16>| port.map_or(-1, i64::from);
    let _ = write!(
        out,
        "clientPort={}\nsecureClientPort={}\ndataDir={}\ndataDirSize={}\ndataLogDir={}\ndataLogSize={}\ntickTime={}\nmaxClientCnxns={}\n\
         minSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\nserverId={}\n",
        port(set.client_port),
        port(set.secure_client_port),
        set.data_dir,
        used.data_dir_bytes,
        set.data_log_dir,
        used.log_dir_bytes,
        set.tick_ms,
        set.max_client_connections,
        set.min_session_timeout_ms,
        set.max_session_timeout_ms,
        set.listen_backlog.map_or(-1, i64::from),
        set.server_id,
    );
}

/// Keys and values of the environment, in ZooKeeper's order. There is no Java here, and what it has to say is not known.
pub(super) fn environment(source: &dyn Source) -> Vec<(&'static str, String)> {
    let of = source.environment();
    let known = |value: Option<String>| value.unwrap_or_else(|| "<NA>".into());
    let megabytes = |bytes: Option<u64>| bytes.map_or("<NA>".into(), |bytes| format!("{}MB", bytes >> 20));
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Mac OS X",
        "windows" => "Windows",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    };
    vec![
        ("zookeeper.version", VERSION.into()),
        ("host.name", known(of.host_name)),
        ("java.version", known(None)),
        ("java.vendor", known(None)),
        ("java.home", known(None)),
        ("java.class.path", known(None)),
        ("java.library.path", known(None)),
        ("java.io.tmpdir", known(None)),
        ("java.compiler", known(None)),
        ("os.name", system.into()),
        ("os.arch", machine.into()),
        ("os.version", known(of.os_version)),
        ("user.name", known(of.user_name)),
        ("user.home", known(of.user_home)),
        ("user.dir", known(of.user_dir)),
        ("os.memory.free", megabytes(of.memory_free)),
        ("os.memory.max", megabytes(of.memory_max)),
        ("os.memory.total", megabytes(of.memory_total)),
    ]
}

fn envi(source: &dyn Source) -> String {
    let mut out = String::from("Environment:\n");
    for (key, value) in environment(source) {
        let _ = writeln!(out, "{key}={value}");
    }
    out
}

/// One connection on a line.
fn row(out: &mut String, of: &Connection, brief: bool) {
    let _ = write!(out, " /{}[{:x}](queued={},recved={},sent={}", java::address(of.peer), of.interest, of.queued, of.received, of.sent);
    if !brief && of.session.0 != 0 {
        let _ = write!(out, ",sid={},lop={},est={},to={}", of.session, of.last_operation, of.established_ms, of.timeout_ms);
        if of.last_xid >= 0 {
            let _ = write!(out, ",lcxid={:#x}", of.last_xid);
        }
        let _ = write!(
            out,
            ",lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={}",
            of.last_zxid, of.last_response_ms, of.latency_last_ms, of.latency_min_ms, of.latency_avg_ms, of.latency_max_ms
        );
    }
    out.push_str(")\n");
}

fn stat(out: &mut String, source: &dyn Source, clients: bool) {
    let of = source.statistics();
    let _ = writeln!(out, "Zookeeper version: {VERSION}");
    if of.mode == Mode::ReadOnly {
        out.push_str("READ-ONLY mode; serving only read-only clients\n");
    }
    if clients {
        out.push_str("Clients:\n");
        for connection in source.connections() {
            row(out, &connection, true);
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: {}\nMode: {}\nNode count: {}",
        of.latency_min_ms,
        java::double(java::mean(of.latency_avg_ms)),
        of.latency_max_ms,
        of.received,
        of.sent,
        of.connections,
        of.outstanding,
        of.zxid,
        of.mode.name(),
        of.znodes
    );
    if let Some(sizes) = of.proposals.filter(|_| of.mode == Mode::Leader) {
        let [last, min, max] = [sizes.last, sizes.min, sizes.max].map(|size| size.map_or(-1, i64::from));
        let _ = writeln!(out, "Proposal sizes last/min/max: {last}/{min}/{max}");
    }
}

fn buckets<T>(out: &mut String, items: impl Iterator<Item = (i64, T)>, line: impl Fn(&T) -> String) {
    let mut by_time: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    let mut count = 0;
    for (time, item) in items {
        count += 1;
        by_time.entry(time).or_default().push(item);
    }
    let _ = writeln!(out, "Sets ({})/({count}):", by_time.len());
    for (time, items) in by_time {
        let _ = writeln!(out, "{} expire at {}:", items.len(), java::date(time));
        for item in items {
            let _ = writeln!(out, "\t{}", line(&item));
        }
    }
}

fn dump(out: &mut String, source: &dyn Source) {
    let sessions = source.sessions();
    out.push_str("SessionTracker dump:\nSession ");
    buckets(out, sessions.iter().map(|session| (session.expires_ms, session.id)), |id| id.to_string());
    let owners = sessions.iter().filter(|session| !session.ephemerals.is_empty());
    let _ = writeln!(out, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", owners.clone().count());
    for session in owners {
        let _ = writeln!(out, "{}:", session.id);
        for path in &session.ephemerals {
            let _ = writeln!(out, "\t{path}");
        }
    }
    out.push_str("Connections dump:\nConnections ");
    let connections = source.connections();
    buckets(out, connections.iter().map(|connection| (connection.expires_ms, connection)), |connection| {
        format!("ip: /{} sessionId: {}", java::address(connection.peer), connection.session)
    });
}
