//! What goes over a link: first who speaks to whom, then frames.
//!
//! Hello: magic, the versions that the caller speaks (lowest, highest); and if there is one that both speak, the ensemble, from,
//! to, the caller's incarnation, what the connection is for. Answer: a reason (0: welcome) and the version spoken from here on.
//! A frame is a length (u32, little-endian) and so many bytes; the length [`END`] closes a snapshot: records u64, crc32c u32
//! over all their bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAGIC: &[u8; 8] = b"FOLKLINK";
/// The versions that are spoken here, lowest and highest.
const VERSIONS: (u8, u8) = (1, 1);
/// Bytes of what a hello begins with, in every version: magic and versions.
pub(super) const OPENING: usize = 8 + 2;
/// Bytes of the rest, in the version there is.
pub(super) const REST: usize = 16 + 1 + 1 + 8 + 1;
/// Bytes of a hello.
pub(super) const HELLO: usize = OPENING + REST;
/// Bytes of its answer.
pub(super) const ANSWER: usize = 2;
/// The length that is none: what follows ends a snapshot.
const END: u32 = u32::MAX;
/// Bytes that follow it.
const END_BYTES: usize = 12;

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
    Certificate = 5,
    Malformed = 6,
}

impl Refusal {
    pub fn words(code: u8) -> &'static str {
        match code {
            1 => "it speaks other versions",
            2 => "it belongs to another ensemble",
            3 => "another member is at that address",
            4 => "it does not know this member",
            5 => "the certificate shown is not this member's",
            6 => "it does not understand what the connection is for",
            // The first byte of an alert.
            0x15 => "it wants TLS",
            _ => "it gives a reason that this version does not know",
        }
    }
}

/// The version to speak with a caller of whom these are the first bytes. None: whoever is there speaks something else.
pub(super) fn negotiate(opening: &[u8; OPENING]) -> Option<std::result::Result<u8, Refusal>> {
    let [.., lowest, highest] = *opening;
    (&opening[..8] == MAGIC).then(|| {
        let version = highest.min(VERSIONS.1);
        if version >= lowest.max(VERSIONS.0) { Ok(version) } else { Err(Refusal::Version) }
    })
}

impl Hello {
    pub fn encode(&self) -> [u8; HELLO] {
        let mut out = [0; HELLO];
        out[..8].copy_from_slice(MAGIC);
        (out[8], out[9]) = VERSIONS;
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

    /// Reads what comes after the opening.
    pub fn decode(rest: &[u8; REST]) -> std::result::Result<Self, Refusal> {
        let [words @ .., kind] = rest;
        let kind = match kind {
            0 => Kind::Messages,
            1 => Kind::Snapshot,
            _ => return Err(Refusal::Malformed),
        };
        let mut ensemble = [0; 16];
        ensemble.copy_from_slice(&words[..16]);
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&words[18..]);
        Ok(Self { ensemble, from: words[16], to: words[17], incarnation: u64::from_le_bytes(incarnation), kind })
    }
}

/// The answer to a hello.
pub(super) fn answer(judged: std::result::Result<u8, Refusal>) -> [u8; ANSWER] {
    match judged {
        Ok(version) => [0, version],
        Err(refusal) => [refusal as u8, VERSIONS.1],
    }
}

/// Whether the answer is a welcome.
pub(super) fn welcome(answer: [u8; ANSWER], by: MemberId) -> Result<()> {
    match answer {
        [0, version] if (VERSIONS.0..=VERSIONS.1).contains(&version) => Ok(()),
        [0, version] => Err(Error::new(ErrorKind::UnknownFormat, format!("member {by} answers in version {version}"))),
        [1, version] => {
            let (lowest, highest) = VERSIONS;
            Err(Error::new(ErrorKind::UnknownFormat, format!("member {by} speaks versions up to {version}, this one {lowest} to {highest}")))
        }
        [code, _] => Err(Error::new(ErrorKind::BadArguments, format!("member {by} refuses the link: {}", Refusal::words(code)))),
    }
}

/// Adds a frame to what is to be written. Its sender has seen to it that it is not too long.
pub(super) fn put(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(&(message.len() as u32).to_le_bytes());
    out.extend_from_slice(message);
}

/// The end of a snapshot.
pub(super) fn end(records: u64, crc: u32) -> [u8; 4 + END_BYTES] {
    let mut out = [0; 4 + END_BYTES];
    out[..4].copy_from_slice(&END.to_le_bytes());
    out[4..12].copy_from_slice(&records.to_le_bytes());
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Bytes, appended to what was given.
    Whole,
    /// The end of a snapshot: records and checksum.
    End(u64, u32),
    /// So long that it is not read.
    TooLong(u32),
}

/// Reads one frame of at most `most` bytes to the end of `into`, which grows as they come, whatever was announced.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S, most: usize, into: &mut Vec<u8>) -> std::io::Result<Frame> {
    let length = stream.read_u32_le().await?;
    if length == END {
        return Ok(Frame::End(stream.read_u64_le().await?, stream.read_u32_le().await?));
    }
    if length as usize > most {
        return Ok(Frame::TooLong(length));
    }
    let read = stream.take(u64::from(length)).read_to_end(into).await?;
    if read < length as usize { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(Frame::Whole) }
}

