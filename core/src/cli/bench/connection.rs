//! One session on one socket: frames out, frames in.

use super::wire::{Frames, Read, Reply, XID_PING, first_frame, op};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What is read from a socket at once.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct Connection {
    stream: TcpStream,
    pub(super) out: Frames,
    sent: usize,
    input: Vec<u8>,
    /// Where, in `input`, what has come and was not looked at begins and ends.
    begin: usize,
    end: usize,
    /// The last request's number; they count from 1.
    pub(super) xid: i32,
    /// The greatest zxid of a reply.
    zxid: i64,
    /// What the server granted, in milliseconds.
    pub(super) timeout_ms: i32,
}

/// Bytes of a reply's head.
const HEAD_BYTES: usize = 16;

/// A reply's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub xid: i32,
    pub zxid: i64,
    pub error: i32,
}

impl Connection {
    /// Opens a session.
    pub(super) async fn open(server: &str, timeout_ms: i32) -> Read<Connection> {
        let stream = TcpStream::connect(server).await.map_err(|e| format!("{server}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| format!("{server}: {e}"))?;
        let mut connection =
            Connection { stream, out: Frames::default(), sent: 0, input: vec![0; READ_BYTES], begin: 0, end: 0, xid: 0, zxid: 0, timeout_ms: 0 };
        connection.out.connect(timeout_ms);
        let (session, timeout_ms) = connection.greeting().await.map_err(|e| format!("{server}: {e}"))?;
        if session == 0 || timeout_ms <= 0 {
            return Err(format!("{server}: it gave no session"));
        }
        connection.timeout_ms = timeout_ms;
        Ok(connection)
    }

    /// The session's number and timeout, as the server's first frame says.
    async fn greeting(&mut self) -> Read<(i64, i32)> {
        loop {
            if let Some(frame) = self.frame()? {
                let mut reply = Reply::new(frame);
                reply.int()?;
                let timeout_ms = reply.int()?;
                let session = reply.long()?;
                reply.bytes()?;
                return Ok((session, timeout_ms));
            }
            self.more().await?;
        }
    }

    pub(super) fn next_xid(&mut self) -> i32 {
        self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
        self.xid
    }

    /// The next frame that is here already.
    fn frame(&mut self) -> Read<Option<&[u8]>> {
        let Some((_, bytes)) = first_frame(&self.input[self.begin..self.end])? else { return Ok(None) };
        let begin = self.begin;
        self.begin += bytes;
        Ok(Some(&self.input[begin + 4..self.begin]))
    }

    /// The next reply that is here already. Time does not go back: neither does its zxid.
    pub(super) fn ready(&mut self) -> Read<Option<(Head, Reply<'_>)>> {
        let last = self.zxid;
        let Some(frame) = self.frame()? else { return Ok(None) };
        let (head, _) = head(frame)?;
        let bytes = frame.len();
        // Events have -1 there in older servers, pings nothing to tell.
        if head.xid > 0 {
            if head.zxid < last {
                return Err(format!("request {} was answered at zxid 0x{:x}, after one at 0x{last:x}", head.xid, head.zxid));
            }
            self.zxid = head.zxid;
        }
        Ok(Some((head, Reply::new(&self.input[self.begin - bytes + HEAD_BYTES..self.begin]))))
    }

    /// Sends everything, and reads nothing.
    pub(super) async fn flush(&mut self) -> Read<()> {
        while !self.write()? {
            self.stream.writable().await.map_err(|e| format!("waiting: {e}"))?;
        }
        Ok(())
    }

    /// Sends what the socket takes; true if that was all.
    fn write(&mut self) -> Read<bool> {
        while self.sent < self.out.0.len() {
            match self.stream.try_write(&self.out.0[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(format!("writing: {e}")),
            }
        }
        self.out.0.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Sends what can be sent, and waits until more has come.
    pub(super) async fn more(&mut self) -> Read<()> {
        self.input.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.input.len() - self.end < READ_BYTES / 2 {
            self.input.resize(self.input.len() * 2, 0);
        }
        loop {
            let interest = if self.write()? { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = self.stream.ready(interest).await.map_err(|e| format!("waiting: {e}"))?;
            if ready.is_readable() {
                match self.stream.try_read(&mut self.input[self.end..]) {
                    Ok(0) => return Err("the server has closed the connection".into()),
                    Ok(bytes) => {
                        self.end += bytes;
                        return Ok(());
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(e) => return Err(format!("reading: {e}")),
                }
            }
        }
    }

    /// Sends everything and gives the next reply to `read`.
    pub(super) async fn receive<T>(&mut self, read: impl FnOnce(Head, Reply<'_>) -> Read<T>) -> Read<T> {
        loop {
            if let Some((head, reply)) = self.ready()? {
                return read(head, reply);
            }
            self.more().await?;
        }
    }

    /// Makes one request and has its reply read, which has to be the next frame and no error.
    pub(super) async fn call<T>(&mut self, request: impl FnOnce(&mut Frames, i32), read: impl FnOnce(Reply<'_>) -> Read<T>) -> Read<T> {
        let xid = self.next_xid();
        request(&mut self.out, xid);
        self.receive(|head, reply| {
            expect(head, xid)?;
            read(reply)
        })
        .await
    }

    pub(super) async fn ping(&mut self) -> Read<()> {
        self.out.request(XID_PING, op::PING, |_| {});
        self.receive(|head, _| expect(head, XID_PING)).await
    }

    /// Ends the session.
    pub(super) async fn close(mut self) -> Read<()> {
        self.call(|out, xid| out.request(xid, op::CLOSE_SESSION, |_| {}), |reply| reply.end()).await
    }
}

/// A reply's head and the rest.
fn head(frame: &[u8]) -> Read<(Head, Reply<'_>)> {
    let mut reply = Reply::new(frame);
    let xid = reply.int()?;
    let zxid = reply.long()?;
    let error = reply.int()?;
    Ok((Head { xid, zxid, error }, reply))
}

/// That a reply is this request's, and says that it was done.
pub(super) fn expect(head: Head, xid: i32) -> Read<()> {
    if head.xid != xid {
        return Err(format!("the reply to request {} came where that to {xid} was due", head.xid));
    }
    if head.error != 0 {
        return Err(format!("request {xid} was answered with error {}", head.error));
    }
    Ok(())
}
