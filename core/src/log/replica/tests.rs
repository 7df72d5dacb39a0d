//! Replicas in one thread on links that keep order, and journals in memory.

use super::*;
use proptest::prelude::*;
use raft::eraftpb::{Entry, HardState, Snapshot, SnapshotMetadata};
use std::collections::BTreeMap;

struct Peer {
    replica: Replica,
    /// What is on its disk.
    journal: Vec<Vec<u8>>,
    /// What is on its way there.
    writing: Vec<Persist>,
    applied: Vec<(u64, Vec<u8>)>,
    barriers: Vec<(Vec<u8>, u64)>,
    up: bool,
}

struct Net {
    peers: BTreeMap<MemberId, Peer>,
    options: BTreeMap<MemberId, ReplicaOptions>,
    wires: BTreeMap<(MemberId, MemberId), VecDeque<(bool, Vec<u8>)>>,
    ticks: u64,
    snapshots: u64,
}

/// Members 1, 2 and so on, with these priorities.
fn net(seed: u64, priorities: &[u8]) -> Net {
    let ids: Vec<MemberId> = (1..=priorities.len() as MemberId).collect();
    let mut net = Net { peers: BTreeMap::new(), options: BTreeMap::new(), wires: BTreeMap::new(), ticks: 0, snapshots: 0 };
    for (id, priority) in ids.iter().zip(priorities) {
        let rank = priorities.iter().filter(|other| *other > priority).count();
        let options = ReplicaOptions {
            id: *id,
            election_ticks: 40,
            heartbeat_ticks: 5,
            band_ticks: 3,
            priority: *priority,
            rank,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            cache_bytes: 4096,
        };
        let (journal, record) = Journal::found(*id, &ids);
        let replica = Replica::new(options.clone(), journal).unwrap();
        net.options.insert(*id, options);
        net.peers.insert(*id, Peer { replica, journal: vec![record], writing: Vec::new(), applied: Vec::new(), barriers: Vec::new(), up: true });
    }
    net
}

impl Net {
    fn peer(&mut self, id: MemberId) -> &mut Peer {
        self.peers.get_mut(&id).unwrap()
    }

    fn send(&mut self, from: MemberId, to: MemberId, whole: bool, bytes: Vec<u8>) {
        self.wires.entry((from, to)).or_default().push_back((whole, bytes));
    }

    /// One tick: what was sent before it arrives, disks take what they were given.
    fn tick(&mut self) {
        self.ticks += 1;
        for id in self.ids() {
            self.peer(id).replica.tick();
        }
        let wires = std::mem::take(&mut self.wires);
        for ((from, to), messages) in wires {
            if !self.peers[&to].up || !self.peers[&from].up {
                continue;
            }
            for (whole, bytes) in messages {
                if whole {
                    let state: Vec<_> = self.peers[&from].applied.clone();
                    let index = snapshot_index(&bytes).unwrap();
                    let peer = self.peer(to);
                    peer.replica.step(from, &bytes).unwrap();
                    self.turns(to, Some((index, state)));
                    self.peer(from).replica.snapshot_sent(to, true);
                } else {
                    self.peer(to).replica.step(from, &bytes).unwrap();
                }
            }
        }
        for id in self.ids() {
            self.write(id);
            self.turns(id, None);
        }
    }

    fn write(&mut self, id: MemberId) {
        let peer = self.peer(id);
        for persist in std::mem::take(&mut peer.writing) {
            peer.journal.extend(persist.records);
            peer.replica.persisted(persist.number);
        }
    }

