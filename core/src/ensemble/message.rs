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

/// What the log carries in one of its places: entries in order.
pub fn pack(envelopes: &[Envelope]) -> Vec<u8> {
    postcard::to_stdvec(envelopes).unwrap_or_default()
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
