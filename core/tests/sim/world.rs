//! The world of one seed: the clock, the network, the members and the clients, in one thread.

use crate::chance::{Chance, Trace};
use crate::clients::{Client, State};
use crate::invariants::Invariants;
use crate::member::{Asked, Bug, Flight, Job, Member, Op, Write, Written};
use folkmoot::ensemble::{Delivery, Message, Output, Voter};
use folkmoot::error::ErrorKind;
use folkmoot::ids::SessionId;
use folkmoot::log::replica::{MemberId, Role, snapshot_index};
use folkmoot::machine::{Entry, Machine};
use folkmoot::request::{Acl, CreateMode, Reply, Request, Requester};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub const TICK_MS: u64 = 10;
const WALL_MS: i64 = 1_700_000_000_000;
/// A leader whose disk has not answered for so long leads no more.
const STALL_MS: u64 = 1_000;

pub enum Event {
    Tick(MemberId, u64),
    Arrive { from: MemberId, to: MemberId, stream: u64, message: Message },
    Whole { from: MemberId, to: MemberId, stream: u64, message: Message, records: Rc<Vec<Vec<u8>>> },
    Sent { at: MemberId, life: u64, to: MemberId, arrived: bool },
    Disk(MemberId, u64),
    Jobs(MemberId, u64),
    Client(usize),
    Fault,
    Heal(MemberId, MemberId),
    Restart(MemberId),
    Room(MemberId),
}

#[derive(Default)]
struct Link {
    stream: u64,
    /// The stream before, of which what is on its way still arrives.
    overlaps: Option<u64>,
    cut: bool,
    last: u64,
    last_whole: u64,
}

/// How often things really happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub leaders: u64,
    pub crashes: u64,
    pub crashes_that_lost: u64,
    pub one_way_cuts: u64,
    pub partitions: u64,
    pub resets: u64,
    pub overlaps: u64,
    pub pauses: u64,
    pub full_disks: u64,
    pub failed_syncs: u64,
    pub slow_disks: u64,
    pub skews: u64,
    pub blackouts: u64,
    pub snapshots_installed: u64,
    pub snapshots_taken: u64,
    pub expired: u64,
    pub moved: u64,
    pub resumed: u64,
    pub transfers: u64,
    pub writes: u64,
    pub barriers: u64,
    pub reads: u64,
    pub member_changes: u64,
    pub joined: u64,
    pub left: u64,
    pub steps: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        macro_rules! sum { ($($name:ident)*) => { $(self.$name += other.$name;)* } }
        sum!(leaders crashes crashes_that_lost one_way_cuts partitions resets overlaps pauses full_disks failed_syncs slow_disks skews blackouts
            snapshots_installed snapshots_taken expired moved resumed transfers writes barriers reads
            member_changes joined left steps);
    }
}

