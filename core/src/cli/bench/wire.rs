//! The few requests and replies of ZooKeeper's protocol that a load is made of.

/// What is read from a server's bytes; the text says what was wrong with them.
pub(super) type Read<T> = Result<T, String>;

pub(super) mod opcode {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET: i32 = 4;
    pub const SET: i32 = 5;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const CHILDREN: i32 = 12;
    pub const CLOSE: i32 = -11;
}

/// Replies that belong to no request of ours, or to a ping.
pub(super) const EVENT_XID: i32 = -1;
pub(super) const PING_XID: i32 = -2;

/// A frame longer than this is none of ours: 64 MiB.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Frames to be sent.
#[derive(Default)]
pub(super) struct Frames(pub Vec<u8>);

impl Frames {
    pub(super) fn frame(&mut self, fill: impl FnOnce(&mut Self)) {
        let at = self.0.len();
        self.int(0);
        fill(self);
        let bytes = u32::try_from(self.0.len() - at - 4).unwrap_or(u32::MAX);
        self.0[at..at + 4].copy_from_slice(&bytes.to_be_bytes());
    }

    pub(super) fn request(&mut self, xid: i32, opcode: i32, fill: impl FnOnce(&mut Self)) {
        self.frame(|frames| {
            frames.int(xid);
            frames.int(opcode);
            fill(frames);
        });
    }

    pub(super) fn int(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn long(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.0.push(value.into());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.int(i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.0.extend_from_slice(value);
    }

    /// A new session's first frame.
    pub(super) fn connect(&mut self, timeout_ms: i32) {
        self.frame(|frames| {
            frames.int(0);
            frames.long(0);
            frames.int(timeout_ms);
            frames.long(0);
            frames.bytes(&[0; 16]);
            frames.bool(false);
        });
    }

    pub(super) fn create(&mut self, xid: i32, path: &str, data: &[u8]) {
        self.request(xid, opcode::CREATE, |frames| {
            frames.bytes(path.as_bytes());
            frames.bytes(data);
            frames.int(1);
            frames.int(31);
            frames.bytes(b"world");
            frames.bytes(b"anyone");
            frames.int(0);
        });
    }

    pub(super) fn set(&mut self, xid: i32, path: &str, data: &[u8]) {
        self.request(xid, opcode::SET, |frames| {
            frames.bytes(path.as_bytes());
            frames.bytes(data);
            frames.int(-1);
        });
    }

    pub(super) fn delete(&mut self, xid: i32, path: &str) {
        self.request(xid, opcode::DELETE, |frames| {
            frames.bytes(path.as_bytes());
            frames.int(-1);
        });
    }

    /// `get`, `exists` and `children` are alike.
    pub(super) fn read(&mut self, xid: i32, opcode: i32, path: &str, watch: bool) {
        self.request(xid, opcode, |frames| {
            frames.bytes(path.as_bytes());
            frames.bool(watch);
        });
    }
}

/// What is left of a reply.
#[derive(Clone, Copy)]
pub(super) struct Reply<'a>(pub &'a [u8]);

/// What a load checks of a `Stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub version: i32,
    pub data_length: i32,
    pub children: i32,
}

impl<'a> Reply<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| format!("a reply ends {} bytes too early", count - self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn int(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().unwrap_or_default()))
    }

    pub(super) fn long(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into().unwrap_or_default()))
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.int()?;
        self.take(usize::try_from(length).map_err(|_| format!("a length of {length}"))?)
    }

    pub(super) fn stat(&mut self) -> Read<Stat> {
        self.take(32)?;
        let version = self.int()?;
        self.take(16)?;
        let (data_length, children) = (self.int()?, self.int()?);
        self.take(8)?;
        Ok(Stat { version, data_length, children })
    }

    pub(super) fn end(self) -> Read<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many in a reply", self.0.len())) }
    }
}

/// The first whole frame of `bytes`, without its length, and how many bytes it takes up.
pub(super) fn first_frame(bytes: &[u8]) -> Read<Option<(&[u8], usize)>> {
    let Some(length) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(format!("a reply of {length} bytes"));
    }
    Ok(bytes.get(4..4 + length).map(|frame| (frame, 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_zookeepers() {
        let mut frames = Frames::default();
        frames.read(1, opcode::GET, "/a", true);
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
        let mut reply = Reply(&bytes);
        assert_eq!(reply.stat().unwrap(), Stat { version: 7, data_length: 9, children: 2 });
        reply.end().unwrap();
        assert!(Reply(&bytes[..67]).stat().is_err());
        assert!(Reply(&bytes).end().is_err());
        assert!(Reply(&[0xff; 4]).bytes().is_err());
    }
}
