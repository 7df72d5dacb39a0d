//! A connection, with TLS or without, that a forked child does not keep open.

use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// Bytes both ways.
pub(super) struct Stream {
    // Before the socket: a number is forgotten while it is still ours.
    guard: Option<folkmoot_sys::ClosedInChild>,
    inner: Inner,
}

enum Inner {
    Plain(TcpStream),
    Secure(Box<dyn Both>),
}

impl Stream {
    /// Makes one that breaks when its other end takes nothing for as long as `silence`.
    pub fn new(socket: TcpStream, silence: Duration) -> Result<Self> {
        socket.set_nodelay(true)?;
        notice_silence(&socket, silence);
        // The others would not see the end of a process whose child holds its connections.
        let guard = folkmoot_sys::ClosedInChild::new(socket.as_raw_fd());
        Ok(Self { guard, inner: Inner::Plain(socket) })
    }

    /// Does a TLS handshake, which gives the socket back if it fails.
    pub async fn secure<S, H>(self, handshake: impl FnOnce(TcpStream) -> H) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        H: Future<Output = std::result::Result<S, (Error, TcpStream)>>,
    {
        let Self { guard, inner } = self;
        match inner {
            Inner::Plain(socket) => Handshake { guard, work: Box::pin(handshake(socket)) }.done().await,
            Inner::Secure(_) => Ok(Self { guard, inner }),
        }
    }
}

/// A handshake, which holds the socket; should it be dropped, the guard goes first.
struct Handshake<H> {
    guard: Option<folkmoot_sys::ClosedInChild>,
    work: Pin<Box<H>>,
}

impl<H> Handshake<H> {
    async fn done<S>(mut self) -> Result<Stream>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        H: Future<Output = std::result::Result<S, (Error, TcpStream)>>,
    {
        match self.work.as_mut().await {
            Ok(secure) => Ok(Stream { guard: self.guard.take(), inner: Inner::Secure(Box::new(secure)) }),
            Err((error, socket)) => {
                drop(self.guard.take());
                drop(socket);
                Err(error)
            }
        }
    }
}

/// Lets the system end a connection whose other end has vanished without a word.
fn notice_silence(socket: &TcpStream, silence: Duration) {
    use rustix::net::sockopt;
    let set = sockopt::set_socket_keepalive(socket, true)
        .and_then(|()| sockopt::set_tcp_keepidle(socket, silence))
        .and_then(|()| sockopt::set_tcp_keepintvl(socket, Duration::from_secs(1)))
        .and_then(|()| sockopt::set_tcp_keepcnt(socket, 5));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| sockopt::set_tcp_user_timeout(socket, silence.as_millis() as u32));
    if let Err(error) = set {
        tracing::debug!(%error, "a link's timeouts cannot be set");
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Inner::Secure(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(context),
            Inner::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
