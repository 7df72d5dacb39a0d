//! What a member knows of its ensemble.

use crate::guard::{bad, borrow, enter, give, plain, wanted};
use crate::member::folkmoot_member;
use crate::types::{FOLKMOOT_ROLE_CANDIDATE, FOLKMOOT_ROLE_FOLLOWER, FOLKMOOT_ROLE_LEADER, FOLKMOOT_ROLE_LEARNER, FOLKMOOT_ROLE_UNKNOWN, folkmoot_status};
use folkmoot::ensemble::{MemberView, View};
use folkmoot::log::replica::Role;
use folkmoot::{Error, ErrorKind};
use std::ptr::null;

/// The ensemble as one of its members saw it. Immutable: any threads may read it at once.
pub struct folkmoot_ensemble {
    summary: folkmoot_ensemble_summary,
    members: Vec<folkmoot_ensemble_member>,
}

/// What holds for the whole ensemble. The library's memory; may grow at its end in later versions, as size tells.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_ensemble_summary {
    /// How long this struct is in the library that made it.
    pub size: usize,
    /// The term, which rises with each election.
    pub term: u64,
    /// The last entry of the log that a majority has, as far as is known here.
    pub committed: u64,
    /// The last entry applied here.
    pub applied: u64,
    /// The member that was asked.
    pub id: i32,
    /// The member that leads; 0 for nobody.
    pub leader: i32,
}

/// One member of an ensemble, the one that was asked too. The library's memory; may grow at its end in later versions, as size tells.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_ensemble_member {
    /// How long this struct is in the library that made it.
    pub size: usize,
    /// For how many milliseconds it has not been heard: 0 for the one that was asked, -1 if never.
    pub silent_ms: i64,
    /// The last entry of the log that it is known to have: of all where the asked one leads, else of itself; -1 if unknown.
    pub matched: i64,
    /// Its number, 1 to 255.
    pub id: i32,
    /// How much it should lead, 0 (never) to 255.
    pub priority: i32,
    /// FOLKMOOT_ROLE_.
    pub role: i32,
    /// Not 0: it has been silent for too long: it may have stopped, or be out of reach.
    pub suspected: i32,
    /// Not 0: the link to it is up.
    pub linked: i32,
    /// Not 0: it is the one that was asked.
    pub is_self: i32,
}

fn role(member: &MemberView) -> i32 {
    match member.role {
        Some(Role::Leader) => FOLKMOOT_ROLE_LEADER,
        Some(Role::Candidate) => FOLKMOOT_ROLE_CANDIDATE,
        Some(Role::Follower) if !member.is_voter => FOLKMOOT_ROLE_LEARNER,
        Some(Role::Follower) => FOLKMOOT_ROLE_FOLLOWER,
        None => FOLKMOOT_ROLE_UNKNOWN,
    }
}

fn number(known: Option<u64>) -> i64 {
    known.map_or(-1, |number| number.try_into().unwrap_or(i64::MAX))
}

impl From<View> for folkmoot_ensemble {
    fn from(view: View) -> Self {
        let row = |member: MemberView| folkmoot_ensemble_member {
            size: size_of::<folkmoot_ensemble_member>(),
            silent_ms: number(member.silent_ms),
            matched: number(member.matched),
            id: member.id.into(),
            priority: member.priority.into(),
            role: role(&member),
            suspected: member.suspected.into(),
            linked: member.linked.into(),
            is_self: member.is_self.into(),
        };
        let summary = folkmoot_ensemble_summary {
            size: size_of::<folkmoot_ensemble_summary>(),
            term: view.standing.term,
            committed: view.commit,
            applied: view.applied,
            id: view.id.into(),
            leader: view.standing.leader.unwrap_or(0).into(),
        };
        Self { summary, members: view.members().into_iter().map(row).collect() }
    }
}

/// What the member knows of its ensemble, at most 100 ms old: to be freed with folkmoot_ensemble_free.
///
/// FOLKMOOT_OK, _INVALID_STATE if the member is one alone, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_ensemble(member: *const folkmoot_member, ensemble_out: *mut *mut folkmoot_ensemble) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(ensemble_out, "ensemble_out")?;
        let view = borrow(member, "member")?.member().ensemble().ok_or_else(|| Error::new(ErrorKind::InvalidState, "this member is one alone"))?;
        give(ensemble_out, folkmoot_ensemble::from(view));
        Ok(())
    })
}

/// Hands leadership to the voter to, or with 0 to the one that fits best. Returns when this member leads no more.
///
/// FOLKMOOT_OK, _INVALID_STATE: this member does not lead, is one alone, or the other did not take over within a second (it
/// leads on then), _BAD_ARGUMENTS: there is no such voter, _WOULD_DEADLOCK inside a completion, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_transfer(member: *const folkmoot_member, to: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let member = borrow(member, "member")?;
        let to = match to {
            0 => None,
            to => Some(u8::try_from(to).map_err(|_| bad(format!("to is {to}; members are numbered from 1 to 255")))?),
        };
        member.member().transfer(to)
    })
}

/// What holds for the whole ensemble; NULL for NULL. Valid until the ensemble is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ensemble_about(ensemble: *const folkmoot_ensemble) -> *const folkmoot_ensemble_summary {
    // SAFETY: the conventions.
    unsafe { plain(ensemble, "ensemble") }.map_or(null(), |ensemble| &raw const ensemble.summary)
}

/// How many members there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ensemble_count(ensemble: *const folkmoot_ensemble) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(ensemble, "ensemble") }.map_or(0, |ensemble| ensemble.members.len())
}

/// Member number index, from 0, in the order of their ids; NULL if there is none. Valid until the ensemble is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ensemble_at(ensemble: *const folkmoot_ensemble, index: usize) -> *const folkmoot_ensemble_member {
    // SAFETY: the conventions.
    let ensemble = unsafe { plain(ensemble, "ensemble") };
    ensemble.ok().and_then(|ensemble| ensemble.members.get(index)).map_or(null(), |member| &raw const *member)
}

/// Frees it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ensemble_free(ensemble: *mut folkmoot_ensemble) {
    if !ensemble.is_null() {
        // SAFETY: the conventions: made by `give`, freed once.
        drop(unsafe { Box::from_raw(ensemble) });
    }
}
