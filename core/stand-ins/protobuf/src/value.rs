//! The fields of messages: how large protobuf would write them, and our own bytes for them.
//!
//! Ours: fields in their order, nothing left out; integers as eight bytes, least first; an enum or a truth value as one
//! byte; bytes and lists behind a length of four bytes; a message that may be missing behind a 0 or a 1. A message whose
//! fields are all at their defaults is no bytes at all when it stands alone: the library puts an empty change of
//! membership into its log that way. Messages hold each other to a fixed depth, so reading cannot recurse without end.

use bytes_crate::Bytes;

use crate::{ProtobufEnum, ProtobufError, ProtobufResult, RepeatedField, SingularPtrField};

/// A field's content.
pub trait Value: Sized {
    /// How many bytes protobuf would take, the field's number included, which takes `tag` bytes; 0 for a default.
    fn size(&self, tag: u32) -> u32;

    /// Appends our bytes.
    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()>;

    /// Takes our bytes off the front of `input`.
    fn read(input: &mut &[u8]) -> ProtobufResult<Self>;
}

/// How many bytes protobuf takes for a number: seven bits each.
pub const fn varint(value: u64) -> u32 {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7)
}

/// How many bytes protobuf takes for `len` bytes behind their length.
pub const fn delimited(len: u32) -> u32 {
    varint(len as u64) + len
}

/// The first `len` bytes of `input`, which moves past them.
fn front<'a>(input: &mut &'a [u8], len: usize) -> ProtobufResult<&'a [u8]> {
    input.split_off(..len).ok_or(ProtobufError("a message ends too early"))
}

/// That nothing is left of a message that was read.
pub fn end(rest: &[u8]) -> ProtobufResult<()> {
    if rest.is_empty() { Ok(()) } else { Err(ProtobufError("bytes behind the end of a message")) }
}

fn write_len(len: usize, out: &mut Vec<u8>) -> ProtobufResult<()> {
    let len = u32::try_from(len).map_err(|_| ProtobufError("a field is longer than 4 GiB"))?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

/// A length; whatever follows takes a byte each at least, so it is never more than what is left.
fn read_len(input: &mut &[u8]) -> ProtobufResult<usize> {
    let len = u32::from_le_bytes(front(input, 4)?.try_into().expect("four bytes")) as usize;
    if len > input.len() { Err(ProtobufError("a length reaches past the end")) } else { Ok(len) }
}

impl Value for u64 {
    fn size(&self, tag: u32) -> u32 {
        if *self == 0 { 0 } else { tag + varint(*self) }
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        out.extend_from_slice(&self.to_le_bytes());
        Ok(())
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        Ok(Self::from_le_bytes(front(input, 8)?.try_into().expect("eight bytes")))
    }
}

impl Value for i64 {
    fn size(&self, tag: u32) -> u32 {
        self.cast_unsigned().size(tag)
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        self.cast_unsigned().write(out)
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        Ok(u64::read(input)?.cast_signed())
    }
}

impl Value for bool {
    fn size(&self, tag: u32) -> u32 {
        if *self { tag + 1 } else { 0 }
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        out.push((*self).into());
        Ok(())
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        match front(input, 1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(ProtobufError("neither true nor false")),
        }
    }
}

impl<E: ProtobufEnum> Value for E {
    fn size(&self, tag: u32) -> u32 {
        u64::from(self.value().cast_unsigned()).size(tag)
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        out.push(u8::try_from(self.value()).map_err(|_| ProtobufError("a variant without a byte"))?);
        Ok(())
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        E::from_i32(front(input, 1)?[0].into()).ok_or(ProtobufError("an unknown variant"))
    }
}

impl Value for Bytes {
    fn size(&self, tag: u32) -> u32 {
        if self.is_empty() { 0 } else { tag + delimited(self.len() as u32) }
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        write_len(self.len(), out)?;
        out.extend_from_slice(self);
        Ok(())
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        let len = read_len(input)?;
        Ok(Self::copy_from_slice(front(input, len)?))
    }
}

fn write_list<T: Value>(list: &[T], out: &mut Vec<u8>) -> ProtobufResult<()> {
    write_len(list.len(), out)?;
    list.iter().try_for_each(|value| value.write(out))
}

fn read_list<T: Value>(input: &mut &[u8]) -> ProtobufResult<Vec<T>> {
    (0..read_len(input)?).map(|_| T::read(input)).collect()
}

impl Value for Vec<u64> {
    fn size(&self, tag: u32) -> u32 {
        self.iter().map(|value| tag + varint(*value)).sum()
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        write_list(self, out)
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        read_list(input)
    }
}

impl<T: Value> Value for RepeatedField<T> {
    fn size(&self, tag: u32) -> u32 {
        self.iter().map(|value| value.size(tag)).sum()
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        write_list(self, out)
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        read_list(input).map(Self::from)
    }
}

impl<T: Value> Value for SingularPtrField<T> {
    fn size(&self, tag: u32) -> u32 {
        self.as_ref().map_or(0, |value| value.size(tag))
    }

    fn write(&self, out: &mut Vec<u8>) -> ProtobufResult<()> {
        self.is_some().write(out)?;
        self.as_ref().map_or(Ok(()), |value| value.write(out))
    }

    fn read(input: &mut &[u8]) -> ProtobufResult<Self> {
        Ok(if bool::read(input)? { Self::some(T::read(input)?) } else { Self::none() })
    }
}
