//! What was acknowledged is there, whatever crashed: in the log that all agree on, and after everything was switched off.

use super::Check;
use super::once::Key;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Acknowledged {
    /// The place in the log as of which each write was answered.
    writes: BTreeMap<Key, u64>,
}

impl Acknowledged {
    pub fn write(&mut self, key: Key, index: u64) {
        self.writes.insert(key, index);
    }

    /// `applied` by a member whose log is the one that all agree on.
    pub fn check(&self, member: u8, applied: u64) -> Check {
        for (key, index) in &self.writes {
            if *index > applied {
                return Err(format!("write {key:?} was acknowledged as of {index}, and member {member} ends with {applied}"));
            }
        }
        Ok(())
    }
}
