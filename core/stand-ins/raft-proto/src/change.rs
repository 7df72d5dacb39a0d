use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::eraftpb::{ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

/// What happens to member `node_id`.
pub fn new_conf_change_single(node_id: u64, change_type: ConfChangeType) -> ConfChangeSingle {
    ConfChangeSingle { change_type, node_id, ..ConfChangeSingle::default() }
}

/// A change of membership, of the old or the new kind.
pub trait ConfChangeI {
    /// As one of the new kind.
    fn into_v2(self) -> ConfChangeV2;

    /// As one of the new kind, the original kept.
    fn as_v2(&self) -> Cow<'_, ConfChangeV2>;

    /// As one of the old kind, if it is one.
    fn as_v1(&self) -> Option<&ConfChange>;
}

impl ConfChangeI for ConfChange {
    fn into_v2(self) -> ConfChangeV2 {
        let single = new_conf_change_single(self.node_id, self.change_type);
        ConfChangeV2 { changes: vec![single].into(), context: self.context, ..ConfChangeV2::default() }
    }

    fn as_v2(&self) -> Cow<'_, ConfChangeV2> {
        Cow::Owned(self.clone().into_v2())
    }

    fn as_v1(&self) -> Option<&ConfChange> {
        Some(self)
    }
}

impl ConfChangeI for ConfChangeV2 {
    fn into_v2(self) -> ConfChangeV2 {
        self
    }

    fn as_v2(&self) -> Cow<'_, ConfChangeV2> {
        Cow::Borrowed(self)
    }

    fn as_v1(&self) -> Option<&ConfChange> {
        None
    }
}

/// Whether both name the same members in the same roles, in whatever order.
#[must_use]
pub fn conf_state_eq(one: &ConfState, other: &ConfState) -> bool {
    fn members(state: &ConfState) -> [BTreeSet<u64>; 4] {
        [&state.voters, &state.learners, &state.voters_outgoing, &state.learners_next].map(|members| members.iter().copied().collect())
    }
    one == other || (one.auto_leave == other.auto_leave && members(one) == members(other))
}
