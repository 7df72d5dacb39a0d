//! Snapshots, each over a connection of its own.
//!
//! Who sends makes the records on a thread that may block (`fm-bulk`), no faster than they are taken; who takes handles them in
//! batches, with its other tasks moved to another thread meanwhile. Of one member one snapshot is taken at a time, the newest.

use super::dial::{connect, write};
use super::frame::{self, Frame, Kind};
use super::peer::Peer;
use super::stream::Stream;
use super::{First, Records, Shared, first};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{LINK_FRAME_BYTES_MAX, SNAPSHOT_FRAME_BYTES_MAX};
use crate::log::replica::MemberId;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A snapshot of which nothing has moved for so long has broken off. The other end may load what it has before it takes more.
pub(super) const SILENT: Duration = Duration::from_secs(30);
/// Made, sent and handled at once, about.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that are made before the first of them has been sent.
const BATCHES_AHEAD: usize = 2;
/// What says that all has come.
const ARRIVED: u8 = 0;

enum Made {
    More(Vec<u8>),
    Last(Vec<u8>),
    Failed(Error),
}

/// Sends a snapshot and tells how it ended.
pub(super) async fn send(shared: Arc<Shared>, to: MemberId, about: Vec<u8>, records: Records) {
    let sent = match shared.peer(to) {
        Some(peer) => match first(transfer(&shared, &peer, about, records), peer.gone()).await {
            First::One(sent) => sent,
            First::Other(()) => Err(nobody(to)),
        },
        None => Err(nobody(to)),
    };
    if let Err(error) = &sent {
        tracing::warn!(to, %error, "a snapshot could not be sent");
    }
    shared.tell(|told| told.snapshot_sent(to, sent.is_ok()));
}

fn nobody(to: MemberId) -> Error {
    Error::new(ErrorKind::BadArguments, format!("{to} is no member"))
}

async fn transfer(shared: &Shared, peer: &Peer, about: Vec<u8>, records: Records) -> Result<()> {
    let lost = |error: std::io::Error| Error::new(ErrorKind::ConnectionLoss, format!("member {}: {error}", peer.id));
    let broken_off = || Error::new(ErrorKind::ConnectionLoss, format!("member {} has broken it off", peer.id));
    fits(&about, LINK_FRAME_BYTES_MAX)?;
    let address = peer.address.lock().clone();
    let stream = connect(shared, peer, &address, Kind::Snapshot).await?;
    let (mut reading, mut writing) = tokio::io::split(stream);
    // Dropped when this ends, however it does: then no more is made.
    let (put, mut made) = mpsc::channel(BATCHES_AHEAD);
    shared.spawn("fm-bulk", move || make(&about, records, &put))?;
    let mut byte = [0];
    loop {
        let next = match first(made.recv(), reading.read(&mut byte)).await {
            First::One(next) => next,
            First::Other(ended) => return Err(ended.map_or_else(lost, |_| broken_off())),
        };
        let (bytes, is_last) = match next {
            Some(Made::More(bytes)) => (bytes, false),
            Some(Made::Last(bytes)) => (bytes, true),
            Some(Made::Failed(error)) => return Err(error),
            None => return Err(Error::new(ErrorKind::Panic, "a bug was caught while its records were made")),
        };
        write(&mut writing, &bytes, SILENT).await.map_err(lost)?;
        if is_last {
            timeout(SILENT, reading.read_exact(&mut byte)).await.map_err(|late| lost(late.into()))?.map_err(lost)?;
            return if byte == [ARRIVED] { Ok(()) } else { Err(broken_off()) };
        }
    }
}

fn fits(bytes: &[u8], most: usize) -> Result<()> {
    if bytes.len() > most {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{} bytes of a snapshot in one piece; at most {most} can be", bytes.len())));
    }
    Ok(())
}

