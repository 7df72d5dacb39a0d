//! The few requests and replies of ZooKeeper's protocol that a load is made of, on top of `wire`'s frames and records.
//!
//! Paths and data are borrowed, and of a reply only what a load checks is read: the load must cost less than the server.

use crate::ids::{SessionId, Zxid};
use crate::wire::frame::{self, Frame, Malformed, Reader, Writer};
use crate::wire::records::Connect;
pub(super) use crate::wire::records::{XID_NOTIFICATION, XID_PING, op};

/// What is read from a server's bytes; the text says what was wrong with them.
pub(super) type Read<T> = Result<T, String>;

/// A frame longer than this is none of ours: 64 MiB.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Frames to be sent.
#[derive(Default)]
pub(super) struct Frames(pub Vec<u8>);

impl Frames {
    pub(super) fn request(&mut self, xid: i32, op: i32, fill: impl FnOnce(&mut Writer<'_>)) {
        Writer::frame(&mut self.0, |writer| {
            writer.i32(xid);
            writer.i32(op);
            fill(writer);
        });
    }

    /// A new session's first frame.
    pub(super) fn connect(&mut self, timeout_ms: i32) {
        let password = vec![0; 16];
        Connect { protocol_version: 0, last_zxid: Zxid(0), timeout_ms, session: SessionId(0), password, read_only: Some(false) }.write(&mut self.0);
    }

    pub(super) fn create(&mut self, xid: i32, path: &str, data: &[u8]) {
        self.request(xid, op::CREATE, |writer| {
            writer.string(path);
            writer.buffer(Some(data));
            writer.i32(1);
            writer.i32(31);
            writer.string("world");
            writer.string("anyone");
            writer.i32(0);
        });
    }

    pub(super) fn set(&mut self, xid: i32, path: &str, data: &[u8]) {
        self.request(xid, op::SET_DATA, |writer| {
            writer.string(path);
            writer.buffer(Some(data));
            writer.i32(-1);
        });
    }

    pub(super) fn delete(&mut self, xid: i32, path: &str) {
        self.request(xid, op::DELETE, |writer| {
            writer.string(path);
            writer.i32(-1);
        });
    }

    /// Data, existence and children are asked for alike.
    pub(super) fn read(&mut self, xid: i32, op: i32, path: &str, watch: bool) {
        self.request(xid, op, |writer| {
            writer.string(path);
            writer.bool(watch);
        });
    }
}

/// What is left of a reply.
#[derive(Clone)]
pub(super) struct Reply<'a>(Reader<'a>);

/// What a load checks of a `Stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub version: i32,
    pub data_length: i32,
    pub children: i32,
}

fn short(_: Malformed) -> String {
    "a reply ends too early, or has a length that is none".into()
}

impl<'a> Reply<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    pub(super) fn int(&mut self) -> Read<i32> {
        self.0.i32().map_err(short)
    }

    pub(super) fn long(&mut self) -> Read<i64> {
        self.0.i64().map_err(short)
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        self.0.buffer().map_err(short)?.ok_or_else(|| "null where there is data".into())
    }

    pub(super) fn stat(&mut self) -> Read<Stat> {
        for _ in 0..4 {
            self.long()?;
        }
        let version = self.int()?;
        self.long()?;
        self.long()?;
        let (data_length, children) = (self.int()?, self.int()?);
        self.long()?;
        Ok(Stat { version, data_length, children })
    }

    pub(super) fn end(self) -> Read<()> {
        let rest = self.0.rest();
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes too many in a reply", rest.len())) }
    }
}

/// The first whole frame of `bytes`, without its length, and how many bytes it takes up.
pub(super) fn first_frame(bytes: &[u8]) -> Read<Option<(&[u8], usize)>> {
    match frame::split(bytes, FRAME_BYTES_MAX) {
        Frame::Whole(body, _) => Ok(Some((body, 4 + body.len()))),
        Frame::Partial(_) => Ok(None),
        Frame::Refused(length) => Err(format!("a reply of {length} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_zookeepers() {
        let mut frames = Frames::default();
        frames.read(1, op::GET_DATA, "/a", true);
        assert_eq!(frames.0, b"\0\0\0\x0f\0\0\0\x01\0\0\0\x04\0\0\0\x02/a\x01");
        let mut frames = Frames::default();
        frames.connect(10_000);
        assert_eq!(frames.0.len(), 4 + 45);
        assert_eq!(first_frame(&frames.0).unwrap().unwrap().1, frames.0.len());
        assert!(first_frame(&frames.0[..20]).unwrap().is_none());
        assert!(first_frame(&[0x7f; 4]).is_err());
    }

    #[test]
    fn replies_are_read_to_their_end() {
        let mut bytes = vec![0; 68];
        bytes[35] = 7;
        bytes[55] = 9;
        bytes[59] = 2;
        let mut reply = Reply::new(&bytes);
        assert_eq!(reply.stat().unwrap(), Stat { version: 7, data_length: 9, children: 2 });
        reply.end().unwrap();
        assert!(Reply::new(&bytes[..67]).stat().is_err());
        assert!(Reply::new(&bytes).end().is_err());
        assert!(Reply::new(&[0xff; 4]).bytes().is_err());
    }
}
