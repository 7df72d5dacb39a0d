//! How a member of an ensemble begins: what its directory holds, its threads, its links.

use super::{Ensemble, Input, Log};
use crate::ensemble::{Message, Node, NodeOptions, Voter};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{BAND_TICKS, ELECTION_TICKS, HEARTBEAT_TICKS, LOG_CACHE_BYTES};
use crate::log::replica::{Journal, MemberId, ReplicaOptions, is_replicated};
use crate::log::{Disk, Store, StoreOptions};
use crate::machine::{Entry, Machine};
use crate::member::engine::Core;
use crate::member::links::{LinkOptions, Links, Peers};
use crate::member::target::Group;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};

/// What a directory held.
pub(in crate::member::engine) struct Recovered {
    pub machine: Machine,
    pub cut: Option<String>,
    store: Store,
    journal: Journal,
}

/// Brings a member's state back, or makes a new one of it.
pub(in crate::member::engine) fn recover_member(disk: Arc<dyn Disk>, path: &Path, seed: u64, enforce_quota: bool, group: &Group) -> Result<Recovered> {
    let machine = RefCell::new(None::<Machine>);
    let journal = RefCell::new(Journal::default());
    let corrupt = |what: String| Error::new(ErrorKind::Corrupt, format!("{}: {what}", path.display()));
    let (mut store, recovery) = Store::open(
        disk,
        StoreOptions::default(),
        &mut |record| {
            if is_replicated(record) {
                return journal.borrow_mut().take(record);
            }
            machine.borrow_mut().get_or_insert_with(|| Machine::to_load(seed, enforce_quota)).load(record)
        },
        &mut |index, bytes| {
            let mut journal = journal.borrow_mut();
            if is_replicated(bytes) {
                return journal.take(bytes);
            }
            // From before it was a member of any ensemble.
            if journal.id() != 0 {
                return Err(corrupt(format!("entry {index} of the log is none of an ensemble's member")));
            }
            let entry: Entry = postcard::from_bytes(bytes).map_err(|error| corrupt(format!("entry {index} of the log cannot be read: {error}")))?;
            let mut machine = machine.borrow_mut();
            let machine = machine.get_or_insert_with(|| Machine::new(seed, enforce_quota));
            machine.apply(&entry);
            Ok(())
        },
    )?;
    let machine = machine.into_inner().unwrap_or_else(|| Machine::new(seed, enforce_quota));
    if !machine.is_complete() {
        return Err(corrupt("a snapshot without an end".into()));
    }
    let mut journal = journal.into_inner();
    match journal.id() {
        0 => {
            let voters: Vec<MemberId> = group.peers.iter().map(|(id, _)| *id).collect();
            if !machine.is_new() && voters.len() > 1 {
                return Err(Error::new(
                    ErrorKind::BadArguments,
                    format!("{}: there is data of one member alone: let it be the only one at first, and the others join it", path.display()),
                ));
            }
            if !machine.is_new() && group.joins {
                let what = "there is data of one member alone: who joins an ensemble brings none";
                return Err(Error::new(ErrorKind::BadArguments, format!("{}: {what}", path.display())));
            }
            let (begun, record) = if group.joins { Journal::join(group.id) } else { Journal::found(group.id, &voters) };
            store.append(&[record])?;
            journal = begun;
        }
        id if id != group.id => {
            return Err(Error::new(ErrorKind::BadArguments, format!("{}: this is the directory of member {id}, not of {}", path.display(), group.id)));
        }
        _ => journal.check()?,
    }
    let cut = recovery.cut.map(|cut| format!("{}: {} bytes of an unfinished write were cut at offset {}", cut.file, cut.bytes, cut.offset));
    if let Some(cut) = &cut {
        tracing::warn!("{cut}");
    }
    Ok(Recovered { machine, cut, store, journal })
}

/// The part of what was recovered that its threads need; the machine is taken out before.
pub(in crate::member::engine) struct Parts {
    node: Node,
    log: Log,
    group: Group,
}

