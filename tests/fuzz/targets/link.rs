//! The first words and the frames of a link between members: read or refused, whatever the bytes, and written back as they were.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| folkmoot::member::fuzz_link(bytes));
