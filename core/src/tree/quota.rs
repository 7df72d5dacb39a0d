//! Quotas: ZooKeeper's nodes under `/zookeeper/quota`, kept as it keeps them.
//!
//! `/zookeeper/quota/PATH/zookeeper_limits` says what PATH and everything below it may hold, `zookeeper_stats` what
//! it does hold. The longest path with a quota counts. Soft limits are for whoever reads them; hard ones refuse
//! writes where quotas are enforced.
//! Source: ZooKeeper Quotas guide.

use super::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::request::Data;
use std::collections::BTreeMap;
use std::sync::Arc;

const ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

/// What a limits or stats znode says: `count=1,bytes=2` and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Track(BTreeMap<String, i64>);

impl Track {
    pub(super) fn parse(data: Option<&[u8]>) -> Self {
        let text = String::from_utf8_lossy(data.unwrap_or_default());
        Self(
            text.split([',', ';'])
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.trim_end_matches('=').parse().unwrap_or(-1)))
                .collect(),
        )
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    fn add(&mut self, count: i64, bytes: i64) {
        for (key, more) in [("count", count), ("bytes", bytes)] {
            let sum = self.get(key).saturating_add(more);
            self.0.insert(key.into(), sum);
        }
    }

    fn text(&self) -> String {
        let mut text = format!("count={},bytes={}", self.get("count"), self.get("bytes"));
        let more: Vec<_> = self.0.iter().filter(|(key, _)| *key != "count" && *key != "bytes").collect();
        if !more.is_empty() {
            // ZooKeeper's own form, equals sign and all.
            text.push('=');
            for (key, value) in more {
                text.push_str(&format!(";{key}={value}"));
            }
        }
        text
    }
}

/// The path that a limits znode limits, if it is one.
pub(super) fn limited_by(path: &str) -> Option<&str> {
    path.strip_prefix(ROOT)?.strip_suffix(LIMITS)?.strip_suffix('/').filter(|path| !path.is_empty())
}

/// The path that a stats znode counts, if it is one.
pub(super) fn counted_by(path: &str) -> Option<&str> {
    path.strip_prefix(ROOT)?.strip_suffix(STATS)?.strip_suffix('/').filter(|path| !path.is_empty())
}

impl Tree {
    /// The longest path with a quota that `path` is at or below.
    pub(super) fn quota_over<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.limits.is_empty() {
            return None;
        }
        let mut at = path;
        loop {
            if self.limits.contains(at) {
                return (at != "/zookeeper").then_some(at);
            }
            match at.rfind('/') {
                Some(slash) if slash > 0 => at = &at[..slash],
                _ => return None,
            }
        }
    }

    fn track(&self, quota: &str, which: &str) -> Option<(u32, Track)> {
        let id = self.find(&format!("{ROOT}{quota}/{which}"))?;
        Some((id, Track::parse(self.arena.get(id).data.as_deref())))
    }

    /// The stats znode over `path` and what it says after a change, if there is one.
    pub(super) fn counted(&self, path: &str, count: i64, bytes: i64) -> Option<(u32, Arc<[u8]>)> {
        let (id, mut track) = self.track(self.quota_over(path)?, STATS)?;
        track.add(count, bytes);
        Some((id, track.text().into_bytes().into()))
    }

    /// What a new stats znode for `path` says.
    pub(super) fn count_afresh(&self, path: &str) -> Arc<[u8]> {
        let (mut count, mut bytes) = (0, 0);
        if let Some(id) = self.find(path) {
            self.walk(id, &mut |znode| {
                count += 1;
                bytes += znode.data_bytes();
            });
        }
        format!("count={count},bytes={bytes}").into_bytes().into()
    }

    /// Refuses what would exceed a hard limit. `before` tells what a stats znode said before the transaction: as in
    /// ZooKeeper, each operation of a multi is held against that, not against its predecessors.
    pub(super) fn check_quota(&self, path: &str, count: i64, bytes: i64, before: impl Fn(u32) -> Option<Data>) -> Result<()> {
        let Some(quota) = self.quota_over(path) else { return Ok(()) };
        let (Some((_, limits)), Some((id, now))) = (self.track(quota, LIMITS), self.track(quota, STATS)) else { return Ok(()) };
        let now = before(id).map_or(now, |data| Track::parse(data.as_deref()));
        for (what, more, limit) in [("count", count, limits.get("countHardLimit")), ("bytes", bytes, limits.get("byteHardLimit"))] {
            let sum = now.get(what).saturating_add(more);
            if more != 0 && limit > -1 && sum > limit {
                return Err(Error::new(ErrorKind::QuotaExceeded, format!("{path}: {quota} would hold {what}={sum}, its hard limit is {limit}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_read_and_write_zookeepers_form() {
        let track = Track::parse(Some(b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=5"));
        assert_eq!(track.get("countHardLimit"), 5);
        assert_eq!(track.get("bytes"), -1);
        assert_eq!(track.text(), "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=5");
        assert_eq!(Track::parse(Some(b"count=;;=x,junk")).get("count"), -1);
    }
}
