//! JSON as ZooKeeper's commands write it: the keys in a fixed order, ` : ` between key and value, an object's entries
//! on lines of their own, an array on one line.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::ser::Formatter;
use std::borrow::Cow;
use std::io;

/// A value, its keys in the order given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Json>),
    Map(Fields),
}

/// Keys and values of an object.
pub(super) type Fields = Vec<(Cow<'static, str>, Json)>;

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}
impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Json::Int(value)
    }
}
impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Json::Int(value.into())
    }
}
impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Json::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Json::Text(value.into())
    }
}
impl From<String> for Json {
    fn from(value: String) -> Self {
        Json::Text(value)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => to.serialize_unit(),
            Json::Bool(value) => to.serialize_bool(*value),
            Json::Int(value) => to.serialize_i64(*value),
            Json::Fraction(value) => to.serialize_f64(*value),
            Json::Text(value) => to.serialize_str(value),
            Json::List(values) => {
                let mut list = to.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Json::Map(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key.as_ref(), value)?;
                }
                map.end()
            }
        }
    }
}

/// How deep in objects we are, and whether the one we are in has an entry.
#[derive(Default)]
struct Layout {
    depth: usize,
    entries: bool,
}

impl Layout {
    fn line<W: io::Write + ?Sized>(&self, to: &mut W) -> io::Result<()> {
        to.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| to.write_all(b"  "))
    }
}

impl Formatter for Layout {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        to.write_all(if first { b" " } else { b", " })
    }
    fn end_array<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b" ]")
    }
    fn begin_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.entries = false;
        to.write_all(b"{")
    }
    fn begin_object_key<W: io::Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if !first {
            to.write_all(b",")?;
        }
        self.line(to)
    }
    fn begin_object_value<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b" : ")
    }
    fn end_object_value<W: io::Write + ?Sized>(&mut self, _to: &mut W) -> io::Result<()> {
        self.entries = true;
        Ok(())
    }
    fn end_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.entries {
            self.line(to)?;
        } else {
            to.write_all(b" ")?;
        }
        to.write_all(b"}")
    }
}

impl Json {
    /// Written out.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut to = serde_json::Serializer::with_formatter(&mut out, Layout::default());
        self.serialize(&mut to).expect("no map has a key that is not text, and memory takes every byte");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let value = Json::Map(vec![
            ("z".into(), Json::List(vec![])),
            ("a".into(), Json::Map(vec![])),
            ("l".into(), Json::List(vec![1u32.into(), Json::Map(vec![("k".into(), Json::Null), ("f".into(), Json::Fraction(0.0))])])),
            ("q\"".into(), "\u{1}".into()),
        ]);
        let text = "{\n  \"z\" : [ ],\n  \"a\" : { },\n  \"l\" : [ 1, {\n    \"k\" : null,\n    \"f\" : 0.0\n  } ],\n  \"q\\\"\" : \"\\u0001\"\n}";
        assert_eq!(String::from_utf8(value.write()).unwrap(), text);
    }
}
