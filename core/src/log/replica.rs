//! The replicated log: one member's part in agreeing, with the others, on the order of entries.
//!
//! The consensus library is named here and below `replica/` only. It steps without a clock, a socket or a disk, and so does
//! [`Replica`]: it is told that time has passed, what a peer has sent and what is on the disk by now, and [`Replica::turn`]
//! says what is to be sent, written and applied next. Whoever drives it decides when; one seed can drive a whole ensemble.
//!
//! What always holds: nothing that promises something to a peer is handed out before what it promises is reported as written
//! ([`Replica::persisted`]); an entry is handed out once, in order, when a majority has it on disk. Election timeouts come
//! from the seed: the library draws its own from a range so wide that its draw is seen, and replaced.
//!
//! The band: a member waits longer for a leader the lower its rank among the voters by priority, so that the first to campaign
//! is the one who should lead. The base of all bands is equal everywhere, as it is the voters' lease, too.
//!
//! Not here: what an entry means (`machine`), who forwards what to whom (`ensemble`), files (`store`), sockets (`member`).
//! Source: D. Ongaro, "Consensus: Bridging Theory and Practice", 2014, chapters 3, 4, 6 and 9.

mod cache;
mod codec;
mod journal;
#[cfg(test)]
mod tests;

pub use self::journal::{Journal, is_replicated};

use self::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{APPEND_BYTES_MAX, APPENDS_IN_FLIGHT_MAX, COMMITTED_BYTES_MAX, UNCOMMITTED_BYTES_MAX};
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, EntryType, Message, MessageType};
use raft::{Config, RawNode, SnapshotStatus, StateRole};
use std::collections::VecDeque;

/// Below this the library draws election timeouts, in ticks: a draw that is not far beyond ours comes once in 10^15.
const DRAW_MAX: usize = 1 << 62;

/// After so many times [`ReplicaOptions::election_ticks`] without a leader a member of priority 0 campaigns all the same: it may be the
/// only one that holds what a majority agreed on, and nobody else can lead before it has passed that on.
const LAST_RESORT: usize = 10;

/// A member's number in its ensemble, 1 to 255.
pub type MemberId = u8;

/// How a member takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaOptions {
    /// Its own number.
    pub id: MemberId,
    /// Ticks of silence after which a leader counts as gone: the base of all bands, equal on all members.
    pub election_ticks: usize,
    /// Ticks between a leader's heartbeats.
    pub heartbeat_ticks: usize,
    /// Width of one band, in ticks.
    pub band_ticks: usize,
    /// How much this member should lead; one of 0 does not, but to pass on what nobody else who is there has.
    pub priority: u8,
    /// Place among the voters by priority, from 0.
    pub rank: usize,
    /// Where its chance comes from.
    pub seed: u64,
    /// Applied entries beyond so many bytes are let go of; whoever still needs them is sent the whole state.
    pub cache_bytes: usize,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Orders entries.
    Leader,
    /// Follows one, or waits for one.
    Follower,
    /// Asks for votes, or whether it would get them.
    Candidate,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<MemberId>,
    /// In which term.
    pub term: u64,
}

/// What the leader knows of another member's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Who.
    pub id: MemberId,
    /// Whether its vote counts.
    pub voter: bool,
    /// The last entry that it is known to have on disk.
    pub matched: u64,
    /// Whether it was heard from since the last look at the quorum.
    pub active: bool,
}

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Whose votes count.
    pub voters: Vec<MemberId>,
    /// Who only learns.
    pub learners: Vec<MemberId>,
    /// Whether a change of membership is still under way.
    pub changing: bool,
}

/// A change of who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Votes from now on.
    Voter(MemberId),
    /// Learns from now on.
    Learner(MemberId),
    /// Takes no part any more.
    Remove(MemberId),
}

