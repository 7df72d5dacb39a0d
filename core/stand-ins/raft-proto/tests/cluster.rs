//! The published consensus library works on the stand-ins.
//!
//! Method: three to four members in one thread, a network that is a queue of messages, a clock that is a count of ticks.
//! The library draws its election timeouts by chance; they are overwritten before each tick, so that every run is the
//! same. A round stores, sends and applies what a member asks for, in the order it asks for.

use std::collections::{BTreeMap, VecDeque};

use protobuf::Message as _;
use raft::prelude::*;
use raft::storage::MemStorage;
use raft::{INVALID_ID, StateRole};
use raft_proto::parse_conf_change;

struct Member {
    node: RawNode<MemStorage>,
    applied: Vec<Vec<u8>>,
    /// What each applied change of membership left.
    states: Vec<ConfState>,
    reads: Vec<(Vec<u8>, u64)>,
    snapshots: Vec<u64>,
}

impl Member {
    fn new(id: u64, storage: MemStorage) -> Self {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 2,
            check_quorum: true,
            pre_vote: true,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 16,
            priority: id as i64,
            ..Config::default()
        };
        let node = RawNode::new(&config, storage, &slog::Logger::root(slog::Discard, slog::o!())).unwrap();
        Self { node, applied: vec![], states: vec![], reads: vec![], snapshots: vec![] }
    }

    /// The ready asked for, stored, acknowledged and applied; gives back what is to be sent.
    fn round(&mut self) -> Vec<Message> {
        if !self.node.has_ready() {
            return vec![];
        }
        let mut ready = self.node.ready();
        let mut out = ready.take_messages();
        let storage = self.node.store().clone();
        if !ready.snapshot().is_empty() {
            self.snapshots.push(ready.snapshot().get_metadata().index);
            storage.wl().apply_snapshot(ready.snapshot().clone()).unwrap();
        }
        self.reads.extend(ready.take_read_states().into_iter().map(|read| (read.request_ctx, read.index)));
        self.apply(ready.take_committed_entries());
        storage.wl().append(ready.entries()).unwrap();
        if let Some(state) = ready.hs() {
            storage.wl().set_hardstate(state.clone());
        }
        out.extend(ready.take_persisted_messages());
        let mut light = self.node.advance(ready);
        if let Some(commit) = light.commit_index() {
            storage.wl().mut_hard_state().set_commit(commit);
        }
        out.extend(light.take_messages());
        self.apply(light.take_committed_entries());
        self.node.advance_apply();
        out
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        for mut entry in entries {
            match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => {} // a new leader's first
                EntryType::EntryNormal => self.applied.push(entry.take_data().to_vec()),
                EntryType::EntryConfChange => {
                    let mut change = ConfChange::default();
                    change.merge_from_bytes(entry.get_data()).unwrap();
                    self.keep(self.node.store().clone(), &change);
                }
                EntryType::EntryConfChangeV2 => {
                    let mut change = ConfChangeV2::default();
                    change.merge_from_bytes(entry.get_data()).unwrap();
                    self.keep(self.node.store().clone(), &change);
                }
            }
        }
    }

    fn keep(&mut self, storage: MemStorage, change: &impl raft_proto::ConfChangeI) {
        let state = self.node.apply_conf_change(change).unwrap();
        storage.wl().set_conf_state(state.clone());
        self.states.push(state);
    }
}

/// Storage of a first member: at term 1, so that nothing is ever sent in term 0, and behind a snapshot, so that a later
/// member has to begin with one: the first members are in no entry of the log, and it could not learn of them otherwise.
fn storage(voters: &[u64]) -> MemStorage {
    let mut snapshot = Snapshot::default();
    snapshot.mut_metadata().set_index(1);
    snapshot.mut_metadata().set_term(1);
    snapshot.mut_metadata().set_conf_state((voters.to_vec(), vec![]).into());
    let storage = MemStorage::new();
    storage.wl().apply_snapshot(snapshot).unwrap();
    storage
}

struct Cluster {
    members: BTreeMap<u64, Member>,
    cut: Vec<u64>,
    sent: BTreeMap<String, usize>,
}

impl Cluster {
    fn new(voters: &[u64]) -> Self {
        let members = voters.iter().map(|id| (*id, Member::new(*id, storage(voters)))).collect();
        Self { members, cut: vec![], sent: BTreeMap::new() }
    }

