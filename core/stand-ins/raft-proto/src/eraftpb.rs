//! The messages. What their fields mean is the library's to say; here is their shape. Fields are written in the order in
//! which they stand, which is the published crate's.

use bytes::Bytes;
use protobuf::value::{self, Value};
use protobuf::{ProtobufResult, RepeatedField, SingularPtrField};

numbered! {
    /// What an entry holds.
    EntryType { EntryNormal, EntryConfChange, EntryConfChangeV2 }
}

numbered! {
    /// What a message is.
    MessageType {
        MsgHup, MsgBeat, MsgPropose, MsgAppend, MsgAppendResponse, MsgRequestVote, MsgRequestVoteResponse, MsgSnapshot,
        MsgHeartbeat, MsgHeartbeatResponse, MsgUnreachable, MsgSnapStatus, MsgCheckQuorum, MsgTransferLeader, MsgTimeoutNow,
        MsgReadIndex, MsgReadIndexResp, MsgRequestPreVote, MsgRequestPreVoteResponse,
    }
}

numbered! {
    /// How a change of membership goes through two majorities: if need be, always, or always and left by the caller.
    ConfChangeTransition { Auto, Implicit, Explicit }
}

numbered! {
    /// What happens to one member.
    ConfChangeType { AddNode, RemoveNode, AddLearnerNode }
}

message! {
    /// An entry of the log.
    Entry {
        entry_type: EntryType = 1 copy(get_entry_type, set_entry_type),
        term: u64 = 2 copy(get_term, set_term),
        index: u64 = 3 copy(get_index, set_index),
        data: Bytes = 4 held(get_data, set_data, mut_data, take_data),
        context: Bytes = 6 held(get_context, set_context, mut_context, take_context),
        sync_log: bool = 5 copy(get_sync_log, set_sync_log),
    }
}

message! {
    /// Where a snapshot stands in the log, and who the members were there.
    SnapshotMetadata {
        conf_state: SingularPtrField<ConfState> = 1 maybe(ConfState, has_conf_state, get_conf_state, set_conf_state, mut_conf_state, take_conf_state),
        index: u64 = 2 copy(get_index, set_index),
        term: u64 = 3 copy(get_term, set_term),
    }
}

message! {
    /// A state to start from instead of a log.
    Snapshot {
        data: Bytes = 1 held(get_data, set_data, mut_data, take_data),
        metadata: SingularPtrField<SnapshotMetadata> = 2 maybe(SnapshotMetadata, has_metadata, get_metadata, set_metadata, mut_metadata, take_metadata),
    }
}

impl Snapshot {
    /// Whether it stands nowhere: no log begins at 0.
    pub fn is_empty(&self) -> bool {
        self.get_metadata().index == 0
    }
}

message! {
    /// What one member tells another, or the library itself.
    Message {
        msg_type: MessageType = 1 copy(get_msg_type, set_msg_type),
        to: u64 = 2 copy(get_to, set_to),
        from: u64 = 3 copy(get_from, set_from),
        term: u64 = 4 copy(get_term, set_term),
        log_term: u64 = 5 copy(get_log_term, set_log_term),
        index: u64 = 6 copy(get_index, set_index),
        entries: RepeatedField<Entry> = 7 held(get_entries, set_entries, mut_entries, take_entries),
        commit: u64 = 8 copy(get_commit, set_commit),
        commit_term: u64 = 15 copy(get_commit_term, set_commit_term),
        snapshot: SingularPtrField<Snapshot> = 9 maybe(Snapshot, has_snapshot, get_snapshot, set_snapshot, mut_snapshot, take_snapshot),
        request_snapshot: u64 = 13 copy(get_request_snapshot, set_request_snapshot),
        reject: bool = 10 copy(get_reject, set_reject),
        reject_hint: u64 = 11 copy(get_reject_hint, set_reject_hint),
        context: Bytes = 12 held(get_context, set_context, mut_context, take_context),
        deprecated_priority: u64 = 14 copy(get_deprecated_priority, set_deprecated_priority),
        priority: i64 = 16 copy(get_priority, set_priority),
    }
}

message! {
    /// What a member must not forget: its term, whom it voted for in it, and what it knows to be committed.
    HardState {
        term: u64 = 1 copy(get_term, set_term),
        vote: u64 = 2 copy(get_vote, set_vote),
        commit: u64 = 3 copy(get_commit, set_commit),
    }
}

message! {
    /// Who the members are; while they change, who they were as well.
    ConfState {
        voters: Vec<u64> = 1 held(get_voters, set_voters, mut_voters, take_voters),
        learners: Vec<u64> = 2 held(get_learners, set_learners, mut_learners, take_learners),
        voters_outgoing: Vec<u64> = 3 held(get_voters_outgoing, set_voters_outgoing, mut_voters_outgoing, take_voters_outgoing),
        learners_next: Vec<u64> = 4 held(get_learners_next, set_learners_next, mut_learners_next, take_learners_next),
        auto_leave: bool = 5 copy(get_auto_leave, set_auto_leave),
    }
}

impl<V: IntoIterator<Item = u64>, L: IntoIterator<Item = u64>> From<(V, L)> for ConfState {
    /// Members of these voters and learners.
    fn from((voters, learners): (V, L)) -> Self {
        Self { voters: voters.into_iter().collect(), learners: learners.into_iter().collect(), ..Self::default() }
    }
}

message! {
    /// A change of one member, as it was before changes of several.
    ConfChange {
        change_type: ConfChangeType = 2 copy(get_change_type, set_change_type),
        node_id: u64 = 3 copy(get_node_id, set_node_id),
        context: Bytes = 4 held(get_context, set_context, mut_context, take_context),
        id: u64 = 1 copy(get_id, set_id),
    }
}

message! {
    /// What happens to one member, within a [`ConfChangeV2`].
    ConfChangeSingle {
        change_type: ConfChangeType = 1 copy(get_change_type, set_change_type),
        node_id: u64 = 2 copy(get_node_id, set_node_id),
    }
}

message! {
    /// A change of several members at once; one without changes ends such a change.
    ConfChangeV2 {
        transition: ConfChangeTransition = 1 copy(get_transition, set_transition),
        changes: RepeatedField<ConfChangeSingle> = 2 held(get_changes, set_changes, mut_changes, take_changes),
        context: Bytes = 3 held(get_context, set_context, mut_context, take_context),
    }
}

impl ConfChangeV2 {
    /// Whether it goes through two majorities; if so, whether the library ends that by itself.
    pub fn enter_joint(&self) -> Option<bool> {
        match self.transition {
            ConfChangeTransition::Auto if self.changes.len() <= 1 => None,
            ConfChangeTransition::Auto | ConfChangeTransition::Implicit => Some(true),
            ConfChangeTransition::Explicit => Some(false),
        }
    }

    /// Whether it ends a change of several members.
    pub fn leave_joint(&self) -> bool {
        self.transition == ConfChangeTransition::Auto && self.changes.is_empty()
    }
}
