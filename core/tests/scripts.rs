//! The scripts of `tests/data/tree`, through the Rust door, answer as a real ZooKeeper did.
//!
//! The language is described in `tests/recorder/README.md`.

use folkmoot::request::{Acl, CreateMode, Data, EventKind, Identity, Reply, Request, Stat, WatchKind, WatchMode};
use folkmoot::{Error, ErrorKind, Member, Session, SessionOptions};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Scripts and blocks whose answers differ from ZooKeeper's on purpose, with the reason.
const DECLARED: &[(&str, &str)] = &[
    ("acl_ip", "a session in this process has no address"),
    ("auth_failed", "a refused credential is an error, and nothing else: there is no connection to close"),
];

struct Script {
    member: Member,
    sessions: BTreeMap<String, Session>,
    owners: BTreeMap<i64, String>,
    base: i64,
}

fn bytes(token: &str) -> Vec<u8> {
    if token == "\"\"" {
        return Vec::new();
    }
    let raw = token.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < raw.len() {
        if raw[at] == b'%' {
            out.push(u8::from_str_radix(&token[at + 1..at + 3], 16).expect("two hexadecimal digits"));
            at += 3;
        } else {
            out.push(raw[at]);
            at += 1;
        }
    }
    out
}

fn text(token: &str) -> String {
    String::from_utf8(bytes(token)).expect("UTF-8")
}

fn data(token: &str) -> Data {
    (token != "null").then(|| Arc::from(bytes(token)))
}

fn shown(raw: &[u8]) -> String {
    if raw.is_empty() {
        return "\"\"".into();
    }
    if raw == b"null" {
        return "%6Eull".into();
    }
    raw.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_graphic() && !b"%\"".contains(byte) {
            out.push(char::from(*byte))
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all")
        }
        out
    })
}

fn shown_data(data: &Data) -> String {
    data.as_ref().map_or("null".into(), |data| shown(data))
}

const LETTERS: [(u32, char); 5] = [(4, 'c'), (8, 'd'), (1, 'r'), (2, 'w'), (16, 'a')];

fn acl(spec: &str) -> Vec<Acl> {
    if spec == "null" || spec == "\"\"" {
        return Vec::new();
    }
    spec.split(',')
        .map(|entry| {
            let (scheme, rest) = entry.split_once(':').expect("scheme:id:perms");
            let (id, letters) = rest.rsplit_once(':').expect("scheme:id:perms");
            let perms = LETTERS.iter().filter(|(_, letter)| letters.contains(*letter)).map(|(bit, _)| bit).sum();
            Acl { perms, identity: Identity::new(text(scheme), text(id)) }
        })
        .collect()
}

fn shown_acl(acl: &[Acl]) -> String {
    let entries: Vec<_> = acl
        .iter()
        .map(|entry| {
            let letters: String = LETTERS.iter().filter(|(bit, _)| entry.perms & bit != 0).map(|(_, letter)| letter).collect();
            let id = if entry.identity.id.is_empty() { String::new() } else { shown(entry.identity.id.as_bytes()).replace(',', "%2C") };
            format!("{}:{id}:{letters}", entry.identity.scheme)
        })
        .collect();
    entries.join(",")
}

fn list(mut names: Vec<String>) -> String {
    names.sort();
    let names: Vec<_> = names.iter().map(|name| shown(name.as_bytes())).collect();
    format!("[{}]", names.join(" "))
}

fn option<'t>(tokens: &[&'t str], key: &str) -> Option<&'t str> {
    tokens.iter().find_map(|token| token.strip_prefix(key)?.strip_prefix('='))
}

fn version(tokens: &[&str]) -> i32 {
    option(tokens, "version").map_or(-1, |version| version.parse().expect("a number"))
}

fn kind(name: &str) -> WatchKind {
    match name {
        "children" => WatchKind::Children,
        "data" => WatchKind::Data,
        "any" => WatchKind::Any,
        "persistent" => WatchKind::Persistent,
        "recursive" => WatchKind::Recursive,
        other => panic!("a kind of watch: {other}"),
    }
}

fn mode(tokens: &[&str]) -> CreateMode {
    match option(tokens, "mode").unwrap_or("persistent") {
        "persistent" => CreateMode::Persistent,
        "ephemeral" => CreateMode::Ephemeral,
        "sequential" => CreateMode::PersistentSequential,
        "ephemeral_sequential" => CreateMode::EphemeralSequential,
        "container" => CreateMode::Container,
        "ttl" => CreateMode::Ttl,
        "ttl_sequential" => CreateMode::TtlSequential,
        other => panic!("a mode: {other}"),
    }
}

