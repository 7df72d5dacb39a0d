//! Who is to take part in an ensemble, and where: what `/zookeeper/config` tells.
//!
//! It is state like any other: changed by an entry, the same on all members, kept in snapshots. Who leads makes it come true, step by
//! step: whoever is new learns first, and votes once it has caught up.
//!
//! What always holds: somebody votes; a number that has been given back is not given out again, or a member that has forgotten what
//! it promised could promise twice.
//!
//! Not here: whose votes count right now (`log::replica`), and how members reach each other (`member::links`).

use crate::config::Server;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Zxid;
use crate::limits::{ADDRESS_BYTES_MAX, MEMBERS_VOTING_MAX};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A member as all know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Where the others reach it, `host:port`.
    pub address: String,
    /// Where clients reach it, `host:port`; empty if that is not known.
    pub clients: String,
}

/// All members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    members: BTreeMap<u8, Enrolled>,
    retired: BTreeSet<u8>,
    version: Zxid,
}

/// A change of who takes part: ZooKeeper's `reconfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconfig {
    /// Who is new, or elsewhere than before.
    pub joining: Vec<(u8, Enrolled)>,
    /// Who takes part no more.
    pub leaving: Vec<u8>,
    /// All members, instead of those there are.
    pub members: Option<Vec<(u8, Enrolled)>>,
    /// Only if the configuration is still of this transaction; -1 for any.
    pub from: i64,
}

fn bad<T>(what: String) -> Result<T> {
    Err(Error::new(ErrorKind::BadArguments, what))
}

/// An address is `host:port`.
///
/// # Errors
/// `BadArguments` says what it lacks.
pub fn check_address(address: &str) -> Result<()> {
    let is_plain = address.len() <= ADDRESS_BYTES_MAX && address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b'=');
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    if !is_plain || port.is_none_or(|port| port == 0) {
        return bad(format!("{address:?} is no address: that is host:port, of at most {ADDRESS_BYTES_MAX} bytes"));
    }
    Ok(())
}

impl Roster {
    /// Whether nobody is enrolled: one member alone, that is in no ensemble.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members, by number.
    pub fn members(&self) -> impl Iterator<Item = (u8, &Enrolled)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// One of them.
    pub fn member(&self, id: u8) -> Option<&Enrolled> {
        self.members.get(&id)
    }

    /// The transaction of the last change.
    pub fn version(&self) -> Zxid {
        self.version
    }

    /// The first members, unless there are some.
    pub(crate) fn found(&mut self, members: &[(u8, Enrolled)], version: Zxid) -> bool {
        let is_first = self.is_empty() && !members.is_empty();
        if is_first {
            self.members = members.iter().cloned().collect();
            self.version = version;
        }
        is_first
    }

    /// What it would be after a change, as of `version`.
    ///
    /// # Errors
    /// `Unimplemented` where there is no ensemble; `BadVersion`; `BadArguments` says what makes no sense.
    pub(crate) fn changed(&self, change: &Reconfig, version: Zxid) -> Result<Roster> {
        if self.is_empty() {
            return Err(Error::new(ErrorKind::Unimplemented, "this is one member alone, in no ensemble"));
        }
        if change.from != -1 && change.from != self.version.0 {
            return Err(Error::new(ErrorKind::BadVersion, format!("the configuration is of {}, not of {:#x}", self.version, change.from)));
        }
        let mut next = self.clone();
        if let Some(members) = &change.members {
            if members.is_empty() || !change.joining.is_empty() || !change.leaving.is_empty() {
                return bad("either all members are named, or those who join and leave".into());
            }
            next.members.clear();
        }
        for id in &change.leaving {
            if next.members.remove(id).is_none() {
                return bad(format!("member {id} is none"));
            }
        }
        for (id, member) in change.joining.iter().chain(change.members.iter().flatten()) {
            if *id == 0 || change.leaving.contains(id) {
                return bad(format!("member {id}: members are numbered from 1 to 255, and either join or leave"));
            }
            if self.retired.contains(id) {
                return bad(format!("member {id} has left, and its number is not given out again"));
            }
            check_address(&member.address)?;
            if !member.clients.is_empty() {
                check_address(&member.clients)?;
            }
            next.members.insert(*id, member.clone());
        }
        if next.members.is_empty() || next.members.len() > MEMBERS_VOTING_MAX {
            return bad(format!("{} members would vote; 1 to {MEMBERS_VOTING_MAX} can", next.members.len()));
        }
        let mut addresses = BTreeSet::new();
        if let Some((id, member)) = next.members.iter().find(|(_, member)| !addresses.insert(&member.address)) {
            return bad(format!("member {id} would be at {}, where another is", member.address));
        }
        if next.members == self.members {
            return bad("nothing would change".into());
        }
        next.retired.extend(self.members.keys().filter(|id| !next.members.contains_key(id)));
        next.version = version;
        Ok(next)
    }

    /// As ZooKeeper tells it in `/zookeeper/config`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (id, member) in &self.members {
            line(&mut text, *id, member);
            text.push('\n');
        }
        let _ = write!(text, "version={:x}", self.version.0);
        text
    }
}

