//! Counting: who is elected, if anyone.
//!
//! In a term each voter has one vote that never changes, and more than half of all voters elect.
//! Two majorities share a voter, so any two tallies of a term that name a winner name the same one,
//! whichever ballots reached them, in whatever order and however often.

use super::voters::{Electorate, Term, VoterId};
use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One vote, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// The election it is for.
    pub term: Term,
    /// Whose vote it is.
    pub voter: VoterId,
    /// For whom.
    pub candidate: VoterId,
}

/// How an election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// More than half of the voters voted for this one. It stays so for the term.
    Elected(VoterId),
    /// Someone can still be elected by the votes that are missing.
    Undecided,
    /// No one can be elected any more in this term: hold another, after a wait of random length.
    Split,
}

/// The votes of one term.
#[derive(Clone, Debug)]
pub struct Tally {
    electorate: Electorate,
    term: Term,
    votes: BTreeMap<VoterId, VoterId>,
    counts: BTreeMap<VoterId, usize>,
}

impl Tally {
    /// A tally of `term` without votes.
    pub fn new(electorate: Electorate, term: Term) -> Self {
        Self { electorate, term, votes: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Counts `ballot` and tells how the election stands. The same ballot again changes nothing.
    ///
    /// # Errors
    /// `BadArguments` when the voter or candidate is unknown or the candidate has priority 0;
    /// `InvalidState` when the ballot is of another term, or the voter has voted for someone else.
    /// Then nothing is counted.
    pub fn cast(&mut self, ballot: Ballot) -> Result<Outcome> {
        let Ballot { term, voter, candidate } = ballot;
        if self.electorate.priority(voter).is_none() {
            return Err(Error::new(ErrorKind::BadArguments, format!("voter {voter} is not of the electorate")));
        }
        match self.electorate.priority(candidate) {
            None => return Err(Error::new(ErrorKind::BadArguments, format!("candidate {candidate} is not of the electorate"))),
            Some(0) => return Err(Error::new(ErrorKind::BadArguments, format!("candidate {candidate} has priority 0"))),
            Some(_) => {}
        }
        if term != self.term {
            return Err(Error::new(ErrorKind::InvalidState, format!("the tally is of term {}, the ballot of {term}", self.term)));
        }
        match self.votes.get(&voter) {
            Some(before) if *before != candidate => {
                let text = format!("voter {voter} voted for {before} in term {term}, now for {candidate}");
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            Some(_) => {}
            None => {
                self.votes.insert(voter, candidate);
                *self.counts.entry(candidate).or_default() += 1;
            }
        }
        Ok(self.outcome())
    }

    /// How the election stands.
    pub fn outcome(&self) -> Outcome {
        let majority = self.electorate.majority();
        let best = self.counts.iter().max_by_key(|(_, votes)| **votes).map(|(id, votes)| (*id, *votes));
        let missing = self.electorate.len() - self.votes.len();
        match best {
            Some((id, votes)) if votes >= majority => Outcome::Elected(id),
            Some((_, votes)) if votes + missing < majority => Outcome::Split,
            None if !self.electorate.has_candidates() => Outcome::Split,
            _ => Outcome::Undecided,
        }
    }

    /// Starts over in a later term; the votes of the last one are gone.
    ///
    /// # Errors
    /// `BadArguments` when `term` is not later than the current one.
    pub fn advance(&mut self, term: Term) -> Result<()> {
        if term <= self.term {
            return Err(Error::new(ErrorKind::BadArguments, format!("term {term} is not after {}", self.term)));
        }
        self.term = term;
        self.votes.clear();
        self.counts.clear();
        Ok(())
    }

    /// The term being counted.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Who may vote.
    pub fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// Whom `voter` has voted for, as far as is known here.
    pub fn vote_of(&self, voter: VoterId) -> Option<VoterId> {
        self.votes.get(&voter).copied()
    }

    /// How many votes `candidate` has.
    pub fn votes_for(&self, candidate: VoterId) -> usize {
        self.counts.get(&candidate).copied().unwrap_or(0)
    }
}

/// What one voter has to remember: the last vote it cast.
///
/// A voter that may come back in the same term has to store this before its ballot leaves: one that
/// forgets can vote twice, and two winners become possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVote {
    voter: VoterId,
    last: Option<(Term, VoterId)>,
}

impl LastVote {
    /// Of a voter that has never voted.
    pub fn new(voter: VoterId) -> Self {
        Self { voter, last: None }
    }

    /// The ballot of this voter for `candidate` in `term`. The same vote again gives the same ballot.
    ///
    /// # Errors
    /// `InvalidState` when it has voted for someone else in this term, or in a later one.
    pub fn vote(&mut self, term: Term, candidate: VoterId) -> Result<Ballot> {
        if let Some((last, before)) = self.last
            && (term < last || term == last && before != candidate)
        {
            let text = format!("voter {} voted for {before} in term {last}, now for {candidate} in term {term}", self.voter);
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.last = Some((term, candidate));
        Ok(Ballot { term, voter: self.voter, candidate })
    }

    /// The last vote; `None` before the first.
    pub fn ballot(&self) -> Option<Ballot> {
        self.last.map(|(term, candidate)| Ballot { term, voter: self.voter, candidate })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Voter;
    use super::*;
    use crate::limits::VOTERS_MAX;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn electorate(priorities: &[u8]) -> Electorate {
        let voters = priorities.iter().enumerate().map(|(id, priority)| Voter { id: VoterId(id as u64), priority: *priority });
        Electorate::new(voters).unwrap()
    }

    fn ballot(term: u64, voter: u64, candidate: u64) -> Ballot {
        Ballot { term: Term(term), voter: VoterId(voter), candidate: VoterId(candidate) }
    }

    proptest! {
        /// Voters vote as they like and as often as they like; each of three members hears some of it,
        /// in its own order. `LastVote` keeps the voters honest.
        #[test]
        fn a_term_has_at_most_one_winner(
            priorities in vec(0u8..4, 1..8),
            wishes in vec((0u64..8, 0u64..3, 0u64..8), 0..80),
            heard in vec(vec(any::<prop::sample::Index>(), 0..100), 3),
        ) {
            let electorate = electorate(&priorities);
            let mut voters: Vec<_> = (0..8).map(|id| LastVote::new(VoterId(id))).collect();
            let ballots: Vec<_> =
                wishes.iter().filter_map(|(voter, term, candidate)| voters[*voter as usize].vote(Term(*term), VoterId(*candidate)).ok()).collect();
            for term in 0..3 {
                let mut winners = Vec::new();
                for order in &heard {
                    let mut tally = Tally::new(electorate.clone(), Term(term));
                    let mut over = None;
                    for at in order.iter().filter(|_| !ballots.is_empty()) {
                        let ballot = *at.get(&ballots);
                        let valid = ballot.term == Term(term)
                            && electorate.priority(ballot.voter).is_some()
                            && electorate.priority(ballot.candidate).is_some_and(|priority| priority > 0);
                        let result = tally.cast(ballot);
                        prop_assert_eq!(result.is_ok(), valid);
                        if let Some(over) = over {
                            prop_assert_eq!(tally.outcome(), over, "an outcome was taken back");
                        }
                        over = Some(tally.outcome()).filter(|outcome| *outcome != Outcome::Undecided);
                    }
                    if let Outcome::Elected(id) = tally.outcome() {
                        prop_assert!(2 * tally.votes_for(id) > priorities.len());
                        winners.push(id);
                    }
                }
                winners.dedup();
                prop_assert!(winners.len() <= 1, "term {}: {:?}", term, winners);
            }
        }

        #[test]
        fn split_is_said_exactly_when_no_one_can_win(priorities in vec(0u8..3, 1..7), votes in vec((0u64..7, 0u64..7), 0..10)) {
            let electorate = electorate(&priorities);
            let mut tally = Tally::new(electorate.clone(), Term(1));
            for (voter, candidate) in votes {
                let _ = tally.cast(ballot(1, voter, candidate));
            }
            // Give one candidate after the other all the votes that are missing.
            let winnable = electorate.voters().filter(|candidate| candidate.priority > 0).any(|candidate| {
                let mut rest = tally.clone();
                for voter in electorate.voters() {
                    let _ = rest.cast(Ballot { term: Term(1), voter: voter.id, candidate: candidate.id });
                }
                rest.outcome() == Outcome::Elected(candidate.id)
            });
            prop_assert_eq!(tally.outcome() == Outcome::Split, !winnable);
        }

        #[test]
        fn all_who_hear_the_same_choose_the_same(priorities in vec(any::<u8>(), 1..8), mut live in vec(0u64..9, 0..12)) {
            let electorate = electorate(&priorities);
            let choice = electorate.choose(live.iter().map(|id| VoterId(*id)));
            live.reverse();
            prop_assert_eq!(choice, electorate.choose(live.iter().map(|id| VoterId(*id))));
            for id in live {
                let Some(priority) = electorate.priority(VoterId(id)).filter(|priority| *priority > 0) else { continue };
                let best = choice.unwrap();
                let above = electorate.priority(best).unwrap();
                prop_assert!(above > priority || above == priority && best.0 <= id);
            }
            if let Some(best) = choice {
                prop_assert!(electorate.priority(best).unwrap() > 0);
            }
        }
    }

    #[test]
    fn what_does_not_count_is_refused() {
        let mut tally = Tally::new(electorate(&[1, 1, 0]), Term(7));
        let mut kind = |ballot| tally.cast(ballot).unwrap_err().kind();
        assert_eq!(kind(ballot(7, 9, 0)), ErrorKind::BadArguments);
        assert_eq!(kind(ballot(7, 0, 9)), ErrorKind::BadArguments);
        assert_eq!(kind(ballot(7, 0, 2)), ErrorKind::BadArguments);
        assert_eq!(kind(ballot(6, 0, 1)), ErrorKind::InvalidState);
        assert_eq!(tally.cast(ballot(7, 0, 1)), Ok(Outcome::Undecided));
        assert_eq!(tally.cast(ballot(7, 0, 1)), Ok(Outcome::Undecided));
        assert_eq!(tally.cast(ballot(7, 0, 0)).unwrap_err().kind(), ErrorKind::InvalidState);
        assert_eq!(tally.cast(ballot(7, 2, 1)), Ok(Outcome::Elected(VoterId(1))));
        assert!(tally.advance(Term(7)).is_err());
        assert!(tally.advance(Term(8)).is_ok());
        assert_eq!(tally.outcome(), Outcome::Undecided);
    }

    #[test]
    fn half_is_not_a_majority() {
        let mut tally = Tally::new(electorate(&[1, 1, 1, 1]), Term(1));
        for (voter, candidate) in [(0, 0), (1, 0), (2, 1)] {
            assert_eq!(tally.cast(ballot(1, voter, candidate)), Ok(Outcome::Undecided));
        }
        assert_eq!(tally.cast(ballot(1, 3, 1)), Ok(Outcome::Split));
        assert_eq!(Tally::new(electorate(&[0, 0]), Term(1)).outcome(), Outcome::Split);
    }

    #[test]
    fn an_electorate_needs_voters_that_differ() {
        assert_eq!(Electorate::new([]).unwrap_err().kind(), ErrorKind::BadArguments);
        let same = Voter { id: VoterId(1), priority: 1 };
        assert_eq!(Electorate::new([same, same]).unwrap_err().kind(), ErrorKind::BadArguments);
        let many = (0..=VOTERS_MAX as u64).map(|id| Voter { id: VoterId(id), priority: 1 });
        assert_eq!(Electorate::new(many).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }
}