/// The request of a line, and whether its answer shows a Stat.
fn request(tokens: &[&str]) -> (Request, bool) {
    let path = || text(tokens[1]);
    let watch = tokens.get(2) == Some(&"watch");
    match tokens[0] {
        verb @ ("create" | "create2") => {
            let mode = mode(tokens);
            let acl = option(tokens, "acl").map_or_else(Acl::open, acl);
            let ttl_ms = option(tokens, "ttl").map_or(0, |ttl| ttl.parse().expect("a number"));
            (Request::Create { path: path(), data: data(tokens[2]), acl, mode, ttl_ms }, verb == "create2")
        }
        "delete" => (Request::Delete { path: path(), version: version(tokens) }, false),
        "set" => (Request::Set { path: path(), data: data(tokens[2]), version: version(tokens) }, true),
        "get" => (Request::Get { path: path(), watch }, true),
        "exists" => (Request::Exists { path: path(), watch }, true),
        "children" => (Request::Children { path: path(), watch }, true),
        "getacl" => (Request::GetAcl { path: path() }, true),
        "setacl" => (Request::SetAcl { path: path(), acl: acl(tokens[2]), version: version(tokens) }, true),
        "check" => (Request::Check { path: path(), version: version(tokens) }, false),
        "sync" => (Request::Sync { path: path() }, false),
        "ephemerals" => (Request::Ephemerals { prefix: path() }, false),
        "count" => (Request::CountDescendants { path: path() }, false),
        "auth" => (Request::AddAuth { scheme: path(), credential: bytes(tokens[2]) }, false),
        "whoami" => (Request::WhoAmI, false),
        "addwatch" => (Request::AddWatch { path: path(), mode: if tokens[2] == "recursive" { WatchMode::Recursive } else { WatchMode::Persistent } }, false),
        "removewatch" => (Request::RemoveWatches { path: path(), kind: kind(tokens[2]) }, false),
        "checkwatch" => (Request::CheckWatches { path: path(), kind: kind(tokens[2]) }, false),
        other => panic!("a command: {other}"),
    }
}

impl Script {
    fn new(target: &str) -> Script {
        let member = Member::open(target).expect("a member");
        let mut script = Script { member, sessions: BTreeMap::new(), owners: BTreeMap::new(), base: 0 };
        script.open("a");
        let first = script.sessions["a"].clone();
        let (_, stat) = first.create_blocking("/base", b"", CreateMode::Persistent).expect("/base");
        script.base = stat.czxid.0;
        first.delete_blocking("/base", -1).expect("/base goes");
        script
    }

    fn open(&mut self, name: &str) {
        let session = self.member.session(SessionOptions::default()).expect("a session");
        self.owners.insert(session.id().0, name.into());
        self.sessions.insert(name.into(), session);
    }

    fn zxid(&self, zxid: folkmoot::ids::Zxid) -> String {
        if zxid.0 == 0 || zxid.0 < self.base { "old".into() } else { format!("z{}", zxid.0 - self.base) }
    }

    fn stat(&self, stat: &Stat) -> String {
        let owner = if stat.ephemeral_owner == 0 { "-" } else { self.owners.get(&stat.ephemeral_owner).map_or("?", String::as_str) };
        format!(
            "version={} cversion={} aversion={} owner={owner} len={} children={} czxid={} mzxid={} pzxid={}",
            stat.version,
            stat.cversion,
            stat.aversion,
            stat.data_length,
            stat.num_children,
            self.zxid(stat.czxid),
            self.zxid(stat.mzxid),
            self.zxid(stat.pzxid)
        )
    }

    fn reply(&self, reply: &Reply, with_stat: bool) -> String {
        match reply {
            Reply::Created { path, stat } if with_stat => format!("ok {} {}", shown(path.as_bytes()), self.stat(stat)),
            Reply::Created { path, .. } => format!("ok {}", shown(path.as_bytes())),
            Reply::Stat(stat) => format!("ok {}", self.stat(stat)),
            Reply::Data { data, stat } => format!("ok {} {}", shown_data(data), self.stat(stat)),
            Reply::Children { names, stat } if with_stat => format!("ok {} {}", list(names.clone()), self.stat(stat)),
            Reply::Children { names, .. } => format!("ok {}", list(names.clone())),
            Reply::Acl { acl, stat } => format!("ok {} {}", shown_acl(acl), self.stat(stat)),
            Reply::Paths(paths) => format!("ok {}", list(paths.clone())),
            Reply::Count(count) => format!("ok {count}"),
            Reply::Identities(identities) => {
                let mut names: Vec<_> =
                    identities.iter().map(|identity| format!("{}:{}", identity.scheme, identity.id.split(':').next().unwrap_or_default())).collect();
                names.sort();
                format!("ok [{}]", names.join(" "))
            }
            Reply::Done => "ok".into(),
            other => panic!("{other:?}"),
        }
    }

    fn error(error: &Error) -> String {
        error.kind().name().into()
    }

