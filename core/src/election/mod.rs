//! Who holds an office, decided by votes or by queueing; both are pure functions of what was received.
//!
//! By votes: [`Electorate::choose`] says whom to vote for, [`LastVote`] keeps a voter from voting
//! twice in a term, and [`Tally`] counts: more than half of all voters elect.
//! By queueing: each contender creates a sequential znode, and [`waits_for`] says whom it waits for.
//!
//! Not here: who is alive (`heartbeat`), carrying ballots, storing a [`LastVote`]; and the log's
//! own leader, who is another matter.

mod queue;
mod sequence;
mod tally;
mod voters;

pub use queue::{Contender, waits_for};
pub use sequence::{queue_order, sequence_name, sequence_of, sequence_precedes};
pub use tally::{Ballot, LastVote, Outcome, Tally};
pub use voters::{Electorate, Term, Voter, VoterId};
