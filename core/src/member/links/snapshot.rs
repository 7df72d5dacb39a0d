//! Sending a snapshot, on a thread that may block.

use super::frame::{ANSWER, Hello, Kind, end, welcome};
use super::{Records, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::MemberId;
use std::io::{BufWriter, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::time::Duration;

const CONNECTING: Duration = Duration::from_secs(2);
/// The other end may load what it has before it takes more.
const SILENT: Duration = Duration::from_secs(30);

pub(super) fn send(shared: &Shared, to: MemberId, address: &str, about: &[u8], records: Records) -> Result<()> {
    let lost = |error: std::io::Error| Error::new(ErrorKind::ConnectionLoss, format!("{address}: {error}"));
    let at =
        address.to_socket_addrs().map_err(lost)?.next().ok_or_else(|| Error::new(ErrorKind::ConnectionLoss, format!("{address}: nothing has that name")))?;
    let mut stream = TcpStream::connect_timeout(&at, CONNECTING).map_err(lost)?;
    stream.set_read_timeout(Some(SILENT)).and_then(|()| stream.set_write_timeout(Some(SILENT))).map_err(lost)?;
    let hello = Hello { ensemble: shared.ensemble, from: shared.id, to, incarnation: shared.incarnation, kind: Kind::Snapshot };
    stream.write_all(&hello.encode()).map_err(lost)?;
    let mut answer = [0; ANSWER];
    stream.read_exact(&mut answer).map_err(lost)?;
    welcome(answer, to)?;

    let mut out = BufWriter::with_capacity(256 * 1024, stream);
    let mut put = |bytes: &[u8]| {
        if shared.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the member is closing"));
        }
        out.write_all(&(bytes.len() as u32).to_le_bytes()).and_then(|()| out.write_all(bytes)).map_err(lost)
    };
    put(about)?;
    let (mut count, mut crc) = (0, 0);
    records(&mut |record| {
        count += 1;
        crc = crc32c::crc32c_append(crc, record);
        put(record)
    })?;
    out.write_all(&end(count, crc)).and_then(|()| out.flush()).map_err(lost)?;
    let mut taken = [1];
    out.get_mut().read_exact(&mut taken).map_err(lost)
}