/// Makes the bytes of a snapshot, on a thread of its own.
fn make(about: &[u8], records: Records, put: &mpsc::Sender<Made>) {
    let mut out = Vec::with_capacity(BATCH_BYTES);
    frame::put(&mut out, about);
    let (mut count, mut crc) = (0, 0);
    let mut sink = |record: &[u8]| {
        fits(record, SNAPSHOT_FRAME_BYTES_MAX)?;
        count += 1;
        crc = crc32c::crc32c_append(crc, record);
        frame::put(&mut out, record);
        if out.len() < BATCH_BYTES {
            return Ok(());
        }
        let full = std::mem::replace(&mut out, Vec::with_capacity(BATCH_BYTES));
        put.blocking_send(Made::More(full)).map_err(|_| Error::new(ErrorKind::ConnectionLoss, "the other end takes no more of it"))
    };
    let made = match records(&mut sink) {
        Ok(()) => {
            out.extend_from_slice(&frame::end(count, crc));
            Made::Last(out)
        }
        Err(error) => Made::Failed(error),
    };
    // Whoever has gone need not know.
    let _ = put.blocking_send(made);
}

/// Takes a snapshot from a member.
pub(super) async fn take(shared: &Shared, mut stream: BufReader<Stream>, peer: &Peer) {
    let number = peer.claim_snapshot(shared);
    // One that came before ends first.
    let _turn = peer.taking.lock().await;
    let mut has_begun = false;
    let taken = first(receive(shared, &mut stream, peer, &mut has_begun), peer.outdated(number)).await;
    let is_whole = match taken {
        First::One(Ok(is_whole)) => is_whole,
        First::One(Err(error)) => {
            tracing::warn!(from = peer.id, %error, "a snapshot has broken off");
            false
        }
        First::Other(()) => false,
    };
    if has_begun {
        shared.tell(|told| told.snapshot_ends(peer.id, is_whole));
    }
    if is_whole {
        let answer = async {
            stream.write_all(&[ARRIVED]).await?;
            stream.flush().await
        };
        let _ = timeout(SILENT, answer).await;
    }
}

/// Whether all has come as it was sent.
async fn receive(shared: &Shared, stream: &mut BufReader<Stream>, peer: &Peer, has_begun: &mut bool) -> Result<bool> {
    let lost = |error: std::io::Error| Error::new(ErrorKind::ConnectionLoss, error.to_string());
    let closed = || Error::new(ErrorKind::Closing, "the member is closing");
    let mut about = Vec::new();
    match timeout(SILENT, frame::read(stream, LINK_FRAME_BYTES_MAX, &mut about)).await.map_err(|late| lost(late.into()))?.map_err(lost)? {
        Frame::Whole => shared.tell(|told| told.snapshot_begins(peer.id, about)).ok_or_else(closed)??,
        _ => return Ok(false),
    }
    *has_begun = true;
    let (mut count, mut crc) = (0_u64, 0_u32);
    let mut batch = Vec::new();
    let mut records: Vec<Range<usize>> = Vec::new();
    loop {
        batch.clear();
        records.clear();
        let mut end = None;
        // What is there already, up to a batch.
        while end.is_none() && batch.len() < BATCH_BYTES && (records.is_empty() || !stream.buffer().is_empty()) {
            let start = batch.len();
            let read = timeout(SILENT, frame::read(stream, SNAPSHOT_FRAME_BYTES_MAX, &mut batch)).await;
            match read.unwrap_or_else(|late| Err(late.into())) {
                Ok(Frame::Whole) => records.push(start..batch.len()),
                Ok(Frame::End(records, checksum)) => end = Some(Ok((records, checksum))),
                Ok(Frame::TooLong(length)) => end = Some(Err(Error::new(ErrorKind::LimitExceeded, format!("a record of {length} bytes")))),
                // After what came before it.
                Err(error) => end = Some(Err(lost(error))),
            }
        }
        // Loading takes its time; the heartbeats go on elsewhere.
        tokio::task::block_in_place(|| {
            records.iter().try_for_each(|range| {
                let record = &batch[range.clone()];
                count += 1;
                crc = crc32c::crc32c_append(crc, record);
                shared.tell(|told| told.snapshot_record(peer.id, record)).unwrap_or_else(|| Err(closed()))
            })
        })?;
        if let Some(end) = end {
            return Ok(end? == (count, crc));
        }
    }
}
