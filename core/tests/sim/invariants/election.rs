//! One leader a term.

use super::Check;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Election(BTreeMap<u64, u8>);

impl Election {
    pub fn leads(&mut self, term: u64, member: u8) -> Check {
        match *self.0.entry(term).or_insert(member) {
            other if other != member => Err(format!("members {other} and {member} both lead in term {term}")),
            _ => Ok(()),
        }
    }
}
