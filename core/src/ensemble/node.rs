//! A member among members.
//!
//! Its own sessions' writes are numbered in one line and kept until they have been applied here; whoever leads gets them in order,
//! again from the oldest whenever a leader changes or something was lost on the way. The leader takes each once, stamps the time
//! and proposes it; should an entry come twice into the log all the same, the machine answers it as the first time. So a
//! change of leaders neither loses, nor doubles, nor reorders what a session has under way.
//!
//! What always holds: a leader's first entry says that it leads, before any other of its term; a session ends by silence only
//! through the log, on the word of a leader that has granted it a whole timeout; a read barrier is met by an index that the leader
//! was told after the barrier was asked for.
//!
//! Who is silent is judged by a failure detector that every message feeds. Followers have nothing to say to each other, so they
//! beat; the judgement is for whoever looks, and decides nothing here: elections have timeouts of their own.

use super::handback::{Handback, LAG_MAX};
use super::message::{Envelope, Message, Place, unpack};
use super::streams::{Streams, Take};
use super::{Voter, rank};
use crate::error::{Error, ErrorKind, Result};
use crate::heartbeat::{Deadlines, FixedTimeout};
use crate::ids::SessionId;
use crate::limits::{FORWARD_BYTES_MAX, FORWARD_WINDOW_BYTES_MAX, PROPOSAL_BYTES_MAX, SESSIONS_MAX};
use crate::log::replica::{Journal, MemberChange, MemberId, Membership, Persist, Progress, Replica, ReplicaOptions, Role, Standing, What};
use crate::machine::Entry;
use crate::roster::{Enrolled, Roster};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often the signs of life of a member's sessions go to the leader, in ticks.
const ALIVE_TICKS: u64 = 10;
/// How long entries, or a read barrier, may be under way before they are sent again, in ticks.
const AGAIN_TICKS: u64 = 100;
/// How often a barrier is asked for again, in ticks: a request is lost with a link or a leader.
const BARRIER_TICKS: u64 = 20;
/// How often the leader looks for one who should rather lead, in ticks.
const HANDBACK_TICKS: u64 = 10;
/// How often a member says how much it should lead, in ticks: what it said when a link came up may not have been heard.
const PRIORITY_TICKS: u64 = 500;
/// How often the leader looks whether those take part who should, in ticks.
const MEMBERS_TICKS: u64 = 10;
/// Rounds without a leader after which a candidate no longer insists on its priority.
const ROUNDS_MAX: u32 = 3;
/// More time than this between two ticks is a pause of this member, in milliseconds: nobody could be heard.
const PAUSE_MS: u64 = 500;
/// How often followers tell each other that they are there, in ticks.
const BEAT_TICKS: u64 = 20;
/// A member that has been silent for so long is suspected, in milliseconds: five beats, so that a lost one accuses nobody.
const SUSPECT_MS: u64 = 1_000;
/// Sessions in one message.
const ALIVE_MAX: usize = 16_384;

/// How a member takes part.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Unlike that of any earlier life of this member.
    pub incarnation: u64,
    /// Its place in the log.
    pub replica: ReplicaOptions,
    /// All who vote, itself among them.
    pub voters: Vec<Voter>,
    /// The members of an ensemble that is yet to be, if this one is among those who begin it.
    pub founders: Vec<(MemberId, Enrolled)>,
    /// What keys session passwords if this member is the first ever to lead.
    pub secret: [u8; 32],
}

/// Entries that a majority has, in one place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The place.
    pub index: u64,
    /// In order, and for each the number under which this member submitted it in this life; 0 for any other.
    pub entries: Vec<(u64, Entry)>,
    /// Who takes part from here on, if that changes.
    pub membership: Option<Membership>,
    /// How many bytes of the log they are.
    pub bytes: usize,
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// To other members, in order.
    pub sends: Vec<(MemberId, Message)>,
    /// Members who need the whole state: the snapshot that was offered last, then this message.
    pub snapshots: Vec<(MemberId, Message)>,
    /// To the disk, in order.
    pub persist: Vec<Persist>,
    /// To the machine, in order.
    pub deliveries: Vec<Delivery>,
    /// Barriers that are met: all that was acknowledged before they were asked for has been applied here.
    pub barriers: Vec<u64>,
    /// What it has become, if that changed.
    pub standing: Option<Standing>,
    /// The machine's state is to be frozen and offered.
    pub wants_snapshot: bool,
    /// Who the others are from here on and where, if that changes.
    pub others: Option<Vec<(MemberId, String)>>,
    /// This member has left: it takes no part any more.
    pub left: bool,
}

/// Another member, as this one sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Who.
    pub id: MemberId,
    /// Whether it is to take part; whose vote counts by now is in [`View::membership`].
    pub enrolled: bool,
    /// How much it should lead.
    pub priority: u8,
    /// When it was last heard of, in the clock's milliseconds; none if never.
    pub heard_ms: Option<u64>,
    /// Whether its silence has been too long: it may have stopped, or be out of reach.
    pub suspected: bool,
    /// Whether the link to it is up.
    pub linked: bool,
    /// The last entry it is known to have, where this member leads.
    pub matched: Option<u64>,
}

