//! Who may vote, who may hold office, and whom to vote for.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::VOTERS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A voter's number, given by the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VoterId(pub u64);

impl fmt::Display for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of an election. A later one is higher; in each at most one candidate is elected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// Its number, unique among the voters.
    pub id: VoterId,
    /// 255 is preferred most; 0 votes but never holds office.
    pub priority: u8,
}

/// All voters, alive or not. Half of them is counted from this list, never from who answers:
/// else both sides of a partition would elect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Electorate {
    priorities: BTreeMap<VoterId, u8>,
}

impl Electorate {
    /// An electorate of `voters`, in any order.
    ///
    /// # Errors
    /// `BadArguments` when there are none or an id comes twice, `LimitExceeded` beyond [`VOTERS_MAX`].
    pub fn new(voters: impl IntoIterator<Item = Voter>) -> Result<Self> {
        let mut priorities = BTreeMap::new();
        for voter in voters {
            if priorities.insert(voter.id, voter.priority).is_some() {
                return Err(Error::new(ErrorKind::BadArguments, format!("voter {} is named twice", voter.id)));
            }
            if priorities.len() > VOTERS_MAX {
                let text = format!("{} voters, VOTERS_MAX is {VOTERS_MAX}", priorities.len());
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
        }
        if priorities.is_empty() {
            return Err(Error::new(ErrorKind::BadArguments, "an electorate needs a voter"));
        }
        Ok(Self { priorities })
    }

    /// How many voters there are, at least 1.
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        self.priorities.len()
    }

    /// The votes that elect: the least number that is more than half of all voters.
    pub fn majority(&self) -> usize {
        self.len() / 2 + 1
    }

    /// The priority of a voter; `None` for a stranger.
    pub fn priority(&self, id: VoterId) -> Option<u8> {
        self.priorities.get(&id).copied()
    }

    /// The voters, by id.
    pub fn voters(&self) -> impl Iterator<Item = Voter> + '_ {
        self.priorities.iter().map(|(id, priority)| Voter { id: *id, priority: *priority })
    }

    /// Whether anyone may hold office.
    pub fn has_candidates(&self) -> bool {
        self.priorities.values().any(|priority| *priority > 0)
    }

    /// The vote to cast when `live` are the voters that can be heard, the caller included: of those
    /// with a priority above 0 the highest, of equals the lowest id. Strangers are passed over.
    /// `None` when no one of them may hold office.
    pub fn choose(&self, live: impl IntoIterator<Item = VoterId>) -> Option<VoterId> {
        let known = live.into_iter().filter_map(|id| Some((self.priority(id)?, id)));
        let eligible = known.filter(|(priority, _)| *priority > 0);
        eligible.min_by_key(|(priority, id)| (std::cmp::Reverse(*priority), *id)).map(|(_, id)| id)
    }
}
