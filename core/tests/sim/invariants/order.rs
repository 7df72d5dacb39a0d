//! A session sees transactions in order, across members, and always its own writes.

use super::Check;
use folkmoot::ids::SessionId;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Order {
    seen: BTreeMap<SessionId, i64>,
}

impl Order {
    pub fn sees(&mut self, session: SessionId, zxid: i64) -> Check {
        let seen = self.seen.entry(session).or_default();
        if zxid < *seen {
            return Err(format!("session {session} saw {seen:#x}, and then {zxid:#x}"));
        }
        *seen = zxid;
        Ok(())
    }
}