/// A member's own view of its ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Itself.
    pub id: MemberId,
    /// How much it should lead.
    pub priority: u8,
    /// What it is and who leads.
    pub standing: Standing,
    /// The last entry that a majority has, as far as it knows.
    pub commit: u64,
    /// The last entry applied here.
    pub applied: u64,
    /// The last entry here.
    pub last: u64,
    /// Who takes part.
    pub membership: Membership,
    /// The others.
    pub peers: Vec<PeerView>,
    /// When it was asked for, on the clock of [`PeerView::heard_ms`].
    pub now_ms: u64,
}

/// A member of an ensemble, this one or another, as this one sees it: one row of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub id: MemberId,
    /// Whether it is the one that was asked.
    pub is_self: bool,
    /// How much it should lead.
    pub priority: u8,
    /// Whether its vote counts.
    pub is_voter: bool,
    /// What it is; none if that cannot be known from here: another member, while nobody leads.
    pub role: Option<Role>,
    /// For how long it has not been heard, in milliseconds: 0 for itself, none if never.
    pub silent_ms: Option<u64>,
    /// Whether its silence has been too long.
    pub suspected: bool,
    /// Whether the link to it is up.
    pub linked: bool,
    /// The last entry it is known to have: its own, and where this member leads everyone's.
    pub matched: Option<u64>,
}

/// A follower that lacks at most so many entries is in step: they are under way.
const IN_STEP_MAX: u64 = 1_024;

impl View {
    /// All members, by number.
    pub fn members(&self) -> Vec<MemberView> {
        let is_voter = |id| self.membership.voters.contains(&id);
        let mut members: Vec<_> = self
            .peers
            .iter()
            .map(|peer| MemberView {
                id: peer.id,
                is_self: false,
                priority: peer.priority,
                is_voter: is_voter(peer.id),
                role: self.standing.leader.map(|leader| if leader == peer.id { Role::Leader } else { Role::Follower }),
                silent_ms: peer.heard_ms.map(|heard| self.now_ms.saturating_sub(heard)),
                suspected: peer.suspected,
                linked: peer.linked,
                matched: peer.matched,
            })
            .collect();
        members.push(MemberView {
            id: self.id,
            is_self: true,
            priority: self.priority,
            is_voter: is_voter(self.id),
            role: Some(self.standing.role),
            silent_ms: Some(0),
            suspected: false,
            linked: true,
            matched: Some(self.last),
        });
        members.sort_unstable_by_key(|member| member.id);
        members
    }

    /// How many entries a member lacks of those that a majority has, if that is known.
    pub fn lag(&self, member: &MemberView) -> Option<u64> {
        member.matched.map(|matched| self.commit.saturating_sub(matched))
    }

    /// The others that follow this member, where it leads, and are heard: whether each is in step.
    pub fn followers(&self) -> Vec<(MemberId, bool)> {
        let follows = |peer: &&PeerView| self.standing.role == Role::Leader && peer.linked && !peer.suspected && self.membership.voters.contains(&peer.id);
        let is_in_step = |peer: &PeerView| peer.matched.is_some_and(|matched| matched + IN_STEP_MAX >= self.commit);
        self.peers.iter().filter(follows).map(|peer| (peer.id, is_in_step(peer))).collect()
    }
}

/// An entry of this member's that is not applied yet.
#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    bytes: usize,
    entry: Entry,
}

#[derive(Clone, Debug, Default)]
struct Barriers {
    /// Under way: its context and whom it is for.
    current: Option<(u64, Vec<u64>)>,
    asked: u64,
    /// For the next one.
    next: Vec<u64>,
    /// Met once this index is applied.
    met: Vec<(u64, Vec<u64>)>,
    count: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    heard_ms: Option<u64>,
    /// The same in ticks.
    heard_at: Option<u64>,
    linked: bool,
}

/// One member's part in its ensemble.
pub struct Node {
    id: MemberId,
    incarnation: u64,
    election_ticks: u64,
    voters: Vec<Voter>,
    founders: Vec<(MemberId, Enrolled)>,
    roster: Roster,
    /// Where the others are, those too who are leaving.
    addresses: BTreeMap<MemberId, String>,
    /// What each has said of itself.
    priorities: BTreeMap<MemberId, u8>,
    secret: [u8; 32],
    replica: Replica,
    now_ms: u64,
    wall_ms: i64,
    ticks: u64,
    applied: u64,
    next_number: u64,
    waiting: VecDeque<Waiting>,
    /// All up to this number has been sent to, or proposed as, the leader.
    sent: u64,
    sent_bytes: usize,
    moved_at: u64,
    streams: Streams,
    /// Ready to be proposed: no more than what all members may have under way, and what this one has to say as their leader.
    batch: Vec<Envelope>,
    /// More waits to be applied than should: nothing is proposed.
    held: bool,
    /// The term of which this member has said that it leads.
    led: Option<u64>,
    stamped_ms: i64,
    alive: BTreeSet<SessionId>,
    deadlines: Option<Deadlines<SessionId>>,
    /// Since the last tick: what the clock said then may be long ago.
    granted: bool,
    ending: BTreeSet<SessionId>,
    barriers: Barriers,
    handback: Handback,
    rounds: u32,
    /// It does not insist on its priority, for a while.
    yields: bool,
    peers: BTreeMap<MemberId, Peer>,
    silence: FixedTimeout,
    /// Numbers what the detector is told.
    beats: u64,
    output: Output,
}

