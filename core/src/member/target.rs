//! What a target string says.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MEMBERS_VOTING_MAX;
use crate::log::replica::MemberId;
use crate::member::links::LinkTls;
use crate::roster::{Enrolled, check_address};
use std::path::PathBuf;

/// Where state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Memory,
    Directory(PathBuf),
    Member(PathBuf, Group),
}

/// One member of an ensemble, and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its own number.
    pub(crate) id: MemberId,
    /// How much it should lead.
    pub(crate) priority: u8,
    /// All voters and where they listen for each other (and for clients), itself too.
    pub(crate) peers: Vec<(MemberId, Enrolled)>,
    /// Where it listens, if that is not the address the others know.
    pub(crate) bind: Option<String>,
    /// Members of ensembles with other names are refused.
    pub(crate) name: String,
    pub(crate) tls: Option<LinkTls>,
    /// Without TLS even where others can listen in.
    pub(crate) open: bool,
    pub(crate) election_ticks: Option<usize>,
    pub(crate) heartbeat_ticks: Option<usize>,
    /// The ensemble is there already and lets this member in.
    pub(crate) joins: bool,
}

/// A parsed target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) ground: Ground,
    pub(super) virtual_time: bool,
    /// Hard quotas refuse writes (ZooKeeper's `enforceQuota`).
    pub(super) enforce_quota: bool,
    /// `user:hash` that the digest scheme takes for `super`.
    pub(super) super_digest: Option<String>,
    /// A damaged directory is opened with what can still be read.
    pub(super) recover: bool,
    /// Bytes of log after which a snapshot is written.
    pub(super) snapshot_bytes: u64,
    /// Where ZooKeeper's clients are listened for.
    pub(super) listen: Vec<String>,
    /// Where the admin door is.
    pub(super) admin: Option<String>,
}