pub struct World {
    pub now: u64,
    pub chance: Chance,
    pub trace: Trace,
    pub counts: Counts,
    pub members: BTreeMap<MemberId, Member>,
    pub voters: Vec<Voter>,
    pub clients: Vec<Client>,
    pub broken: Option<String>,
    pub faulty: bool,
    pub quiet: bool,
    pub bug: Option<Bug>,
    pub invariants: Invariants,
    pub reference: Machine,
    pub reference_index: u64,
    links: BTreeMap<(MemberId, MemberId), Link>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    seed: u64,
    cache_bytes: usize,
    attachments: u64,
    values: u64,
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Chance::new(seed);
        let many = if chance.per_mille(600) { 3 } else { 5 };
        let has_zero = chance.per_mille(200);
        let voters: Vec<Voter> = (1..=many).map(|id| Voter { id, priority: if has_zero && id == 1 { 0 } else { 10 * id } }).collect();
        let cache_bytes = if chance.per_mille(700) { 3_000 } else { 60_000 };
        let mut world = Self {
            now: 0,
            trace: Trace::new(),
            counts: Counts::default(),
            members: voters.iter().map(|voter| (voter.id, Member::new(voter.id, voter.priority, chance.next()))).collect(),
            clients: (0..6).map(|number| Client::new(number % 2 == 0)).collect(),
            voters,
            broken: None,
            faulty: true,
            quiet: false,
            bug,
            invariants: Invariants::default(),
            reference: Machine::new(1, false),
            reference_index: 1,
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            order: 0,
            seed,
            cache_bytes,
            attachments: 0,
            values: 0,
            chance,
        };
        for id in world.ids() {
            for to in world.ids() {
                world.links.insert((id, to), Link::default());
            }
        }
        // Clocks of the wall agree as they please.
        for member in world.members.values_mut() {
            if world.chance.per_mille(300) {
                world.counts.skews += 1;
                member.skew_ms = world.chance.below(120_000) as i64 - 60_000;
            }
        }
        for id in world.ids() {
            world.start(id);
        }
        for client in 0..world.clients.len() {
            world.at(client as u64 * 3, Event::Client(client));
        }
        world.at(300, Event::Fault);
        world
    }

    pub fn ids(&self) -> Vec<MemberId> {
        self.members.keys().copied().collect()
    }

    pub fn at(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.events.insert((self.now + after, self.order), event);
    }

    pub fn breaks(&mut self, what: String) {
        if self.broken.is_none() {
            self.broken = Some(format!("at {} ms: {what}", self.now));
        }
    }

    fn check(&mut self, check: Result<(), String>) {
        if let Err(what) = check {
            self.breaks(what);
        }
    }

    /// Runs for so long, or until something is broken.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.broken.is_none()
            && let Some(((at, order), event)) = self.events.pop_first()
        {
            if at > end {
                self.events.insert((at, order), event);
                break;
            }
            self.now = at;
            self.counts.steps += 1;
            self.happens(event);
        }
        self.now = end;
    }

    fn happens(&mut self, event: Event) {
        let whose = match &event {
            Event::Tick(id, _) | Event::Disk(id, _) | Event::Jobs(id, _) | Event::Arrive { to: id, .. } | Event::Whole { to: id, .. } => Some(*id),
            Event::Sent { at, .. } => Some(*at),
            _ => None,
        };
        if let Some(id) = whose
            && self.members[&id].paused_until > self.now
        {
            // Its host has stopped; all waits, in this order.
            let wait = self.members[&id].paused_until - self.now;
            self.at(wait, event);
            return;
        }
        match event {
            Event::Tick(id, life) => self.tick(id, life),
            Event::Arrive { from, to, stream, message } => {
                if self.flows(from, to, stream) {
                    self.receive(from, to, message);
                }
            }
            Event::Whole { from, to, stream, message, records } => self.whole(from, to, stream, message, &records),
            Event::Sent { at, life, to, arrived } => {
                if let Some(running) = self.alive(at, life) {
                    running.node.snapshot_sent(to, arrived);
                    self.pump(at);
                }
            }
            Event::Disk(id, life) => self.disk(id, life),
            Event::Jobs(id, life) => {
                if let Some(running) = self.alive(id, life) {
                    running.jobs_due = false;
                    self.jobs(id);
                }
            }
            Event::Client(number) => crate::doings::client(self, number),
            Event::Fault => crate::faults::fault(self),
            Event::Heal(from, to) => self.heal(from, to),
            Event::Restart(id) => self.start(id),
            Event::Room(id) => self.members[&id].disk.full_after(None),
        }
    }

    pub fn alive(&mut self, id: MemberId, life: u64) -> Option<&mut crate::member::Running> {
        let member = self.members.get_mut(&id)?;
        if member.life != life { None } else { member.running.as_mut() }
    }

    pub fn start(&mut self, id: MemberId) {
        if self.members[&id].running.is_some() || self.members[&id].gone {
            return;
        }
        let (voters, seed, cache_bytes) = (self.voters.clone(), self.seed, self.cache_bytes);
        let member = self.members.get_mut(&id).unwrap();
        match member.start(&voters, seed, cache_bytes) {
            Ok(true) => {}
            Ok(false) => return self.at(500, Event::Restart(id)),
            Err(error) if error.kind() == ErrorKind::DiskFailed => {
                // What it began with stays unknown; the next process begins anew.
                member.disk = member.disk.crash();
                return self.at(500, Event::Restart(id));
            }
            Err(error) => return self.breaks(format!("member {id} does not start: {error}")),
        }
        let life = member.life;
        if member.gone {
            member.running = None;
            return;
        }
        self.trace.number(u64::from(id) << 32 | life);
        for other in self.ids() {
            self.reset(id, other, false);
        }
        let first = self.chance.below(TICK_MS);
        self.at(first, Event::Tick(id, life));
        self.pump(id);
    }

    /// The process ends; what its disk was not made to keep may be lost.
    pub fn crash(&mut self, id: MemberId) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = member.running.take() else { return };
        self.counts.crashes += 1;
        self.counts.crashes_that_lost += u64::from(!running.writes.is_empty());
        drop(running);
        member.disk = member.disk.crash();
        member.paused_until = 0;
        for other in self.ids() {
            if other != id {
                self.reset(id, other, false);
            }
        }
        for client in &mut self.clients {
            if client.member == id && !client.wire && client.state != State::Gone {
                client.end();
            }
        }
    }

    /// A member that is to join begins; whether it is let in is another matter.
    pub fn newcomer(&mut self) -> MemberId {
        let id = self.members.keys().last().unwrap() + 1;
        let mut member = Member::new(id, 10 * id, self.chance.next());
        member.joins = true;
        self.members.insert(id, member);
        for other in self.ids() {
            self.links.insert((id, other), Link::default());
            self.links.insert((other, id), Link::default());
        }
        let wait = self.chance.between(1, 400);
        self.at(wait, Event::Restart(id));
        id
    }

    // Links.

    fn flows(&self, from: MemberId, to: MemberId, stream: u64) -> bool {
        let link = &self.links[&(from, to)];
        link.stream == stream || link.overlaps == Some(stream)
    }

    /// Both directions begin anew; what was on its way is lost, or comes all the same.
    pub fn reset(&mut self, one: MemberId, other: MemberId, overlaps: bool) {
        if one == other {
            return;
        }
        for pair in [(one, other), (other, one)] {
            let link = self.links.get_mut(&pair).unwrap();
            link.overlaps = overlaps.then_some(link.stream);
            link.stream += 1;
        }
        let is_up =
            !self.links[&(one, other)].cut && !self.links[&(other, one)].cut && self.members[&one].running.is_some() && self.members[&other].running.is_some();
        self.tell_link(one, other, is_up);
    }

    fn tell_link(&mut self, one: MemberId, other: MemberId, up: bool) {
        for (id, with) in [(one, other), (other, one)] {
            let is_awake = self.members[&id].paused_until <= self.now;
            if let Some(running) = &mut self.members.get_mut(&id).unwrap().running
                && is_awake
            {
                running.node.link(with, up);
                self.pump(id);
            }
        }
    }

    /// Nothing goes from one to the other any more. Whether they notice is another matter.
    pub fn cut(&mut self, from: MemberId, to: MemberId, told: bool) {
        let link = self.links.get_mut(&(from, to)).unwrap();
        link.cut = true;
        link.stream += 1;
        link.overlaps = None;
        if told {
            self.tell_link(from, to, false);
        }
    }

    pub fn heal(&mut self, from: MemberId, to: MemberId) {
        let link = self.links.get_mut(&(from, to)).unwrap();
        if std::mem::take(&mut link.cut) {
            self.reset(from, to, false);
        }
    }

    fn send(&mut self, from: MemberId, to: MemberId, message: Message) {
        let delay = if self.chance.per_mille(20) { self.chance.between(5, 80) } else { self.chance.between(1, 4) };
        let now = self.now;
        let link = self.links.get_mut(&(from, to)).unwrap();
        if link.cut || self.members[&to].running.is_none() {
            return;
        }
        link.last = link.last.max(now + delay);
        let (after, stream) = (link.last - now, link.stream);
        self.at(after, Event::Arrive { from, to, stream, message });
    }

    fn send_whole(&mut self, from: MemberId, to: MemberId, message: Message) {
        let life = self.members[&from].life;
        let delay = self.chance.between(5, 150);
        let now = self.now;
        let running = self.members[&from].running.as_ref().unwrap();
        let index = if let Message::Log(bytes) = &message { snapshot_index(bytes) } else { None };
        let records = running.offered.as_ref().filter(|(offered, _)| Some(*offered) == index).map(|(_, records)| records.clone());
        let is_there = self.members[&to].running.is_some();
        let link = self.links.get_mut(&(from, to)).unwrap();
        match records {
            Some(records) if !link.cut && is_there => {
                link.last_whole = link.last_whole.max(now + delay);
                let (after, stream) = (link.last_whole - now, link.stream);
                self.at(after, Event::Whole { from, to, stream, message, records });
            }
            _ => self.at(1, Event::Sent { at: from, life, to, arrived: false }),
        }
    }

    fn whole(&mut self, from: MemberId, to: MemberId, stream: u64, message: Message, records: &[Vec<u8>]) {
        let arrives = self.links[&(from, to)].stream == stream && self.members[&to].running.is_some();
        let life = self.members[&from].life;
        self.at(1, Event::Sent { at: from, life, to, arrived: arrives });
        if !arrives {
            return;
        }
        let mut machine = Machine::to_load(self.seed ^ u64::from(to), false);
        for record in records {
            if let Err(error) = machine.load(record) {
                return self.breaks(format!("member {to} cannot load the state of {from}: {error}"));
            }
        }
        let Message::Log(bytes) = &message else { return };
        let Some(index) = snapshot_index(bytes) else { return self.breaks("a state that nobody announced".into()) };
        if let Some(running) = &mut self.members.get_mut(&to).unwrap().running {
            running.staged = Some((index, Box::new(machine)));
        }
        self.receive(from, to, message);
    }

    fn receive(&mut self, from: MemberId, to: MemberId, message: Message) {
        let bytes = message.encode();
        self.trace.number(self.now << 16 | u64::from(from) << 8 | u64::from(to));
        self.trace.bytes(&bytes);
        let now = self.now;
        let Some(running) = &mut self.members.get_mut(&to).unwrap().running else { return };
        if let Message::Alive(sessions) = &message
            && running.node.leads()
        {
            for session in sessions {
                self.invariants.expiry.heard(to, *session, now);
            }
        }
        let read = match Message::decode(&bytes) {
            Ok(read) if read == message => read,
            _ => return self.breaks("a message does not come back as it went".into()),
        };
        match running.node.receive(from, read) {
            Ok(()) => self.pump(to),
            Err(error) => self.breaks(format!("member {to} does not go on: {error}")),
        }
    }

    // A member's turn.

    fn tick(&mut self, id: MemberId, life: u64) {
        let now = self.now;
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.life != life {
            return;
        }
        let Some(running) = &mut member.running else { return };
        running.node.tick(member.steady_ms + now, WALL_MS + now as i64 + member.skew_ms);
        let is_stuck = running.writing_since.is_some_and(|since| now - since > STALL_MS);
        if is_stuck && running.node.standing().role == Role::Leader {
            running.node.step_down();
        }
        self.pump(id);
        self.at(TICK_MS, Event::Tick(id, life));
    }

    pub fn pump(&mut self, id: MemberId) {
        let (now, skew) = (self.now, self.members[&id].skew_ms);
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        running.node.time(WALL_MS + now as i64 + skew);
        match running.node.take_output() {
            Ok(output) => self.carry_out(id, output),
            Err(error) => self.breaks(format!("member {id} gives up: {error}")),
        }
    }

    fn carry_out(&mut self, id: MemberId, output: Output) {
        for (to, message) in output.sends {
            self.send(id, to, message);
        }
        for (to, message) in output.snapshots {
            self.send_whole(id, to, message);
        }
        let (now, bug) = (self.now, self.bug);
        let life = self.members[&id].life;
        let slow = self.members[&id].slow_until > now;
        let mut early = 0;
        let mut delay = if slow { self.chance.between(20, 250) } else { self.chance.between(0, 3) };
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        for persist in output.persist {
            let is_vote = persist.install.is_none() && persist.records.iter().all(|record| record[0] == 0xf1);
            match bug {
                Some(Bug::EarlyAck) if persist.install.is_none() => early = persist.number,
                Some(Bug::VoteLate) if is_vote && running.writes.is_empty() => {
                    early = persist.number;
                    delay = 60;
                }
                _ => {}
            }
            let staged = persist.install.and_then(|index| running.staged.take().filter(|(staged, _)| *staged == index));
            match staged {
                Some((index, machine)) => {
                    let (head, frozen) = (running.node.head(index), machine.freeze());
                    running.installing.insert(persist.number, (index, machine));
                    running.writes.push_back(Write::Install { number: persist.number, head, frozen, records: persist.records });
                }
                None if persist.install.is_some() => return self.breaks(format!("member {id} is to install a state that has not come")),
                None => running.writes.push_back(Write::Records { number: persist.number, records: persist.records }),
            }
        }
        if !running.writes.is_empty() && running.writing_since.is_none() {
            running.writing_since = Some(now);
            self.at(delay, Event::Disk(id, life));
        }
        let mut leads = None;
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        if let Some(standing) = output.standing {
            if standing.role == Role::Leader {
                leads = Some(standing.term);
                running.jobs.push_back(Job::Grant);
            }
            if standing.leader.is_some() && running.node.waiting() > 0 {
                self.counts.resumed += 1;
            }
            self.trace.number(standing.term << 16 | u64::from(standing.leader.unwrap_or(0)));
        }
        running.jobs.extend(output.deliveries.into_iter().map(Job::Apply));
        if !output.barriers.is_empty() {
            running.jobs.push_back(Job::Barriers(output.barriers));
        }
        if output.wants_snapshot && !running.freezing {
            running.freezing = true;
            running.jobs.push_back(Job::Freeze { offer: true });
        }
        if running.since_snapshot > 60 && !running.snapshotting {
            running.snapshotting = true;
            running.since_snapshot = 0;
            running.jobs.push_back(Job::Freeze { offer: false });
        }
        if !running.jobs.is_empty() && !running.jobs_due {
            running.jobs_due = true;
            let delay = if self.chance.per_mille(20) { self.chance.between(5, 60) } else { self.chance.between(0, 2) };
            self.at(delay, Event::Jobs(id, life));
        }
        if output.left {
            self.members.get_mut(&id).unwrap().gone = true;
            self.counts.left += 1;
            return self.crash(id);
        }
        if let Some(term) = leads {
            self.counts.leaders += 1;
            let check = self.invariants.election.leads(term, id);
            self.check(check);
            self.invariants.expiry.begins(id, term, now);
            if self.faulty {
                crate::faults::about_an_election(self, id);
            }
        }
        if early > 0
            && let Some(running) = &mut self.members.get_mut(&id).unwrap().running
        {
            running.node.persisted(early);
            self.pump(id);
        }
    }

    fn disk(&mut self, id: MemberId, life: u64) {
        let (now, chance) = (self.now, &mut self.chance);
        let Some(member) = self.members.get_mut(&id).filter(|member| member.life == life) else { return };
        let Some(running) = &mut member.running else { return };
        // The power goes in the middle of a write, once in a while.
        let is_last = self.faulty && chance.per_mille(1);
        if is_last {
            let more = chance.below(4);
            member.disk.stop_at(member.disk.operations() + more);
        }
        let before = running.installing.len();
        match running.write() {
            Written::Done(number) => {
                if number > 0 {
                    running.node.persisted(number);
                }
                while let Some(first) = running.installing.first_entry()
                    && *first.key() <= number
                {
                    let (index, machine) = first.remove();
                    running.jobs.push_back(Job::Install(index, machine));
                }
                self.counts.snapshots_installed += (before - running.installing.len()) as u64;
                running.writing_since = if running.writes.is_empty() { None } else { Some(now) };
                if !running.writes.is_empty() {
                    let slow = member.slow_until > now;
                    let delay = if slow { chance.between(20, 250) } else { chance.between(0, 3) };
                    self.at(delay, Event::Disk(id, life));
                }
                self.pump(id);
                if is_last {
                    self.down(id);
                }
            }
            Written::Full => self.at(30, Event::Disk(id, life)),
            Written::Failed => {
                // What it was in the middle of is lost.
                self.down(id);
            }
        }
    }

    /// It crashes and comes back after a while.
    pub fn down(&mut self, id: MemberId) {
        self.crash(id);
        let wait = if self.chance.per_mille(500) { self.chance.between(10, 120) } else { self.chance.between(100, 1_500) };
        self.at(wait, Event::Restart(id));
    }

    // The machine's part.

    fn jobs(&mut self, id: MemberId) {
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        let jobs = std::mem::take(&mut running.jobs);
        for job in jobs {
            if self.broken.is_some() {
                return;
            }
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
            match job {
                Job::Apply(delivery) => self.apply(id, delivery),
                Job::Install(index, machine) => {
                    running.machine = *machine;
                    running.applied.0 = index;
                    running.node.enrolled(running.machine.roster());
                    running.node.installed(index);
                    let check = self.invariants.matching.state(id, index, &running.machine);
                    self.check(check);
                }
                Job::Grant => {
                    let sessions: Vec<_> = running.machine.sessions().map(|(session, record)| (session, record.timeout_ms)).collect();
                    running.node.grant(sessions.into_iter());
                }
                Job::Freeze { offer: true } => {
                    running.freezing = false;
                    let mut records = Vec::new();
                    let frozen = running.machine.freeze();
                    let put = frozen.records(&mut |record| {
                        records.push(record.to_vec());
                        Ok(())
                    });
                    assert!(put.is_ok());
                    running.offered = Some((running.applied.0, Rc::new(records)));
                    running.node.offer_snapshot(running.applied.0);
                }
                Job::Freeze { offer: false } => {
                    if running.node.holds(running.applied.0) {
                        self.counts.snapshots_taken += 1;
                        let (head, frozen) = (running.node.head(running.applied.0), running.machine.freeze());
                        running.writes.push_back(Write::Snapshot { head, frozen });
                    } else {
                        running.snapshotting = false;
                    }
                }
                Job::Barriers(numbers) => {
                    let zxid = running.machine.zxid().0;
                    for number in numbers {
                        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
                        if let Some(asked) = running.barriers.remove(&number) {
                            self.barrier_read(&asked, zxid);
                        }
                    }
                }
            }
        }
        self.pump(id);
    }

    pub fn barrier_read(&mut self, asked: &Asked, zxid: i64) {
        let client = &self.clients[asked.client];
        if client.life != asked.life || client.state != State::Live {
            return;
        }
        let session = client.session;
        self.counts.barriers += 1;
        let check = self.invariants.linear.read_ends(asked.floor, zxid);
        self.check(check);
        let check = self.invariants.order.sees(session, zxid);
        self.check(check);
    }

    fn apply(&mut self, id: MemberId, delivery: Delivery) {
        let mut trace = Trace::new();
        for (_, entry) in &delivery.entries {
            trace.bytes(&postcard::to_stdvec(entry).unwrap());
        }
        match self.invariants.matching.entry(id, delivery.index, trace.0) {
            Ok(true) => self.first(&delivery),
            Ok(false) => {}
            Err(what) => return self.breaks(what),
        }
        let index = delivery.index;
        let mut answers = Vec::new();
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        if index <= running.applied.0 {
            let last = running.applied.0;
            return self.breaks(format!("member {id} is given entry {index} after {last}"));
        }
        let roster = running.machine.roster().version();
        for (own, entry) in delivery.entries {
            let applied = running.machine.apply(&entry);
            running.since_snapshot += 1;
            if applied.outcome.is_ok() {
                match &entry {
                    Entry::Open { session, timeout_ms, .. } | Entry::Move { session, timeout_ms, .. } => running.node.opened(*session, *timeout_ms),
                    Entry::Close { session, .. } => running.node.closed(*session),
                    _ => {}
                }
            }
            if own == running.applied.1 + 1 {
                running.applied.1 = own;
                if let Some(flight) = running.flights.remove(&own) {
                    answers.push((flight, applied));
                }
            }
        }
        running.applied.0 = index;
        let (applied, number) = running.applied;
        if running.machine.roster().version() != roster {
            running.node.enrolled(running.machine.roster());
        }
        running.node.applied(applied, number);
        if index.is_multiple_of(16) {
            let check = self.invariants.matching.state(id, index, &running.machine);
            self.check(check);
        }
        for (flight, applied) in answers {
            crate::doings::answered(self, index, flight, applied);
        }
        self.trace.number(index << 8 | u64::from(id));
    }

    /// Nobody has applied this before: it is what all have to agree with.
    fn first(&mut self, delivery: &Delivery) {
        if delivery.index != self.reference_index + 1 {
            return self.breaks(format!("entry {} is applied and nobody has applied {}", delivery.index, self.reference_index + 1));
        }
        self.reference_index = delivery.index;
        self.counts.member_changes += u64::from(delivery.membership.is_some());
        let before: BTreeSet<MemberId> = self.reference.roster().members().map(|(id, _)| id).collect();
        for (_, entry) in &delivery.entries {
            if let Entry::Lead { member, term, .. } = entry {
                self.invariants.expiry.leader = Some((*member, *term));
            }
            if let Entry::Close { session, expired: true, time_ms } = entry
                && let Some(record) = self.reference.session(*session)
                && let Some((leader, _)) = self.invariants.expiry.leader
            {
                self.counts.expired += 1;
                let then = (time_ms - WALL_MS - self.members[&leader].skew_ms).max(0) as u64;
                let check = self.invariants.expiry.expires(*session, record.timeout_ms, then);
                self.check(check);
            }
            match self.invariants.once.apply(&mut self.reference, entry) {
                Ok(applied) => {
                    let check = self.invariants.ephemerals.applied(&self.reference, entry, &applied);
                    self.check(check);
                }
                Err(what) => self.breaks(what),
            }
        }
        if !before.is_empty() {
            self.counts.joined += self.reference.roster().members().filter(|(id, _)| !before.contains(id)).count() as u64;
        }
        if delivery.index.is_multiple_of(16) {
            let check = self.invariants.matching.state(0, delivery.index, &self.reference);
            self.check(check);
            let check = self.invariants.ephemerals.check(&self.reference);
            self.check(check);
        }
    }

    // What clients need.

    pub fn submit(&mut self, number: usize, entry: Entry, op: Op) {
        let client = &self.clients[number];
        let (id, life) = (client.member, client.member_life);
        let flight = Flight { client: number, life: client.life, session: client.session, attachment: client.attachment, op };
        let Some(running) = self.alive(id, life) else { return };
        let own = running.node.submit(entry);
        running.flights.insert(own, flight);
        self.pump(id);
    }

    pub fn next_attachment(&mut self) -> u64 {
        self.attachments += 1;
        self.attachments
    }

    pub fn next_value(&mut self) -> u64 {
        self.values += 1;
        self.values
    }

    pub fn create(&self, path: String, value: u64, mode: CreateMode) -> Request {
        Request::Create { path, data: Some(value.to_le_bytes().as_slice().into()), acl: Acl::open(), mode, ttl_ms: -1 }
    }

    pub fn value_of(machine: &Machine, path: &str) -> Option<u64> {
        match machine.read(&Request::Get { path: path.to_owned(), watch: false }, &Requester::default()) {
            Ok(Reply::Data { data: Some(data), .. }) => Some(u64::from_le_bytes(data[..].try_into().unwrap_or_default())),
            _ => None,
        }
    }

    pub fn is_over(error: ErrorKind) -> bool {
        matches!(error, ErrorKind::SessionExpired | ErrorKind::SessionMoved)
    }

    pub fn session_id(&mut self, id: MemberId) -> SessionId {
        let member = self.members.get_mut(&id).unwrap();
        member.sessions += 1;
        SessionId(i64::from(id) << 48 | member.sessions as i64)
    }

    pub fn cuts(&self) -> BTreeSet<(MemberId, MemberId)> {
        self.links.iter().filter(|(_, link)| link.cut).map(|(pair, _)| *pair).collect()
    }
}
