//! Connections from other members.

use super::frame::{self, ANSWER, Frame, Hello, Kind, OPENING, REST, Refusal, answer, negotiate};
use super::peer::Peer;
use super::stream::Stream;
use super::{First, Shared, first, snapshot, tls};
use crate::limits::{LINK_FRAME_BYTES_MAX, LINK_STRANGERS_MAX};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::Result;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Whoever has not said who they are by then is a stranger.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// Read with one call, at most.
const READ_BYTES: usize = 256 * 1024;

/// Connections that have not said who they are, the oldest first. There is always room for one more: the oldest goes.
#[derive(Default)]
pub(super) struct Strangers(Mutex<VecDeque<(u64, Arc<Notify>)>>);

impl Strangers {
    fn enter(&self, number: u64) -> Arc<Notify> {
        let leave = Arc::new(Notify::new());
        let mut all = self.0.lock();
        if all.len() >= LINK_STRANGERS_MAX
            && let Some((_, oldest)) = all.pop_front()
        {
            oldest.notify_one();
        }
        all.push_back((number, leave.clone()));
        leave
    }

    fn leave(&self, number: u64) {
        self.0.lock().retain(|(other, _)| *other != number);
    }
}

pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    // Dropped before the listener is.
    let _closed_in_child = folkmoot_sys::ClosedInChild::new(listener.as_raw_fd());
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let number = shared.number();
                let told_to_leave = shared.strangers.enter(number);
                let shared = shared.clone();
                tokio::spawn(async move {
                    let greeted = first(timeout(HELLO_WITHIN, greet(&shared, socket, number)), told_to_leave.notified()).await;
                    shared.strangers.leave(number);
                    if let First::One(Ok(Ok(Some((stream, kind, peer))))) = greeted {
                        serve(&shared, stream, kind, &peer, number).await;
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

/// Who is there, and what for; none if they are not welcome.
async fn greet(shared: &Shared, socket: TcpStream, number: u64) -> Result<Option<(Stream, Kind, Arc<Peer>)>> {
    let mut stream = Stream::new(socket, snapshot::SILENT)?;
    let mut shown = None;
    if let Some(tls) = &shared.tls {
        let acceptor = tls.acceptor();
        let shown = &mut shown;
        let secured = stream.secure(|socket| async move {
            let secured = acceptor.accept(socket).into_fallible().await?;
            *shown = secured.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|own| own.clone().into_owned());
            Ok(secured)
        });
        stream = secured.await.inspect_err(|error| tracing::debug!(%error, "whoever calls at the members' door has no good certificate"))?;
    }
    let mut opening = [0; OPENING];
    stream.read_exact(&mut opening).await?;
    let judged = match negotiate(&opening) {
        None => return Ok(None),
        Some(Err(refusal)) => Err(refusal),
        Some(Ok(version)) => {
            let mut rest = [0; REST];
            stream.read_exact(&mut rest).await?;
            judge(shared, &rest, |id| shown.as_ref().is_some_and(|certificate| tls::names(certificate, id))).map(|(kind, peer)| (version, kind, peer))
        }
    };
    match judged {
        Err(refusal) => {
            refuse(&mut stream, refusal).await?;
            Ok(None)
        }
        Ok((version, kind, peer)) => {
            if kind == Kind::Messages {
                // Before the answer: nothing of an older connection arrives once the caller knows that this one is up.
                peer.claim(number);
            }
            let welcome: [u8; ANSWER] = answer(Ok(version));
            let answered = async {
                stream.write_all(&welcome).await?;
                stream.flush().await
            };
            if let Err(error) = answered.await {
                peer.release(number);
                return Err(error);
            }
            Ok(Some((stream, kind, peer)))
        }
    }
}

fn judge(shared: &Shared, rest: &[u8; REST], is_shown: impl Fn(u8) -> bool) -> std::result::Result<(Kind, Arc<Peer>), Refusal> {
    let hello = Hello::decode(rest)?;
    // First of all: who cannot show it learns nothing else.
    if shared.tls.is_some() && !is_shown(hello.from) {
        return Err(Refusal::Certificate);
    }
    if hello.ensemble != shared.ensemble {
        return Err(Refusal::Ensemble);
    }
    if hello.to != shared.id {
        return Err(Refusal::NotMe);
    }
    let peer = shared.peer(hello.from).ok_or(Refusal::Unknown)?;
    tracing::debug!(from = hello.from, incarnation = hello.incarnation, kind = ?hello.kind, "a member calls");
    Ok((hello.kind, peer))
}

/// Says why, and sees to it that it is heard: what is left unread would turn the end into a reset.
async fn refuse(stream: &mut Stream, refusal: Refusal) -> Result<()> {
    tracing::debug!(reason = Refusal::words(refusal as u8), "a call at the members' door is refused");
    stream.write_all(&answer(Err(refusal))).await?;
    stream.shutdown().await?;
    let mut rest = [0; 256];
    for _ in 0..16 {
        if stream.read(&mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}

async fn serve(shared: &Shared, stream: Stream, kind: Kind, peer: &Peer, number: u64) {
    match kind {
        Kind::Messages => {
            let ended = first(messages(shared, stream, peer, number), peer.unheard(number)).await;
            if let First::One(Err(error)) = ended {
                tracing::debug!(from = peer.id, %error, "a link from a member has ended");
            }
            peer.release(number);
        }
        Kind::Snapshot => snapshot::take(shared, BufReader::with_capacity(READ_BYTES, stream), peer).await,
    }
}

async fn messages(shared: &Shared, stream: Stream, peer: &Peer, number: u64) -> Result<()> {
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    loop {
        let mut message = Vec::new();
        match frame::read(&mut stream, LINK_FRAME_BYTES_MAX, &mut message).await? {
            Frame::Whole => {}
            Frame::TooLong(length) => {
                tracing::warn!(from = peer.id, length, "a member sends a frame that is too long; the link is closed");
                return Ok(());
            }
            Frame::End(..) => return Ok(()),
        }
        let mut is_told = false;
        if !peer.while_heard(number, || is_told = shared.tell(|told| told.arrived(peer.id, message)).is_some()) || !is_told {
            return Ok(());
        }
    }
}
