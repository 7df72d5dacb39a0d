//! A member without threads: its store, its machine, its part in the ensemble, and what is on its way between them.

use folkmoot::ensemble::{Delivery, Node, NodeOptions, Voter};
use folkmoot::ids::SessionId;
use folkmoot::log::replica::{Journal, MemberId, ReplicaOptions, is_replicated};
use folkmoot::log::{SimulatedDisk, Store, StoreOptions};
use folkmoot::machine::{FrozenMachine, Machine};
use folkmoot::roster::Enrolled;
use folkmoot::{ErrorKind, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// Smaller than a real one, so that what is written together comes to the disk in several groups.
pub const GROUP_BYTES: usize = 2_000;

/// Bugs that are built in to see them found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A vote is told before it is on the disk.
    VoteLate,
    /// Whoever thinks that it leads answers a linearizable read at once.
    StaleRead,
    /// Entries are acknowledged before they are on the disk.
    EarlyAck,
}

/// To the disk, in order.
pub enum Write {
    Records { number: u64, records: Vec<Vec<u8>> },
    Install { number: u64, head: Vec<Vec<u8>>, frozen: FrozenMachine, records: Vec<Vec<u8>> },
    Snapshot { head: Vec<Vec<u8>>, frozen: FrozenMachine },
}

/// To the machine, in order.
pub enum Job {
    Apply(Delivery),
    Install(u64, Box<Machine>),
    Grant,
    Freeze { offer: bool },
    Barriers(Vec<u64>),
}

/// What a client waits for.
pub enum Op {
    Open,
    Write { number: u64, floor: i64, value: Option<u64> },
    Move,
    Close,
}

pub struct Flight {
    pub client: usize,
    pub life: u64,
    pub session: SessionId,
    pub attachment: u64,
    pub op: Op,
}

pub struct Asked {
    pub client: usize,
    pub life: u64,
    pub floor: i64,
}

/// What ends with the process.
pub struct Running {
    pub store: Store,
    pub machine: Machine,
    pub node: Node,
    pub applied: (u64, u64),
    pub staged: Option<(u64, Box<Machine>)>,
    pub installing: BTreeMap<u64, (u64, Box<Machine>)>,
    pub writes: VecDeque<Write>,
    pub writing_since: Option<u64>,
    pub jobs: VecDeque<Job>,
    pub jobs_due: bool,
    pub offered: Option<(u64, Rc<Vec<Vec<u8>>>)>,
    pub freezing: bool,
    pub snapshotting: bool,
    pub since_snapshot: u64,
    pub flights: BTreeMap<u64, Flight>,
    pub barriers: BTreeMap<u64, Asked>,
}

pub struct Member {
    pub id: MemberId,
    pub priority: u8,
    pub disk: Arc<SimulatedDisk>,
    /// Counts its processes.
    pub life: u64,
    pub running: Option<Running>,
    pub paused_until: u64,
    pub slow_until: u64,
    pub skew_ms: i64,
    pub steady_ms: u64,
    pub sessions: u64,
    /// It was not there when the ensemble began.
    pub joins: bool,
    /// It takes part no more.
    pub gone: bool,
}

/// Where a member is, in words: only that differs.
pub fn enrolled(id: MemberId) -> Enrolled {
    Enrolled { address: format!("host:{id}"), clients: String::new() }
}

fn store_options() -> StoreOptions {
    StoreOptions { segment_bytes: 64 << 10, first_segment_bytes: 16 << 10, snapshots_kept: 2, spares_kept: 1, prepare_ahead: false }
}

impl Member {
    pub fn new(id: MemberId, priority: u8, seed: u64) -> Self {
        Self {
            id,
            priority,
            disk: SimulatedDisk::new(seed | 1),
            life: 0,
            running: None,
            paused_until: 0,
            slow_until: 0,
            skew_ms: 0,
            steady_ms: u64::from(id) * 77_777,
            sessions: 0,
            joins: false,
            gone: false,
        }
    }