    fn node(&mut self, id: u64) -> &mut RawNode<MemStorage> {
        &mut self.members.get_mut(&id).unwrap().node
    }

    /// Rounds until nobody has anything to say.
    fn settle(&mut self) {
        let mut network = VecDeque::new();
        for _ in 0..10_000 {
            for member in self.members.values_mut() {
                network.extend(member.round());
            }
            let Some(message) = network.pop_front() else { if self.members.values().any(|member| member.node.has_ready()) { continue } else { return } };
            *self.sent.entry(format!("{:?}", message.get_msg_type())).or_default() += 1;
            if self.cut.contains(&message.from) || self.cut.contains(&message.to) {
                continue;
            }
            let snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
            let (from, to) = (message.from, message.to);
            if let Some(member) = self.members.get_mut(&to) {
                match member.node.step(message) {
                    Ok(()) | Err(raft::Error::StepPeerNotFound) => {} // an answer of one that has left
                    Err(error) => panic!("{from} to {to}: {error}"),
                }
                if snapshot {
                    self.node(from).report_snapshot(to, SnapshotStatus::Finish);
                }
            }
        }
        panic!("no rest after 10000 messages: {:?}", self.sent);
    }

    fn tick(&mut self, ticks: usize) {
        for _ in 0..ticks {
            for (id, member) in &mut self.members {
                member.node.raft.set_randomized_election_timeout(19 - *id as usize);
                member.node.tick();
            }
            self.settle();
        }
    }

    /// Has `id` stand for election, and win it.
    fn elect(&mut self, id: u64) {
        self.node(id).campaign().unwrap();
        self.settle();
        assert_eq!(self.leader(), id);
    }

    /// The one leader of the highest term.
    fn leader(&self) -> u64 {
        let leaders = self.members.values().map(|member| &member.node.raft).filter(|raft| raft.state == StateRole::Leader);
        leaders.max_by_key(|raft| raft.term).map_or(INVALID_ID, |raft| raft.id)
    }

    fn propose(&mut self, data: &[u8]) {
        let leader = self.leader();
        self.node(leader).propose(vec![], data.to_vec()).unwrap();
        self.settle();
    }

    fn change(&mut self, words: &str, transition: ConfChangeTransition) -> raft::Result<()> {
        let leader = self.leader();
        let mut change = ConfChangeV2::default();
        change.set_transition(transition);
        change.set_changes(parse_conf_change(words).unwrap().into());
        self.node(leader).propose_conf_change(vec![], change)?;
        self.settle();
        Ok(())
    }

    fn applied(&self, id: u64) -> Vec<&str> {
        self.members[&id].applied.iter().map(|data| std::str::from_utf8(data).unwrap()).collect()
    }
}

#[test]
fn a_leader_is_elected_and_what_it_is_told_is_everywhere() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    for data in ["a", "b", "c"] {
        cluster.propose(data.as_bytes());
    }
    for id in 1..=3 {
        assert_eq!(cluster.applied(id), ["a", "b", "c"]);
        assert_eq!(cluster.node(id).raft.term, 2, "began at 1, one election");
    }
    for kind in ["MsgRequestPreVote", "MsgRequestVote", "MsgAppend", "MsgAppendResponse"] {
        assert!(cluster.sent[kind] > 0, "{kind}");
    }
}

/// With equal logs a voter of higher priority refuses; with a longer log the candidate wins all the same.
#[test]
fn priority_counts_among_equals_only() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.node(1).campaign().unwrap();
    cluster.settle();
    assert_eq!(cluster.leader(), INVALID_ID, "2 and 3 are of higher priority");
    cluster.elect(3);
    cluster.cut = vec![2];
    cluster.propose(b"a");
    cluster.cut = vec![3];
    cluster.tick(40); // the others take 3 for gone; 2 stands first, and 1 knows more
    assert_eq!(cluster.leader(), 1);
}

#[test]
fn a_leader_without_a_majority_steps_down_and_the_rest_goes_on() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    cluster.propose(b"a");
    cluster.cut = vec![3];
    cluster.tick(60);
    assert_ne!(cluster.node(3).raft.state, StateRole::Leader);
    let leader = cluster.leader();
    assert_ne!(leader, INVALID_ID);
    cluster.propose(b"b");
    assert_eq!(cluster.applied(3), ["a"]);
    cluster.cut.clear();
    cluster.tick(10);
    assert_eq!(cluster.applied(3), ["a", "b"]);
}