/// About as many bytes as it is in the log.
fn bytes(entry: &Entry) -> usize {
    postcard::experimental::serialized_size(entry).unwrap_or(0) + 16
}

fn stamp(entry: &mut Entry, now_ms: i64) {
    match entry {
        Entry::Begin { time_ms, .. }
        | Entry::Open { time_ms, .. }
        | Entry::Close { time_ms, .. }
        | Entry::Attach { time_ms, .. }
        | Entry::Sweep { time_ms, .. }
        | Entry::Lead { time_ms, .. }
        | Entry::Enrol { time_ms, .. }
        | Entry::Move { time_ms, .. } => *time_ms = now_ms,
        Entry::Write(write) => write.time_ms = now_ms,
    }
}

impl Node {
    /// A member that stands where its journal says.
    ///
    /// # Errors
    /// As [`Replica::new`].
    pub fn new(options: NodeOptions, journal: Journal) -> Result<Self> {
        let id = options.replica.id;
        let applied = journal.base_index();
        let mut replica = options.replica;
        replica.rank = rank(&options.voters, id);
        let peers = options.voters.iter().filter(|voter| voter.id != id).map(|voter| (voter.id, Peer::default())).collect();
        Ok(Self {
            id,
            incarnation: options.incarnation,
            election_ticks: replica.election_ticks as u64,
            addresses: options.founders.iter().filter(|(other, _)| *other != id).map(|(other, member)| (*other, member.address.clone())).collect(),
            founders: options.founders,
            priorities: options.voters.iter().map(|voter| (voter.id, voter.priority)).collect(),
            voters: options.voters,
            roster: Roster::default(),
            secret: options.secret,
            replica: Replica::new(replica, journal)?,
            now_ms: 0,
            wall_ms: 0,
            ticks: 0,
            applied,
            next_number: 1,
            waiting: VecDeque::new(),
            sent: 0,
            sent_bytes: 0,
            moved_at: 0,
            streams: Streams::default(),
            batch: Vec::new(),
            held: false,
            led: None,
            stamped_ms: 0,
            alive: BTreeSet::new(),
            deadlines: None,
            granted: false,
            ending: BTreeSet::new(),
            barriers: Barriers::default(),
            handback: Handback::default(),
            rounds: 0,
            yields: false,
            peers,
            silence: FixedTimeout::new(SUSPECT_MS, SUSPECT_MS)?,
            beats: 0,
            output: Output::default(),
        })
    }

    /// A tick has passed: `now_ms` on a clock that does not jump, `wall_ms` since 1970.
    pub fn tick(&mut self, now_ms: u64, wall_ms: i64) {
        let pause = now_ms.saturating_sub(self.now_ms);
        if pause > PAUSE_MS
            && self.ticks > 0
            && let Some(deadlines) = &mut self.deadlines
        {
            deadlines.extend_by(pause);
        }
        if pause > PAUSE_MS && self.ticks > 0 {
            self.silence.paused(pause);
        }
        self.now_ms = now_ms;
        self.wall_ms = wall_ms;
        self.listen();
        if std::mem::take(&mut self.granted)
            && let Some(deadlines) = &mut self.deadlines
        {
            deadlines.extend_all(now_ms);
        }
        self.ticks += 1;
        self.replica.tick();
        if self.ticks.is_multiple_of(ALIVE_TICKS) {
            self.tell_alive();
        }
        if self.ticks.is_multiple_of(PRIORITY_TICKS) {
            self.tell_priority();
        }
        if !self.waiting.is_empty() && self.ticks >= self.moved_at + AGAIN_TICKS {
            self.send_again();
        }
        if self.ticks >= self.barriers.asked + BARRIER_TICKS && self.barriers.current.is_some() {
            self.ask_barrier();
        }
        self.lead();
    }

    /// Judges who is silent, and beats where nothing else would be heard of this member.
    fn listen(&mut self) {
        if self.ticks == 0 {
            for id in self.peers.keys() {
                let _ = self.silence.watch(u64::from(*id), self.now_ms);
            }
        }
        self.silence.poll(self.now_ms);
        if !self.ticks.is_multiple_of(BEAT_TICKS) {
            return;
        }
        let leader = self.replica.standing().leader;
        if leader == Some(self.id) {
            return;
        }
        let others = self.peers.iter().filter(|(id, peer)| peer.linked && leader != Some(**id));
        self.output.sends.extend(others.map(|(id, _)| (*id, Message::Alive(Vec::new()))));
    }

