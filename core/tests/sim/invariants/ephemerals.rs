//! An ephemeral lives as long as its session: no shorter, no longer.

use super::Check;
use folkmoot::ids::SessionId;
use folkmoot::machine::{Applied, Entry, Machine};
use folkmoot::request::{CreateMode, Reply, Request, Requester};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Ephemerals {
    owned: BTreeMap<SessionId, BTreeSet<String>>,
}

impl Ephemerals {
    pub fn applied(&mut self, machine: &Machine, entry: &Entry, applied: &Applied) -> Check {
        match (entry, &applied.outcome) {
            // Answered a second time it makes nothing.
            (Entry::Write(write), Ok(Reply::Created { path, .. })) if !applied.changes.is_empty() => {
                if matches!(write.request, Request::Create { mode: CreateMode::Ephemeral, .. }) {
                    self.owned.entry(write.session).or_default().insert(path.clone());
                }
            }
            (Entry::Close { session, .. }, Ok(_)) => {
                for path in self.owned.remove(session).unwrap_or_default() {
                    if Self::is_there(machine, &path) {
                        return Err(format!("{path} outlives its session {session}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub fn check(&self, machine: &Machine) -> Check {
        for (session, paths) in &self.owned {
            if machine.session(*session).is_none() {
                return Err(format!("session {session} has gone without an end"));
            }
            for path in paths {
                if !Self::is_there(machine, path) {
                    return Err(format!("{path} has gone before its session {session}"));
                }
            }
        }
        Ok(())
    }

    fn is_there(machine: &Machine, path: &str) -> bool {
        machine.read(&Request::Exists { path: path.to_owned(), watch: false }, &Requester::default()).is_ok()
    }
}
