//! The connection that carries this member's messages to another.

use super::frame::{ANSWER, Hello, Kind, welcome};
use super::{Outbox, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::MemberId;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection and a welcome take no longer than this, or it is tried anew.
const CONNECTING: Duration = Duration::from_secs(1);
/// What has been written and not taken for so long breaks the link.
const STALLED: Duration = Duration::from_secs(5);
/// Between attempts: at first, and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(10);
const AGAIN_MOST: Duration = Duration::from_millis(500);
/// Written with one call, about.
const WRITE_BYTES: usize = 256 * 1024;

pub(super) async fn run(shared: Arc<Shared>, to: MemberId, address: String, outbox: Arc<Outbox>) {
    let mut again = AGAIN_FIRST;
    loop {
        match timeout(CONNECTING, connect(&shared, to, &address)).await {
            Ok(Ok(stream)) => {
                again = AGAIN_FIRST;
                *outbox.queue.lock() = Default::default();
                outbox.up.store(true, Ordering::Release);
                tell(&shared, to, true);
                let _ = carry(stream, &outbox).await;
                outbox.up.store(false, Ordering::Release);
                *outbox.queue.lock() = Default::default();
                tell(&shared, to, false);
            }
            Ok(Err(error)) if error.kind() != ErrorKind::ConnectionLoss => {
                tracing::warn!(to, %address, %error, "no link to a member");
                again = AGAIN_MOST;
            }
            _ => {}
        }
        // Not all at once: what is left of a nanosecond is as good as chance.
        let jitter = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos() % 1000);
        tokio::time::sleep(again + again * jitter / 2000).await;
        again = (again * 2).min(AGAIN_MOST);
    }
}

fn tell(shared: &Shared, with: MemberId, up: bool) {
    if !shared.closed.load(Ordering::Acquire) {
        shared.told.link(with, up);
    }
}

async fn connect(shared: &Shared, to: MemberId, address: &str) -> Result<TcpStream> {
    let lost = |error: std::io::Error| Error::new(ErrorKind::ConnectionLoss, error.to_string());
    let mut stream = TcpStream::connect(address).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let hello = Hello { ensemble: shared.ensemble, from: shared.id, to, incarnation: shared.incarnation, kind: Kind::Messages };
    stream.write_all(&hello.encode()).await.map_err(lost)?;
    let mut answer = [0; ANSWER];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    welcome(answer, to)?;
    Ok(stream)
}

enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever ends first.
async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(done) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(done));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}

/// Writes what is queued until the connection breaks.
async fn carry(stream: TcpStream, outbox: &Outbox) -> std::io::Result<()> {
    let (mut reading, mut writing) = stream.into_split();
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        bytes.clear();
        {
            let mut queue = outbox.queue.lock();
            while bytes.len() < WRITE_BYTES
                && let Some(message) = queue.0.pop_front()
            {
                queue.1 -= message.len();
                bytes.extend_from_slice(&(message.len() as u32).to_le_bytes());
                bytes.extend_from_slice(&message);
            }
        }
        let next = async {
            if bytes.is_empty() {
                outbox.filled.notified().await;
                Ok(())
            } else {
                timeout(STALLED, writing.write_all(&bytes)).await.unwrap_or_else(|late| Err(late.into()))
            }
        };
        // Nothing ever comes this way but the end.
        let ended = async { reading.read(&mut byte).await.map(drop) };
        let broken = async {
            outbox.broken.notified().await;
        };
        match first(next, first(ended, broken)).await {
            First::One(done) => done?,
            First::Other(_) => return Ok(()),
        }
    }
}
