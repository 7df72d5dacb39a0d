//! What a member tells of itself: for words, the admin door and metrics.

use super::Core;
use crate::admin::view::{DiskUse, Metric, Mode, Session, Snapshot, Statistics, Value, WatchSummary, Watched};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::request::{Outcome, SessionState};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

/// How long a member may be without a leader before new clients are refused, in milliseconds: an election or two.
const ALONE_MS: i64 = 1_000;

impl Core {
    /// Whether it serves requests.
    pub(crate) fn serving(&self) -> bool {
        self.check().is_ok() && !self.queue.lock().stop
    }

    /// Whether it is one of several members.
    pub(crate) fn is_replicated(&self) -> bool {
        self.ensemble.is_some()
    }

    /// Whether it is one of several members, and has had no leader for a while.
    pub(crate) fn is_alone(&self) -> bool {
        self.ensemble.as_ref().is_some_and(|ensemble| ensemble.leaderless_for(self.clock.steady_ms()) > ALONE_MS)
    }

    /// What it knows of its ensemble.
    pub(crate) fn ensemble_view(&self) -> Option<crate::ensemble::View> {
        self.ensemble.as_ref().map(|ensemble| crate::ensemble::View { now_ms: self.clock.steady_ms().unsigned_abs(), ..ensemble.view() })
    }

    /// What became of a write, as far as it has been applied here.
    pub(in crate::member) fn outcome(&self, session: SessionId, number: u64) -> Result<Outcome> {
        self.check()?;
        Ok(self.state.read().machine.outcome(session, number))
    }

    pub(in crate::member) fn transfer(&self, to: Option<crate::log::replica::MemberId>) -> Result<()> {
        self.check()?;
        super::may_wait()?;
        match &self.ensemble {
            Some(ensemble) => ensemble.transfer(to),
            None => Err(Error::new(ErrorKind::InvalidState, "this member is one alone")),
        }
    }

    fn mode(&self) -> Mode {
        match &self.ensemble {
            None => Mode::Standalone,
            Some(ensemble) if ensemble.leads() => Mode::Leader,
            Some(_) => Mode::Follower,
        }
    }

    /// Its own part of the statistics; the connections' part is left as it is by default.
    pub(crate) fn statistics(&self) -> Statistics {
        let state = self.state.read();
        let tree = state.machine.tree();
        Statistics {
            mode: self.mode(),
            started_ms: self.started_ms.0,
            uptime_ms: (self.clock.steady_ms() - self.started_ms.1).unsigned_abs(),
            zxid: state.machine.zxid(),
            znodes: tree.len() as u64,
            ephemerals: tree.ephemeral_count() as u64,
            data_bytes: tree.bytes(),
            watches: self.watches.lock().len() as u64,
            global_sessions: state.machine.session_count() as u64,
            slow_syncs: self.slow_syncs.load(Ordering::Relaxed),
            sessions_expired: self.expired.load(Ordering::Relaxed),
            snapshot_errors: u64::from(self.snapshot_error.lock().is_some()),
            more: self.ensemble.as_ref().map_or_else(Vec::new, |ensemble| as_leader(&ensemble.view())),
            ..Statistics::default()
        }
    }

    /// Its sessions, by number.
    pub(crate) fn session_views(&self) -> Vec<Session> {
        let state = self.state.read();
        let (wall, steady, paused) = (self.clock.wall_ms(), self.clock.steady_ms(), self.paused_ms.load(Ordering::Relaxed));
        let mut sessions: Vec<_> = state
            .sessions
            .values()
            .filter(|core| core.state() == SessionState::Connected)
            .map(|core| {
                let heard = if core.manual { core.heard_ms.load(Ordering::Relaxed) + paused } else { steady };
                Session {
                    id: core.id,
                    timeout_ms: core.timeout_ms(),
                    expires_ms: wall + heard - steady + i64::from(core.timeout_ms()),
                    ephemerals: state.machine.tree().ephemerals_of(core.id.0),
                }
            })
            .collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }

    pub(crate) fn watch_summary(&self) -> WatchSummary {
        let (sessions, paths, watches) = self.watches.lock().summary();
        WatchSummary { sessions: sessions as u64, paths: paths as u64, watches: watches as u64 }
    }

    /// What each session watches.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let state = self.state.read();
        let watches = self.watches.lock();
        let mut all: Vec<Watched> = state
            .receivers
            .iter()
            .map(|(watcher, receiver)| Watched { session: receiver.core.id, paths: watches.paths(*watcher).iter().map(|path| path.to_string()).collect() })
            .filter(|watched| !watched.paths.is_empty())
            .collect();
        all.sort_by_key(|watched| watched.session);
        all
    }

    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(crate) fn disk_use(&self) -> DiskUse {
        let mut bytes = DiskUse::default();
        for (name, size, _) in self.files() {
            if name.starts_with("snapshot-") {
                bytes.data_dir_bytes += size;
            } else if name.starts_with("log-") || name.starts_with("spare-") {
                bytes.log_dir_bytes += size;
            }
        }
        bytes
    }

    /// The newest snapshot. Its name says after which entry of the log it was taken, not after which transaction; so
    /// the transaction is told only of one that this process has taken.
    pub(crate) fn last_snapshot(&self) -> Option<Snapshot> {
        let newest = self.files().into_iter().filter(|(name, ..)| name.starts_with("snapshot-") && !name.contains('.')).max()?;
        Some(Snapshot { zxid: Zxid(self.snapshot_zxid.load(Ordering::Relaxed)), taken_ms: newest.2, bytes: newest.1 })
    }

    /// Name, size and time of change of each file in its folder.
    fn files(&self) -> Vec<(String, u64, i64)> {
        let Some(entries) = self.directory.as_ref().and_then(|directory| std::fs::read_dir(directory).ok()) else { return Vec::new() };
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let about = entry.metadata().ok()?;
                let changed = about.modified().ok()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
                Some((entry.file_name().into_string().ok()?, about.len(), changed))
            })
            .collect()
    }
}

/// What ZooKeeper measures on members of an ensemble, and on its leader, under its names. There are no observers.
fn as_leader(view: &crate::ensemble::View) -> Vec<Metric> {
    let gauge = |name: &'static str, help: &'static str, value: usize| Metric {
        name: name.into(),
        help: help.into(),
        label: None,
        value: Value::Gauge(i64::try_from(value).unwrap_or(i64::MAX)),
    };
    let mut all = vec![gauge("quorum_size", "Members that vote.", view.membership.voters.len())];
    if view.standing.role == crate::log::replica::Role::Leader {
        let followers = view.followers();
        let in_step = followers.iter().filter(|(_, in_step)| *in_step).count();
        all.push(gauge("learners", "Followers and observers that the leader hears.", followers.len()));
        all.push(gauge("followers", "Followers that the leader hears.", followers.len()));
        all.push(gauge("synced_followers", "Followers that have, or are being sent, all that a majority has.", in_step));
        all.push(gauge("synced_non_voting_followers", "The same without a vote.", 0));
        all.push(gauge("synced_observers", "Observers that have caught up.", 0));
    }
    all
}