    /// A member has been heard. Nobody here acts on a silence that is final: it is over once something comes.
    fn heard(&mut self, from: MemberId) {
        let peer = u64::from(from);
        self.beats += 1;
        if self.silence.told(peer).is_some() {
            self.silence.forget(peer);
        }
        // At most as many as there are members.
        let _ = self.silence.beat(peer, self.beats, self.now_ms);
    }

    /// The time of day, where it is better known than by the last tick.
    pub fn time(&mut self, wall_ms: i64) {
        self.wall_ms = self.wall_ms.max(wall_ms);
    }

    /// Another member has sent this.
    ///
    /// # Errors
    /// As [`Replica::step`]: after `Corrupt` this member must not go on.
    pub fn receive(&mut self, from: MemberId, message: Message) -> Result<()> {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.heard_ms = Some(self.now_ms);
            peer.heard_at = Some(self.ticks);
            self.heard(from);
        }
        match message {
            Message::Log(bytes) => self.replica.step(from, &bytes)?,
            Message::Forward { incarnation, oldest, first, entries } => self.take(from, incarnation, oldest, first, entries),
            Message::Resend { incarnation, next } => {
                if incarnation == self.incarnation && self.replica.standing().leader == Some(from) && next <= self.sent {
                    self.send_from(next);
                }
            }
            Message::Priority(priority) => {
                self.prefer(from, priority);
            }
            Message::Alive(sessions) => {
                if let Some(deadlines) = &mut self.deadlines {
                    for session in sessions {
                        deadlines.touch(session, self.now_ms);
                    }
                }
            }
        }
        Ok(())
    }

    /// The link to another member is up anew, or down.
    pub fn link(&mut self, with: MemberId, up: bool) {
        if let Some(peer) = self.peers.get_mut(&with) {
            peer.linked = up;
        }
        self.replica.link(with, up);
        if up {
            self.output.sends.push((with, Message::Priority(self.priorities.get(&self.id).copied().unwrap_or(0))));
        }
        if up && self.replica.standing().leader == Some(with) {
            self.send_again();
        }
    }

    /// Takes an entry of this member's own; its number comes back with [`Delivery::entries`] once a majority has it.
    pub fn submit(&mut self, entry: Entry) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let bytes = bytes(&entry);
        if self.waiting.is_empty() {
            self.moved_at = self.ticks;
        }
        self.waiting.push_back(Waiting { number, bytes, entry });
        number
    }

    /// Has nothing proposed while `hold`: what was ordered before is to be applied first.
    pub fn hold(&mut self, hold: bool) {
        self.held = hold;
    }

    /// An entry that nobody waits for, if this member leads.
    pub fn suggest(&mut self, entry: Entry) {
        if self.leads() {
            self.put(self.id, self.incarnation, 0, entry);
        }
    }

    /// Asks for a barrier: its number comes back in [`Output::barriers`].
    pub fn barrier(&mut self) -> u64 {
        self.barriers.count += 1;
        let number = self.barriers.count;
        self.barriers.next.push(number);
        if self.barriers.current.is_none() {
            self.next_barrier();
        }
        number
    }

    /// A session that came through this member has shown a sign of life.
    pub fn touch(&mut self, session: SessionId) {
        self.alive.insert(session);
    }

    /// A session has been opened or moved; its timeout in milliseconds. As the machine applies it, on every member.
    pub fn opened(&mut self, session: SessionId, timeout_ms: u32) {
        if let Some(deadlines) = &mut self.deadlines {
            // There twice is there all the same.
            if deadlines.insert(session, u64::from(timeout_ms.max(1)), self.now_ms).is_err() {
                let _ = deadlines.set_timeout(session, u64::from(timeout_ms.max(1)), self.now_ms);
                deadlines.touch(session, self.now_ms);
            }
        }
    }

    /// A session is over. As the machine applies it, on every member.
    pub fn closed(&mut self, session: SessionId) {
        self.ending.remove(&session);
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.remove(session);
        }
    }

    /// Grants all sessions a whole timeout: whoever has become leader does, with what its machine has applied.
    pub fn grant(&mut self, sessions: impl Iterator<Item = (SessionId, u32)>) {
        let mut deadlines = Deadlines::new(SESSIONS_MAX);
        for (session, timeout_ms) in sessions {
            let _ = deadlines.insert(session, u64::from(timeout_ms.max(1)), self.now_ms);
        }
        self.ending.clear();
        self.deadlines = self.leads().then_some(deadlines);
        self.granted = true;
    }

    /// All up to `index` has been applied, of this member's own entries all up to `number`.
    pub fn applied(&mut self, index: u64, number: u64) {
        self.applied = self.applied.max(index);
        self.replica.applied(index);
        while self.waiting.front().is_some_and(|waiting| waiting.number <= number) {
            if let Some(waiting) = self.waiting.pop_front() {
                if waiting.number <= self.sent {
                    self.sent_bytes -= waiting.bytes;
                }
                self.moved_at = self.ticks;
            }
        }
        self.sent = self.sent.max(number);
        let applied = self.applied;
        let output = &mut self.output;
        self.barriers.met.retain(|(index, whom)| {
            let is_met = *index <= applied;
            if is_met {
                output.barriers.extend(whom);
            }
            !is_met
        });
    }

    /// All up to that number of [`Persist`] is on disk.
    pub fn persisted(&mut self, number: u64) {
        self.replica.persisted(number);
    }

    /// What is to be done now.
    ///
    /// # Errors
    /// `Corrupt`: what a majority agreed on makes no sense; this member must not go on.
    pub fn take_output(&mut self) -> Result<Output> {
        loop {
            self.forward();
            self.propose();
            let Some(turn) = self.replica.turn() else { break };
            self.output.sends.extend(turn.sends.into_iter().map(|(to, bytes)| (to, Message::Log(bytes))));
            self.output.snapshots.extend(turn.snapshots.into_iter().map(|(to, bytes)| (to, Message::Log(bytes))));
            self.output.persist.extend(turn.persist);
            for (context, index) in turn.barriers {
                self.barrier_known(&context, index);
            }
            for committed in turn.committed {
                let mut delivery = Delivery { index: committed.index, entries: Vec::new(), membership: None, bytes: 0 };
                match committed.what {
                    What::Nothing => {}
                    What::Change(membership, _) => {
                        delivery.membership = Some(membership);
                        // Whoever is new needs a state that knows of it.
                        self.replica.withdraw_snapshot();
                        self.meet();
                    }
                    What::Data(bytes) => {
                        delivery.bytes = bytes.len();
                        let own = |envelope: &Envelope| envelope.origin == self.id && envelope.incarnation == self.incarnation;
                        delivery.entries.extend(unpack(&bytes)?.into_iter().map(|envelope| (if own(&envelope) { envelope.number } else { 0 }, envelope.entry)));
                    }
                }
                self.output.deliveries.push(delivery);
            }
            if let Some(standing) = turn.standing {
                self.stands(standing);
            }
        }
        self.output.wants_snapshot |= self.replica.wants_snapshot();
        Ok(std::mem::take(&mut self.output))
    }

    /// There is a snapshot of the state as of `index` for whoever needs it.
    pub fn offer_snapshot(&mut self, index: u64) {
        self.replica.offer_snapshot(index);
    }

    /// What was offered is there no more.
    pub fn withdraw_snapshot(&mut self) {
        self.replica.withdraw_snapshot();
    }

    /// How sending a snapshot ended.
    pub fn snapshot_sent(&mut self, to: MemberId, arrived: bool) {
        self.replica.snapshot_sent(to, arrived);
    }

    /// What stands before the machine's records in a snapshot of its state as of `applied`; see [`Replica::head`].
    pub fn head(&self, applied: u64) -> Vec<Vec<u8>> {
        self.replica.head(applied)
    }

    /// A record that changes nothing; see [`Replica::mark`].
    pub fn mark(&self) -> Vec<u8> {
        self.replica.mark()
    }

    /// Whether [`Node::head`] can be made for that index: not once a later state has come whole.
    pub fn holds(&self, applied: u64) -> bool {
        self.replica.holds(applied)
    }

    /// The state has come whole, as of `index`: what was applied before counts no more.
    pub fn installed(&mut self, index: u64) {
        self.applied = self.applied.max(index);
        self.replica.applied(index);
        // Some of what waits may be in it already and will not be seen to be applied: so it is sent as by another life, taken
        // again whatever the leader knows of it, and answered by the machine as the first time.
        self.incarnation = self.incarnation.wrapping_add(1);
        self.send_again();
    }

    /// Hands leadership to another voter. It comes to nothing if that one has not caught up within an election's time.
    ///
    /// # Errors
    /// `InvalidState`: this member does not lead. `BadArguments`: the other is no voter, or never leads.
    pub fn transfer(&mut self, to: MemberId) -> Result<()> {
        if !self.leads() {
            return Err(Error::new(ErrorKind::InvalidState, "this member does not lead"));
        }
        if !self.voters.iter().any(|voter| voter.id == to && voter.priority > 0 && voter.id != self.id) || !self.replica.membership().voters.contains(&to) {
            return Err(Error::new(ErrorKind::BadArguments, format!("member {to} is no other voter that may lead")));
        }
        // Or its own vote might be refused to one of lower priority.
        self.insist(false);
        self.replica.transfer(to);
        Ok(())
    }

    /// What it knows of the others' logs, and whether they are there: by what was heard in an election's time. The replica itself
    /// forgets that each time it has looked for its quorum.
    fn progress(&self) -> Vec<Progress> {
        let mut progress = self.replica.progress();
        for known in progress.iter_mut().filter(|known| known.id != self.id) {
            let heard = self.peers.get(&known.id).and_then(|peer| peer.heard_at);
            known.active = heard.is_some_and(|heard| self.ticks <= heard + self.election_ticks);
        }
        progress
    }

    /// To whom it would hand over if it had to go now.
    pub fn successor(&self) -> Option<MemberId> {
        let progress = self.progress();
        let fit =
            |voter: &&Voter| voter.id != self.id && voter.priority > 0 && progress.iter().any(|known| known.id == voter.id && known.active && known.voter);
        let matched = |voter: &Voter| progress.iter().find(|known| known.id == voter.id).map_or(0, |known| known.matched);
        self.voters
            .iter()
            .filter(fit)
            .max_by_key(|voter| (matched(voter) >= self.replica.commit_index(), voter.priority, std::cmp::Reverse(voter.id)))
            .map(|voter| voter.id)
    }

    /// Steps down: a leader that cannot write does not lead.
    pub fn step_down(&mut self) {
        self.replica.step_down();
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.replica.standing()
    }

    /// Whether it leads, and has said so.
    pub fn leads(&self) -> bool {
        self.replica.standing().role == Role::Leader && self.led == Some(self.replica.standing().term)
    }

    /// Entries of its own that are not applied yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What it knows of its ensemble.
    pub fn view(&self) -> View {
        let standing = self.replica.standing();
        let progress: Vec<Progress> = if standing.role == Role::Leader { self.replica.progress() } else { Vec::new() };
        let peers = self.peers.iter().map(|(id, peer)| PeerView {
            id: *id,
            enrolled: self.roster.is_empty() || self.roster.member(*id).is_some(),
            priority: self.priority(*id),
            heard_ms: peer.heard_ms,
            suspected: self.silence.told(u64::from(*id)).is_some(),
            linked: peer.linked,
            matched: progress.iter().find(|known| known.id == *id).map(|known| known.matched),
        });
        View {
            id: self.id,
            priority: self.priority(self.id),
            standing,
            commit: self.replica.commit_index(),
            applied: self.applied,
            last: self.replica.last_index(),
            membership: self.replica.membership(),
            peers: peers.collect(),
            now_ms: self.now_ms,
        }
    }

    fn stands(&mut self, standing: Standing) {
        self.output.standing = Some(standing);
        self.handback.led_by(standing.leader, self.ticks);
        match standing.role {
            Role::Candidate => {
                self.rounds += 1;
                if self.rounds == ROUNDS_MAX {
                    self.insist(false);
                }
            }
            _ if standing.leader.is_some() => {
                self.insist(true);
                self.rounds = 0;
            }
            _ => {}
        }
        if standing.role != Role::Leader {
            self.led = None;
            self.deadlines = None;
            self.batch.clear();
        }
        self.streams.clear();
        if standing.leader.is_some() {
            self.send_again();
        }
        // One of priority 0 only passes on what it has.
        if standing.role == Role::Leader && self.led != Some(standing.term) && self.priorities.get(&self.id) != Some(&0) {
            self.led = Some(standing.term);
            self.batch.clear();
            self.put(self.id, self.incarnation, 0, Entry::Lead { member: self.id, term: standing.term, time_ms: 0 });
            self.put(self.id, self.incarnation, 0, Entry::Begin { secret: self.secret, time_ms: 0 });
            if self.roster.is_empty() && !self.founders.is_empty() {
                self.put(self.id, self.incarnation, 0, Entry::Enrol { members: self.founders.clone(), time_ms: 0 });
            }
        }
        if standing.leader.is_some() && self.barriers.current.is_some() {
            self.ask_barrier();
        }
    }

    fn insist(&mut self, insists: bool) {
        if self.yields != insists {
            return;
        }
        self.yields = !insists;
        self.rank();
    }

    fn priority(&self, id: MemberId) -> u8 {
        self.voters.iter().find(|voter| voter.id == id).map_or(0, |voter| voter.priority)
    }

    fn prefer(&mut self, id: MemberId, priority: u8) {
        self.priorities.insert(id, priority);
        if let Some(voter) = self.voters.iter_mut().find(|voter| voter.id == id) {
            voter.priority = priority;
        }
        self.rank();
    }

    /// Takes the place among the voters that its priority gives it.
    fn rank(&mut self) {
        let own = self.priorities.get(&self.id).copied().unwrap_or(0);
        // Whoever is to go leads only if nobody else can, while its vote counts.
        let own = if self.roster.is_empty() || self.roster.member(self.id).is_some() { own } else { own.min(1) };
        self.replica.set_priority(if self.yields { own.min(1) } else { own }, rank(&self.voters, self.id));
    }

    /// Changes how much this member should lead, and tells the others.
    pub fn set_priority(&mut self, priority: u8) {
        self.prefer(self.id, priority);
        self.tell_priority();
    }

    /// Who is to take part has changed, or is known at last. As the machine applies it, on every member.
    pub fn enrolled(&mut self, roster: &Roster) {
        if roster.is_empty() {
            return;
        }
        self.roster = roster.clone();
        self.voters = roster.members().map(|(id, _)| Voter { id, priority: self.priorities.get(&id).copied().unwrap_or(1) }).collect();
        for (id, member) in roster.members().filter(|(id, _)| *id != self.id) {
            self.addresses.insert(id, member.address.clone());
        }
        self.meet();
        self.rank();
    }

    /// Whether this member is to take part no more, and does not.
    pub fn has_left(&self) -> bool {
        self.output.left
    }

    /// The others are those who are enrolled, and those who still take part.
    fn meet(&mut self) {
        if self.roster.is_empty() {
            return;
        }
        let membership = self.replica.membership();
        let takes_part = |id: &MemberId| self.roster.member(*id).is_some() || membership.voters.contains(id) || membership.learners.contains(id);
        self.addresses.retain(|id, _| takes_part(id));
        self.peers.retain(|id, _| {
            let stays = self.addresses.contains_key(id);
            if !stays {
                self.silence.forget(u64::from(*id));
            }
            stays
        });
        for id in self.addresses.keys() {
            self.peers.entry(*id).or_insert_with(|| {
                let _ = self.silence.watch(u64::from(*id), self.now_ms);
                Peer::default()
            });
        }
        self.output.others = Some(self.addresses.iter().map(|(id, address)| (*id, address.clone())).collect());
        self.output.left = !takes_part(&self.id);
    }

    /// Has those take part who should, one step at a time: whoever is new learns, and votes once it has caught up; whoever is to go goes
    /// when there is a majority without it.
    fn change_members(&mut self) {
        let membership = self.replica.membership();
        if membership.changing || self.roster.is_empty() || !self.ticks.is_multiple_of(MEMBERS_TICKS) {
            return;
        }
        let progress = self.progress();
        let commit = self.replica.commit_index();
        let is_there = |id: &MemberId| *id == self.id || progress.iter().any(|known| known.id == *id && known.active);
        let has_caught_up = |id: &MemberId| progress.iter().any(|known| known.id == *id && known.matched + LAG_MAX >= commit);
        let new = self.roster.members().map(|(id, _)| id).find(|id| !membership.voters.contains(id) && !membership.learners.contains(id));
        let ready = membership.learners.iter().find(|id| self.roster.member(**id).is_some() && is_there(id) && has_caught_up(id));
        let majority_without = |id: &MemberId| {
            let others = || membership.voters.iter().filter(|other| *other != id);
            others().count() > 0 && others().filter(|other| is_there(other)).count() > others().count() / 2
        };
        let leaving = membership.learners.iter().chain(membership.voters.iter().filter(|id| majority_without(id)));
        let leaving = leaving.copied().find(|id| self.roster.member(*id).is_none());
        let change = match (new, ready, leaving) {
            (Some(id), ..) => MemberChange::Learner(id),
            (_, Some(id), _) => MemberChange::Voter(*id),
            (_, _, Some(id)) if id != self.id => MemberChange::Remove(id),
            (_, _, Some(_)) => {
                // Itself: another leads then, and sees to it.
                if let Some(to) = self.successor() {
                    self.insist(false);
                    self.replica.transfer(to);
                }
                return;
            }
            _ => return,
        };
        // If it cannot be now, another time.
        let _ = self.replica.change(&[change], Vec::new());
    }

    fn tell_priority(&mut self) {
        let priority = self.priorities.get(&self.id).copied().unwrap_or(0);
        let others: Vec<_> = self.peers.keys().copied().collect();
        self.output.sends.extend(others.into_iter().map(|to| (to, Message::Priority(priority))));
    }

    /// What a leader does as time passes.
    fn lead(&mut self) {
        if self.replica.is_settled() && !self.leads() && self.replica.transferring().is_none() {
            if let Some(to) = self.successor() {
                self.replica.transfer(to);
            }
            return;
        }
        if !self.leads() || !self.replica.is_settled() {
            return;
        }
        // Nobody is judged while the sentence cannot be proposed: it would fall on whoever is heard meanwhile.
        let may_propose = self.batch.is_empty() && !self.held && self.replica.transferring().is_none();
        if may_propose && let Some(deadlines) = &mut self.deadlines {
            for session in deadlines.expire(self.now_ms) {
                // It ends when that is applied; should this member lose the lead first, another grants it a whole timeout.
                if self.ending.insert(session) {
                    let entry = Entry::Close { session, expired: true, time_ms: 0 };
                    self.put(self.id, self.incarnation, 0, entry);
                }
            }
        }
        if self.replica.transferring().is_some() {
            return;
        }
        // What was asked for has come to nothing.
        self.insist(true);
        self.change_members();
        if self.replica.transferring().is_some() {
            return;
        }
        if self.ticks.is_multiple_of(HANDBACK_TICKS)
            && let Some(to) = self.handback.choose(self.id, &self.voters, &self.progress(), self.replica.commit_index(), self.ticks)
        {
            self.replica.transfer(to);
        }
    }

    /// The leader's side of forwarding.
    fn take(&mut self, from: MemberId, incarnation: u64, oldest: u64, first: u64, entries: Vec<Entry>) {
        if !self.leads() {
            return;
        }
        match self.streams.offer(from, incarnation, oldest, first, entries.len()) {
            Take::Missing(next) => self.output.sends.push((from, Message::Resend { incarnation, next })),
            Take::From(known) => {
                for (number, entry) in (first..).zip(entries).skip(known) {
                    self.put(from, incarnation, number, entry);
                }
            }
        }
    }

    fn put(&mut self, origin: MemberId, incarnation: u64, number: u64, entry: Entry) {
        self.batch.push(Envelope { origin, incarnation, number, entry });
    }

    /// Proposes what is ready. What is not taken (too much is under way, or leadership is passing) stays for another time.
    fn propose(&mut self) {
        if !self.leads() || self.held {
            return;
        }
        self.stamped_ms = self.stamped_ms.max(self.wall_ms);
        let mut done = 0;
        while done < self.batch.len() {
            let mut place = Place::default();
            let mut count = 0;
            for envelope in &mut self.batch[done..] {
                stamp(&mut envelope.entry, self.stamped_ms);
                place.put(envelope);
                count += 1;
                if place.bytes() >= PROPOSAL_BYTES_MAX {
                    break;
                }
            }
            if self.replica.propose(vec![place.pack()]).is_err() {
                break;
            }
            done += count;
        }
        self.batch.drain(..done);
    }

    /// Sends what waits to whoever leads, as much as may be under way.
    fn forward(&mut self) {
        let Some(leader) = self.replica.standing().leader else { return };
        if leader == self.id && !self.leads() {
            return;
        }
        let Some(first) = self.waiting.front().map(|waiting| waiting.number) else { return };
        let mut at = usize::try_from((self.sent + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        while at < self.waiting.len() && (self.sent_bytes == 0 || self.sent_bytes < FORWARD_WINDOW_BYTES_MAX) {
            let mut entries = Vec::new();
            let (mut size, begins) = (0, self.waiting[at].number);
            while let Some(waiting) = self.waiting.get(at)
                && (size == 0 || size + waiting.bytes <= FORWARD_BYTES_MAX)
            {
                size += waiting.bytes;
                entries.push(waiting.entry.clone());
                self.sent = waiting.number;
                at += 1;
            }
            self.sent_bytes += size;
            if leader == self.id {
                self.take(self.id, self.incarnation, first, begins, entries);
            } else {
                self.output.sends.push((leader, Message::Forward { incarnation: self.incarnation, oldest: first, first: begins, entries }));
            }
        }
    }

    fn send_again(&mut self) {
        if let Some(first) = self.waiting.front().map(|waiting| waiting.number) {
            self.send_from(first);
        }
    }

    fn send_from(&mut self, next: u64) {
        self.sent = next.saturating_sub(1);
        self.sent_bytes = self.waiting.iter().take_while(|waiting| waiting.number <= self.sent).map(|waiting| waiting.bytes).sum();
        self.moved_at = self.ticks;
    }

    fn tell_alive(&mut self) {
        let Some(leader) = self.replica.standing().leader else { return };
        let alive = std::mem::take(&mut self.alive);
        if leader == self.id {
            if let Some(deadlines) = &mut self.deadlines {
                for session in alive {
                    deadlines.touch(session, self.now_ms);
                }
            }
            return;
        }
        let alive: Vec<_> = alive.into_iter().collect();
        for chunk in alive.chunks(ALIVE_MAX) {
            self.output.sends.push((leader, Message::Alive(chunk.to_vec())));
        }
    }

    fn next_barrier(&mut self) {
        if self.barriers.next.is_empty() {
            return;
        }
        let whom = std::mem::take(&mut self.barriers.next);
        self.barriers.current = Some((whom.last().copied().unwrap_or(0), whom));
        self.ask_barrier();
    }

    /// A context that no other member, life or barrier uses.
    fn ask_barrier(&mut self) {
        let Some((number, _)) = &self.barriers.current else { return };
        let mut context = vec![self.id];
        context.extend_from_slice(&self.incarnation.to_le_bytes());
        context.extend_from_slice(&number.to_le_bytes());
        context.extend_from_slice(&self.ticks.to_le_bytes());
        self.barriers.asked = self.ticks;
        self.replica.read_barrier(context);
    }

    fn barrier_known(&mut self, context: &[u8], index: u64) {
        let is_current = |number: u64| {
            context.get(..9) == Some(&[&[self.id][..], &self.incarnation.to_le_bytes()].concat()[..]) && context.get(9..17) == Some(&number.to_le_bytes())
        };
        if !self.barriers.current.as_ref().is_some_and(|(number, _)| is_current(*number)) {
            return;
        }
        if let Some((_, whom)) = self.barriers.current.take() {
            if index <= self.applied {
                self.output.barriers.extend(whom);
            } else {
                self.barriers.met.push((index, whom));
            }
        }
        self.next_barrier();
    }
}
