//! The program `folkmoot`.
use std::ffi::OsString;
use std::io::Write;

/// Runs it.
pub fn run(_args: impl Iterator<Item = OsString>, _out: &mut dyn Write, _err: &mut dyn Write) -> i32 {
    0
}
