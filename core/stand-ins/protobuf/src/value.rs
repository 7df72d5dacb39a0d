//! The fields of messages: what protobuf would take for each, and the bytes themselves.
//!
//! A field is a key (its number and the form of what follows) and a number, or bytes behind their length; all numbers have
//! seven bits a byte, the lowest first. Fields at their defaults are left out. That is all of protobuf's format that is needed
//! here. Nothing is kept of fields that are not known, and forms that could nest without end are refused.
//! Messages hold each other to a fixed depth.

use bytes_crate::Bytes;

use crate::{Message, ProtobufEnum, ProtobufError, ProtobufResult, RepeatedField, SingularPtrField};

/// A field's content.
pub trait Value {
    /// How many bytes it takes with its key, which takes `key` of them.
    fn size(&self, key: u32) -> u32;

    /// Appends it as the field `number`.
    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()>;

    /// Takes what was read over, or in addition where there can be several.
    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()>;
}

/// What was read behind a key.
#[derive(Debug, Clone, Copy)]
pub enum Read<'a> {
    /// A number.
    Number(u64),
    /// Bytes that had their length before them.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field here is.
    Fixed,
}

/// How many bytes a number takes.
pub const fn number_size(number: u64) -> u32 {
    let bits = 64 - (number | 1).leading_zeros();
    bits.div_ceil(7)
}

fn bytes_size(len: u32) -> u32 {
    number_size(len.into()) + len
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write_field(number: u64, content: u64, out: &mut Vec<u8>) {
    write_number(number << 3, out);
    write_number(content, out);
}

fn write_bytes(number: u64, content: &[u8], out: &mut Vec<u8>) {
    write_number(number << 3 | 2, out);
    write_number(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn read_number(input: &mut &[u8]) -> ProtobufResult<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *input.split_off_first().ok_or(ProtobufError("a number ends too early"))?;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        if byte < 0x80 {
            let fits = bits << shift >> shift == bits;
            return if fits { Ok(number) } else { Err(ProtobufError("a number has more than 64 bits")) };
        }
    }
    Err(ProtobufError("a number has more than ten bytes"))
}

fn read_bytes<'a>(input: &mut &'a [u8], len: u64) -> ProtobufResult<&'a [u8]> {
    let len = usize::try_from(len).ok();
    len.and_then(|len| input.split_off(..len)).ok_or(ProtobufError("a length reaches past the end"))
}

/// The next field's number and content; none at the end.
///
/// # Errors
/// If what comes is no field.
pub fn next<'a>(input: &mut &'a [u8]) -> ProtobufResult<Option<(u64, Read<'a>)>> {
    if input.is_empty() {
        return Ok(None);
    }
    let key = read_number(input)?;
    let read = match key & 7 {
        0 => Read::Number(read_number(input)?),
        1 => read_bytes(input, 8).map(|_| Read::Fixed)?,
        2 => {
            let len = read_number(input)?;
            Read::Bytes(read_bytes(input, len)?)
        }
        5 => read_bytes(input, 4).map(|_| Read::Fixed)?,
        _ => return Err(ProtobufError("a field of a form that is not read here")),
    };
    if key >> 3 == 0 { Err(ProtobufError("a field without a number")) } else { Ok(Some((key >> 3, read))) }
}

const FORM: ProtobufError = ProtobufError("a field has another form than its number says");

impl Value for u64 {
    fn size(&self, key: u32) -> u32 {
        if *self == 0 { 0 } else { key + number_size(*self) }
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        if *self != 0 {
            write_field(number, *self, out);
        }
        Ok(())
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Number(number) = read else { return Err(FORM) };
        *self = number;
        Ok(())
    }
}

impl Value for i64 {
    fn size(&self, key: u32) -> u32 {
        self.cast_unsigned().size(key)
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        self.cast_unsigned().write(number, out)
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Number(number) = read else { return Err(FORM) };
        *self = number.cast_signed();
        Ok(())
    }
}

impl Value for bool {
    fn size(&self, key: u32) -> u32 {
        u64::from(*self).size(key)
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        u64::from(*self).write(number, out)
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Number(number) = read else { return Err(FORM) };
        *self = number != 0;
        Ok(())
    }
}

impl<E: ProtobufEnum> Value for E {
    fn size(&self, key: u32) -> u32 {
        u64::from(self.value().cast_unsigned()).size(key)
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        u64::from(self.value().cast_unsigned()).write(number, out)
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Number(number) = read else { return Err(FORM) };
        let variant = i32::try_from(number).ok().and_then(E::from_i32);
        *self = variant.ok_or(ProtobufError("an unknown variant"))?;
        Ok(())
    }
}

impl Value for Bytes {
    fn size(&self, key: u32) -> u32 {
        if self.is_empty() { 0 } else { key + bytes_size(self.len() as u32) }
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        if !self.is_empty() {
            write_bytes(number, self, out);
        }
        Ok(())
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Bytes(bytes) = read else { return Err(FORM) };
        *self = Self::copy_from_slice(bytes);
        Ok(())
    }
}

impl Value for Vec<u64> {
    fn size(&self, key: u32) -> u32 {
        self.iter().map(|value| key + number_size(*value)).sum()
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        self.iter().for_each(|value| write_field(number, *value, out));
        Ok(())
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        match read {
            Read::Number(number) => self.push(number),
            Read::Bytes(mut several) => {
                while !several.is_empty() {
                    self.push(read_number(&mut several)?);
                }
            }
            Read::Fixed => return Err(FORM),
        }
        Ok(())
    }
}

impl<M: Message> Value for RepeatedField<M> {
    fn size(&self, key: u32) -> u32 {
        self.iter().map(|message| key + bytes_size(message.compute_size())).sum()
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        self.iter().try_for_each(|message| {
            write_bytes(number, &message.write_to_bytes()?, out);
            Ok(())
        })
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Bytes(bytes) = read else { return Err(FORM) };
        let mut message = M::default();
        message.merge_from_bytes(bytes)?;
        self.push(message);
        Ok(())
    }
}

impl<M: Message> Value for SingularPtrField<M> {
    fn size(&self, key: u32) -> u32 {
        self.as_ref().map_or(0, |message| key + bytes_size(message.compute_size()))
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) -> ProtobufResult<()> {
        if let Some(message) = self.as_ref() {
            write_bytes(number, &message.write_to_bytes()?, out);
        }
        Ok(())
    }

    fn merge(&mut self, read: Read<'_>) -> ProtobufResult<()> {
        let Read::Bytes(bytes) = read else { return Err(FORM) };
        let mut message = self.take().unwrap_or_default();
        message.merge_from_bytes(bytes)?;
        *self = Self::some(message);
        Ok(())
    }
}