/// Two members leave and one comes at once, through both majorities.
#[test]
fn members_change_through_two_majorities() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    cluster.propose(b"a");
    cluster.members.insert(4, Member::new(4, MemStorage::new()));
    cluster.change("v4 r1 r2", ConfChangeTransition::Auto).unwrap();
    cluster.tick(10);
    let states = &cluster.members[&3].states;
    assert_eq!(states.len(), 2, "into both, and out of them by itself: {states:?}");
    assert!(states[0].auto_leave && states[0].voters_outgoing.len() == 3);
    assert!(raft_proto::conf_state_eq(&states[1], &ConfState::from((vec![3, 4], vec![]))));
    cluster.propose(b"b");
    assert_eq!(cluster.members[&4].snapshots.len(), 1);
    assert_eq!(cluster.applied(4), ["b"], "a was in the snapshot");
    assert_eq!(cluster.applied(3), ["a", "b"]);

    // And left by hand when so wanted; of the old kind as well.
    cluster.change("l4", ConfChangeTransition::Explicit).unwrap();
    assert!(!cluster.members[&3].states.last().unwrap().voters_outgoing.is_empty());
    cluster.change("", ConfChangeTransition::Auto).unwrap();
    let last = cluster.members[&3].states.last().unwrap();
    assert!(raft_proto::conf_state_eq(last, &ConfState::from((vec![3], vec![4]))));
    let mut old = ConfChange::default();
    old.set_change_type(ConfChangeType::RemoveNode);
    old.set_node_id(4);
    cluster.node(3).propose_conf_change(vec![], old).unwrap();
    cluster.settle();
    assert!(cluster.node(3).raft.prs().get(4).is_none());
}

/// A second change before the first is applied becomes an entry that changes nothing.
#[test]
fn one_change_at_a_time() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    for words in ["r1", "r2"] {
        let change = ConfChangeV2 { changes: parse_conf_change(words).unwrap().into(), ..ConfChangeV2::default() };
        cluster.node(3).propose_conf_change(vec![], change).unwrap();
    }
    cluster.settle();
    assert!(raft_proto::conf_state_eq(&cluster.members[&3].states[0], &ConfState::from((vec![2, 3], vec![]))));
    assert_eq!(cluster.members[&3].states.len(), 1);
}

/// A read index is confirmed by a majority, asked of the leader or through a follower, and never without one.
#[test]
fn a_read_is_confirmed_by_a_majority() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    cluster.propose(b"a");
    let committed = cluster.node(3).raft.raft_log.committed;
    cluster.node(3).read_index(b"at the leader".to_vec());
    cluster.node(1).read_index(b"at a follower".to_vec());
    cluster.settle();
    assert_eq!(cluster.members[&3].reads, [(b"at the leader".to_vec(), committed)]);
    assert_eq!(cluster.members[&1].reads, [(b"at a follower".to_vec(), committed)]);
    cluster.cut = vec![3];
    cluster.node(3).read_index(b"alone".to_vec());
    cluster.tick(9);
    assert_eq!(cluster.members[&3].reads.len(), 1);
}

#[test]
fn one_that_is_too_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    cluster.cut = vec![1];
    for data in ["a", "b", "c"] {
        cluster.propose(data.as_bytes());
    }
    let storage = cluster.node(3).store().clone();
    let applied = cluster.node(3).raft.raft_log.applied;
    storage.wl().compact(applied).unwrap();
    cluster.cut.clear();
    cluster.tick(10);
    assert_eq!(cluster.members[&1].snapshots, [applied]);
    assert_eq!(cluster.sent["MsgSnapshot"], 1);
    cluster.propose(b"d");
    assert_eq!(cluster.members[&1].applied.last().unwrap(), b"d");
}

#[test]
fn leadership_is_handed_over() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.elect(3);
    cluster.propose(b"a");
    // To one of lower priority only once the others would not refuse it.
    for id in 1..=3 {
        cluster.node(id).set_priority(0);
    }
    cluster.node(3).transfer_leader(1);
    cluster.settle();
    assert_eq!(cluster.leader(), 1);
    assert!(cluster.sent["MsgTimeoutNow"] > 0);
    cluster.propose(b"b");
    assert_eq!(cluster.applied(3), ["a", "b"]);
}
