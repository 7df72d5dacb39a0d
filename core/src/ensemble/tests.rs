//! Nodes in one thread: what is sent arrives with the next tick, disks take what they are given at once.

use super::*;
use crate::ids::SessionId;
use crate::log::replica::{Journal, ReplicaOptions, Role};
use crate::machine::{Entry, Machine, Write};
use crate::request::{Acl, CreateMode, Request};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

struct Member {
    node: Node,
    machine: Machine,
    applied: (u64, u64),
    /// Of its own: the number, and whether it did what it says.
    answers: Vec<(u64, bool)>,
    barriers: Vec<(u64, i64)>,
}

struct Net {
    members: BTreeMap<MemberId, Member>,
    wires: Vec<(MemberId, MemberId, Message)>,
    /// Whom nothing reaches, and from whom nothing comes.
    away: BTreeSet<MemberId>,
    /// Forwarded entries that are lost on their way, so many more.
    lose: u32,
    ticks: u64,
}

const SESSION: SessionId = SessionId(77);

fn net(priorities: &[u8]) -> Net {
    let voters: Vec<Voter> = (1..).zip(priorities).map(|(id, priority)| Voter { id, priority: *priority }).collect();
    let ids: Vec<MemberId> = voters.iter().map(|voter| voter.id).collect();
    let member = |voter: &Voter| {
        let id = voter.id;
        let replica =
            ReplicaOptions { id, election_ticks: 40, heartbeat_ticks: 5, band_ticks: 3, priority: voter.priority, rank: 0, seed: 5, cache_bytes: 1 << 20 };
        let options = NodeOptions { incarnation: u64::from(id) << 32, replica, voters: voters.clone(), founders: Vec::new(), secret: [id; 32] };
        let node = Node::new(options, Journal::found(id, &ids).0).unwrap();
        (id, Member { node, machine: Machine::new(1, false), applied: (1, 0), answers: Vec::new(), barriers: Vec::new() })
    };
    Net { members: voters.iter().map(member).collect(), wires: Vec::new(), away: BTreeSet::new(), lose: 0, ticks: 0 }
}

impl Net {
    fn node(&mut self, id: MemberId) -> &mut Node {
        &mut self.members.get_mut(&id).unwrap().node
    }

    fn tick(&mut self) {
        self.ticks += 1;
        for (from, to, message) in std::mem::take(&mut self.wires) {
            let is_lost = self.lose > 0 && matches!(message, Message::Forward { .. });
            self.lose -= u32::from(is_lost);
            if !is_lost && !self.away.contains(&from) && !self.away.contains(&to) {
                self.node(to).receive(from, message).unwrap();
            }
        }
        for (id, member) in &mut self.members {
            member.node.tick(self.ticks * 10, self.ticks as i64 * 10);
            let mut busy = true;
            while busy {
                let output = member.node.take_output().unwrap();
                busy = !output.persist.is_empty() || !output.deliveries.is_empty();
                self.wires.extend(output.sends.into_iter().map(|(to, message)| (*id, to, message)));
                output.persist.iter().for_each(|persist| member.node.persisted(persist.number));
                for delivery in output.deliveries {
                    for (own, entry) in delivery.entries {
                        let is_done = member.machine.apply(&entry).outcome.is_ok();
                        match entry {
                            Entry::Open { session, timeout_ms, .. } if is_done => member.node.opened(session, timeout_ms),
                            Entry::Close { session, .. } if is_done => member.node.closed(session),
                            _ => {}
                        }
                        if own == member.applied.1 + 1 {
                            member.applied.1 = own;
                            member.answers.push((own, is_done));
                        }
                    }
                    member.applied.0 = delivery.index;
                    member.node.applied(delivery.index, member.applied.1);
                }
                let zxid = member.machine.zxid().0;
                member.barriers.extend(output.barriers.into_iter().map(|number| (number, zxid)));
                if output.standing.is_some_and(|standing| standing.role == Role::Leader) {
                    member.node.grant(member.machine.sessions().map(|(id, session)| (id, session.timeout_ms)));
                }
            }
        }
    }

    #[track_caller]
    fn until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.ticks + 3_000;
        while !holds(self) {
            assert!(self.ticks < end, "it never came to that");
            self.tick();
        }
    }

    fn leader(&self) -> Option<MemberId> {
        let leads = |id: &&MemberId| !self.away.contains(*id) && self.members[*id].node.leads();
        self.members.keys().filter(leads).max_by_key(|id| self.members[id].node.standing().term).copied()
    }

    fn open(&mut self, at: MemberId, timeout_ms: u32) {
        self.node(at).submit(Entry::Open { session: SESSION, timeout_ms, in_process: true, time_ms: 0 });
        self.until(|net| !net.members[&at].answers.is_empty());
        assert_eq!(self.members[&at].answers, [(1, true)]);
    }

    fn write(&mut self, at: MemberId, number: u64) {
        let request = Request::Create { path: format!("/{number}"), data: None, acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: -1 };
        let write = Write { session: SESSION, attachment: 0, number, answered: 0, time_ms: 0, identities: [].into(), request };
        self.node(at).submit(Entry::Write(Box::new(write)));
    }

    fn has(&self, at: MemberId, answers: u64) -> bool {
        self.members[&at].answers.len() as u64 == answers && self.members[&at].answers.iter().all(|(_, is_done)| *is_done)
    }

    fn znodes(&self, at: MemberId) -> usize {
        self.members[&at].machine.tree().len()
    }
}