    /// What a command, its operations following, answers.
    fn run(&mut self, line: &str, operations: &[&str]) -> Vec<String> {
        let (name, line) = match line.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').expect("@NAME command"),
            None => ("a", line),
        };
        let tokens: Vec<_> = line.split(' ').collect();
        match tokens[0] {
            "open" => {
                self.open(tokens[1]);
                return vec!["ok".into()];
            }
            "close" => return vec![self.sessions[tokens[1]].close_blocking().map_or_else(|error| Self::error(&error), |()| "ok".into())],
            _ => {}
        }
        let session = self.sessions[name].clone();
        match tokens[0] {
            "events" => {
                let mut lines = Vec::new();
                while let Some(event) = session.events().try_next() {
                    if event.kind != EventKind::Session {
                        lines.push(format!("{:?} {} {}", event.kind, shown(event.path.as_bytes()), self.zxid(event.zxid)));
                    }
                }
                if lines.is_empty() { vec!["none".into()] } else { lines }
            }
            verb @ ("multi" | "multiread") => {
                let parts: Vec<_> = operations.iter().map(|line| line.trim_start().split(' ').collect::<Vec<_>>()).collect();
                let requests: Vec<_> = parts.iter().map(|tokens| request(tokens)).collect();
                let with_stat: Vec<_> = parts
                    .iter()
                    .zip(&requests)
                    .map(|(tokens, (_, with_stat))| {
                        (tokens[0] != "children" && *with_stat)
                            || (tokens[0].starts_with("create") && matches!(mode(tokens), CreateMode::Container | CreateMode::Ttl | CreateMode::TtlSequential))
                    })
                    .collect();
                let requests = requests.into_iter().map(|(request, _)| request).collect();
                let whole = session.call_blocking(if verb == "multi" { Request::Multi(requests) } else { Request::MultiRead(requests) });
                let results: Vec<Result<Reply, ErrorKind>> = match whole {
                    Err(error) => return vec![Self::error(&error)],
                    Ok(Reply::Multi(results)) => results,
                    Ok(Reply::MultiRead(results)) => results.into_iter().map(|result| result.map_err(|error| error.kind())).collect(),
                    Ok(other) => panic!("{other:?}"),
                };
                if results.is_empty() {
                    return vec!["none".into()];
                }
                results
                    .iter()
                    .zip(with_stat)
                    .map(|(result, with_stat)| result.as_ref().map_or_else(|kind| kind.name().into(), |reply| self.reply(reply, with_stat)))
                    .collect()
            }
            _ => {
                let (request, with_stat) = request(&tokens);
                let is_exists = matches!(request, Request::Exists { .. });
                vec![match session.call_blocking(request) {
                    Ok(Reply::Done) if is_exists => "NoNode".into(),
                    Ok(reply) => self.reply(&reply, with_stat),
                    Err(error) => Self::error(&error),
                }]
            }
        }
    }
}

/// Runs one file; the differences, in words.
fn run(file: &Path, content: &str, target: &str) -> Vec<String> {
    let mut target = target.to_owned();
    for line in content.lines() {
        let key = match line.strip_prefix("# option ") {
            Some("enforceQuota") => "quota=enforced".to_owned(),
            Some(option) if option.starts_with("super=") => option.to_owned(),
            Some(other) => panic!("{}: option {other}", file.display()),
            None => continue,
        };
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&key);
    }
    let mut script = Script::new(&target);
    let mut differences = Vec::new();
    let lines: Vec<_> = content.lines().enumerate().filter(|(_, line)| !line.starts_with('#')).collect();
    let mut blocks = lines.split(|(_, line)| line.trim().is_empty()).filter(|block| !block.is_empty());
    assert!(blocks.clone().count() > 0, "{} has no block", file.display());
    for block in &mut blocks {
        let bar = block.iter().position(|(_, line)| *line == "----").unwrap_or_else(|| panic!("{}:{}: no ----", file.display(), block[0].0 + 1));
        let (commands, expected) = (&block[..bar], &block[bar + 1..]);
        let mut actual = Vec::new();
        let mut at = 0;
        while at < commands.len() {
            let operations: Vec<_> = commands[at + 1..].iter().map_while(|(_, line)| line.starts_with("  ").then_some(*line)).collect();
            actual.extend(script.run(commands[at].1, &operations));
            at += 1 + operations.len();
        }
        let expected: Vec<_> = expected.iter().map(|(_, line)| (*line).to_owned()).collect();
        if actual != expected {
            differences.push(format!(
                "{}:{}\n  ZooKeeper: {}\n  here:      {}",
                file.display(),
                block[0].0 + 1,
                expected.join("\n             "),
                actual.join("\n             ")
            ));
        }
    }
    differences
}

fn run_all(target: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tree");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("tests/data/tree").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 30, "the scripts are there");
    let mut differences = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if DECLARED.iter().any(|(declared, _)| *declared == name) {
            continue;
        }
        let content = std::fs::read_to_string(&file).expect("a script");
        differences.extend(run(&file, &content, &target(&name)));
    }
    assert!(differences.is_empty(), "{} blocks differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn scripts_answer_in_memory_as_zookeeper_did() {
    run_all(|_| "memory:".into());
}

#[test]
fn scripts_answer_on_disk_as_zookeeper_did() {
    let folder = tempfile::tempdir().expect("a directory");
    run_all(|name| folder.path().join(name).display().to_string());
}
