//! `folkmoot status`: how does the ensemble stand, as one of its members sees it?
//!
//! It asks the word `fmst` where clients connect, which is the address that users know.

use super::{Failure, broken};
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than nine members fill.
const BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(mut args: lexopt::Parser, out: &mut dyn Write) -> std::result::Result<(), Failure> {
    use lexopt::prelude::*;
    let mut address = None;
    while let Some(argument) = args.next()? {
        match argument {
            Value(text) if address.is_none() => address = Some(text.string()?),
            argument => return Err(argument.unexpected().into()),
        }
    }
    let address = address.ok_or_else(|| Failure::Usage("which member is asked? status HOST:PORT".into()))?;
    let is_whole = Address::parse(&address).is_some_and(|address| address.host.is_some());
    if !is_whole {
        return Err(Failure::Usage(format!("status {address}: it is HOST:PORT, such as 127.0.0.1:2181")));
    }
    let text = ask(&address)?;
    out.write_all(text.as_bytes()).map_err(broken)
}

fn ask(address: &str) -> Result<String> {
    let lost = |what: String| Error::new(ErrorKind::ConnectionLoss, format!("{address}: {what}"));
    let mut tried = lost("no such host".into());
    for at in address.to_socket_addrs().map_err(|error| lost(error.to_string()))? {
        let said = TcpStream::connect_timeout(&at, PATIENCE).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"fmst")?;
            let mut text = String::new();
            stream.take(BYTES_MAX).read_to_string(&mut text)?;
            Ok(text)
        });
        match said {
            Ok(text) if text.contains("zxid") => return Ok(text),
            Ok(_) => tried = lost("whoever answers there is no member of Folkmoot's".into()),
            Err(error) => tried = lost(format!("nobody answers: {error}")),
        }
    }
    Err(tried)
}
