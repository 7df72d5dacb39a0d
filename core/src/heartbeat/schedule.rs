//! When to send the next heartbeat.
//!
//! Beat n is due at `first + n * period`, however late beat n - 1 was sent: lateness never adds up.

use crate::error::{Error, ErrorKind, Result};

/// A beat that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The number of the beat: 0 for the first. Never given twice.
    pub seq: u64,
    /// When it was due, in milliseconds.
    pub scheduled_ms: u64,
    /// How many beats before it were missed and are skipped.
    pub missed: u64,
}

/// A schedule of beats without drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    period_ms: u64,
    seq: u64,
    /// `None` once the next beat would be beyond the end of time.
    next_ms: Option<u64>,
}

impl Schedule {
    /// A schedule with a beat at `first_ms` and every `period_ms` from then on.
    ///
    /// # Errors
    /// `BadArguments` when `period_ms` is 0.
    pub fn new(period_ms: u64, first_ms: u64) -> Result<Self> {
        if period_ms == 0 {
            return Err(Error::new(ErrorKind::BadArguments, "period is 0 ms, least is 1"));
        }
        Ok(Self { period_ms, seq: 0, next_ms: Some(first_ms) })
    }

    /// The time between beats in milliseconds.
    pub fn period_ms(&self) -> u64 {
        self.period_ms
    }

    /// When the next beat is due; `u64::MAX` once no more can be.
    pub fn next_wakeup(&self) -> u64 {
        self.next_ms.unwrap_or(u64::MAX)
    }

    /// The beat to send at `now_ms`; `None` when none is due. After a delay it is the latest one
    /// that is due: those before it are skipped, not sent in a burst.
    pub fn poll(&mut self, now_ms: u64) -> Option<Due> {
        let late_ms = now_ms.checked_sub(self.next_ms?)?;
        let missed = late_ms / self.period_ms;
        let scheduled_ms = now_ms - late_ms % self.period_ms;
        let seq = self.seq + missed;
        self.next_ms = scheduled_ms.checked_add(self.period_ms);
        self.seq = seq.saturating_add(1);
        Some(Due { seq, scheduled_ms, missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn beats_stay_on_the_grid(period in 1u64..1000, first in 0u64..10_000, waits in vec(0u64..5000, 0..50)) {
            let mut schedule = Schedule::new(period, first).unwrap();
            let (mut now, mut expected_seq) = (0, 0);
            for wait in waits {
                now += wait;
                prop_assert_eq!(schedule.next_wakeup(), first + expected_seq * period);
                match schedule.poll(now) {
                    None => prop_assert!(now < first + expected_seq * period),
                    Some(due) => {
                        prop_assert_eq!(due.seq, expected_seq + due.missed);
                        prop_assert_eq!(due.scheduled_ms, first + due.seq * period);
                        prop_assert!(due.scheduled_ms <= now && now < due.scheduled_ms + period);
                        expected_seq = due.seq + 1;
                    }
                }
                prop_assert_eq!(schedule.poll(now), None, "twice at one time");
            }
        }
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut schedule = Schedule::new(1, 0).unwrap();
        assert_eq!(schedule.poll(u64::MAX), Some(Due { seq: u64::MAX, scheduled_ms: u64::MAX, missed: u64::MAX }));
        assert_eq!((schedule.poll(u64::MAX), schedule.next_wakeup()), (None, u64::MAX));
        assert!(Schedule::new(0, 0).is_err());
    }
}
