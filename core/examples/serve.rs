//! A member that ZooKeeper's clients can reach: `serve TARGET HOST:PORT`.
#![allow(clippy::print_stdout, reason = "whoever started it waits for that line")]

use folkmoot::{Member, wire::Options};

fn main() -> folkmoot::Result<()> {
    let mut args = std::env::args().skip(1);
    let (target, address) = (args.next().unwrap_or("memory:".into()), args.next().unwrap_or("127.0.0.1:2181".into()));
    let member = Member::open(&target)?;
    let options = Options { tick_ms: 2000, max_client_connections: 0, four_letter_words: vec!["*".into()], super_digest: args.next(), ..Options::default() };
    println!("ready {}", member.listen_with(&address, options)?);
    loop {
        std::thread::park();
    }
}
