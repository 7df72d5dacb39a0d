//! The scripts of `tests/data/tree`, through the Rust door and over real sockets, answer as a real ZooKeeper did.
//!
//! The language is described in `tests/recorder/README.md`.

use folkmoot::ids::{SessionId, Zxid};
use folkmoot::request::{Acl, CreateMode, Data, Event, EventKind, Identity, Reply, Request, Stat, WatchKind, WatchMode};
use folkmoot::wire::Options;
use folkmoot::wire::frame::{Frame, split};
use folkmoot::wire::records::{self, Connect, Connected, Form, op};
use folkmoot::{Error, ErrorKind, Member, Session, SessionOptions};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Scripts whose answers differ from ZooKeeper's on purpose when there is no wire between, with the reason.
const DECLARED: &[(&str, &str)] = &[
    ("acl_ip", "a session in this process has no address"),
    ("auth_failed", "a refused credential is an error, and nothing else: there is no connection to close"),
];

/// Whoever makes the requests of a script.
trait Speaker {
    fn id(&self) -> SessionId;
    /// Makes a request; `form` is how the wire is asked to answer it.
    fn call(&mut self, request: Request, form: Option<Form>) -> Result<Reply, Error>;
    /// What has been told since the last time.
    fn events(&mut self) -> Vec<Event>;
    fn close(&mut self) -> Result<(), Error>;
}

impl Speaker for Session {
    fn id(&self) -> SessionId {
        self.id()
    }
    fn call(&mut self, request: Request, _: Option<Form>) -> Result<Reply, Error> {
        self.call_blocking(request)
    }
    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| Session::events(self).try_next()).collect()
    }
    fn close(&mut self) -> Result<(), Error> {
        self.close_blocking()
    }
}

/// Nothing takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(30);

/// A session on a connection of its own.
struct Client {
    stream: TcpStream,
    inbox: Vec<u8>,
    events: Vec<Event>,
    session: SessionId,
    xid: i32,
}

impl Client {
    fn open(address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, LONG).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a deadline");
        let mut client = Client { stream, inbox: Vec::new(), events: Vec::new(), session: SessionId(0), xid: 0 };
        let mut out = Vec::new();
        let timeout_ms = 40_000;
        Connect { protocol_version: 0, last_zxid: Zxid(0), timeout_ms, session: SessionId(0), password: vec![0; 16], read_only: Some(false) }.write(&mut out);
        client.stream.write_all(&out).expect("sent");
        client.session = Connected::read(&client.frame()).expect("a session").session;
        client
    }

    fn frame(&mut self) -> Vec<u8> {
        let mut part = [0; 4096];
        loop {
            if let Frame::Whole(body, rest) = split(&self.inbox, usize::MAX) {
                let (body, rest) = (body.to_vec(), rest.to_vec());
                self.inbox = rest;
                return body;
            }
            let count = self.stream.read(&mut part).expect("an answer in time");
            assert!(count > 0, "the connection is open");
            self.inbox.extend_from_slice(&part[..count]);
        }
    }

    /// Sends one request and reads up to its answer.
    fn exchange(&mut self, xid: i32, out: &[u8], form: &Form) -> Result<Reply, Error> {
        self.stream.write_all(out).expect("sent");
        loop {
            let frame = self.frame();
            let (header, rest) = records::reply_header(&frame).expect("a header");
            if header.xid == records::XID_NOTIFICATION {
                self.events.push(records::read_notification(&header, rest).expect("an event"));
                continue;
            }
            assert_eq!(header.xid, xid, "the answer to what was asked");
            return records::read_reply(form, header.code, rest).expect("a reply of that form");
        }
    }

    fn bare(&mut self, xid: i32, op: i32) -> Result<(), Error> {
        let mut out = Vec::new();
        records::write_bare(&mut out, xid, op);
        self.exchange(xid, &out, &Form::Empty).map(drop)
    }
}

impl Speaker for Client {
    fn id(&self) -> SessionId {
        self.session
    }
    fn call(&mut self, request: Request, form: Option<Form>) -> Result<Reply, Error> {
        let form = form.or_else(|| records::fullest_form(&request)).expect("the wire has words for it");
        self.xid += 1;
        let xid = if matches!(request, Request::AddAuth { .. }) { records::XID_AUTH } else { self.xid };
        let mut out = Vec::new();
        records::write_request(&mut out, xid, &request, &form)?;
        self.exchange(xid, &out, &form)
    }
    fn events(&mut self) -> Vec<Event> {
        // What was told before a ping is answered stands before the answer.
        self.bare(records::XID_PING, op::PING).expect("a ping is answered");
        std::mem::take(&mut self.events)
    }
    fn close(&mut self) -> Result<(), Error> {
        self.xid += 1;
        self.bare(self.xid, op::CLOSE_SESSION)
    }
}