    fn turns(&mut self, id: MemberId, staged: Option<(u64, Vec<(u64, Vec<u8>)>)>) {
        let mut sends = Vec::new();
        let peer = self.peers.get_mut(&id).unwrap();
        let mut installed = false;
        while let Some(turn) = peer.replica.turn() {
            sends.extend(turn.sends.into_iter().map(|(to, bytes)| (to, false, bytes)));
            sends.extend(turn.snapshots.into_iter().map(|(to, bytes)| (to, true, bytes)));
            if let Some(persist) = turn.persist {
                if let Some(index) = persist.install {
                    let (of, state) = staged.clone().unwrap();
                    assert_eq!(of, index);
                    // The state stands in the place of all records before it.
                    peer.journal = peer.replica.head(index);
                    peer.journal.extend(persist.records);
                    peer.replica.persisted(persist.number);
                    peer.applied = state.into_iter().filter(|(at, _)| *at <= index).collect();
                    peer.replica.applied(index);
                    installed = true;
                } else {
                    peer.writing.push(persist);
                }
            }
            for committed in turn.committed {
                if let What::Data(data) = committed.what {
                    peer.applied.push((committed.index, data));
                }
                peer.replica.applied(committed.index);
            }
            peer.barriers.extend(turn.barriers);
        }
        if peer.replica.wants_snapshot() {
            let index = peer.replica.node.raft.raft_log.applied;
            peer.replica.offer_snapshot(index);
        }
        self.snapshots += u64::from(installed);
        for (to, whole, bytes) in sends {
            self.send(id, to, whole, bytes);
        }
    }

    fn ids(&self) -> Vec<MemberId> {
        self.peers.iter().filter(|(_, peer)| peer.up).map(|(id, _)| *id).collect()
    }

    fn leader(&self) -> Option<MemberId> {
        let leads = |id: &MemberId| self.peers[id].replica.standing().role == Role::Leader && self.peers[id].replica.is_settled();
        let term = |id: &MemberId| self.peers[id].replica.standing().term;
        self.ids().into_iter().filter(leads).max_by_key(term)
    }

    #[track_caller]
    fn until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.ticks + 2_000;
        while !holds(self) {
            assert!(self.ticks < end, "it never came to that");
            self.tick();
        }
    }

    fn wait_leader(&mut self) -> MemberId {
        self.until(|net| net.leader().is_some());
        self.leader().unwrap()
    }

    fn propose(&mut self, data: &[u8]) {
        let leader = self.wait_leader();
        self.peer(leader).replica.propose(vec![data.to_vec()]).unwrap();
        let (id, data) = (leader, data.to_vec());
        self.until(move |net| net.peers[&id].applied.iter().any(|(_, other)| *other == data));
    }

    /// It ends here; what was not written is lost.
    fn crash(&mut self, id: MemberId) {
        let peer = self.peer(id);
        peer.up = false;
        peer.writing.clear();
        self.wires.retain(|(from, to), _| *from != id && *to != id);
        for other in self.ids() {
            self.peer(other).replica.link(id, false);
        }
    }

    fn restart(&mut self, id: MemberId) {
        let mut journal = Journal::default();
        self.peers[&id].journal.iter().for_each(|record| journal.take(record).unwrap());
        journal.check().unwrap();
        let base = journal.base_index();
        let options = self.options[&id].clone();
        let peer = self.peer(id);
        peer.applied.retain(|(index, _)| *index <= base);
        peer.replica = Replica::new(options, journal).unwrap();
        peer.up = true;
    }

    #[track_caller]
    fn settle(&mut self) {
        self.until(|net| {
            let ids = net.ids();
            let last = |id: &MemberId| net.peers[id].applied.clone();
            net.leader().is_some() && ids.iter().all(|id| last(id) == last(&ids[0]))
        });
    }
}

#[test]
fn the_highest_priority_leads_first() {
    for seed in 0..200 {
        let mut net = net(seed, &[10, 20, 30, 40, 50]);
        assert_eq!(net.wait_leader(), 5, "seed {seed}");
        assert!(net.ticks < 70, "seed {seed}: {} ticks", net.ticks);
    }
}

#[test]
fn after_a_crash_the_next_by_priority_leads() {
    for seed in 0..100 {
        let mut net = net(seed, &[10, 20, 30, 40, 50]);
        net.propose(b"a");
        net.settle();
        net.crash(5);
        assert_eq!(net.wait_leader(), 4, "seed {seed}");
    }
}

#[test]
fn a_member_of_priority_0_never_leads_and_the_others_go_on() {
    for seed in 0..50 {
        let mut net = net(seed, &[0, 1, 0]);
        assert_eq!(net.wait_leader(), 2, "seed {seed}");
        net.propose(b"a");
        net.crash(2);
        for _ in 0..200 {
            net.tick();
        }
        assert_eq!(net.leader(), None);
        net.restart(2);
        net.propose(b"b");
        assert_eq!(net.leader(), Some(2));
    }
}

