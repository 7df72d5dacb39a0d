//! Frames: split into wholes and a rest, whatever the bytes; a first frame is read or refused, and written back as it was.
#![no_main]

use folkmoot::wire::frame::{self, Frame};
use folkmoot::wire::records::Connect;

const LIMIT: usize = 4096;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Frame::Whole(body, after) = frame::split(rest, LIMIT) {
        assert!(body.len() <= LIMIT && body.len() + 4 + after.len() == rest.len());
        if let Ok(connect) = Connect::read(body) {
            let mut written = Vec::new();
            connect.write(&mut written);
            let Frame::Whole(again, _) = frame::split(&written, usize::MAX) else { panic!("not whole") };
            assert_eq!(Connect::read(again), Ok(connect));
        }
        rest = after;
    }
});