struct Script {
    member: Member,
    /// Where it listens, if sessions are to come from there.
    address: Option<SocketAddr>,
    sessions: BTreeMap<String, Box<dyn Speaker>>,
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

/// How the wire is asked to answer: with as little as the script wants to see, so that all operations have their turn.
fn form(request: &Request, with_stat: bool, in_multi: bool) -> Form {
    match request {
        Request::Create { mode: CreateMode::Container | CreateMode::Ttl | CreateMode::TtlSequential, .. } => Form::PathStat,
        Request::Create { .. } if !with_stat => Form::Path,
        Request::Check { .. } => Form::Check,
        Request::Children { .. } if in_multi => Form::Names,
        request => records::fullest_form(request).unwrap_or(Form::Empty),
    }
}

impl Script {
    fn new(target: &str, over_wire: Option<Options>) -> Script {
        let member = Member::open(target).expect("a member");
        let address = over_wire.map(|options| member.listen_with("127.0.0.1:0", options).expect("a listener"));
        let mut script = Script { member, address, sessions: BTreeMap::new(), owners: BTreeMap::new(), base: 0 };
        script.open("a");
        let first = script.sessions.get_mut("a").expect("the first session");
        let base = Request::Create { path: "/base".into(), data: Some([].into()), acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 };
        let Ok(Reply::Created { stat, .. }) = first.call(base, None) else { panic!("/base") };
        first.call(Request::Delete { path: "/base".into(), version: -1 }, None).expect("/base goes");
        script.base = stat.czxid.0;
        script
    }

    fn open(&mut self, name: &str) {
        let session: Box<dyn Speaker> = match self.address {
            Some(address) => Box::new(Client::open(address)),
            None => Box::new(self.member.session(SessionOptions::default()).expect("a session")),
        };
        self.owners.insert(session.id().0, name.into());
        self.sessions.insert(name.into(), session);
    }

    fn zxid(&self, zxid: Zxid) -> String {
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
                // Where a session comes from is not part of the scripts.
                let mut names: Vec<_> = identities
                    .iter()
                    .filter(|identity| identity.scheme != "ip")
                    .map(|identity| format!("{}:{}", identity.scheme, identity.id.split(':').next().unwrap_or_default()))
                    .collect();
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
            "close" => {
                let closed = self.sessions.get_mut(tokens[1]).expect("a session").close();
                return vec![closed.map_or_else(|error| Self::error(&error), |()| "ok".into())];
            }
            _ => {}
        }
        let session = self.sessions.get_mut(name).expect("a session");
        match tokens[0] {
            "events" => {
                let events = session.events();
                let shown = |event: &Event| format!("{:?} {} {}", event.kind, shown(event.path.as_bytes()), self.zxid(event.zxid));
                let lines: Vec<_> = events.iter().filter(|event| event.kind != EventKind::Session).map(shown).collect();
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
                let requests: Vec<_> = requests.into_iter().map(|(request, _)| request).collect();
                let forms = requests.iter().zip(&with_stat).map(|(request, with_stat)| form(request, *with_stat, true)).collect();
                let whole = match verb {
                    "multi" => session.call(Request::Multi(requests), Some(Form::Multi(forms))),
                    _ => session.call(Request::MultiRead(requests), Some(Form::MultiRead(forms))),
                };
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
                let form = matches!(request, Request::Create { .. }).then(|| form(&request, with_stat, false));
                vec![match session.call(request, form) {
                    Ok(Reply::Done) if is_exists => "NoNode".into(),
                    Ok(reply) => self.reply(&reply, with_stat),
                    Err(error) => Self::error(&error),
                }]
            }
        }
    }
}

/// Runs one file; the differences, in words.
fn run(file: &Path, content: &str, target: &str, over_wire: bool) -> Vec<String> {
    let mut target = target.to_owned();
    let mut options = Options::default();
    for line in content.lines() {
        let key = match line.strip_prefix("# option ") {
            Some("enforceQuota") => "quota=enforced".to_owned(),
            Some(option) if option.starts_with("super=") => {
                options.super_digest = option.strip_prefix("super=").map(str::to_owned);
                option.to_owned()
            }
            Some(other) => panic!("{}: option {other}", file.display()),
            None => continue,
        };
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&key);
    }
    let mut script = Script::new(&target, over_wire.then_some(options));
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

fn run_all(over_wire: bool, target: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tree");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("tests/data/tree").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 30, "the scripts are there");
    let mut differences = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !over_wire && DECLARED.iter().any(|(declared, _)| *declared == name) {
            continue;
        }
        let content = std::fs::read_to_string(&file).expect("a script");
        differences.extend(run(&file, &content, &target(&name), over_wire));
    }
    assert!(differences.is_empty(), "{} blocks differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn scripts_answer_in_memory_as_zookeeper_did() {
    run_all(false, |_| "memory:".into());
}

#[test]
fn scripts_answer_over_sockets_as_zookeeper_did() {
    run_all(true, |_| "memory:".into());
}

#[test]
fn scripts_answer_on_disk_as_zookeeper_did() {
    let folder = tempfile::tempdir().expect("a directory");
    run_all(false, |name| folder.path().join(name).display().to_string());
}
