//! Messages between members as bytes, and back.
//!
//! Numbers are little-endian base 128; bytes and lists are led by their length. Sender and receiver are not written: the link
//! knows them. Nothing is allocated for more than has come.

use super::MemberId;
use crate::error::{Error, ErrorKind, Result};
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, Message, MessageType, SnapshotMetadata,
};

/// What may be sent, by its number on the wire. The library's local messages are none of it.
const KINDS: [MessageType; 14] = [
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgTransferLeader,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
    MessageType::MsgPropose,
];

/// The kinds of entries, by their number.
const ENTRY_KINDS: [EntryType; 3] = [EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2];

/// Appends numbers and bytes.
#[derive(Default)]
pub(super) struct Out(pub Vec<u8>);

impl Out {
    pub fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn numbers(&mut self, numbers: &[u64]) -> &mut Self {
        self.number(numbers.len() as u64);
        for number in numbers {
            self.number(*number);
        }
        self
    }
}

/// Reads them again.
pub(super) struct In<'a>(pub &'a [u8]);

impl<'a> In<'a> {
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if place == 9 && *byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// How many come now; each takes a byte at least.
    pub fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub fn numbers(&mut self) -> Option<Vec<u64>> {
        let count = self.count()?;
        (0..count).map(|_| self.number()).collect()
    }
}

pub(super) fn put_entry(out: &mut Out, entry: &Entry) {
    let kind = ENTRY_KINDS.iter().position(|kind| *kind == entry.get_entry_type()).unwrap_or(0);
    out.number(kind as u64).number(entry.index).number(entry.term).bytes(entry.get_context()).bytes(entry.get_data());
}

pub(super) fn take_entry(from: &mut In<'_>) -> Option<Entry> {
    let mut entry = Entry::default();
    entry.set_entry_type(*ENTRY_KINDS.get(usize::try_from(from.number()?).ok()?)?);
    entry.index = from.number()?;
    entry.term = from.number()?;
    entry.context = from.bytes()?.to_vec().into();
    entry.data = from.bytes()?.to_vec().into();
    Some(entry)
}

pub(super) fn put_membership(out: &mut Out, state: &ConfState) {
    out.numbers(state.get_voters()).numbers(state.get_learners()).numbers(state.get_voters_outgoing()).numbers(state.get_learners_next());
    out.number(u64::from(state.get_auto_leave()));
}

pub(super) fn take_membership(from: &mut In<'_>) -> Option<ConfState> {
    let mut ids = || from.numbers().filter(|ids| ids.iter().all(|id| (1..=u64::from(MemberId::MAX)).contains(id)));
    let mut state = ConfState::default();
    state.set_voters(ids()?);
    state.set_learners(ids()?);
    state.set_voters_outgoing(ids()?);
    state.set_learners_next(ids()?);
    state.set_auto_leave(from.number()? != 0);
    Some(state)
}

pub(super) fn encode(message: &Message) -> Vec<u8> {
    let kind = KINDS.iter().position(|kind| *kind == message.get_msg_type());
    assert!(kind.is_some(), "a message that is for this member only is not sent");
    let mut out = Out::default();
    out.number(kind.unwrap_or(0) as u64 * 2 + u64::from(message.reject));
    out.number(message.term).number(message.log_term).number(message.index).number(message.commit).number(message.commit_term);
    out.number(message.request_snapshot).number(message.reject_hint).number(message.priority as u64);
    out.bytes(message.get_context());
    out.number(message.get_entries().len() as u64);
    for entry in message.get_entries() {
        put_entry(&mut out, entry);
    }
    if message.get_msg_type() == MessageType::MsgSnapshot {
        let of = message.get_snapshot().get_metadata();
        out.number(of.index).number(of.term);
        put_membership(&mut out, of.get_conf_state());
    }
    out.0
}

pub(super) fn is_append(bytes: &[u8]) -> bool {
    In(bytes).number().and_then(|kind| KINDS.get(usize::try_from(kind / 2).ok()?)) == Some(&MessageType::MsgAppend)
}

pub(super) fn decode(bytes: &[u8], from: MemberId, to: MemberId) -> Result<Message> {
    parse(bytes, from, to).ok_or_else(|| Error::new(ErrorKind::BadArguments, format!("member {from} sent {} bytes that are no message", bytes.len())))
}

fn parse(bytes: &[u8], from: MemberId, to: MemberId) -> Option<Message> {
    let mut input = In(bytes);
    let mut message = Message::default();
    message.from = u64::from(from);
    message.to = u64::from(to);
    let kind = input.number()?;
    message.set_msg_type(*KINDS.get(usize::try_from(kind / 2).ok()?)?);
    message.reject = kind % 2 == 1;
    message.term = input.number()?;
    message.log_term = input.number()?;
    message.index = input.number()?;
    message.commit = input.number()?;
    message.commit_term = input.number()?;
    message.request_snapshot = input.number()?;
    message.reject_hint = input.number()?;
    message.priority = input.number()? as i64;
    message.context = input.bytes()?.to_vec().into();
    let count = input.count()?;
    let entries = (0..count).map(|_| take_entry(&mut input)).collect::<Option<Vec<_>>>()?;
    let is_in_order = entries.iter().zip(message.index + 1..).all(|(entry, index)| entry.index == index && entry.term <= message.term);
    if message.get_msg_type() == MessageType::MsgAppend && !is_in_order {
        return None;
    }
    message.set_entries(entries.into());
    if message.get_msg_type() == MessageType::MsgSnapshot {
        let mut of = SnapshotMetadata::default();
        of.index = input.number()?;
        of.term = input.number()?;
        of.set_conf_state(take_membership(&mut input)?);
        if of.index == 0 {
            return None;
        }
        message.mut_snapshot().set_metadata(of);
    }
    let is_sound = match message.get_msg_type() {
        // Never sent: only the leader proposes, and hands over.
        MessageType::MsgPropose | MessageType::MsgTransferLeader => false,
        // Only these have no term: they are passed on as they are.
        MessageType::MsgReadIndex => message.term == 0 && message.get_entries().len() == 1,
        _ => message.term != 0,
    };
    (input.0.is_empty() && is_sound).then_some(message)
}

/// The change of membership that an entry holds: in the library's own encoding, of which this reads what there is.
pub(super) fn change(entry: &Entry) -> ConfChangeV2 {
    let mut change = ConfChangeV2::default();
    let mut input = In(entry.get_data());
    let mut singles = Vec::new();
    while !input.0.is_empty() {
        let read = match input.number() {
            Some(0x08) => input.number().map(|transition| {
                change.set_transition(match transition {
                    1 => ConfChangeTransition::Implicit,
                    2 => ConfChangeTransition::Explicit,
                    _ => ConfChangeTransition::Auto,
                });
            }),
            Some(0x12) => input.bytes().map(|single| singles.push(single_change(single))),
            Some(0x1a) => input.bytes().map(drop),
            _ => None,
        };
        if read.is_none() {
            break;
        }
    }
    change.set_changes(singles.into());
    change
}

fn single_change(bytes: &[u8]) -> ConfChangeSingle {
    let mut single = ConfChangeSingle::default();
    let mut input = In(bytes);
    while let Some(tag) = input.number() {
        let Some(value) = input.number() else { break };
        match (tag, value) {
            (0x08, 1) => single.set_change_type(ConfChangeType::RemoveNode),
            (0x08, 2) => single.set_change_type(ConfChangeType::AddLearnerNode),
            (0x08, _) => single.set_change_type(ConfChangeType::AddNode),
            (0x10, id) => single.node_id = id,
            _ => {}
        }
    }
    single
}
