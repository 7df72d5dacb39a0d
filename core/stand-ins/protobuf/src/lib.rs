//! Stands in for `protobuf` 2 below the consensus library: the few names of it that library uses.
//!
//! There is none of its code here, and nothing here meets a byte of a peer's before the peer has shown who it is: messages
//! between members and records on disk have a codec of their own, beside their owners. The library itself needs two things:
//! - [`Message::compute_size`], by which it cuts batches to size;
//! - a change of membership to and from the bytes that a log entry holds.
//!
//! For both the bytes are protobuf's, so that limits mean the same with the published crate, and a log that one
//! build has written is read by the other. What writes and reads them ([`value`]) is a page of our own.
//!
//! The names and signatures are the published crate's, as far as they go, so that a program compiles with either; no code
//! of it was taken.

mod repeated;
mod singular;
pub mod value;

use std::fmt;

pub use repeated::RepeatedField;
pub use singular::SingularPtrField;

/// What can be measured, written and read back.
pub trait Message: Default {
    /// How many bytes this takes.
    fn compute_size(&self) -> u32;

    /// The bytes; none if every field is at its default.
    fn write_to_bytes(&self) -> ProtobufResult<Vec<u8>>;

    /// Takes the fields that the bytes hold.
    ///
    /// # Errors
    /// If these are not the bytes of such a message; then nothing is changed either.
    fn merge_from_bytes(&mut self, bytes: &[u8]) -> ProtobufResult<()>;
}

/// An enum whose variants have numbers.
pub trait ProtobufEnum: Copy + PartialEq + 'static {
    /// The variant's number.
    fn value(&self) -> i32;

    /// The variant of that number.
    fn from_i32(value: i32) -> Option<Self>;

    /// All of them, by number.
    fn values() -> &'static [Self];
}

/// Nothing: fields that are not known are not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnknownFields;

/// Bytes that were not what they were read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtobufError(&'static str);

/// A result with that error.
pub type ProtobufResult<T> = Result<T, ProtobufError>;

impl fmt::Display for ProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ProtobufError {}
