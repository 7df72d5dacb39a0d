//! Which peers have fallen silent: two fixed timeouts since the last beat.
//!
//! After the first a peer is suspect, which a beat undoes; after the second it is expired, which
//! only [`FixedTimeout::forget`] undoes, because by then someone may have acted on it. With both
//! equal to the period this is the plain rule: one missed beat is a timeout.
//!
//! At an equal rate of mistakes a fixed timeout decides within 10 % of the adaptive detectors.

use super::deadlines::{Deadlines, Slot};
use super::id_hash::IdMap;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{PEERS_MAX, TIMEOUT_MS_MAX};

/// What a beat meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The first of this peer.
    New,
    /// The peer is alive, as was thought.
    Fresh,
    /// The peer was suspect and is no more.
    Restored,
    /// A repeat, or overtaken by a later one: no effect.
    Stale,
    /// The peer has expired: no effect until it is forgotten.
    Expired,
}

/// What is thought of a peer, and what an [`Event`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Silent for the first timeout. May be a mistake: ask others, prefer another peer.
    Suspect,
    /// Silent for the second timeout. Final.
    Expire,
}

/// A peer fell silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who.
    pub peer: u64,
    /// How long.
    pub kind: EventKind,
    /// When its time was up, in milliseconds: at or before the `poll` that tells.
    pub at_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    /// The last number heard; `None` before the first.
    seq: Option<u64>,
    /// The last event told; `None` while it is thought alive.
    told: Option<EventKind>,
    slot: Slot,
}

/// A failure detector with two fixed timeouts.
#[derive(Clone, Debug)]
pub struct FixedTimeout {
    suspect_after_ms: u64,
    expire_after_ms: u64,
    peers: IdMap<u64, Peer>,
    deadlines: Deadlines<u64>,
}

impl FixedTimeout {
    /// A detector that suspects after `suspect_after_ms` milliseconds of silence and expires after
    /// `expire_after_ms`, both counted from the last beat. Five periods for the latter ride out lost beats.
    ///
    /// # Errors
    /// `BadArguments` unless `1 <= suspect_after_ms <= expire_after_ms <=` [`TIMEOUT_MS_MAX`].
    pub fn new(suspect_after_ms: u64, expire_after_ms: u64) -> Result<Self> {
        if suspect_after_ms == 0 || suspect_after_ms > expire_after_ms || expire_after_ms > TIMEOUT_MS_MAX {
            let text = format!("suspect after {suspect_after_ms} ms, expire after {expire_after_ms}: not 1 <= suspect <= expire <= {TIMEOUT_MS_MAX}");
            return Err(Error::new(ErrorKind::BadArguments, text));
        }
        Ok(Self { suspect_after_ms, expire_after_ms, peers: IdMap::default(), deadlines: Deadlines::new(PEERS_MAX) })
    }

    /// Expects beats of `peer` from now on, though none has come; false when it is known already.
    ///
    /// # Errors
    /// `LimitExceeded` beyond [`PEERS_MAX`].
    pub fn watch(&mut self, peer: u64, now_ms: u64) -> Result<bool> {
        if self.peers.contains_key(&peer) {
            return Ok(false);
        }
        self.add(peer, None, now_ms)?;
        Ok(true)
    }

    /// Takes in beat `seq` of `peer`, received at `now_ms`. It counts when its number is above all
    /// before it, so copies and stragglers keep no one alive; a peer that starts over has to number
    /// on, or be forgotten first. A beat that is polled too late still counts: what came, came.
    ///
    /// # Errors
    /// `LimitExceeded` when the peer is new and there are [`PEERS_MAX`].
    pub fn beat(&mut self, peer: u64, seq: u64, now_ms: u64) -> Result<Heard> {
        let Some(known) = self.peers.get_mut(&peer) else {
            self.add(peer, Some(seq), now_ms)?;
            return Ok(Heard::New);
        };
        if known.told == Some(EventKind::Expire) {
            return Ok(Heard::Expired);
        }
        if known.seq.is_some_and(|last| seq <= last) {
            return Ok(Heard::Stale);
        }
        known.seq = Some(seq);
        if known.told.take().is_none() {
            self.deadlines.touch_slot(known.slot, now_ms);
            return Ok(Heard::Fresh);
        }
        self.deadlines.remove(peer);
        known.slot = self.deadlines.place(peer, self.suspect_after_ms, now_ms);
        Ok(Heard::Restored)
    }

    /// Whose time is up at `now_ms`, in the order in which it was; of equals the lower peer first.
    /// Each event is told once per silence.
    pub fn poll(&mut self, now_ms: u64) -> Vec<Event> {
        let mut events = Vec::new();
        let rest_ms = self.expire_after_ms - self.suspect_after_ms;
        loop {
            let over = self.deadlines.expire_with_deadlines(now_ms);
            if over.is_empty() {
                break;
            }
            for (at_ms, peer) in over {
                let Some(known) = self.peers.get_mut(&peer) else { continue };
                if known.told.is_none() {
                    known.told = Some(EventKind::Suspect);
                    events.push(Event { peer, kind: EventKind::Suspect, at_ms });
                    if rest_ms > 0 {
                        known.slot = self.deadlines.place(peer, rest_ms, at_ms);
                        continue;
                    }
                }
                known.told = Some(EventKind::Expire);
                events.push(Event { peer, kind: EventKind::Expire, at_ms });
            }
        }
        events.sort_unstable_by_key(|event| (event.at_ms, event.peer, event.kind));
        events
    }

    /// When to call [`FixedTimeout::poll`] next: never later than the next event, often sooner;
    /// `None` when no one is left to fall silent.
    pub fn next_wakeup(&self) -> Option<u64> {
        self.deadlines.next_wakeup()
    }

    /// Allows everyone `pause_ms` milliseconds more, in O(1): the observer slept so long and heard nothing.
    pub fn paused(&mut self, pause_ms: u64) {
        self.deadlines.extend_by(pause_ms);
    }

    /// Forgets a peer; false when it is unknown.
    pub fn forget(&mut self, peer: u64) -> bool {
        self.deadlines.remove(peer);
        self.peers.remove(&peer).is_some()
    }

    /// Whether the peer is known, and has not been told to be suspect or expired.
    pub fn is_trusted(&self, peer: u64) -> bool {
        self.peers.get(&peer).is_some_and(|known| known.told.is_none())
    }

    /// The last event told of a peer's silence; `None` when it is trusted or unknown.
    pub fn told(&self, peer: u64) -> Option<EventKind> {
        self.peers.get(&peer)?.told
    }

    /// How many peers are known, those that have expired included.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether no peer is known.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn add(&mut self, peer: u64, seq: Option<u64>, now_ms: u64) -> Result<()> {
        if self.peers.len() >= PEERS_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("{} peers, PEERS_MAX is {PEERS_MAX}", self.peers.len())));
        }
        let slot = self.deadlines.place(peer, self.suspect_after_ms, now_ms);
        self.peers.insert(peer, Peer { seq, told: None, slot });
        Ok(())
    }
}
