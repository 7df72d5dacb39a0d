//! Writes and barrier reads are linearizable: transactions are totally ordered by their numbers, so whatever ended before
//! something else began has a lower one.

use super::Check;

#[derive(Default)]
pub struct Linear {
    /// The highest transaction of all that has ended so far.
    floor: i64,
}

impl Linear {
    /// What an operation that begins now may not fall behind.
    pub fn begins(&self) -> i64 {
        self.floor
    }

    pub fn write_ends(&mut self, floor: i64, zxid: i64) -> Check {
        self.floor = self.floor.max(zxid);
        if zxid <= floor {
            return Err(format!("a write at {zxid:#x} began after {floor:#x} had been answered"));
        }
        Ok(())
    }

    pub fn read_ends(&mut self, floor: i64, zxid: i64) -> Check {
        self.floor = self.floor.max(zxid);
        if zxid < floor {
            return Err(format!("stale: a linearizable read saw {zxid:#x} and began after {floor:#x} had been answered"));
        }
        Ok(())
    }
}
