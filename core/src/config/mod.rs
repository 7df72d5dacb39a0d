//! What a server is told: ZooKeeper's own files, `zoo.cfg` and JAAS.
//!
//! Every key of a `zoo.cfg` ends in one of three ways: it is honoured; it is listed in
//! [`ServeConfig::ignored`] with its line and why; or its value makes no sense and the file is refused.
//! No key is passed over in silence, for a setting that someone believes in and nobody obeys is worse
//! than a refusal.
//!
//! System properties (`zookeeper.skipACL`, `jute.maxbuffer`) are taken as keys too, with that prefix or
//! without. Of a key that is there twice the last counts, as in Java.
//!
//! Pure: no file is opened, no name looked up.

pub mod jaas;
pub mod properties;
mod unhonoured;
mod zoo;

pub use zoo::parse;

use crate::error::{Error, ErrorKind};
use crate::wire::Options;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// What a `zoo.cfg` says of a server.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where state is kept, if that is said.
    pub data_dir: Option<PathBuf>,
    /// Where ZooKeeper's clients are listened to, if anywhere: plaintext, or both when `options.tls` says so.
    pub client: Option<Address>,
    /// Where clients are listened to that speak TLS and nothing else.
    pub secure: Option<Address>,
    /// Where the admin commands are answered, if anywhere; always on loopback.
    pub admin: Option<Address>,
    /// The settings of `client`. Those of `secure` are [`ServeConfig::secure_options`].
    pub options: Options,
    /// TLS of `secure`.
    pub secure_tls: Option<crate::wire::Tls>,
    /// Bytes of log after which a snapshot is written; the member's own default if none.
    pub snapshot_bytes: Option<u64>,
    /// Whether hard quotas refuse writes.
    pub enforce_quota: bool,
    /// The members that the file names, by number; empty for a server that serves alone.
    pub servers: Vec<Server>,
    /// The keys that change nothing here.
    pub ignored: Vec<Ignored>,
}

impl ServeConfig {
    /// The settings of the listener on `secure`.
    pub fn secure_options(&self) -> Options {
        Options { tls: self.secure_tls.clone(), ..self.options.clone() }
    }
}

/// A member of an ensemble, as `server.N=host:port:port:role;clientPort` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its number, 1 to 255.
    pub id: u8,
    /// Where the others reach it.
    pub host: String,
    /// At which port: ZooKeeper's first one. The second, for elections, is not needed.
    pub port: u16,
    /// Where clients reach it, if that is said.
    pub client: Option<Address>,
}

impl Server {
    /// Reads what stands behind `server.N=`.
    ///
    /// # Errors
    /// What would be allowed.
    pub fn parse(id: &str, value: &str) -> Result<Server, String> {
        let id = id.parse().ok().filter(|id| *id > 0).ok_or("a number of a member from 1 to 255")?;
        let (peers, client) = value.split_once(';').map_or((value, None), |(peers, client)| (peers, Some(client)));
        let client = match client.map(str::trim).filter(|client| !client.is_empty()) {
            None => None,
            Some(client) if client.contains(':') => Some(Address::parse(client).ok_or("behind the ; a clientPort, or address:clientPort")?),
            Some(port) => Some(Address { host: None, port: port.parse().map_err(|_| "behind the ; a clientPort, or address:clientPort")? }),
        };
        let rest = |text: &str| -> Option<(String, u16)> {
            let (host, ports) = match text.strip_prefix('[') {
                Some(text) => text.split_once("]:")?,
                None => text.split_once(':')?,
            };
            let mut ports = ports.split(':');
            let port = ports.next()?.trim().parse().ok()?;
            let _: u16 = ports.next()?.trim().parse().ok()?;
            match ports.next().map(str::trim) {
                None | Some("participant") if ports.next().is_none() && !host.is_empty() => Some((host.trim().to_owned(), port)),
                _ => None,
            }
        };
        if peers.contains('|') {
            return Err("one address of a member".into());
        }
        let (host, port) = rest(peers).ok_or("host:port:port, with :participant and ;clientPort if need be; there are no observers yet")?;
        Ok(Server { id, host, port, client })
    }

    /// Where clients reach it, in words; empty if that is not said.
    pub fn clients(&self) -> String {
        let everywhere = || Some("0.0.0.0".into());
        self.client.as_ref().map_or_else(String::new, |at| Address { host: at.host.clone().or_else(everywhere), port: at.port }.to_string())
    }

    /// Where the others reach it, in words.
    pub fn peer(&self) -> String {
        Address { host: Some(self.host.clone()), port: self.port }.to_string()
    }
}

/// A key that was not honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its line, from 1.
    pub line: u32,
    /// As it stands there.
    pub key: String,
    /// Whether the server is as good without: nobody has to be told.
    pub harmless: bool,
    /// Why.
    pub why: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} is not honoured: {}", self.line, self.key, self.why)
    }
}

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host; every address of this machine if none.
    pub host: Option<String>,
    /// The port; 0 for one that is free.
    pub port: u16,
}

impl Address {
    /// Reads `HOST:PORT`, `[v6]:PORT`, `:PORT` or `*:PORT`.
    pub fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let bracketed = text.starts_with('[');
        if !bracketed && host.contains(':') || host.contains(['[', ']', ' ', '/']) {
            return None;
        }
        Some(Address { host: (!host.is_empty() && host != "*").then(|| host.to_owned()), port: port.parse().ok()? })
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self.host.as_deref() {
            None => false,
            Some("localhost") => true,
            Some(host) => host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            None => write!(f, "*:{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub file: String,
    /// The line, from 1; none when something is missing altogether.
    pub line: Option<u32>,
    /// The key, or what stands in its place.
    pub key: String,
    /// Its value; empty when it is secret, or there is none.
    pub value: String,
    /// What is allowed instead.
    pub allowed: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.key)?;
        if !self.value.is_empty() {
            write!(f, " is {}", self.value)?;
        }
        write!(f, "; allowed is {}", self.allowed)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Error::new(ErrorKind::BadArguments, refused.to_string())
    }
}
