//! No session ends by silence that was heard, within its timeout, by the leader that ends it; and none within a timeout of that
//! leader's beginning.

use super::Check;
use folkmoot::ids::SessionId;
use std::collections::BTreeMap;

/// A tick of the leader's, and one of its rounds.
const SLACK_MS: u64 = 40;

#[derive(Default)]
pub struct Expiry {
    /// When a member that led heard of a session.
    heard: BTreeMap<(u8, SessionId), u64>,
    /// Who leads, as of the last entry applied; since when it has led, by member and term.
    pub leader: Option<(u8, u64)>,
    began: BTreeMap<(u8, u64), u64>,
    pub expired: u64,
}

impl Expiry {
    pub fn heard(&mut self, leader: u8, session: SessionId, now: u64) {
        self.heard.insert((leader, session), now);
    }

    pub fn begins(&mut self, member: u8, term: u64, now: u64) {
        self.began.insert((member, term), now);
    }

    /// A session with this timeout ends; its leader said so at `then`, by the clock of the world.
    pub fn expires(&mut self, session: SessionId, timeout_ms: u32, then: u64) -> Check {
        self.expired += 1;
        let Some(leader) = self.leader else { return Err(format!("session {session} expires and nobody leads")) };
        let since = then.saturating_sub(u64::from(timeout_ms).saturating_sub(SLACK_MS));
        // What was heard after it had said so comes too late.
        if let Some(heard) = self.heard.get(&(leader.0, session))
            && (since..then).contains(heard)
        {
            return Err(format!("session {session} of {timeout_ms} ms was heard by member {} at {heard}, and expired at {then}", leader.0));
        }
        if let Some(began) = self.began.get(&leader)
            && *began > since
        {
            return Err(format!("session {session} of {timeout_ms} ms expired at {then}, and member {} leads since {began}", leader.0));
        }
        Ok(())
    }
}
