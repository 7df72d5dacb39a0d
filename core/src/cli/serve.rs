//! `folkmoot serve`: a member with a door for ZooKeeper's clients, until a signal ends it.
//!
//! On standard output stands one line, `ready HOST:PORT`, once clients are answered; what a file asks for
//! in vain is told on standard error.

use super::{Failure, broken, read_settings};
use crate::config::{Address, ServeConfig, jaas, parse};
use crate::error::{Error, ErrorKind, Result};
use crate::member::Member;
use lexopt::prelude::*;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The tick when there is no `zoo.cfg`, in milliseconds: as in ZooKeeper's sample of one.
const TICK_MS: u32 = 2000;
const LISTEN: &str = "127.0.0.1:2181";

/// Where a server keeps its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Memory,
    Directory(PathBuf),
    Member(PathBuf, Part),
}

/// Its part in an ensemble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    id: u8,
    priority: Option<u8>,
    /// All members and where they reach each other, itself too.
    peers: Vec<(u8, String)>,
    /// Without TLS even where others can listen in.
    open: bool,
    /// The others are an ensemble that lets it in.
    joins: bool,
}

/// A server that answers clients.
pub(super) trait Running {
    /// Where it listens for clients; of several doors, the plaintext one.
    fn address(&self) -> SocketAddr;
    /// Closes the doors, then the member.
    fn stop(self: Box<Self>) -> Result<()>;
}

/// Opens the member and its doors: `config.client`, `config.secure` and `config.admin`, where they are said.
fn start(ground: &Ground, config: &ServeConfig) -> Result<Box<dyn Running>> {
    let member = Member::open(&target(ground, config)?)?;
    if let Some(words) = member.recovery() {
        tracing::warn!("{words}");
    }
    let mut address = None;
    for (at, options) in [(&config.client, config.options.clone()), (&config.secure, config.secure_options())] {
        let Some(at) = at else { continue };
        let bound = match &at.host {
            Some(_) => member.listen_with(&at.to_string(), options)?,
            // Both kinds of address by one socket; where there is no IPv6, the other.
            None => match member.listen_with(&format!("[::]:{}", at.port), options.clone()) {
                Ok(bound) => bound,
                Err(error) => member.listen_with(&format!("0.0.0.0:{}", at.port), options).map_err(|_| error)?,
            },
        };
        address.get_or_insert(bound);
    }
    if let Some(at) = &config.admin {
        member.admin(&at.to_string(), crate::admin::http::Options::default())?;
    }
    let address = address.ok_or_else(|| Error::new(ErrorKind::BadArguments, "there is no address to listen at"))?;
    Ok(Box::new(Server { member, address }))
}

/// A member with its doors.
struct Server {
    member: Member,
    address: SocketAddr,
}

impl Running for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.member.close()
    }
}

/// The member's target in words.
fn target(ground: &Ground, config: &ServeConfig) -> Result<String> {
    let named = |directory: &Path| match directory.to_str().filter(|directory| !directory.contains('?')) {
        Some(directory) => Ok(directory.to_owned()),
        None => Err(Error::new(ErrorKind::BadArguments, format!("{}: the directory's name has to be UTF-8 without ?", directory.display()))),
    };
    let mut target = match ground {
        Ground::Memory => "memory:?".to_owned(),
        Ground::Directory(directory) => format!("file:{}?", named(directory)?),
        Ground::Member(directory, part) => {
            let mut target = format!("ensemble:{}?id={}&", named(directory)?, part.id);
            part.peers.iter().for_each(|(id, address)| target.push_str(&format!("peer={id}={address}&")));
            part.priority.iter().for_each(|priority| target.push_str(&format!("priority={priority}&")));
            if part.open {
                target.push_str("peers=open&");
            }
            if part.joins {
                target.push_str("join=yes&");
            }
            target
        }
    };
    if config.enforce_quota {
        target.push_str("quota=enforced&");
    }
    if let Some(bytes) = config.snapshot_bytes {
        target.push_str(&format!("snapshot_bytes={}&", bytes.max(4096)));
    }
    target.pop();
    Ok(target)
}

pub(super) fn run(args: lexopt::Parser, out: &mut dyn Write, err: &mut dyn Write) -> std::result::Result<(), Failure> {
    let (ground, config) = settle(args, err)?;
    super::log::show();
    serve(&ground, &config, out, start, Signals::new)
}

