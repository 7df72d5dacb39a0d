//! The program `folkmoot`: everything it does is in `folkmoot::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Not locked: other threads of a server tell warnings.
    let status = folkmoot::cli::run(std::env::args_os().skip(1), &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