impl Group {
    /// Takes a key of a target; false if it is none of an ensemble's.
    fn take(&mut self, key: &str, value: &str) -> std::result::Result<bool, String> {
        let number = |value: &str| value.parse::<MemberId>().ok().filter(|id| *id > 0).ok_or(format!("{key} is {value}; members are numbered from 1 to 255"));
        let ticks = |value: &str| {
            value.parse::<usize>().ok().filter(|ticks| (1..=10_000).contains(ticks)).ok_or(format!("{key} is {value}; it is a number of ticks of 10 ms"))
        };
        match key {
            "id" => self.id = number(value)?,
            "peer" => {
                let (id, address) = value.split_once('=').filter(|(_, address)| address.contains(':')).ok_or(format!("peer is {value}; it is N=host:port"))?;
                let id = number(id)?;
                if self.peers.iter().any(|(other, _)| *other == id) {
                    return Err(format!("peer {id} is there twice"));
                }
                let (address, clients) = address.split_once(';').unwrap_or((address, ""));
                for address in [address, clients].into_iter().filter(|address| !address.is_empty()) {
                    check_address(address).map_err(|error| format!("peer is {value}: {}", error.context()))?;
                }
                self.peers.push((id, Enrolled { address: address.into(), clients: clients.into() }));
            }
            "bind" if value.contains(':') => self.bind = Some(value.into()),
            "bind" => return Err(format!("bind is {value}; it is host:port")),
            "priority" => self.priority = value.parse().map_err(|_| format!("priority is {value}; it is a number from 0 to 255"))?,
            "join" if value == "yes" => self.joins = true,
            "join" => return Err(format!("join is {value}; it can be yes: the other peers are an ensemble that lets this member in")),
            "ensemble" => self.name = value.into(),
            "peers" if value == "open" => self.open = true,
            "peers" => return Err(format!("peers is {value}; it can be open: no TLS between members, wherever they are")),
            "election_ticks" => self.election_ticks = Some(ticks(value)?),
            "heartbeat_ticks" => self.heartbeat_ticks = Some(ticks(value)?),
            "peer_certificate" => self.tls.get_or_insert_default().certificate = value.into(),
            "peer_key" => self.tls.get_or_insert_default().key = value.into(),
            "peer_authorities" => self.tls.get_or_insert_default().authorities = value.into(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What makes sense and is not wise.
    pub(super) fn warning(&self) -> Option<String> {
        let count = self.peers.len();
        let is_even = count > 0 && count.is_multiple_of(2);
        is_even.then(|| format!("of {count} members {} have to be there, which bears no more losses than {} members would", count / 2 + 1, count - 1))
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.id == 0 {
            return Err("there is no id; members are numbered from 1 to 255".into());
        }
        if self.peers.len() > MEMBERS_VOTING_MAX {
            return Err(format!("{} members vote; at most {MEMBERS_VOTING_MAX} can", self.peers.len()));
        }
        if self.joins && self.peers.len() < 2 {
            return Err("join=yes, and no other peer is there to join".into());
        }
        if !self.peers.iter().any(|(id, _)| *id == self.id) {
            return Err(format!("no peer={}=host:port says where this member is", self.id));
        }
        Ok(())
    }
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Target> {
        let bad = |what: String| Err(Error::new(ErrorKind::BadArguments, format!("target {text}: {what}")));
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme @ ("memory" | "file" | "ensemble"), rest)) => (scheme, rest),
            Some((scheme, _)) if scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_lowercase()) => {
                return bad(format!("the scheme {scheme} is not known here; memory:, file: and ensemble: are"));
            }
            _ => ("file", text),
        };
        let memory = scheme == "memory";
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let ground = if memory {
            if !path.is_empty() {
                return bad(format!("memory: takes no path, and there is {path}"));
            }
            Ground::Memory
        } else if path.is_empty() {
            return bad("there is no path".into());
        } else if scheme == "ensemble" {
            Ground::Member(path.into(), Group { priority: 1, ..Group::default() })
        } else {
            Ground::Directory(path.into())
        };
        let mut target = Target {
            ground,
            virtual_time: false,
            enforce_quota: false,
            super_digest: None,
            recover: false,
            snapshot_bytes: 64 << 20,
            listen: Vec::new(),
            admin: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Ground::Member(_, group) = &mut target.ground
                && group.take(key, value).map_err(|what| Error::new(ErrorKind::BadArguments, format!("target {text}: {what}")))?
            {
                continue;
            }
            match (key, value) {
                ("time", "virtual") => target.virtual_time = true,
                ("time", "real") => target.virtual_time = false,
                ("recover", "yes") => target.recover = true,
                ("recover", "no") => target.recover = false,
                ("quota", "enforced") => target.enforce_quota = true,
                ("super", digest) if digest.contains(':') => target.super_digest = Some(digest.into()),
                ("admin", address) if address.contains(':') => target.admin = Some(address.into()),
                ("listen", address) if address.contains(':') => target.listen.push(address.into()),
                ("snapshot_bytes", bytes) => match bytes.parse() {
                    Ok(bytes) if bytes >= 4096 => target.snapshot_bytes = bytes,
                    _ => return bad(format!("snapshot_bytes is {bytes}; it is a number of at least 4096")),
                },
                (key @ ("time" | "recover" | "quota" | "super" | "listen" | "admin"), value) => return bad(format!("{key} cannot be {value}")),
                (key, _) => return bad(format!("the key {key} is not known")),
            }
        }
        if let Ground::Member(_, group) = &target.ground
            && let Err(what) = group.check()
        {
            return bad(what);
        }
        if target.virtual_time && !memory {
            return bad("time=virtual goes with memory: only".into());
        }
        if target.recover && !matches!(target.ground, Ground::Directory(_)) {
            return bad("recover=yes goes with a directory only; a member of an ensemble learns from the others".into());
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_say_where_and_how() {
        assert_eq!(Target::parse("./data").unwrap().ground, Ground::Directory("./data".into()));
        assert_eq!(Target::parse("file:/var/lib/x").unwrap().ground, Ground::Directory("/var/lib/x".into()));
        assert!(Target::parse("memory:?time=virtual").unwrap().virtual_time);
        assert_eq!(Target::parse("memory:?listen=[::1]:0&listen=localhost:2181").unwrap().listen, ["[::1]:0", "localhost:2181"]);
        let Ground::Member(path, group) = Target::parse("ensemble:./d?id=2&peer=1=a:1&peer=2=b:2;c:3&priority=9&listen=b:2181").unwrap().ground else {
            panic!()
        };
        assert_eq!((path, group.id, group.priority), ("./d".into(), 2, 9));
        assert!(group.warning().unwrap().contains("of 2 members 2"));
        let Ground::Member(_, three) = Target::parse("ensemble:./d?id=2&peer=1=a:1&peer=2=b:2&peer=3=c:3").unwrap().ground else { panic!() };
        assert_eq!(three.warning(), None);
        let at = |address: &str, clients: &str| Enrolled { address: address.into(), clients: clients.into() };
        assert_eq!(group.peers, [(1, at("a:1", "")), (2, at("b:2", "c:3"))]);
        assert_eq!(Target::parse("memory:?admin=127.0.0.1:8080").unwrap().admin.as_deref(), Some("127.0.0.1:8080"));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, named) in [
            ("memory:?tiem=virtual", "tiem"),
            ("etcd://x", "etcd"),
            ("./d?time=virtual", "memory"),
            ("memory:?time=never", "never"),
            ("memory:?listen=2181", "2181"),
            ("", "path"),
            ("ensemble:./d?peer=1=h:1", "id"),
            ("ensemble:./d?id=2&peer=1=h:1", "peer=2"),
            ("ensemble:./d?id=0&peer=1=h:1", "255"),
            ("ensemble:./d?id=1&peer=1=h:1&peer=1=h:2", "twice"),
            ("ensemble:./d?id=1&peer=h:1", "N=host:port"),
            ("ensemble:./d?id=1&peer=1=h:x", "host:port"),
            ("ensemble:./d?id=1&peer=1=h:1&join=yes", "no other peer"),
            ("ensemble:./d?id=1&peer=1=h:1&join=no", "join is no"),
            ("ensemble:./d?id=1&peer=1=h:1&priority=256", "256"),
            ("./d?id=1", "id"),
            ("./d?recover=maybe", "maybe"),
            ("memory:?recover=yes", "directory only"),
            ("ensemble:./d?id=1&peer=1=h:1&recover=yes", "learns from the others"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadArguments);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
