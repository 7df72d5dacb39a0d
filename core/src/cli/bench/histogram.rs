//! Durations, counted: what was the median, what the slowest of a thousand?
//!
//! Buckets grow with the value, so that each is within 1/64 of what fell into it.

use std::time::Duration;

/// Buckets to each power of two.
const PER_POWER: u64 = 64;

pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest_ns: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; Self::bucket(u64::MAX) + 1], total: 0, longest_ns: 0 }
    }

    fn bucket(ns: u64) -> usize {
        let power = (u64::BITS - (ns / PER_POWER).leading_zeros()).saturating_sub(1);
        let bucket = if ns < PER_POWER { ns } else { u64::from(power + 1) * PER_POWER + (ns >> power) - PER_POWER };
        usize::try_from(bucket).unwrap_or(usize::MAX)
    }

    /// The greatest value of a bucket.
    fn value(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        if bucket < PER_POWER {
            return bucket;
        }
        let (power, within) = (bucket / PER_POWER - 1, bucket % PER_POWER);
        ((u128::from(PER_POWER + within + 1) << power) - 1).try_into().unwrap_or(u64::MAX)
    }

    pub(super) fn add(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[Self::bucket(ns)] += 1;
        self.total += 1;
        self.longest_ns = self.longest_ns.max(ns);
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    /// What the given share of all durations does not exceed, in microseconds.
    pub(super) fn quantile_us(&self, share: f64) -> f64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Self::value(bucket).min(self.longest_ns) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(0.5), 0.0);
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        for (share, us) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.quantile_us(share);
            assert!(found >= us && found <= us * (1.0 + 1.0 / 64.0), "{share}: {found}");
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_close_to_what_fell_into_it(ns: u64) {
            let value = Histogram::value(Histogram::bucket(ns));
            prop_assert!(value >= ns && value - ns <= ns / 64);
        }
    }
}
