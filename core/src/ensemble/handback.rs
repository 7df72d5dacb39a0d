//! When a leader hands over to a member that should rather lead.
//!
//! Once settled, the highest eligible member leads: one with a higher priority that has caught up and has been heard all through a
//! period. The period doubles with every short tenure of that member, so that a favourite that keeps failing cannot make
//! leadership flap; a long tenure clears its name. Every member sees all changes of leadership, so each leader judges alike.
//!
//! Not here: how leadership passes (`log::replica`).

use super::Voter;
use crate::log::replica::{MemberId, Progress};
use std::collections::BTreeMap;

/// How long a better member must have been there before it is handed to, in ticks.
const STABLE_TICKS: u64 = 100;
/// A tenure shorter than this counts against a member, in ticks.
const SHORT_TICKS: u64 = 3_000;
/// At most so many doublings: 64 times the period.
const STRIKES_MAX: u32 = 6;
/// An offer that came to nothing is repeated after this, in ticks.
const AGAIN_TICKS: u64 = 100;
/// A member that lacks at most so many entries has caught up: the rest comes while leadership passes.
pub(super) const LAG_MAX: u64 = 1_024;

/// What a member remembers of tenures, and since when a better one has been there.
#[derive(Debug, Default)]
pub struct Handback {
    tenure: Option<(MemberId, u64)>,
    strikes: BTreeMap<MemberId, u32>,
    better: Option<(MemberId, u64)>,
    offered: u64,
}

impl Handback {
    /// Another member, or none, leads from `now` on, in ticks.
    pub fn led_by(&mut self, leader: Option<MemberId>, now: u64) {
        if self.tenure.map(|(leader, _)| leader) == leader {
            return;
        }
        if let Some((before, since)) = self.tenure {
            let strikes = self.strikes.entry(before).or_default();
            *strikes = if now.saturating_sub(since) < SHORT_TICKS { (*strikes + 1).min(STRIKES_MAX) } else { 0 };
        }
        self.tenure = leader.map(|leader| (leader, now));
        self.better = None;
    }

    /// To whom this member, which leads, should hand over at `now`.
    pub fn choose(&mut self, own: MemberId, voters: &[Voter], progress: &[Progress], commit: u64, now: u64) -> Option<MemberId> {
        let mine = voters.iter().find(|voter| voter.id == own)?.priority;
        let fit = |voter: &&Voter| {
            let known = progress.iter().find(|progress| progress.id == voter.id);
            voter.priority > mine && known.is_some_and(|known| known.voter && known.active && known.matched + LAG_MAX >= commit)
        };
        let best = voters.iter().filter(fit).min_by_key(|voter| (std::cmp::Reverse(voter.priority), voter.id)).map(|voter| voter.id);
        match (best, self.better) {
            (None, _) => {
                self.better = None;
                return None;
            }
            (Some(best), Some((before, _))) if best == before => {}
            (Some(best), _) => self.better = Some((best, now)),
        }
        let (best, since) = self.better?;
        let wait = STABLE_TICKS << self.strikes.get(&best).copied().unwrap_or(0).saturating_sub(1);
        if now < since + wait || now < self.offered + AGAIN_TICKS {
            return None;
        }
        self.offered = now;
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> (Vec<Voter>, Vec<Progress>) {
        let voters = (1..=3).map(|id| Voter { id, priority: id * 10 }).collect();
        let progress = (1..=3).map(|id| Progress { id, voter: true, matched: 100, active: true }).collect();
        (voters, progress)
    }

    /// The tick at which `own`, which leads from `from` on, hands over.
    fn handed(handback: &mut Handback, own: MemberId, from: u64) -> (u64, MemberId) {
        let (voters, progress) = settled();
        (from..).find_map(|now| handback.choose(own, &voters, &progress, 100, now).map(|to| (now, to))).unwrap()
    }

    #[test]
    fn the_highest_priority_leads_after_a_period() {
        let mut handback = Handback::default();
        handback.led_by(Some(1), 0);
        assert_eq!(handed(&mut handback, 1, 5), (5 + STABLE_TICKS, 3));
    }

    #[test]
    fn nobody_is_handed_to_who_lags_is_silent_or_never_leads() {
        let (mut voters, mut progress) = settled();
        let mut handback = Handback::default();
        handback.led_by(Some(2), 0);
        progress[2].active = false;
        assert!((0..500).all(|now| handback.choose(2, &voters, &progress, 100, now).is_none()));
        progress[2].active = true;
        progress[2].matched = 0;
        assert!((500..1000).all(|now| handback.choose(2, &voters, &progress, LAG_MAX + 1, now).is_none()));
        voters[2].priority = 0;
        assert!((1000..1500).all(|now| handback.choose(2, &voters, &progress, 0, now).is_none()));
    }

    #[test]
    fn a_favourite_that_keeps_failing_waits_longer_each_time_and_a_long_tenure_clears_its_name() {
        let mut handback = Handback::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            handback.led_by(Some(1), now);
            let (then, to) = handed(&mut handback, 1, now);
            waits.push((then - now) / STABLE_TICKS);
            handback.led_by(Some(to), then);
            now = then + 10;
        }
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 32, 32, 32]);
        handback.led_by(Some(1), now);
        let (then, to) = handed(&mut handback, 1, now);
        handback.led_by(Some(to), then);
        now = then + SHORT_TICKS;
        handback.led_by(Some(1), now);
        assert_eq!(handed(&mut handback, 1, now).0 - now, STABLE_TICKS);
    }
}
