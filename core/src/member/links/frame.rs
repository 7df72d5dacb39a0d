//! What goes over a link: first who speaks to whom, then frames.
//!
//! Hello: magic, the versions that the caller speaks (lowest, highest), the ensemble, from, to, the caller's incarnation, what the
//! connection is for. Answer: a reason (0: welcome) and the version. A frame is a length (u32, little-endian) and so many bytes;
//! the length [`END`] closes a snapshot: records u64, crc32c u32 over all their bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::MemberId;

const MAGIC: &[u8; 8] = b"FOLKLINK";
/// The one version there is.
const VERSION: u8 = 1;
/// Bytes of a hello.
pub(super) const HELLO: usize = 8 + 2 + 16 + 1 + 1 + 8 + 1;
/// Bytes of its answer.
pub(super) const ANSWER: usize = 2;
/// The length that is none: what follows ends a snapshot.
pub(super) const END: u32 = u32::MAX;
/// Bytes that follow it.
pub(super) const END_BYTES: usize = 12;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Messages,
    Snapshot,
}

/// The first words of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub ensemble: [u8; 16],
    pub from: MemberId,
    pub to: MemberId,
    pub incarnation: u64,
    pub kind: Kind,
}

/// Why a connection is not welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Version = 1,
    Ensemble = 2,
    NotMe = 3,
    Unknown = 4,
}

impl Refusal {
    pub fn words(code: u8) -> &'static str {
        match code {
            1 => "it speaks other versions",
            2 => "it belongs to another ensemble",
            3 => "another member is at that address",
            4 => "it does not know this member",
            _ => "it gives a reason that this version does not know",
        }
    }
}

impl Hello {
    pub fn encode(&self) -> [u8; HELLO] {
        let mut out = [0; HELLO];
        out[..8].copy_from_slice(MAGIC);
        out[8] = VERSION;
        out[9] = VERSION;
        out[10..26].copy_from_slice(&self.ensemble);
        out[26] = self.from;
        out[27] = self.to;
        out[28..36].copy_from_slice(&self.incarnation.to_le_bytes());
        out[36] = match self.kind {
            Kind::Messages => 0,
            Kind::Snapshot => 1,
        };
        out
    }

    /// Reads one. None: whoever is there speaks something else.
    pub fn decode(bytes: &[u8; HELLO]) -> Option<std::result::Result<Self, Refusal>> {
        if &bytes[..8] != MAGIC {
            return None;
        }
        if !(bytes[8]..=bytes[9]).contains(&VERSION) {
            return Some(Err(Refusal::Version));
        }
        let kind = match bytes[36] {
            0 => Kind::Messages,
            1 => Kind::Snapshot,
            _ => return None,
        };
        let mut ensemble = [0; 16];
        ensemble.copy_from_slice(&bytes[10..26]);
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&bytes[28..36]);
        Some(Ok(Self { ensemble, from: bytes[26], to: bytes[27], incarnation: u64::from_le_bytes(incarnation), kind }))
    }
}

/// The answer to a hello.
pub(super) fn answer(refusal: Option<Refusal>) -> [u8; ANSWER] {
    [refusal.map_or(0, |refusal| refusal as u8), VERSION]
}

/// Whether the answer is a welcome.
pub(super) fn welcome(answer: [u8; ANSWER], by: MemberId) -> Result<()> {
    match answer {
        [0, VERSION] => Ok(()),
        [0, version] => Err(Error::new(ErrorKind::UnknownFormat, format!("member {by} answers in version {version}"))),
        [code, _] => Err(Error::new(ErrorKind::BadArguments, format!("member {by} refuses the link: {}", Refusal::words(code)))),
    }
}

/// The end of a snapshot.
pub(super) fn end(records: u64, crc: u32) -> [u8; 4 + END_BYTES] {
    let mut out = [0; 4 + END_BYTES];
    out[..4].copy_from_slice(&END.to_le_bytes());
    out[4..12].copy_from_slice(&records.to_le_bytes());
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hello_comes_back_as_it_went() {
        let hello = Hello { ensemble: [7; 16], from: 1, to: 255, incarnation: u64::MAX - 3, kind: Kind::Snapshot };
        assert_eq!(Hello::decode(&hello.encode()), Some(Ok(hello.clone())));
        let mut later = hello.encode();
        later[8..10].copy_from_slice(&[2, 9]);
        assert_eq!(Hello::decode(&later), Some(Err(Refusal::Version)));
        later[9] = 1;
        later[8] = 0;
        assert_eq!(Hello::decode(&later), Some(Ok(hello)), "a peer that speaks older versions too");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in prop::array::uniform32(any::<u8>()), rest in prop::array::uniform5(any::<u8>())) {
            let mut all = [0; HELLO];
            all[..32].copy_from_slice(&bytes);
            all[32..].copy_from_slice(&rest);
            prop_assert_eq!(Hello::decode(&all), None);
            all[..8].copy_from_slice(MAGIC);
            let _ = Hello::decode(&all);
        }
    }
}
