//! The connection that carries this member's messages to another.

use super::frame::{ANSWER, Hello, Kind, welcome};
use super::peer::Peer;
use super::snapshot::SILENT;
use super::stream::Stream;
use super::{First, Shared, first, tls};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::LINK_STALLED_MS;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A connection and a welcome take no longer than this, or it is tried anew.
const CONNECTING: Duration = Duration::from_secs(2);
/// Between attempts: at first, and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(10);
const AGAIN_MOST: Duration = Duration::from_secs(1);
/// What has been written and not moved for so long breaks the link.
const STALLED: Duration = Duration::from_millis(LINK_STALLED_MS);
/// Written with one call, about.
const WRITE_BYTES: usize = 256 * 1024;

/// Keeps the link to `peer` until it is no member any more, and begins when `after` has ended.
pub(super) async fn run(shared: Arc<Shared>, peer: Arc<Peer>, after: Option<JoinHandle<()>>) {
    if let Some(after) = after {
        let _ = after.await;
    }
    let mut again = AGAIN_FIRST;
    let mut said = None;
    while !peer.is_gone() {
        let address = peer.address.lock().clone();
        let connected = connect(&shared, &peer, &address, Kind::Messages).await;
        // What breaks from here on breaks this connection; what broke before was of one that is known to be dead.
        let breaks = peer.breaks();
        match connected {
            // It has moved meanwhile.
            Ok(_) if *peer.address.lock() != address => continue,
            Ok(mut stream) => {
                (again, said) = (AGAIN_FIRST, None);
                peer.open(true);
                shared.tell(|told| told.link(peer.id, true));
                let ended = carry(&mut stream, &peer, breaks).await;
                peer.open(false);
                drop(stream);
                shared.tell(|told| told.link(peer.id, false));
                tracing::debug!(to = peer.id, ?ended, "a link has ended");
            }
            Err(error) if error.kind() == ErrorKind::ConnectionLoss => tracing::debug!(to = peer.id, %error, "no link to a member"),
            Err(error) => {
                again = AGAIN_MOST;
                let text = error.to_string();
                if said.as_ref() != Some(&text) {
                    tracing::warn!(to = peer.id, error = %text, "no link to a member");
                    said = Some(text);
                }
            }
        }
        // Not all at once: half of it, and up to as much again by chance.
        let pause = again / 2 + again * getrandom::u32().unwrap_or(0).wrapping_rem(1024) / 1024;
        first(tokio::time::sleep(pause), peer.called.notified()).await;
        again = (again * 2).min(AGAIN_MOST);
    }
}

/// A connection to `peer`, which has said welcome.
///
/// # Errors
/// `ConnectionLoss`: nobody answers there (yet). Anything else is for someone to see to.
pub(super) async fn connect(shared: &Shared, peer: &Peer, address: &str, kind: Kind) -> Result<Stream> {
    let lost = |error: std::io::Error| Error::new(ErrorKind::ConnectionLoss, format!("{address}: {error}"));
    let connecting = async {
        let socket = reach(shared, address).await?;
        let mut stream = Stream::new(socket, if kind == Kind::Messages { STALLED } else { SILENT }).map_err(lost)?;
        if let Some(tls) = &shared.tls {
            // What TLS refuses is no matter of time.
            let refused = |error: std::io::Error| match error.kind() {
                std::io::ErrorKind::InvalidData => Error::new(ErrorKind::AuthFailed, format!("{address}: TLS: {error}")),
                _ => lost(error),
            };
            let (connector, name) = (tls.connector(), tls::name(peer.id)?);
            stream = stream.secure(|socket| connector.connect(name, socket).into_fallible()).await.map_err(refused)?;
        }
        let hello = Hello { ensemble: shared.ensemble, from: shared.id, to: peer.id, incarnation: shared.incarnation, kind };
        stream.write_all(&hello.encode()).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let mut answer = [0; ANSWER];
        let read = stream.read_exact(&mut answer).await;
        read.map_err(|error| match error.kind() {
            // In TLS 1.3 this is when the other end's opinion of our certificate comes.
            std::io::ErrorKind::InvalidData => Error::new(ErrorKind::AuthFailed, format!("{address}: TLS: {error}")),
            _ => lost(error),
        })?;
        welcome(answer, peer.id)?;
        Ok(stream)
    };
    timeout(CONNECTING, connecting).await.unwrap_or_else(|_| Err(Error::new(ErrorKind::ConnectionLoss, format!("{address} does not answer"))))
}

/// Connects to the first that answers of what `address` means now.
async fn reach(shared: &Shared, address: &str) -> Result<TcpStream> {
    let mut failed = Error::new(ErrorKind::ConnectionLoss, format!("{address}: nothing has that name"));
    for at in lookup_host(address).await.map_err(|error| Error::new(ErrorKind::ConnectionLoss, format!("{address}: {error}")))? {
        if !shared.is_private(&at.ip()) {
            failed = super::exposed(address);
            continue;
        }
        match TcpStream::connect(at).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Error::new(ErrorKind::ConnectionLoss, format!("{address}: {error}")),
        }
    }
    Err(failed)
}

/// Writes all of it, as long as it moves.
pub(super) async fn write<S: AsyncWrite + Unpin>(stream: &mut S, mut bytes: &[u8], stalled: Duration) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match timeout(stalled, stream.write(bytes)).await?? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    timeout(stalled, stream.flush()).await?
}

/// Writes what is queued until the connection breaks.
async fn carry(stream: &mut Stream, peer: &Peer, breaks: u64) -> std::io::Result<()> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let writing = async {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if bytes.capacity() > 4 * WRITE_BYTES {
                bytes = Vec::new();
            }
            peer.pull(&mut bytes, WRITE_BYTES);
            if bytes.is_empty() {
                peer.filled.notified().await;
            } else {
                write(&mut writing, &bytes, STALLED).await?;
            }
        }
    };
    let mut byte = [0];
    // Nothing ever comes this way but the end.
    let ended = first(reading.read(&mut byte), peer.broken(breaks));
    match first(writing, ended).await {
        First::One(failed) => failed,
        First::Other(First::One(end)) => end.map(drop),
        First::Other(First::Other(())) => Ok(()),
    }
}