/// An entry that a majority has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the order.
    pub index: u64,
    /// The leader's term that made it.
    pub term: u64,
    /// What was proposed.
    pub what: What,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The first of a leader.
    Nothing,
    /// What [`Replica::propose`] was given.
    Data(Vec<u8>),
    /// A change of membership, and what came with it.
    Change(Membership, Vec<u8>),
}

/// What is to be on disk before [`Replica::persisted`] is told this number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Rising.
    pub number: u64,
    /// The state as of a snapshot with this last entry has come and replaces all that there was: it is written before the
    /// records, with [`Replica::head`] in front.
    pub install: Option<u64>,
    /// Records of the journal, in order.
    pub records: Vec<Vec<u8>>,
}

/// What a turn came to. What is to be sent may be sent before the turn's own records are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Messages, each to one member.
    pub sends: Vec<(MemberId, Vec<u8>)>,
    /// Members who need the whole state: the offered snapshot first, then this message.
    pub snapshots: Vec<(MemberId, Vec<u8>)>,
    /// To the disk.
    pub persist: Option<Persist>,
    /// To the machine, in order.
    pub committed: Vec<Committed>,
    /// Read barriers that have been met: whoever has applied that index may answer.
    pub barriers: Vec<(Vec<u8>, u64)>,
    /// What it has become, if that changed.
    pub standing: Option<Standing>,
}

impl Turn {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One member's part.
pub struct Replica {
    node: RawNode<Cache>,
    options: ReplicaOptions,
    chance: u64,
    /// Turns that have begun to be written, and what they promise once they are.
    writing: VecDeque<Writing>,
    /// Messages that may go now.
    promised: Vec<Message>,
    standing: Standing,
    /// The hard state has moved since it was last written, its commit index at least.
    commit_behind: bool,
    /// A whole state has come and is not applied yet: what was before it is gone, and who stands there cannot campaign.
    installing: Option<u64>,
    /// Ticks since nobody has led.
    leaderless: usize,
}

struct Writing {
    number: u64,
    messages: Vec<Message>,
    /// Nothing of it goes to disk.
    is_light: bool,
}

impl Replica {
    /// Takes its place where the journal says it stood.
    ///
    /// # Errors
    /// `BadArguments` for options that make no sense; `Corrupt` for a journal that contradicts itself.
    pub fn new(options: ReplicaOptions, journal: Journal) -> Result<Self> {
        let bad = |what: &str| Err(Error::new(ErrorKind::BadArguments, format!("member {}: {what}", options.id)));
        if options.id == 0 {
            return bad("members are numbered from 1 to 255");
        }
        if options.heartbeat_ticks == 0 || options.band_ticks < 2 || options.election_ticks <= options.heartbeat_ticks {
            return bad("heartbeats come at least once a tick and more often than elections; a band is at least two ticks wide");
        }
        let applied = journal.base_index();
        let config = Config {
            id: u64::from(options.id),
            election_tick: options.election_ticks,
            heartbeat_tick: options.heartbeat_ticks,
            // So wide that the library's own draw is never taken for one of ours.
            min_election_tick: options.election_ticks,
            max_election_tick: DRAW_MAX,
            applied,
            max_size_per_msg: APPEND_BYTES_MAX,
            max_inflight_msgs: APPENDS_IN_FLIGHT_MAX,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            priority: i64::from(options.priority),
            max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
            max_committed_size_per_ready: COMMITTED_BYTES_MAX,
            ..Config::default()
        };
        let chance = options.seed ^ (u64::from(options.id) << 56);
        let node = RawNode::new(&config, Cache::new(journal), &slog::Logger::root(slog::Discard, slog::o!())).map_err(|error| library(&error))?;
        let standing = Standing { role: Role::Follower, leader: None, term: node.raft.term };
        let mut replica =
            Self { node, options, chance, writing: VecDeque::new(), promised: Vec::new(), standing, commit_behind: false, installing: None, leaderless: 0 };
        replica.draw();
        Ok(replica)
    }