/// Starts a server, says so, and stops it once `until` gives back.
fn serve<S: Stop>(
    ground: &Ground,
    config: &ServeConfig,
    out: &mut dyn Write,
    start: impl FnOnce(&Ground, &ServeConfig) -> Result<Box<dyn Running>>,
    until: impl FnOnce() -> Result<S>,
) -> std::result::Result<(), Failure> {
    // Caught before the doors open: whoever reads `ready` may send a signal at once.
    let signals = until()?;
    let running = start(ground, config)?;
    let told = writeln!(out, "ready {}", running.address()).and_then(|()| out.flush()).map_err(broken);
    if told.is_ok() {
        signals.wait();
    }
    running.stop()?;
    told
}

trait Stop {
    /// Waits for the first signal.
    fn wait(self);
}

struct Signals {
    runtime: tokio::runtime::Runtime,
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    fn new() -> Result<Self> {
        let bad = |e: std::io::Error| Error::new(ErrorKind::SystemError, format!("signals: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(bad)?;
        #[cfg(unix)]
        let signals = {
            use tokio::signal::unix::{SignalKind, signal};
            let _inside = runtime.enter();
            [signal(SignalKind::terminate()).map_err(bad)?, signal(SignalKind::interrupt()).map_err(bad)?]
        };
        Ok(Self {
            runtime,
            #[cfg(unix)]
            signals,
        })
    }
}

impl Stop for Signals {
    fn wait(mut self) {
        #[cfg(unix)]
        self.runtime.block_on(std::future::poll_fn(|context| {
            if self.signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }));
        #[cfg(not(unix))]
        let _ = self.runtime.block_on(tokio::signal::ctrl_c());
    }
}

/// What to serve, from the arguments and the files they name.
fn settle(mut args: lexopt::Parser, err: &mut dyn Write) -> std::result::Result<(Ground, ServeConfig), Failure> {
    let (mut data, mut memory, mut listen, mut admin, mut file, mut users) = (None, false, None, None, None, None);
    let (mut part, mut id) = (Part::default(), None);
    while let Some(argument) = args.next()? {
        match argument {
            Long("data") => data = Some(PathBuf::from(args.value()?)),
            Long("memory") => memory = true,
            Long("listen") => listen = Some(address(args.value()?.string()?, "--listen")?),
            Long("admin") => admin = Some(address(args.value()?.string()?, "--admin")?),
            Long("config") => file = Some(PathBuf::from(args.value()?)),
            Long("id") => id = Some(member(&args.value()?.string()?, "--id")?),
            Long("peer") => part.peers.push(peer(&args.value()?.string()?)?),
            Long("priority") => {
                let text = args.value()?.string()?;
                part.priority = Some(text.parse().map_err(|_| Failure::Usage(format!("--priority {text}: it is a number from 0 to 255")))?);
            }
            Long("open-peers") => part.open = true,
            Long("join") => part.joins = true,
            Long("jaas") => users = Some(PathBuf::from(args.value()?)),
            argument => return Err(argument.unexpected().into()),
        }
    }
    let mut config = match &file {
        Some(file) => {
            let config = parse(&file.display().to_string(), &read_settings(file)?)?;
            complain(file, &config, err).map_err(broken)?;
            config
        }
        None => {
            let mut config = parse("", b"")?;
            config.options.tick_ms = TICK_MS;
            config.client = Address::parse(LISTEN);
            config
        }
    };
    config.client = listen.or(config.client);
    config.admin = admin.or(config.admin);
    if let Some(admin) = config.admin.as_ref().filter(|admin| !admin.is_loopback()) {
        return Err(Failure::Usage(format!("--admin {admin}: the admin commands ask nobody who they are, and are answered on loopback only")));
    }
    if let Some(file) = users {
        config.options.sasl_users.extend(jaas::users(&file.display().to_string(), &read_settings(&file)?, jaas::SECTION)?);
    }
    let directory = data.clone().or_else(|| config.data_dir.clone()).filter(|_| !memory);
    if part.peers.is_empty() && !config.servers.is_empty() && !memory {
        part.peers = config.servers.iter().map(|server| (server.id, told(server))).collect();
        let directory = directory.as_deref().ok_or_else(|| Failure::Usage("where is the tree kept? --data DIR".into()))?;
        id = id.map_or_else(|| myid(directory).map(Some), |id| Ok(Some(id)))?;
        let own = config.servers.iter().find(|server| Some(server.id) == id).and_then(|server| server.client.clone());
        config.client = config.client.or(own);
    }
    if config.client.is_none() && config.secure.is_none() {
        return Err(Failure::Usage("no clientPort and no secureClientPort: --listen HOST:PORT".into()));
    }
    if !part.peers.is_empty() {
        let directory = directory.ok_or_else(|| Failure::Usage("a member of an ensemble keeps its log in a directory: --data DIR".into()))?;
        part.id = id.ok_or_else(|| Failure::Usage("which of the members is this? --id N".into()))?;
        if !part.peers.iter().any(|(id, _)| *id == part.id) {
            return Err(Failure::Usage(format!("none of the members is {}", part.id)));
        }
        return Ok((Ground::Member(directory, part), config));
    }
    if id.is_some() || part.priority.is_some() {
        return Err(Failure::Usage("--id and --priority are for members of an ensemble, which --peer N=HOST:PORT names".into()));
    }
    let ground = match (data, memory) {
        (Some(_), true) => return Err(Failure::Usage("either --data or --memory".into())),
        (Some(directory), false) => Ground::Directory(directory),
        (None, true) => Ground::Memory,
        (None, false) => match config.data_dir.clone() {
            Some(directory) => Ground::Directory(directory),
            None => return Err(Failure::Usage("where is the tree kept? --data DIR, or --memory".into())),
        },
    };
    Ok((ground, config))
}

fn member(text: &str, option: &str) -> std::result::Result<u8, Failure> {
    text.parse().ok().filter(|id| *id > 0).ok_or_else(|| Failure::Usage(format!("{option} {text}: members are numbered from 1 to 255")))
}

/// A member as a target names it.
fn told(server: &crate::config::Server) -> String {
    let clients = server.clients();
    if clients.is_empty() { server.peer() } else { format!("{};{clients}", server.peer()) }
}

fn peer(text: &str) -> std::result::Result<(u8, String), Failure> {
    let bad = || Failure::Usage(format!("--peer {text}: it is N=HOST:PORT, such as 2=10.0.0.2:2888"));
    let (id, address) = text.split_once('=').ok_or_else(bad)?;
    let address = Address::parse(address).filter(|address| address.host.is_some()).ok_or_else(bad)?;
    Ok((member(id, "--peer")?, address.to_string()))
}

/// The number of this member, as ZooKeeper keeps it.
fn myid(directory: &Path) -> std::result::Result<u8, Failure> {
    let file = directory.join("myid");
    let bytes = read_settings(&file)?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = || Failure::Usage(format!("{}: it is the number of this member, 1 to 255", file.display()));
    text.trim().parse().ok().filter(|id| *id > 0).ok_or_else(bad)
}

fn address(text: String, option: &str) -> std::result::Result<Address, Failure> {
    Address::parse(&text).ok_or_else(|| Failure::Usage(format!("{option} {text}: it is HOST:PORT, such as 127.0.0.1:2181 or [::1]:2181")))
}

/// Tells which keys are not honoured: one line each, and one for all that make no difference.
fn complain(file: &Path, config: &ServeConfig, err: &mut dyn Write) -> std::io::Result<()> {
    let file = file.display();
    for ignored in config.ignored.iter().filter(|ignored| !ignored.harmless) {
        writeln!(err, "warning: {file}: {ignored}")?;
    }
    let harmless: Vec<_> = config.ignored.iter().filter(|ignored| ignored.harmless).map(|ignored| format!("{} (line {})", ignored.key, ignored.line)).collect();
    if !harmless.is_empty() {
        writeln!(err, "note: {file}: of no consequence here: {}", harmless.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn settled(args: &[&str]) -> (std::result::Result<(Ground, ServeConfig), String>, String) {
        let mut err = Vec::new();
        let result = settle(lexopt::Parser::from_args(args), &mut err).map_err(|failure| match failure {
            Failure::Usage(text) => text,
            Failure::Error(error) => error.to_string(),
        });
        (result, String::from_utf8(err).unwrap())
    }

    #[test]
    fn arguments_alone() {
        let (ground, config) = settled(&["--memory"]).0.unwrap();
        assert_eq!((ground, config.client.unwrap().to_string(), config.options.tick_ms), (Ground::Memory, LISTEN.into(), 2000));
        let (ground, config) = settled(&["--data", "/d", "--listen=:0", "--admin", "localhost:1"]).0.unwrap();
        assert_eq!((ground, config.client.unwrap().to_string()), (Ground::Directory("/d".into()), "*:0".into()));
        assert_eq!(config.admin.unwrap().to_string(), "localhost:1");
        for (args, words) in [
            (&[][..], "--data DIR, or --memory"),
            (&["--memory", "--data", "d"], "either"),
            (&["--memory", "--listen", "2181"], "HOST:PORT"),
            (&["--memory", "--listen", "::1:2181"], "HOST:PORT"),
            (&["--memory", "--admin", "0.0.0.0:1"], "loopback"),
            (&["--config", "/no/such/file"], "/no/such/file"),
            (&["--memory", "--jaas", "/no/such/file"], "/no/such/file"),
            (&["--memory", "--id", "1", "--peer", "1=h:1"], "directory"),
            (&["--data", "d", "--peer", "1=h:1"], "--id"),
            (&["--data", "d", "--id", "2", "--peer", "1=h:1"], "none of the members is 2"),
            (&["--data", "d", "--id", "2"], "--peer"),
            (&["--data", "d", "--id", "0"], "255"),
            (&["--data", "d", "--peer", "1=:1"], "N=HOST:PORT"),
        ] {
            let refused = settled(args).0.unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn files_and_what_goes_before_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let zoo = path("zoo.cfg", "tickTime=500\ndataDir=/var/zk\ninitLimit=1\nclientPort=2182\nsyncLimit=1\ndataLogDir=/l\n");
        let jaas = path("jaas.conf", "Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_a=\"b\"; };");
        let (settled_, err) = settled(&["--config", &zoo, "--jaas", &jaas]);
        let (ground, config) = settled_.unwrap();
        assert_eq!((ground, config.client.unwrap().to_string(), config.options.tick_ms), (Ground::Directory("/var/zk".into()), "*:2182".into(), 500));
        assert_eq!(config.options.sasl_users, [("a".into(), "b".into())]);
        assert_eq!(
            err,
            format!(
                "warning: {zoo}: line 6: dataLogDir is not honoured: the log is kept in dataDir\nnote: {zoo}: of no consequence here: initLimit (line 3), syncLimit (line 5)\n"
            )
        );
        let (ground, config) = settled(&["--memory", "--listen", "127.0.0.1:1", "--config", &zoo]).0.unwrap();
        assert_eq!((ground, config.client.unwrap().to_string()), (Ground::Memory, "127.0.0.1:1".into()));
        let portless = path("portless.cfg", "dataDir=/d");
        assert!(settled(&["--config", &portless]).0.unwrap_err().contains("clientPort"));
    }

    #[test]
    fn a_member_of_an_ensemble() {
        let (ground, _) = settled(&["--data", "/d", "--id", "2", "--priority", "7", "--peer", "1=a:1", "--peer", "2=b:2", "--peer", "3=[::1]:3"]).0.unwrap();
        let config = parse("", b"").unwrap();
        assert_eq!(target(&ground, &config).unwrap(), "ensemble:/d?id=2&peer=1=a:1&peer=2=b:2&peer=3=[::1]:3&priority=7");
        let directory = tempfile::tempdir().unwrap();
        let zoo = directory.path().join("zoo.cfg");
        std::fs::write(&zoo, format!("dataDir={}\nserver.1=a:1:2;3\nserver.2=b:1:2;4", directory.path().display())).unwrap();
        let zoo = zoo.to_str().unwrap();
        assert!(settled(&["--config", zoo]).0.unwrap_err().contains("myid"));
        std::fs::write(directory.path().join("myid"), "2\n").unwrap();
        let (ground, config) = settled(&["--config", zoo]).0.unwrap();
        assert_eq!(config.client.as_ref().unwrap().to_string(), "*:4");
        assert_eq!(target(&ground, &config).unwrap(), format!("ensemble:{}?id=2&peer=1=a:1;0.0.0.0:3&peer=2=b:1;0.0.0.0:4", directory.path().display()));
    }

    #[test]
    fn it_is_ready_then_waits_then_stops() {
        type Told = Rc<RefCell<Vec<&'static str>>>;
        struct Pretended(Told);
        impl Running for Pretended {
            fn address(&self) -> SocketAddr {
                ([127, 0, 0, 1], 7).into()
            }
            fn stop(self: Box<Self>) -> Result<()> {
                self.0.borrow_mut().push("stopped");
                Ok(())
            }
        }
        struct Fake(Told);
        impl Stop for Fake {
            fn wait(self) {
                self.0.borrow_mut().push("waited");
            }
        }
        let told = Told::default();
        let (ground, config) = settled(&["--memory"]).0.unwrap();
        let (one, two) = (told.clone(), told.clone());
        let start = move |_: &Ground, _: &ServeConfig| {
            one.borrow_mut().push("started");
            Ok(Box::new(Pretended(one)) as Box<dyn Running>)
        };
        let until = move || {
            two.borrow_mut().push("caught");
            Ok(Fake(two))
        };
        let mut out = Vec::new();
        serve(&ground, &config, &mut out, start, until).unwrap();
        assert_eq!(*told.borrow(), ["caught", "started", "waited", "stopped"]);
        assert_eq!(out, b"ready 127.0.0.1:7\n");
    }
}
