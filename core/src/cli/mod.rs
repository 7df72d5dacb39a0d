//! The program `folkmoot`: what do its arguments ask for?
//!
//! Everything is a function of arguments and two places to write to, so that Python's console script is
//! the same program. Exit codes: 0, 1 for what failed, 2 for arguments that mean nothing.

mod bench;
mod log;
mod serve;
mod status;

use crate::config::Refused;
use crate::error::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

const HELP: &str = "\
folkmoot: coordination as ZooKeeper has it

folkmoot serve [--data DIR | --memory] [--listen HOST:PORT] [--admin HOST:PORT] [--config FILE] [--jaas FILE]
    Serves ZooKeeper's clients until it is told to stop (SIGTERM, SIGINT).
    --data DIR          keep the tree in DIR; every acknowledged write is on the disk
    --memory            keep it in memory only
    --listen HOST:PORT  where clients connect; 127.0.0.1:2181 without a --config
    --admin HOST:PORT   where the admin commands are answered, on loopback; nowhere if not said
    --config FILE       a zoo.cfg of ZooKeeper; what stands here besides goes before it
    --jaas FILE         a JAAS file, whose Server section names the users of SASL DIGEST-MD5
    --id N              which member of an ensemble this is; with server.N in a --config, what its file myid says
    --peer N=HOST:PORT  a member and where the others reach it, this one too; once for each
    --priority P        how much this member should lead, 0 (never) to 255; 1 if nothing is said
    --join              the other peers are an ensemble already, which lets this member in
    --open-peers        members speak to each other without TLS where others can listen in
    Prints `ready HOST:PORT` once clients are answered.

folkmoot recover DIR
    Makes a damaged directory, which is refused, one that opens, with what can still be read, and says what is lost.

folkmoot status HOST:PORT
    Asks a member, where its clients connect, how its ensemble stands, and prints a table: members, roles, term,
    zxid, priorities, who was last heard when and is suspected. Fails if nobody answers.

folkmoot bench OP --servers HOST:PORT,... [options]
    Loads any server that speaks ZooKeeper's protocol, checks every reply, and prints one row.
    OP is create, set, get, exists, children, mixed, connect-storm, watch-fanout, idle, fill
    (makes znodes that stay) or first-read (starts the server that stands behind --, and waits for a read).
    --conns N           connections (default 1)
    --inflight N        requests that each has unanswered (default 1)
    --seconds S         how long it is measured (default 5), after --warmup S (default 1)
    --size BYTES        data of a znode (default 100)
    --znodes N         how many each connection reads and writes (default 16)
    --count N          znodes that fill makes (default 100000)
    --pids PID,...      the servers' processes: CPU time per operation, memory
    --json              the row as JSON

folkmoot --version
folkmoot help
";

/// Carries out the program's arguments (without its name) and returns its exit code.
///
/// `serve` waits for SIGTERM or SIGINT, so it belongs on a thread that has nothing else to do.
pub fn run(args: impl Iterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    let result = dispatch(lexopt::Parser::from_args(args), out, err);
    let result = result.and_then(|()| out.flush().map_err(broken));
    match result {
        Ok(()) => 0,
        Err(Failure::Usage(text)) => {
            let _ = writeln!(err, "folkmoot: {text}\nfolkmoot help says what there is");
            2
        }
        Err(Failure::Error(error)) => {
            let _ = writeln!(err, "folkmoot: {error}");
            1
        }
    }
}

/// Why the program ends otherwise than well.
#[derive(Debug)]
enum Failure {
    /// The arguments mean nothing.
    Usage(String),
    /// What they ask for failed.
    Error(Error),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Failure::Error(refused.into())
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Error(Error::new(ErrorKind::SystemError, format!("output: {error}")))
}

fn dispatch(mut args: lexopt::Parser, out: &mut dyn Write, err: &mut dyn Write) -> std::result::Result<(), Failure> {
    use lexopt::prelude::*;
    match args.next()? {
        Some(Long("version") | Short('V')) => writeln!(out, "folkmoot {}", env!("CARGO_PKG_VERSION")).map_err(broken),
        Some(Long("help") | Short('h')) => out.write_all(HELP.as_bytes()).map_err(broken),
        Some(Value(command)) if command == "help" => out.write_all(HELP.as_bytes()).map_err(broken),
        Some(Value(command)) if command == "serve" => serve::run(args, out, err),
        Some(Value(command)) if command == "status" => status::run(args, out),
        Some(Value(command)) if command == "bench" => bench::run(args, out),
        Some(Value(command)) if command == "recover" => {
            let Some(Value(directory)) = args.next()? else { return Err(Failure::Usage("it has to be said what directory".into())) };
            if let Some(more) = args.next()? {
                return Err(more.unexpected().into());
            }
            match crate::recover(&directory)? {
                Some(recovered) => writeln!(out, "{}: {recovered}", directory.display()),
                None => writeln!(out, "{}: nothing is damaged", directory.display()),
            }
            .map_err(broken)
        }
        Some(argument) => Err(argument.unexpected().into()),
        None => Err(Failure::Usage("it has to be said what to do".into())),
    }
}

/// The bytes of a file of settings.
fn read_settings(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    /// Nobody writes that much by hand.
    const BYTES_MAX: u64 = 1024 * 1024;
    let bad = |what: String| Error::new(ErrorKind::BadArguments, format!("{}: {what}", path.display()));
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(bad(format!("more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(args: &[&str]) -> (i32, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = run(args.iter().map(OsString::from), &mut out, &mut err);
        (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn version_help_and_what_is_neither() {
        assert_eq!(program(&["--version"]), (0, format!("folkmoot {}\n", env!("CARGO_PKG_VERSION")), String::new()));
        assert_eq!(program(&["help"]), (0, HELP.into(), String::new()));
        for wrong in [
            &[][..],
            &["dance"],
            &["--dance"],
            &["serve", "--dance"],
            &["serve", "more"],
            &["bench"],
            &["bench", "dance", "--servers", "h:1"],
            &["recover"],
            &["recover", "d", "e"],
            &["status"],
            &["status", "dance"],
        ] {
            let (status, out, err) = program(wrong);
            assert_eq!((status, out.as_str()), (2, ""), "{wrong:?}");
            assert!(err.contains("folkmoot help"), "{err}");
        }
    }
}