impl Recovered {
    /// Makes the node; what is left are its threads.
    pub(in crate::member::engine) fn into_parts(
        self,
        group: &Group,
        incarnation: u64,
        secret: [u8; 32],
    ) -> Result<(Machine, Option<String>, Arc<Ensemble>, Parts)> {
        let replica = ReplicaOptions {
            id: group.id,
            election_ticks: group.election_ticks.unwrap_or(ELECTION_TICKS),
            heartbeat_ticks: group.heartbeat_ticks.unwrap_or(HEARTBEAT_TICKS),
            band_ticks: BAND_TICKS,
            priority: group.priority,
            rank: 0,
            seed: incarnation,
            cache_bytes: LOG_CACHE_BYTES,
        };
        let voters = group.peers.iter().map(|(id, _)| Voter { id: *id, priority: group.priority }).collect();
        let applied = self.journal.base_index();
        let founders = if group.joins { Vec::new() } else { group.peers.clone() };
        let mut node = Node::new(NodeOptions { incarnation, replica, voters, founders, secret }, self.journal)?;
        // What the log tells goes before what the target says.
        node.enrolled(self.machine.roster());
        if node.has_left() {
            return Err(Error::new(ErrorKind::Closed, format!("member {} has left its ensemble", group.id)));
        }
        let ensemble = Arc::new(Ensemble::new(group.id, incarnation, node.view(), applied));
        Ok((self.machine, self.cut, ensemble, Parts { node, log: Log { store: self.store, installed: 0 }, group: group.clone() }))
    }
}

/// Starts links and threads.
pub(in crate::member::engine) fn start(core: &Arc<Core>, ensemble: &Arc<Ensemble>, parts: Parts) -> Result<()> {
    let Parts { node, log, group } = parts;
    let _ = ensemble.core.set(Arc::downgrade(core));
    let own = group.peers.iter().find(|(id, _)| *id == group.id).map(|(_, member)| member.address.clone());
    let listen = group.bind.clone().or(own).ok_or_else(|| Error::new(ErrorKind::BadArguments, format!("no address of member {} itself is given", group.id)))?;
    let mut ensemble_id = [0; 16];
    ensemble_id.copy_from_slice(&Sha256::digest(group.name.as_bytes())[..16]);
    let options = LinkOptions {
        id: group.id,
        incarnation: ensemble.incarnation,
        ensemble: ensemble_id,
        listen,
        peers: group.peers.iter().filter(|(id, _)| *id != group.id).map(|(id, member)| (*id, member.address.clone())).collect(),
        tls: group.tls.clone(),
        open: group.open,
    };
    let links = Links::start(options, Arc::new(Receiver { ensemble: Arc::downgrade(ensemble), stages: Mutex::default(), enforce_quota: core.enforce_quota }))?;
    if ensemble.links.set(links).is_err() {
        return Err(Error::new(ErrorKind::InvalidState, "a member starts once"));
    }
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        folkmoot_sys::spawn(name, work).map_err(|error| Error::new(ErrorKind::SystemError, format!("thread {name} cannot start: {error}")))
    };
    let (of_log, of_node) = (ensemble.clone(), ensemble.clone());
    let writer = spawn("fm-log", Box::new(move || super::write::run(&of_log, log)))?;
    ensemble.threads.lock().push(writer);
    let driver = spawn("fm-ensemble", Box::new(move || super::run::run(of_node, node)))?;
    ensemble.threads.lock().push(driver);
    Ok(())
}

/// What the links tell.
struct Receiver {
    ensemble: Weak<Ensemble>,
    /// States on their way here.
    stages: Mutex<HashMap<MemberId, (Vec<u8>, Machine)>>,
    enforce_quota: bool,
}

impl Peers for Receiver {
    fn arrived(&self, from: MemberId, message: Vec<u8>) {
        if let Some(ensemble) = self.ensemble.upgrade() {
            ensemble.receive(from, &message);
        }
    }

    fn link(&self, with: MemberId, up: bool) {
        if let Some(ensemble) = self.ensemble.upgrade() {
            ensemble.inbox.put(Input::Link(with, up));
        }
    }

    fn snapshot_begins(&self, from: MemberId, about: Vec<u8>) -> Result<()> {
        let Some(ensemble) = self.ensemble.upgrade() else { return Err(Error::new(ErrorKind::Closed, "the member is closing")) };
        Message::decode(&about)?;
        self.stages.lock().insert(from, (about, Machine::to_load(ensemble.incarnation, self.enforce_quota)));
        Ok(())
    }

    fn snapshot_record(&self, from: MemberId, record: &[u8]) -> Result<()> {
        match self.stages.lock().get_mut(&from) {
            Some((_, machine)) => machine.load(record),
            None => Err(Error::new(ErrorKind::InvalidState, "a record of no snapshot")),
        }
    }

    fn snapshot_ends(&self, from: MemberId, whole: bool) {
        let Some((about, machine)) = self.stages.lock().remove(&from) else { return };
        if let Some(ensemble) = self.ensemble.upgrade()
            && whole
            && machine.is_complete()
            && let Ok(message) = Message::decode(&about)
        {
            ensemble.inbox.put(Input::Staged { from, message, machine: Box::new(machine) });
        }
    }

    fn snapshot_sent(&self, to: MemberId, arrived: bool) {
        if let Some(ensemble) = self.ensemble.upgrade() {
            ensemble.inbox.put(Input::SnapshotSent(to, arrived));
        }
    }
}
