//! Each write takes effect once at most, in the order of its session, and is answered by what that effect was.

use super::Check;
use folkmoot::error::{ErrorKind, Result as Outcome};
use folkmoot::ids::SessionId;
use folkmoot::machine::{Entry, Machine};
use folkmoot::request::Reply;
use std::collections::BTreeMap;

/// A write: its session, by which attachment, and its number there.
pub type Key = (SessionId, u64, u64);

#[derive(Default)]
pub struct Once {
    /// The transaction and the answer of each write that took effect.
    pub effects: BTreeMap<Key, (i64, Outcome<Reply>)>,
}

impl Once {
    /// An entry is about to be applied to `machine` for the first time anywhere; applies it.
    pub fn apply(&mut self, machine: &mut Machine, entry: &Entry) -> Result<folkmoot::machine::Applied, String> {
        let Entry::Write(write) = entry else { return Ok(machine.apply(entry)) };
        let before = machine.session(write.session).map(|session| (session.attachment, session.number));
        let applied = machine.apply(entry);
        let after = machine.session(write.session).map(|session| (session.attachment, session.number));
        if before != after {
            let key = (write.session, write.attachment, write.number);
            if before != Some((write.attachment, write.number - 1)) || after != Some((write.attachment, write.number)) {
                return Err(format!("write {key:?} took effect out of its order: {before:?} became {after:?}"));
            }
            if self.effects.insert(key, (applied.zxid.0, applied.outcome.clone())).is_some() {
                return Err(format!("write {key:?} took effect twice"));
            }
        }
        Ok(applied)
    }

    /// A write has been answered; the transaction that it is.
    pub fn answered(&self, key: Key, outcome: &Outcome<Reply>) -> Result<Option<i64>, String> {
        match self.effects.get(&key) {
            Some((zxid, known)) if known == outcome => Ok(Some(*zxid)),
            // A session on the wire is told that it is over, and nothing of what it had under way.
            Some(_) if key.1 != 0 && outcome.as_ref().is_err_and(|error| crate::world::World::is_over(error.kind())) => Ok(None),
            Some((_, known)) => Err(format!("write {key:?} was answered {outcome:?}, and it came to {known:?}")),
            None => match outcome {
                Err(error) if matches!(error.kind(), ErrorKind::SessionMoved | ErrorKind::SessionExpired) => Ok(None),
                _ => Err(format!("write {key:?} was answered {outcome:?}, and took no effect")),
            },
        }
    }

    pub fn check_sessions(&self) -> Check {
        let mut last: BTreeMap<(SessionId, u64), (u64, i64)> = BTreeMap::new();
        for ((session, attachment, number), (zxid, _)) in &self.effects {
            let (before, zxid_before) = last.insert((*session, *attachment), (*number, *zxid)).unwrap_or((0, 0));
            if before + 1 != *number || zxid_before >= *zxid {
                return Err(format!("session {session}: write {number} at {zxid:#x} follows {before} at {zxid_before:#x}"));
            }
        }
        Ok(())
    }
}