#[test]
fn what_a_majority_has_outlives_any_crash() {
    let mut net = net(7, &[10, 20, 30]);
    for number in 0..40_u8 {
        net.propose(&[number; 64]);
        if number % 5 == 4 {
            let leader = net.wait_leader();
            net.crash(leader);
            net.propose(&[number, 255]);
            net.restart(leader);
        }
    }
    net.settle();
    for id in 1..=3 {
        let numbers: Vec<u8> = net.peers[&id].applied.iter().filter(|(_, data)| data.len() == 64).map(|(_, data)| data[0]).collect();
        assert_eq!(numbers, (0..40).collect::<Vec<_>>(), "member {id}");
    }
}

#[test]
fn all_crash_at_once_and_nothing_agreed_is_lost() {
    let mut net = net(8, &[10, 20, 30]);
    for number in 0..10_u8 {
        net.propose(&[number]);
        (1..=3).for_each(|id| net.crash(id));
        (1..=3).for_each(|id| net.restart(id));
    }
    net.settle();
    assert_eq!(net.peers[&1].applied.len(), 10);
}

#[test]
fn who_lags_beyond_the_cache_is_sent_the_whole_state() {
    let mut net = net(9, &[10, 20, 30]);
    net.propose(b"before");
    net.crash(1);
    for number in 0..100_u8 {
        net.propose(&[number; 200]);
    }
    net.restart(1);
    net.settle();
    assert!(net.snapshots > 0);
    assert_eq!(net.peers[&1].applied.len(), 101);
    // What was installed is what it begins with the next time.
    net.crash(1);
    let applied = net.peers[&1].applied.clone();
    net.restart(1);
    assert!(!net.peers[&1].applied.is_empty() && applied.starts_with(&net.peers[&1].applied));
    net.propose(b"after");
    net.settle();
}

#[test]
fn leadership_goes_to_whom_it_is_handed_though_others_rank_higher() {
    for to in 1..=4 {
        let mut net = net(u64::from(to), &[10, 20, 30, 40, 50]);
        net.propose(b"a");
        net.settle();
        net.peer(5).replica.set_priority(1, 0);
        net.peer(5).replica.transfer(to);
        net.until(|net| net.leader() == Some(to));
    }
}

#[test]
fn a_barrier_is_no_earlier_than_what_was_agreed() {
    let mut net = net(3, &[10, 20, 30]);
    net.propose(b"a");
    let agreed = net.peers[&3].applied.last().unwrap().0;
    net.peer(1).replica.read_barrier(b"question".to_vec());
    net.until(|net| !net.peers[&1].barriers.is_empty());
    let (context, index) = net.peers[&1].barriers[0].clone();
    assert_eq!(context, b"question");
    assert!(index >= agreed);
}

#[test]
fn who_is_alone_leads_and_goes_on_leading() {
    let mut net = net(3, &[10]);
    net.propose(b"a");
    let term = net.peers[&1].replica.standing().term;
    net.peer(1).replica.step_down();
    net.propose(b"b");
    assert_eq!(net.peers[&1].replica.standing().term, term);
}

#[test]
fn records_cut_short_between_groups_are_a_journal_all_the_same() {
    // The records of one write may come to the disk in several groups, of which a crash leaves the first ones.
    let mut net = net(5, &[10, 20, 30]);
    net.propose(b"a");
    net.settle();
    net.crash(1);
    for number in 0..8_u8 {
        net.propose(&[number]);
    }
    net.restart(1);
    net.until(|net| {
        for persist in &net.peers[&1].writing {
            for taken in 0..=persist.records.len() {
                let mut journal = Journal::default();
                net.peers[&1].journal.iter().chain(&persist.records[..taken]).for_each(|record| journal.take(record).unwrap());
                journal.check().unwrap();
            }
        }
        net.peers[&1].applied.len() == 9
    });
}