#[test]
fn a_leader_that_is_behind_orders_nothing_until_it_has_caught_up() {
    let mut net = net(&[10, 20, 30]);
    net.open(1, 10_000);
    net.node(3).hold(true);
    (1..=10).for_each(|number| net.write(1, number));
    (0..300).for_each(|_| net.tick());
    assert!(net.has(1, 1), "and it leads on: {:?}", net.leader());
    assert_eq!(net.leader(), Some(3));
    net.node(3).hold(false);
    net.until(|net| net.has(1, 11));
    assert_eq!(net.members[&1].answers.len(), 11, "each once");
}

#[test]
fn a_follower_forwards_and_is_answered_when_it_has_applied() {
    let mut net = net(&[10, 20, 30]);
    net.open(1, 10_000);
    assert_eq!(net.leader(), Some(3));
    let before = net.znodes(1);
    (1..=100).for_each(|number| net.write(1, number));
    net.until(|net| net.has(1, 101));
    assert_eq!(net.znodes(1), before + 100);
    assert_eq!(net.node(1).waiting(), 0);
}

#[test]
fn what_is_lost_on_its_way_is_sent_again_in_order() {
    let mut net = net(&[10, 20, 30]);
    net.open(1, 10_000);
    net.lose = 1;
    net.write(1, 1);
    net.tick();
    net.write(1, 2);
    net.until(|net| net.has(1, 3));
    net.lose = 1;
    net.write(1, 3);
    net.until(|net| net.has(1, 4));
}

#[test]
fn a_pipeline_goes_on_through_changes_of_leaders_each_write_once() {
    let mut net = net(&[10, 20, 30]);
    net.open(1, 60_000);
    let before = net.znodes(1);
    for number in 1..=300_u64 {
        net.write(1, number);
        net.tick();
        if number.is_multiple_of(100) {
            let leader = net.leader().unwrap_or(3);
            net.away = if leader == 1 { BTreeSet::new() } else { [leader].into() };
            for id in 1..=3 {
                for with in 1..=3 {
                    let is_up = !net.away.contains(&id) && !net.away.contains(&with);
                    if id != with {
                        net.node(id).link(with, is_up);
                    }
                }
            }
        }
    }
    net.away.clear();
    net.until(|net| net.has(1, 301));
    // Done a second time, a create fails; and none is missing.
    assert_eq!(net.znodes(1), before + 300);
}

#[test]
fn a_barrier_shows_what_was_answered_before_it_was_asked_for() {
    let mut net = net(&[10, 20, 30]);
    net.open(3, 10_000);
    net.write(3, 1);
    net.until(|net| net.has(3, 2));
    let zxid = net.members[&3].machine.zxid().0;
    let number = net.node(1).barrier();
    net.until(|net| !net.members[&1].barriers.is_empty());
    assert!(net.members[&1].barriers[0].0 == number && net.members[&1].barriers[0].1 >= zxid);
    assert_eq!(net.members[&1].node.view().last, net.members[&3].node.view().last, "it cost no entry");
}

#[test]
fn leadership_returns_to_the_highest_and_goes_where_it_is_handed() {
    for seed in 0..20 {
        let mut net = net(&[10, 20, 30, 40, 50]);
        (0..seed).for_each(|_| net.tick());
        net.until(|net| net.leader() == Some(5));
        net.away = [5].into();
        net.until(|net| net.leader() == Some(4));
        net.away.clear();
        net.until(|net| net.leader() == Some(5) && !net.members[&4].node.leads());
        net.node(5).transfer(2).unwrap();
        net.until(|net| net.leader() == Some(2));
        net.until(|net| net.leader() == Some(5));
    }
}

/// The one that never leads may be the only one left that has what was agreed on: it passes that on, and no more.
#[test]
fn what_only_a_member_of_priority_0_has_is_not_out_of_reach() {
    let mut net = net(&[0, 10, 20]);
    net.until(|net| net.leader() == Some(3));
    net.open(3, 60_000);
    net.away.insert(2);
    let before = net.znodes(2);
    net.write(3, 1);
    net.until(|net| net.has(3, 2));
    net.away = [3].into();
    net.until(|net| {
        assert!(!net.members[&1].node.leads());
        net.leader() == Some(2)
    });
    net.until(|net| net.znodes(2) == before + 1);
}

#[test]
fn silence_ends_a_session_and_a_sign_of_life_at_any_member_does_not() {
    let mut net = net(&[10, 20, 30]);
    net.open(1, 1_000);
    for _ in 0..300 {
        net.node(1).touch(SESSION);
        net.tick();
    }
    assert!(net.members[&2].machine.session(SESSION).is_some());
    let silent = net.ticks;
    net.until(|net| net.members[&2].machine.session(SESSION).is_none());
    assert!(net.ticks >= silent + 90, "{} ticks", net.ticks - silent);
}

proptest! {
    #[test]
    fn messages_come_back_and_no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), incarnation: u64, sessions in prop::collection::vec(any::<i64>(), 0..5)) {
        let _ = Message::decode(&bytes);
        let _ = message::unpack(&bytes);
        let entry = Entry::Sweep { path: "/a".into(), time_ms: 1 };
        for message in [
            Message::Log(bytes),
            Message::Alive(sessions.into_iter().map(SessionId).collect()),
            Message::Resend { incarnation, next: incarnation / 3 },
            Message::Forward { incarnation, oldest: 1, first: 2, entries: vec![entry.clone()] },
        ] {
            prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
        let envelopes = vec![Envelope { origin: 3, incarnation, number: 4, entry }];
        let mut place = message::Place::default();
        envelopes.iter().for_each(|envelope| place.put(envelope));
        prop_assert_eq!(message::unpack(&place.pack()).unwrap(), envelopes);
    }
}
