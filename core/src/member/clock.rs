//! The member's clock: real, or moved by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(super) enum Clock {
    Real(Instant),
    Virtual(AtomicI64),
}

impl Clock {
    pub(super) fn new(is_virtual: bool) -> Self {
        if is_virtual { Self::Virtual(AtomicI64::new(0)) } else { Self::Real(Instant::now()) }
    }

    pub(super) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// For silence: milliseconds that only go forward, whatever is done to the calendar.
    pub(super) fn steady_ms(&self) -> i64 {
        match self {
            Self::Real(start) => start.elapsed().as_millis() as i64,
            Self::Virtual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// For stamps: milliseconds since 1970, or since the start if virtual.
    pub(super) fn wall_ms(&self) -> i64 {
        match self {
            Self::Real(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
            Self::Virtual(now) => now.load(Ordering::SeqCst),
        }
    }

    pub(super) fn set(&self, ms: i64) {
        if let Self::Virtual(now) = self {
            now.fetch_max(ms, Ordering::SeqCst);
        }
    }
}
