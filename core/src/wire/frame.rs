//! Frames and the primitives inside them: bytes in, values out.
//!
//! A frame is a length (i32, big-endian, itself not counted) and that many bytes. What always holds: a length is looked at
//! before anything is allocated for it; a string or list is never believed to be longer than the bytes that are there.
//! Source: ZooKeeper's jute archive format.

use std::borrow::Cow;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole frame: its body, and what follows it.
    Whole(&'a [u8], &'a [u8]),
    /// Not all of it yet; this many bytes in all would be.
    Partial(usize),
    /// A length that is negative or above the limit.
    Refused(i32),
}

/// The frame at the beginning of `bytes`, whose body may have up to `limit` bytes.
pub fn split(bytes: &[u8], limit: usize) -> Frame<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Frame::Partial(4) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if length <= limit => match rest.split_at_checked(length) {
            Some((body, rest)) => Frame::Whole(body, rest),
            None => Frame::Partial(4 + length),
        },
        _ => Frame::Refused(length),
    }
}

/// The bytes end too early, or a length in them is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

type Read<T> = Result<T, Malformed>;

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn take<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(Malformed)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// A byte that is not 0.
    pub fn bool(&mut self) -> Read<bool> {
        Ok(self.take::<1>()? != [0])
    }

    /// Four bytes.
    pub fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    /// Length and bytes; -1 is null.
    pub fn buffer(&mut self) -> Read<Option<&'a [u8]>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(Some(taken))
    }

    /// A buffer of UTF-8; what is none becomes U+FFFD, as in Java.
    pub fn string(&mut self) -> Read<Option<Cow<'a, str>>> {
        Ok(self.buffer()?.map(String::from_utf8_lossy))
    }

    /// A string as [`Writer::echo`] and ZooKeeper's servers write it: pairs of surrogates are characters again.
    pub fn echoed(&mut self) -> Read<Option<Cow<'a, str>>> {
        Ok(self.buffer()?.map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(join_surrogates(bytes)),
        }))
    }

    /// Items, each read by `item`; a null list is none.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Option<Vec<T>>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        // Every item takes at least a byte, so the bytes that are there bound the list.
        let mut items = Vec::new();
        for _ in 0..length.max(0) {
            items.push(item(self)?);
        }
        Ok(Some(items))
    }
}

/// UTF-8 with surrogates of three bytes as text; what is neither becomes U+FFFD.
fn join_surrogates(bytes: &[u8]) -> String {
    let half = |at: usize, least: u8| match bytes.get(at..at + 3)? {
        [0xed, second, third] if *second & 0xf0 == least && *third & 0xc0 == 0x80 => Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f)),
        _ => None,
    };
    let (mut text, mut plain, mut at) = (String::with_capacity(bytes.len()), 0, 0);
    while at < bytes.len() {
        if let (Some(high), Some(low)) = (half(at, 0xa0), half(at + 3, 0xb0)) {
            text.push_str(&String::from_utf8_lossy(&bytes[plain..at]));
            text.extend(char::decode_utf16([high, low]).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            at += 6;
            plain = at;
        } else {
            at += 1;
        }
    }
    text.push_str(&String::from_utf8_lossy(&bytes[plain..]));
    text
}

/// Writes values one after the other.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Writes to the end of `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// A frame around what `body` writes.
    pub fn frame(bytes: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        body(&mut Writer { bytes });
        let length = i32::try_from(bytes.len() - start - 4).unwrap_or(i32::MAX);
        bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// One byte.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Four bytes.
    pub fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Length and bytes; null is -1.
    pub fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                self.i32(value.len() as i32);
                self.bytes.extend_from_slice(value);
            }
            None => self.i32(-1),
        }
    }

    /// Length and UTF-8.
    pub fn string(&mut self, value: &str) {
        self.buffer(Some(value.as_bytes()));
    }

    /// Length and UTF-8; but a character outside the basic plane as two surrogates of three bytes each, as ZooKeeper's servers
    /// write it. No path has one; names in ACLs and what is echoed may.
    pub fn echo(&mut self, value: &str) {
        if value.bytes().all(|byte| byte < 0xf0) {
            return self.string(value);
        }
        let mut bytes = Vec::with_capacity(value.len() + value.len() / 2);
        for unit in value.encode_utf16() {
            match char::from_u32(u32::from(unit)) {
                Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => bytes.extend_from_slice(&[0xe0 | (unit >> 12) as u8, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]),
            }
        }
        self.buffer(Some(&bytes));
    }

    /// A length and the items, each written by `item`.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.i32(items.len() as i32);
        items.iter().for_each(|value| item(self, value));
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_refused_by_its_length_alone() {
        assert_eq!(split(&[0, 0, 0], 9), Frame::Partial(4));
        assert_eq!(split(&[0, 0, 0, 2, 7], 9), Frame::Partial(6));
        assert_eq!(split(&[0, 0, 0, 1, 7, 8], 9), Frame::Whole(&[7], &[8]));
        assert_eq!(split(&[0, 0, 0, 10], 9), Frame::Refused(10));
        assert_eq!(split(&[0xff, 0xff, 0xff, 0xff], 9), Frame::Refused(-1));
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let huge = [0x7f, 0xff, 0xff, 0xff, 1, 2, 3];
        assert_eq!(Reader::new(&huge).buffer(), Err(Malformed));
        assert_eq!(Reader::new(&huge).list(|reader| reader.i64()), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 4]).buffer(), Ok(None));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).buffer(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).list(|reader| reader.i64()), Ok(Some(vec![])));
    }

    #[test]
    fn a_character_outside_the_basic_plane_is_two_surrogates() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).echo("a😀");
        assert_eq!(bytes, b"\0\0\0\x07a\xed\xa0\xbd\xed\xb8\x80");
        assert_eq!(Reader::new(&bytes).echoed(), Ok(Some("a😀".into())));
        // A server reads it as Java does.
        assert_eq!(Reader::new(&bytes).string(), Ok(Some("a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}".into())));
        // One alone is no character.
        assert_eq!(Reader::new(b"\0\0\0\x04\xed\xa0\xbdb").echoed().unwrap().unwrap().chars().last(), Some('b'));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers: Vec<i64>, text: String, data: Option<Vec<u8>>, flag: bool, int: i32) {
            let mut bytes = Vec::new();
            Writer::frame(&mut bytes, |writer| {
                writer.list(&numbers, |writer, number| writer.i64(*number));
                writer.string(&text);
                writer.echo(&text);
                writer.buffer(data.as_deref());
                writer.bool(flag);
                writer.i32(int);
            });
            let Frame::Whole(body, rest) = split(&bytes, usize::MAX) else { panic!("not whole") };
            prop_assert!(rest.is_empty());
            let mut reader = Reader::new(body);
            prop_assert_eq!(reader.list(|reader| reader.i64()), Ok(Some(numbers)));
            prop_assert_eq!(reader.string().unwrap().unwrap(), text.as_str());
            prop_assert_eq!(reader.echoed().unwrap().unwrap(), text);
            prop_assert_eq!(reader.buffer(), Ok(data.as_deref()));
            prop_assert_eq!(reader.bool(), Ok(flag));
            prop_assert_eq!(reader.i32(), Ok(int));
            prop_assert!(reader.rest().is_empty());
        }
    }
}