fn entry(kind: i32, index: u64, term: u64, data: Vec<u8>) -> Entry {
    let mut entry = Entry::default();
    entry.set_entry_type([EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2][kind as usize % 3]);
    entry.index = index;
    entry.term = term;
    entry.context = data.iter().rev().copied().collect::<Vec<_>>().into();
    entry.data = data.into();
    entry
}

proptest! {
    #[test]
    fn messages_come_back_as_they_went(
        kind in 0_usize..12, numbers in prop::array::uniform7(any::<u32>()), reject: bool, priority: i64,
        context in prop::collection::vec(any::<u8>(), 0..20), datas in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
    ) {
        let kinds = [
            MessageType::MsgAppend, MessageType::MsgAppendResponse, MessageType::MsgRequestVote, MessageType::MsgRequestVoteResponse,
            MessageType::MsgSnapshot, MessageType::MsgHeartbeat, MessageType::MsgHeartbeatResponse, MessageType::MsgTimeoutNow,
            MessageType::MsgReadIndex, MessageType::MsgReadIndexResp, MessageType::MsgRequestPreVote, MessageType::MsgRequestPreVoteResponse,
        ];
        let mut message = Message::default();
        message.set_msg_type(kinds[kind]);
        message.from = 3;
        message.to = 5;
        let [term, log_term, index, commit, commit_term, request_snapshot, reject_hint] = numbers.map(u64::from);
        message.term = if kinds[kind] == MessageType::MsgReadIndex { 0 } else { term + 1 };
        (message.log_term, message.index, message.commit, message.commit_term) = (log_term, index, commit, commit_term);
        (message.request_snapshot, message.reject_hint, message.reject, message.priority) = (request_snapshot, reject_hint, reject, priority);
        message.context = context.into();
        let mut entries: Vec<Entry> = datas.into_iter().zip(index + 1..).map(|(data, at)| entry(at as i32 & 3, at, 1, data)).collect();
        if kinds[kind] == MessageType::MsgReadIndex {
            entries = vec![entry(0, 0, 0, vec![1, 2, 3])];
        }
        message.set_entries(entries.into());
        if kinds[kind] == MessageType::MsgSnapshot {
            let mut of = SnapshotMetadata::default();
            (of.index, of.term) = (index + 1, term);
            let mut state = ConfState::default();
            state.set_voters(vec![1, 2, 255]);
            state.set_learners(vec![7]);
            of.set_conf_state(state);
            let mut snapshot = Snapshot::default();
            snapshot.set_metadata(of);
            message.set_snapshot(snapshot);
        }
        prop_assert_eq!(codec::decode(&codec::encode(&message), 3, 5).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..28) {
        let _ = codec::decode(&bytes, 1, 2);
        let mut led = vec![kind];
        led.extend_from_slice(&bytes);
        let _ = codec::decode(&led, 1, 2);
        let mut journal = Journal::default();
        for first in 0xf0..=0xf4 {
            led[0] = first;
            let _ = journal.take(&led);
            let _ = journal.check();
        }
        let _ = codec::change(&entry(2, 1, 1, bytes));
    }

    #[test]
    fn a_journal_comes_back_as_it_was_written(terms in prop::collection::vec(1_u64..4, 1..20), commit in 0_u64..20) {
        let (mut journal, record) = Journal::found(2, &[3, 1, 2]);
        let mut read = Journal::default();
        read.take(&record).unwrap();
        let mut term = 1;
        for (index, more) in (2..).zip(terms) {
            term += more / 3;
            let entry = entry(0, index, term, vec![index as u8; 9]);
            read.take(&journal::entry(&entry)).unwrap();
            journal.entries.push_back(entry);
        }
        let mut hard = HardState::default();
        (hard.term, hard.vote, hard.commit) = (term, 3, commit.min(journal.entries.len() as u64) + 1);
        journal.hard = hard;
        read.take(&journal::hard(&journal.hard)).unwrap();
        read.check().unwrap();
        prop_assert_eq!((read.id(), read.base, &read.hard, &read.entries), (journal.id(), journal.base, &journal.hard, &journal.entries));
        prop_assert_eq!(read.membership(), Membership { voters: vec![1, 2, 3], learners: vec![], changing: false });
    }
}