/// Any bytes, as a stranger and then as a member might send them.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    const MOST: usize = 4096;
    let Some((opening, after)) = bytes.split_first_chunk::<OPENING>() else { return };
    let judged = negotiate(opening);
    assert!(judged.is_none_or(|judged| welcome(answer(judged), 1).is_ok() == judged.is_ok()));
    let Some((rest, mut stream)) = after.split_first_chunk::<REST>() else { return };
    if let Ok(hello) = Hello::decode(rest) {
        assert_eq!(&hello.encode()[OPENING..], rest);
    }
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let (before, mut into) = (stream, Vec::new());
        let read = std::pin::pin!(read(&mut stream, MOST, &mut into)).poll(&mut context);
        let mut again = Vec::new();
        match read {
            Poll::Ready(Ok(Frame::Whole)) => put(&mut again, &into),
            Poll::Ready(Ok(Frame::End(records, crc))) => again.extend_from_slice(&end(records, crc)),
            Poll::Ready(Ok(Frame::TooLong(length))) => return assert!(into.is_empty() && length as usize > MOST),
            Poll::Ready(Err(_)) => return assert!(into.len() < before.len().max(1)),
            Poll::Pending => panic!("bytes in memory are there"),
        }
        assert!(into.len() <= MOST && before.starts_with(&again) && before.len() == again.len() + stream.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opening(lowest: u8, highest: u8) -> [u8; OPENING] {
        let mut opening = [0; OPENING];
        opening[..8].copy_from_slice(MAGIC);
        opening[8..].copy_from_slice(&[lowest, highest]);
        opening
    }

    #[test]
    fn a_hello_comes_back_as_it_went() {
        let hello = Hello { ensemble: [7; 16], from: 1, to: 255, incarnation: u64::MAX - 3, kind: Kind::Snapshot };
        let bytes = hello.encode();
        assert_eq!(negotiate(bytes.first_chunk().unwrap()), Some(Ok(VERSIONS.1)));
        assert_eq!(Hello::decode(bytes.last_chunk().unwrap()), Ok(hello));
        let mut odd = bytes;
        odd[HELLO - 1] = 2;
        assert_eq!(Hello::decode(odd.last_chunk().unwrap()), Err(Refusal::Malformed));
    }

    #[test]
    fn the_highest_version_that_both_speak_is_spoken() {
        assert_eq!(negotiate(&opening(0, 1)), Some(Ok(1)));
        assert_eq!(negotiate(&opening(1, 9)), Some(Ok(1)));
        assert_eq!(negotiate(&opening(0, 0)), Some(Err(Refusal::Version)));
        assert_eq!(negotiate(&opening(2, 9)), Some(Err(Refusal::Version)));
        assert_eq!(negotiate(&opening(9, 0)), Some(Err(Refusal::Version)));
        assert_eq!(negotiate(b"GET / HTTP"), None);
        welcome([0, 1], 3).unwrap();
        assert_eq!(welcome([0, 2], 3).unwrap_err().kind(), ErrorKind::UnknownFormat);
        assert_eq!(welcome(answer(Err(Refusal::Version)), 3).unwrap_err().kind(), ErrorKind::UnknownFormat);
        assert!(welcome(answer(Err(Refusal::Ensemble)), 3).unwrap_err().to_string().contains("another ensemble"));
        assert_eq!(welcome([77, 1], 3).unwrap_err().kind(), ErrorKind::BadArguments);
    }

    #[tokio::test]
    async fn a_frame_is_read_whole_or_not_at_all() {
        let mut out = Vec::new();
        put(&mut out, b"abc");
        put(&mut out, b"");
        out.extend_from_slice(&end(2, 9));
        put(&mut out, b"abcd");
        let (mut stream, mut into) = (&out[..], Vec::new());
        assert_eq!(read(&mut stream, 3, &mut into).await.unwrap(), Frame::Whole);
        assert_eq!(read(&mut stream, 3, &mut into).await.unwrap(), Frame::Whole);
        assert_eq!(into, b"abc");
        assert_eq!(read(&mut stream, 3, &mut into).await.unwrap(), Frame::End(2, 9));
        assert_eq!(read(&mut stream, 3, &mut into).await.unwrap(), Frame::TooLong(4));
        let mut short = &out[..5];
        assert_eq!(read(&mut short, 3, &mut into).await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn no_hello_is_too_odd(rest in prop::collection::vec(any::<u8>(), REST)) {
            let rest: [u8; REST] = rest.try_into().unwrap();
            match Hello::decode(&rest) {
                Ok(hello) => prop_assert_eq!(&hello.encode()[OPENING..], &rest[..]),
                Err(refusal) => prop_assert!(refusal == Refusal::Malformed && rest[REST - 1] > 1),
            }
        }
    }
}
