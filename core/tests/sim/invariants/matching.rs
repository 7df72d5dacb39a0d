//! The same place of the log holds the same everywhere, and members that have applied the same are equal.

use super::Check;
use folkmoot::ids::SessionId;
use folkmoot::machine::Machine;
use folkmoot::request::{Reply, Request, Requester};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Matching {
    entries: BTreeMap<u64, u64>,
    states: BTreeMap<u64, (u8, u64)>,
}

impl Matching {
    /// Whether this is the first that is seen of that place.
    pub fn entry(&mut self, member: u8, index: u64, hash: u64) -> Result<bool, String> {
        let is_first = !self.entries.contains_key(&index);
        let known = *self.entries.entry(index).or_insert(hash);
        if known != hash {
            return Err(format!("member {member} applied another entry {index} than whoever did first"));
        }
        Ok(is_first)
    }

    pub fn state(&mut self, member: u8, index: u64, machine: &Machine) -> Check {
        let digest = digest(machine);
        let (other, known) = *self.states.entry(index).or_insert((member, digest));
        if known != digest {
            return Err(format!("members {other} and {member} have applied all up to {index}, and differ"));
        }
        Ok(())
    }
}

/// Of all that can be seen of a machine.
pub fn digest(machine: &Machine) -> u64 {
    let mut trace = crate::chance::Trace::new();
    let who = Requester { session: SessionId(0), identities: [].into() };
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        if let Ok(Reply::Data { data, stat }) = machine.read(&Request::Get { path: path.clone(), watch: false }, &who) {
            trace.bytes(format!("{path}{stat:?}{data:?}").as_bytes());
        }
        if let Ok(Reply::Children { mut names, .. }) = machine.read(&Request::Children { path: path.clone(), watch: false }, &who) {
            names.sort();
            let base = if path == "/" { "" } else { &path };
            paths.extend(names.iter().map(|name| format!("{base}/{name}")));
        }
    }
    for (id, session) in machine.sessions() {
        trace.bytes(format!("{id:?}{session:?}").as_bytes());
    }
    trace.number(machine.zxid().0 as u64);
    trace.0
}
