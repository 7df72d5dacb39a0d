//! What members say to each other.
//!
//! Not here: how it travels (`member::links`). A link has shown who is at its other end; a message does not say so again.

use crate::error::{Error, ErrorKind, Result};
use crate::ids::SessionId;
use crate::log::replica::MemberId;
use crate::machine::Entry;
use serde::{Deserialize, Serialize};

/// What one member tells another. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum Message {
    /// Between the members' logs.
    Log(Vec<u8>),
    /// Entries for the leader to order: of the sender's `incarnation`, numbered from `first`. All below `oldest` have been applied there.
    Forward { incarnation: u64, oldest: u64, first: u64, entries: Vec<Entry> },
    /// The leader has none from `next` on, and cannot take what comes after.
    Resend { incarnation: u64, next: u64 },
    /// These sessions have shown signs of life.
    Alive(Vec<SessionId>),
    /// How much the sender should lead.
    Priority(u8),
}

impl Message {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        // A vector grows as needed, and every type above can be written.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Reads them again.
    ///
    /// # Errors
    /// `BadArguments`: they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        match postcard::take_from_bytes(bytes) {
            Ok((message, [])) => Ok(message),
            _ => Err(Error::new(ErrorKind::BadArguments, format!("{} bytes that are no message of a member", bytes.len()))),
        }
    }
}

/// An entry on its way through the log, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The member that answers for it.
    pub origin: MemberId,
    /// Which life of that member.
    pub incarnation: u64,
    /// Its number there, from 1; 0 if nobody waits for it.
    pub number: u64,
    /// What to apply.
    pub entry: Entry,
}

/// Entries for one place of the log, in order.
#[derive(Debug, Default)]
pub struct Place {
    count: usize,
    bytes: Vec<u8>,
}

impl Place {
    /// Adds one.
    pub fn put(&mut self, envelope: &Envelope) {
        let bytes = std::mem::take(&mut self.bytes);
        // Memory does not fail, and every type above can be written.
        self.bytes = postcard::to_extend(envelope, bytes).unwrap_or_default();
        self.count += 1;
    }

    /// How many bytes they are.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the log carries for them: what [`unpack`] reads.
    pub fn pack(self) -> Vec<u8> {
        let mut packed = postcard::to_stdvec(&self.count).unwrap_or_default();
        packed.extend_from_slice(&self.bytes);
        packed
    }
}

/// Reads them again.
///
/// # Errors
/// `Corrupt`: they are none.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Envelope>> {
    match postcard::take_from_bytes(bytes) {
        Ok((envelopes, [])) => Ok(envelopes),
        _ => Err(Error::new(ErrorKind::Corrupt, "an entry that members agreed on cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_the_list_it_was() {
        let envelopes: Vec<_> =
            (0..300).map(|number| Envelope { origin: 7, incarnation: u64::MAX, number, entry: Entry::Sweep { path: "/a".into(), time_ms: -1 } }).collect();
        let mut place = Place::default();
        assert!(place.is_empty());
        envelopes.iter().for_each(|envelope| place.put(envelope));
        assert_eq!(unpack(&place.pack()).unwrap(), envelopes);
        assert_eq!(unpack(&Place::default().pack()).unwrap(), []);
    }
}