    /// Begins from what is on the disk; none if there is no room.
    pub fn start(&mut self, voters: &[Voter], seed: u64, cache_bytes: usize) -> Result<bool> {
        self.life += 1;
        let machine = RefCell::new(None::<Machine>);
        let journal = RefCell::new(Journal::default());
        let opened = Store::open(
            self.disk.disk(),
            store_options(),
            &mut |record| {
                if is_replicated(record) {
                    return journal.borrow_mut().take(record);
                }
                machine.borrow_mut().get_or_insert_with(|| Machine::to_load(seed, false)).load(record)
            },
            &mut |_, record| journal.borrow_mut().take(record),
        );
        let mut store = match opened {
            Ok((store, _)) => store,
            Err(error) if error.kind() == ErrorKind::DiskFull => return Ok(false),
            Err(error) => return Err(error),
        };
        let machine = machine.into_inner().unwrap_or_else(|| Machine::new(seed, false));
        assert!(machine.is_complete(), "a snapshot without an end");
        let mut journal = journal.into_inner();
        if journal.id() == 0 {
            let ids: Vec<MemberId> = voters.iter().map(|voter| voter.id).collect();
            let (founded, record) = if self.joins { Journal::join(self.id) } else { Journal::found(self.id, &ids) };
            match store.append(&[record]) {
                Ok(_) => journal = founded,
                Err(error) if error.kind() == ErrorKind::DiskFull => return Ok(false),
                Err(error) => return Err(error),
            }
        } else {
            assert_eq!(journal.id(), self.id);
            journal.check()?;
        }
        let applied = journal.base_index();
        let replica = ReplicaOptions {
            id: self.id,
            election_ticks: 40,
            heartbeat_ticks: 5,
            band_ticks: 3,
            priority: self.priority,
            rank: 0,
            seed: seed ^ (self.life << 17),
            cache_bytes,
        };
        let incarnation = self.life * 1_000_000 + u64::from(self.id);
        let founders = if self.joins { Vec::new() } else { voters.iter().map(|voter| (voter.id, enrolled(voter.id))).collect() };
        let mut voters = voters.to_vec();
        if self.joins {
            voters.push(Voter { id: self.id, priority: self.priority });
        }
        let mut node = Node::new(NodeOptions { incarnation, replica, voters, founders, secret: [self.id; 32] }, journal)?;
        node.enrolled(machine.roster());
        self.gone = node.has_left();
        self.running = Some(Running {
            store,
            machine,
            node,
            applied: (applied, 0),
            staged: None,
            installing: BTreeMap::new(),
            writes: VecDeque::new(),
            writing_since: None,
            jobs: VecDeque::new(),
            jobs_due: false,
            offered: None,
            freezing: false,
            snapshotting: false,
            since_snapshot: 0,
            flights: BTreeMap::new(),
            barriers: BTreeMap::new(),
        });
        Ok(true)
    }
}

impl Running {
    /// What became of a step of the disk.
    pub fn write(&mut self) -> Written {
        let mut done = 0;
        let mut group: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        // All that waits, in as few groups as it takes; what is not done for lack of room stays.
        while let Some(Write::Records { number, records }) = self.writes.front_mut() {
            let number = *number;
            while let Some(record) = records.first() {
                if bytes + record.len() > GROUP_BYTES && !group.is_empty() {
                    break;
                }
                bytes += record.len();
                group.push(records.remove(0));
            }
            if records.is_empty() {
                done = number;
                self.writes.pop_front();
            } else {
                break;
            }
        }
        if !group.is_empty() || done > 0 {
            return match self.store.append(&group) {
                Ok(_) => Written::Done(done),
                Err(error) if error.kind() == ErrorKind::DiskFull => {
                    self.writes.push_front(Write::Records { number: done, records: group });
                    Written::Full
                }
                Err(_) => Written::Failed,
            };
        }
        match self.writes.front() {
            None => Written::Done(0),
            Some(Write::Install { number, .. }) => {
                let number = *number;
                let written = self.whole();
                match (&written, self.writes.pop_front()) {
                    (Written::Done(_), Some(Write::Install { records, .. })) if !records.is_empty() => {
                        self.writes.push_front(Write::Records { number, records });
                        Written::Done(0)
                    }
                    (Written::Done(_), _) => Written::Done(number),
                    (_, job) => {
                        self.writes.extend(job);
                        // It is what comes first, still.
                        self.writes.rotate_right(1);
                        written
                    }
                }
            }
            Some(_) => {
                let written = self.whole();
                self.writes.pop_front();
                self.snapshotting = false;
                // Without room there is no snapshot, and all else goes on.
                if matches!(written, Written::Failed) { written } else { Written::Done(0) }
            }
        }
    }

    fn whole(&mut self) -> Written {
        let Some(Write::Install { head, frozen, .. } | Write::Snapshot { head, frozen }) = self.writes.front() else { return Written::Done(0) };
        let store = &mut self.store;
        let outcome = (|| {
            let mut writer = store.snapshot_writer(store.last_index())?;
            let written = head.iter().try_for_each(|record| writer.record(record)).and_then(|()| frozen.records(&mut |record| writer.record(record)));
            if let Err(error) = written {
                writer.abandon();
                return Err(error);
            }
            store.snapshot_finished(writer.finish()?)?.discard()
        })();
        match outcome {
            Ok(()) => Written::Done(0),
            Err(error) if error.kind() == ErrorKind::DiskFull => Written::Full,
            Err(_) => Written::Failed,
        }
    }
}

pub enum Written {
    /// All up to this number of those that were asked for is there; 0 for none.
    Done(u64),
    Full,
    /// Nothing more can be written.
    Failed,
}
