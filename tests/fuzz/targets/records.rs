//! Requests: the first four bytes are the operation, the others its body. Whatever they are, it is asked for something or
//! refused, and what is asked for is not much larger than what was sent.
#![no_main]

use folkmoot::ids::Zxid;
use folkmoot::request::{Reply, Request};
use folkmoot::wire::records::{self, Ask};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((op, body)) = bytes.split_first_chunk::<4>() else { return };
    match records::ask(i32::from_be_bytes(*op), body) {
        Ask::Request(request, form) => {
            if let Request::Multi(operations) | Request::MultiRead(operations) = &request {
                assert!(operations.len() <= body.len());
                assert!(operations.iter().all(|operation| !matches!(operation, Request::Multi(_) | Request::MultiRead(_))));
            }
            // An answer that does not fit the form is written all the same.
            let mut out = Vec::new();
            records::reply(&mut out, 1, Zxid(1), &form, &Ok(Reply::Done));
            assert!(out.len() >= 20);
        }
        Ask::Get(path, _) => assert!(path.len() <= 3 * body.len()),
        Ask::Auth(_, credential) | Ask::Sasl(credential) => assert!(credential.len() <= body.len()),
        Ask::Ping | Ask::Close | Ask::Malformed | Ask::Unknown => {}
    }
});