    /// One tick has passed.
    pub fn tick(&mut self) {
        self.leaderless = if self.node.raft.leader_id == 0 { self.leaderless + 1 } else { 0 };
        let is_last_resort = self.leaderless > LAST_RESORT * self.options.election_ticks;
        let is_barred = (self.options.priority == 0 && !is_last_resort) || self.installing.is_some();
        if is_barred && self.node.raft.state != StateRole::Leader {
            // It does not campaign; but its lease runs out like any other.
            self.node.raft.election_elapsed = (self.node.raft.election_elapsed + 1).min(self.options.election_ticks);
            if self.node.raft.election_elapsed == self.options.election_ticks && self.node.raft.leader_id != 0 {
                // Nor does it go on believing in a leader whom it does not hear.
                let term = self.node.raft.term;
                self.node.raft.become_follower(term, 0);
            }
            return;
        }
        self.node.tick();
        self.draw();
    }

    /// A member has sent what its [`Turn::sends`] held. The caller knows by its own means that it was that member.
    ///
    /// # Errors
    /// `BadArguments`: these bytes are no message from that member; nothing was changed. `Corrupt`: this member has lost
    /// what it once had on disk, and must not go on.
    pub fn step(&mut self, from: MemberId, bytes: &[u8]) -> Result<()> {
        let message = codec::decode(bytes, from, self.options.id)?;
        // The library would panic.
        if message.get_msg_type() == MessageType::MsgHeartbeat && message.term >= self.node.raft.term && message.commit > self.last_index() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("member {from} knows that this one has had entry {}, and its log ends with {}", message.commit, self.last_index()),
            ));
        }
        // Whoever is told to lead by the one who does is not refused for its priority.
        let is_told_to_lead = message.get_msg_type() == MessageType::MsgTimeoutNow;
        if is_told_to_lead && (self.installing.is_some() || self.options.priority == 0) {
            return Ok(());
        }
        if is_told_to_lead {
            self.node.set_priority(i64::from(u8::MAX));
        }
        // Whom it does not know, and what is out of date, is dropped.
        let _ = self.node.step(message);
        if is_told_to_lead {
            self.node.set_priority(i64::from(self.options.priority));
        }
        self.draw();
        Ok(())
    }

    /// Proposes entries, all or none.
    ///
    /// # Errors
    /// `ConnectionLoss`: this member does not lead. `Throttled`: too much is under way, or leadership is being handed over;
    /// nothing was proposed.
    pub fn propose(&mut self, entries: Vec<Vec<u8>>) -> Result<()> {
        if self.node.raft.state != StateRole::Leader {
            return Err(Error::new(ErrorKind::ConnectionLoss, "this member does not lead"));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = u64::from(self.options.id);
        let entries: Vec<_> = entries
            .into_iter()
            .map(|data| {
                let mut entry = raft::eraftpb::Entry::default();
                entry.data = data.into();
                entry
            })
            .collect();
        message.set_entries(entries.into());
        self.node.raft.step(message).map_err(|_| Error::new(ErrorKind::Throttled, "too much is under way, or leadership is being handed over"))
    }

    /// Proposes a change of membership, by joint consensus where more than one member changes.
    ///
    /// # Errors
    /// As [`Replica::propose`]; `InvalidState` while another change is under way.
    pub fn change(&mut self, changes: &[MemberChange], context: Vec<u8>) -> Result<()> {
        if self.node.raft.state != StateRole::Leader {
            return Err(Error::new(ErrorKind::ConnectionLoss, "this member does not lead"));
        }
        if self.node.raft.has_pending_conf() || self.membership().changing {
            return Err(Error::new(ErrorKind::InvalidState, "another change of membership is under way"));
        }
        let changes: Vec<_> = changes
            .iter()
            .map(|change| {
                let (kind, id) = match change {
                    MemberChange::Voter(id) => (ConfChangeType::AddNode, id),
                    MemberChange::Learner(id) => (ConfChangeType::AddLearnerNode, id),
                    MemberChange::Remove(id) => (ConfChangeType::RemoveNode, id),
                };
                let mut single = ConfChangeSingle::default();
                single.set_change_type(kind);
                single.node_id = u64::from(*id);
                single
            })
            .collect();
        let mut change = ConfChangeV2::default();
        change.set_changes(changes.into());
        self.node
            .propose_conf_change(context, change)
            .map_err(|_| Error::new(ErrorKind::Throttled, "too much is under way, or leadership is being handed over"))
    }

    /// Asks up to where a reader must have applied to see all that was acknowledged before now. The answer comes in
    /// [`Turn::barriers`], or never: while there is no leader, or a message is lost. `context` is unlike any other's.
    pub fn read_barrier(&mut self, context: Vec<u8>) {
        self.node.read_index(context);
    }

    /// All up to that number is on disk.
    pub fn persisted(&mut self, number: u64) {
        let mut last = None;
        while let Some(first) = self.writing.front()
            && (first.number <= number || first.is_light)
        {
            if let Some(writing) = self.writing.pop_front() {
                last = Some(writing.number);
                self.promised.extend(writing.messages);
            }
        }
        if let Some(last) = last {
            self.node.on_persist_ready(last);
        }
    }

    /// All up to that index has been applied.
    pub fn applied(&mut self, index: u64) {
        if self.installing.is_some_and(|installing| index < installing) {
            return;
        }
        self.installing = None;
        if index > self.node.raft.raft_log.applied {
            self.node.advance_apply_to(index);
        }
        self.node.mut_store().compact(index, self.options.cache_bytes);
    }

    /// The link to a member has closed, or (`up`) opened anew: what was on its way is lost.
    pub fn link(&mut self, id: MemberId, up: bool) {
        self.node.report_unreachable(u64::from(id));
        if !up && self.standing.leader == Some(id) && self.node.raft.state == StateRole::Follower {
            // The lease ends here; what is left of the timeout is the band.
            self.node.raft.election_elapsed = self.node.raft.election_elapsed.max(self.options.election_ticks);
        }
    }

    /// Whether somebody waits for a snapshot, and none has been offered that will do.
    pub fn wants_snapshot(&mut self) -> bool {
        self.node.mut_store().take_wanted()
    }

    /// There is a snapshot with this last entry for those who need it.
    pub fn offer_snapshot(&mut self, index: u64) {
        self.node.mut_store().offer(index);
    }

    /// What was offered is there no more.
    pub fn withdraw_snapshot(&mut self) {
        self.node.mut_store().withdraw();
    }

    /// How sending a snapshot ended.
    pub fn snapshot_sent(&mut self, id: MemberId, arrived: bool) {
        let status = if arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.node.report_snapshot(u64::from(id), status);
    }

    /// Has another member lead. It comes to nothing if that one has not caught up within an election's time.
    pub fn transfer(&mut self, to: MemberId) {
        if self.node.raft.state != StateRole::Leader {
            return;
        }
        self.node.transfer_leader(u64::from(to));
    }

    /// Gives up handing over.
    pub fn abandon_transfer(&mut self) {
        self.node.raft.abort_leader_transfer();
    }

    /// To whom leadership is being handed over.
    pub fn transferring(&self) -> Option<MemberId> {
        self.node.raft.lead_transferee.map(|id| id as MemberId)
    }

    /// Whether it would lead now, and how much.
    pub fn set_priority(&mut self, priority: u8, rank: usize) {
        self.options.priority = priority;
        self.options.rank = rank;
        self.node.set_priority(i64::from(priority));
        self.draw_anew();
    }

    /// Steps down: it orders nothing until it is elected again. Whoever is alone has nobody to lead instead, and goes on.
    pub fn step_down(&mut self) {
        let term = self.node.raft.term;
        if self.node.raft.state == StateRole::Leader && !self.node.raft.prs().is_singleton() {
            self.node.raft.become_follower(term, 0);
            self.draw();
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The last index that it knows a majority to have.
    pub fn commit_index(&self) -> u64 {
        self.node.raft.raft_log.committed
    }

    /// The last index that it has.
    pub fn last_index(&self) -> u64 {
        self.node.raft.raft_log.last_index()
    }

    /// Whether it leads and all earlier leaders' entries are known to be agreed.
    pub fn is_settled(&self) -> bool {
        self.node.raft.state == StateRole::Leader && self.node.raft.commit_to_current_term()
    }

    /// Who takes part.
    pub fn membership(&self) -> Membership {
        membership(&self.node.raft.prs().conf().to_conf_state())
    }

    /// What it knows of the others' logs while it leads.
    pub fn progress(&self) -> Vec<Progress> {
        let tracker = self.node.raft.prs();
        let voters = tracker.conf().to_conf_state();
        tracker
            .iter()
            .map(|(id, progress)| Progress {
                id: *id as MemberId,
                voter: voters.get_voters().contains(id),
                matched: progress.matched,
                active: progress.recent_active || *id == u64::from(self.options.id),
            })
            .collect()
    }

    /// The record that stands before the machine's own in a snapshot of the state as of `applied`: with them and the journal
    /// after all that was handed out to be written so far it is all that [`Journal`] needs.
    pub fn head(&self, applied: u64) -> Vec<Vec<u8>> {
        journal::head(self.options.id, self.node.store(), applied, &self.node.raft.hard_state())
    }

    /// A record that says again what was promised (term and vote), and nothing of what is agreed: for a place of its own in the journal.
    pub fn mark(&self) -> Vec<u8> {
        let mut hard = self.node.raft.hard_state();
        hard.commit = 0;
        journal::hard(&hard)
    }

    /// Whether [`Replica::head`] can be made for that index: not once a later state has come whole.
    pub fn holds(&self, applied: u64) -> bool {
        self.node.store().holds(applied)
    }

    /// What is to be done next, if anything.
    pub fn turn(&mut self) -> Option<Turn> {
        let mut turn = Turn::default();
        // Nothing to write may still be something to promise.
        self.persisted(0);
        while self.node.has_ready() || !self.promised.is_empty() {
            if !self.node.has_ready() {
                let messages = std::mem::take(&mut self.promised);
                self.send(messages, &mut turn);
                break;
            }
            self.ready(&mut turn);
            let messages = std::mem::take(&mut self.promised);
            self.send(messages, &mut turn);
            if turn.persist.is_some() {
                // One at a time: the caller writes them in this order.
                break;
            }
        }
        let state = &self.node.raft;
        let standing = Standing {
            role: match state.state {
                StateRole::Leader => Role::Leader,
                StateRole::Follower => Role::Follower,
                StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
            },
            leader: (state.leader_id != 0).then_some(state.leader_id as MemberId),
            term: state.term,
        };
        if standing != self.standing {
            self.standing = standing;
            turn.standing = Some(standing);
        }
        (!turn.is_empty()).then_some(turn)
    }

    fn ready(&mut self, turn: &mut Turn) {
        let mut ready = self.node.ready();
        let number = ready.number();
        let mut records = Vec::new();
        let install = (!ready.snapshot().is_empty()).then(|| ready.snapshot().get_metadata().index);
        if install.is_some() {
            self.node.mut_store().install(ready.snapshot().get_metadata());
            self.installing = install;
        }
        let must_write = ready.must_sync();
        if let Some(hard) = ready.hs() {
            self.node.mut_store().set_hard(hard.clone());
            self.commit_behind = true;
        }
        let entries = ready.take_entries();
        if must_write && self.commit_behind {
            let mut hard = self.node.raft.hard_state();
            // What is not written yet is not said to be agreed: the records may come to the disk in several groups.
            let written = entries.first().map_or(hard.commit, |first| first.index - 1);
            self.commit_behind = hard.commit > written;
            hard.commit = hard.commit.min(written);
            records.push(journal::hard(&hard));
        }
        records.extend(entries.iter().map(journal::entry));
        self.node.mut_store().append(entries);
        turn.barriers.extend(ready.take_read_states().into_iter().map(|state| (state.request_ctx, state.index)));
        let messages = ready.take_messages();
        self.send(messages, turn);
        let after = ready.take_persisted_messages();
        let committed = ready.take_committed_entries();
        self.node.advance_append_async(ready);
        self.writing.push_back(Writing { number, messages: after, is_light: records.is_empty() && install.is_none() });
        if !records.is_empty() || install.is_some() {
            turn.persist = Some(Persist { number, install, records });
        }
        self.commit(committed, turn);
        self.persisted(0);
        self.draw();
    }

    fn commit(&mut self, entries: Vec<raft::eraftpb::Entry>, turn: &mut Turn) {
        for entry in entries {
            let what = match entry.get_entry_type() {
                EntryType::EntryNormal if entry.get_data().is_empty() => What::Nothing,
                EntryType::EntryNormal => What::Data(entry.get_data().to_vec()),
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                    let change = codec::change(&entry);
                    match self.node.apply_conf_change(&change) {
                        Ok(state) => {
                            self.node.mut_store().set_membership(entry.index, state.clone());
                            What::Change(membership(&state), entry.get_context().to_vec())
                        }
                        // It was proposed when it no longer fitted: everybody finds so.
                        Err(_) => What::Nothing,
                    }
                }
            };
            turn.committed.push(Committed { index: entry.index, term: entry.term, what });
        }
    }

    fn send(&mut self, messages: Vec<Message>, turn: &mut Turn) {
        for message in messages {
            let to = message.to as MemberId;
            let bytes = codec::encode(&message);
            if message.get_msg_type() == MessageType::MsgSnapshot {
                turn.snapshots.push((to, bytes));
            } else {
                turn.sends.push((to, bytes));
            }
        }
    }

    /// Replaces a fresh draw of the library's by one of ours.
    fn draw(&mut self) {
        if self.node.raft.randomized_election_timeout() > self.timeout_max() {
            self.draw_anew();
        }
    }

    fn draw_anew(&mut self) {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let within = (mixed % self.options.band_ticks as u64) as usize;
        self.node.raft.set_randomized_election_timeout(self.options.election_ticks + 1 + self.options.rank * self.options.band_ticks + within);
    }

    /// More than any draw of ours.
    fn timeout_max(&self) -> usize {
        self.options.election_ticks + 1 + self.options.band_ticks * (usize::from(MemberId::MAX) + 1)
    }
}

/// Whether a message of [`Turn::sends`] brings entries; if it is lost, they come again.
pub fn is_append(message: &[u8]) -> bool {
    codec::is_append(message)
}

/// The last entry in the snapshot that a message of [`Turn::snapshots`] is about.
pub fn snapshot_index(message: &[u8]) -> Option<u64> {
    codec::decode(message, 1, 1)
        .ok()
        .filter(|message| message.get_msg_type() == MessageType::MsgSnapshot)
        .map(|message| message.get_snapshot().get_metadata().index)
}

fn membership(state: &ConfState) -> Membership {
    let ids = |list: &[u64]| {
        let mut ids: Vec<_> = list.iter().map(|id| *id as MemberId).collect();
        ids.sort_unstable();
        ids
    };
    Membership { voters: ids(state.get_voters()), learners: ids(state.get_learners()), changing: !state.get_voters_outgoing().is_empty() }
}

fn library(error: &raft::Error) -> Error {
    Error::new(ErrorKind::SystemError, format!("consensus: {error}"))
}
