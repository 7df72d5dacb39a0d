//! The program `folkmoot`: everything it does is in `folkmoot::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let status = folkmoot::cli::run(std::env::args_os().skip(1), &mut std::io::stdout().lock(), &mut std::io::stderr().lock());
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