/// ZooKeeper names a second port, for elections: members have one for all they say to each other.
fn line(text: &mut String, id: u8, Enrolled { address, clients }: &Enrolled) {
    let port = address.rsplit_once(':').map_or("", |(_, port)| port);
    let _ = write!(text, "server.{id}={address}:{port}:participant");
    if !clients.is_empty() {
        let _ = write!(text, ";{clients}");
    }
}

/// These members, as [`parse`] reads them.
pub fn list(members: &[(u8, Enrolled)]) -> String {
    let mut text = String::new();
    for (id, member) in members {
        if !text.is_empty() {
            text.push(',');
        }
        line(&mut text, *id, member);
    }
    text
}

/// The members that a text like [`Roster::text`]'s names: `server.N=host:port:port[:participant][;[host:]port]`, by commas or lines.
///
/// # Errors
/// `BadArguments` names what makes no sense.
pub fn parse(text: &str) -> Result<Vec<(u8, Enrolled)>> {
    let mut members: Vec<(u8, Enrolled)> = Vec::new();
    for line in text.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("version=")) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let Some(id) = key.trim().strip_prefix("server.") else { return bad(format!("{line:?} names no member: that is server.N=...")) };
        let server = Server::parse(id, value).or_else(|allowed| bad(format!("{line:?}: it is server.N={allowed}")))?;
        if members.iter().any(|(other, _)| *other == server.id) {
            return bad(format!("member {} is named twice", server.id));
        }
        members.push((server.id, Enrolled { address: server.peer(), clients: server.clients() }));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Enrolled {
        Enrolled { address: format!("h:{port}"), clients: String::new() }
    }

    fn three() -> Roster {
        let mut roster = Roster::default();
        assert!(roster.found(&[(1, at(1)), (2, at(2)), (3, at(3))], Zxid(7)));
        assert!(!roster.found(&[(9, at(9))], Zxid(8)));
        roster
    }

    #[test]
    fn what_it_tells_is_read_again() {
        let mut roster = three();
        assert_eq!(roster.text(), "server.1=h:1:1:participant\nserver.2=h:2:2:participant\nserver.3=h:3:3:participant\nversion=7");
        roster.members.insert(4, Enrolled { address: "[::1]:5".into(), clients: "0.0.0.0:2181".into() });
        assert_eq!(parse(&roster.text()).unwrap(), roster.members.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(
            parse("server.5=h:2888:3888;2181,server.6=h:1:1:participant").unwrap(),
            [(5, Enrolled { address: "h:2888".into(), clients: "0.0.0.0:2181".into() }), (6, at(1))]
        );
        assert_eq!(list(&[(5, at(1)), (6, at(2))]), "server.5=h:1:1:participant,server.6=h:2:2:participant");
        for text in
            ["server.0=h:1", "server.256=h:1", "server.1=h", "peer=h:1", "server.1", "server.1=h:1:observer", "server.1=h:1,server.1=h:2", "server.1=h:1:chief"]
        {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::BadArguments, "{text}");
        }
    }

    #[test]
    fn who_has_left_does_not_come_back_under_its_number() {
        let roster = three();
        let change = Reconfig { joining: vec![(4, at(4))], leaving: vec![2], from: 7, ..Reconfig::default() };
        let next = roster.changed(&change, Zxid(9)).unwrap();
        assert_eq!(next.members().map(|(id, _)| id).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(next.version(), Zxid(9));
        assert_eq!(next.changed(&change, Zxid(10)).unwrap_err().kind(), ErrorKind::BadVersion);
        let back = Reconfig { joining: vec![(2, at(2))], from: -1, ..Reconfig::default() };
        assert!(next.changed(&back, Zxid(10)).unwrap_err().to_string().contains("not given out again"));
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let any = || Reconfig { from: -1, ..Reconfig::default() };
        for change in [
            any(),
            Reconfig { leaving: vec![9], ..any() },
            Reconfig { leaving: vec![1, 2, 3], ..any() },
            Reconfig { joining: vec![(0, at(9))], ..any() },
            Reconfig { joining: vec![(4, at(1))], ..any() },
            Reconfig { joining: vec![(4, Enrolled { address: "h".into(), clients: String::new() })], ..any() },
            Reconfig { joining: vec![(4, Enrolled { address: "h:1;2".into(), clients: String::new() })], ..any() },
            Reconfig { joining: vec![(2, at(4))], leaving: vec![2], ..any() },
            Reconfig { joining: (4..=10).map(|id| (id, at(id.into()))).collect(), ..any() },
            Reconfig { members: Some(vec![]), ..any() },
            Reconfig { members: Some(vec![(1, at(1))]), leaving: vec![2], ..any() },
        ] {
            assert_eq!(three().changed(&change, Zxid(9)).unwrap_err().kind(), ErrorKind::BadArguments, "{change:?}");
        }
        assert_eq!(Roster::default().changed(&any(), Zxid(9)).unwrap_err().kind(), ErrorKind::Unimplemented);
        let all = Reconfig { members: Some(vec![(1, at(1)), (5, at(5))]), ..any() };
        assert_eq!(three().changed(&all, Zxid(9)).unwrap().retired, BTreeSet::from([2, 3]));
    }
}
