//! Connections from other members.

use super::frame::{END, END_BYTES, HELLO, Hello, Kind, Refusal, answer};
use super::{Outbox, Shared};
use crate::limits::{LINK_FRAME_BYTES_MAX, LINK_STRANGERS_MAX, SNAPSHOT_FRAME_BYTES_MAX};
use crate::log::replica::MemberId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Whoever has not said who they are by then is a stranger.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// A snapshot of which nothing has come for so long has broken off.
const SNAPSHOT_SILENT: Duration = Duration::from_secs(10);
/// Read with one call, at most.
const READ_BYTES: usize = 256 * 1024;

pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if shared.strangers.fetch_add(1, Ordering::AcqRel) >= LINK_STRANGERS_MAX {
                    shared.strangers.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let shared = shared.clone();
                tokio::spawn(async move {
                    let known = timeout(HELLO_WITHIN, greet(&shared, stream)).await;
                    shared.strangers.fetch_sub(1, Ordering::AcqRel);
                    if let Ok(Some((stream, hello, outbox))) = known {
                        serve(&shared, stream, hello, &outbox).await;
                    }
                });
            }
            Err(error) => {
                // Mostly for want of descriptors: some will be free again.
                tracing::warn!(%error, "accepting a member");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn greet(shared: &Shared, mut stream: TcpStream) -> Option<(TcpStream, Hello, Arc<Outbox>)> {
    stream.set_nodelay(true).ok()?;
    let mut bytes = [0; HELLO];
    stream.read_exact(&mut bytes).await.ok()?;
    let judged = Hello::decode(&bytes)?.and_then(|hello| {
        if hello.ensemble != shared.ensemble {
            return Err(Refusal::Ensemble);
        }
        if hello.to != shared.id {
            return Err(Refusal::NotMe);
        }
        let outbox = shared.peers.lock().get(&hello.from).map(|(_, outbox)| outbox.clone());
        outbox.map(|outbox| (hello, outbox)).ok_or(Refusal::Unknown)
    });
    stream.write_all(&answer(judged.as_ref().err().copied())).await.ok()?;
    let (hello, outbox) = judged.ok()?;
    Some((stream, hello, outbox))
}

async fn serve(shared: &Shared, stream: TcpStream, hello: Hello, outbox: &Outbox) {
    match hello.kind {
        Kind::Messages => {
            let number = shared.connections.fetch_add(1, Ordering::AcqRel) + 1;
            *outbox.incoming.lock() = number;
            let _ = messages(shared, stream, hello.from, outbox, number).await;
            let mut incoming = outbox.incoming.lock();
            if *incoming == number {
                *incoming = 0;
                // It was killed, or has cut us off: its own end of our connection is soon to be found broken, too.
                outbox.broken.notify_waiters();
            }
        }
        Kind::Snapshot => snapshot(shared, stream, hello.from).await,
    }
}

async fn messages(shared: &Shared, stream: TcpStream, from: MemberId, outbox: &Outbox, number: u64) -> std::io::Result<()> {
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    loop {
        let length = stream.read_u32_le().await? as usize;
        if length > LINK_FRAME_BYTES_MAX {
            tracing::warn!(from, length, "a member sends a frame that is too long; the link is closed");
            return Ok(());
        }
        let mut message = Vec::new();
        // Allocated as it comes.
        (&mut stream).take(length as u64).read_to_end(&mut message).await?;
        if message.len() < length {
            return Ok(());
        }
        // Held while it is told: once a newer connection is listened to, nothing of this one comes after.
        let incoming = outbox.incoming.lock();
        if *incoming != number || shared.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        shared.told.arrived(from, message);
    }
}

async fn snapshot(shared: &Shared, stream: TcpStream, from: MemberId) {
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    let whole = records(shared, &mut stream, from).await.unwrap_or(false);
    if !shared.closed.load(Ordering::Acquire) {
        shared.told.snapshot_ends(from, whole);
    }
    if whole {
        let _ = timeout(HELLO_WITHIN, stream.write_all(&[0])).await;
    }
}

/// Whether all has come as it was sent.
async fn records(shared: &Shared, stream: &mut BufReader<TcpStream>, from: MemberId) -> std::io::Result<bool> {
    let (mut count, mut crc) = (0_u64, 0_u32);
    let mut record = Vec::new();
    let mut is_first = true;
    loop {
        let length = timeout(SNAPSHOT_SILENT, stream.read_u32_le()).await??;
        if length == END {
            let mut end = [0; END_BYTES];
            timeout(SNAPSHOT_SILENT, stream.read_exact(&mut end)).await??;
            return Ok(end[..8] == count.to_le_bytes() && end[8..] == crc.to_le_bytes());
        }
        if length as usize > SNAPSHOT_FRAME_BYTES_MAX {
            return Ok(false);
        }
        record.clear();
        timeout(SNAPSHOT_SILENT, (&mut *stream).take(u64::from(length)).read_to_end(&mut record)).await??;
        if record.len() < length as usize || shared.closed.load(Ordering::Acquire) {
            return Ok(false);
        }
        let taken = if is_first {
            shared.told.snapshot_begins(from, std::mem::take(&mut record))
        } else {
            count += 1;
            crc = crc32c::crc32c_append(crc, &record);
            shared.told.snapshot_record(from, &record)
        };
        is_first = false;
        if let Err(error) = taken {
            tracing::warn!(from, %error, "a snapshot is not taken");
            return Ok(false);
        }
    }
}
