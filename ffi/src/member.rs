//! Members: what lives in this process.

use crate::dispatch::Dispatcher;
use crate::guard::{allocated, bad, borrow, enter, give, handle, options, put, release, text, wanted};
use crate::session::folkmoot_session;
use crate::types::{
    FOLKMOOT_HEARTBEAT_AUTO, FOLKMOOT_HEARTBEAT_MANUAL, FOLKMOOT_OUTCOME_DONE, FOLKMOOT_OUTCOME_FORGOTTEN, FOLKMOOT_OUTCOME_NEVER, FOLKMOOT_OUTCOME_PENDING,
    folkmoot_session_options, folkmoot_status,
};
use folkmoot::ids::SessionId;
use folkmoot::request::Outcome;
use folkmoot::wire::Options;
use folkmoot::{Heartbeat, Member, Result, SessionOptions};
use std::ffi::c_char;
use std::ptr::null_mut;

/// A participant that lives in this process. Any number of threads may use one at once.
pub struct folkmoot_member {
    generation: u64,
    member: Member,
}
handle!(folkmoot_member);

impl folkmoot_member {
    pub(crate) fn new(member: Member) -> Self {
        Self { generation: folkmoot_sys::generation(), member }
    }

    pub(crate) fn member(&self) -> &Member {
        &self.member
    }
}

fn open_session(member: &Member, asked: folkmoot_session_options) -> Result<folkmoot_session> {
    let heartbeat = match asked.heartbeat {
        FOLKMOOT_HEARTBEAT_AUTO => Heartbeat::Auto,
        FOLKMOOT_HEARTBEAT_MANUAL => Heartbeat::Manual,
        other => return Err(bad(format!("options->heartbeat is {other}; FOLKMOOT_HEARTBEAT_ 0 and 1 are known"))),
    };
    let session = member.session(SessionOptions { timeout_ms: asked.timeout_ms, heartbeat, superuser: asked.superuser != 0 })?;
    let (dispatcher, thread) = Dispatcher::new(&session, asked.dispatch_thread != 0)?;
    Ok(folkmoot_session::new(session, dispatcher, thread))
}

const SESSION_DEFAULTS: folkmoot_session_options = folkmoot_session_options { size: 0, timeout_ms: 0, heartbeat: 0, superuser: 0, dispatch_thread: 0 };

/// Opens a session on the ground that target names: "memory:", "memory:?time=virtual",
/// "file:./data" or a plain path. Freeing the session frees the member with it.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _IN_USE, _CORRUPT, _DISK_FAILED, _UNKNOWN_FORMAT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_open(target: *const c_char, session_out: *mut *mut folkmoot_session) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(session_out, "session_out")?;
        let member = Member::open(text(target, "target")?)?;
        give(session_out, open_session(&member, SESSION_DEFAULTS)?);
        Ok(())
    })
}

/// Opens a member without a session. Its threads, files and ports are freed when the last handle
/// to it, sessions included, is freed.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _IN_USE, _CORRUPT, _DISK_FAILED, _UNKNOWN_FORMAT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_open(target: *const c_char, member_out: *mut *mut folkmoot_member) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(member_out, "member_out")?;
        give(member_out, folkmoot_member::new(Member::open(text(target, "target")?)?));
        Ok(())
    })
}

/// Opens a session. options may be NULL.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _CLOSED, _LIMIT_EXCEEDED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_session(
    member: *const folkmoot_member,
    options: *const folkmoot_session_options,
    session_out: *mut *mut folkmoot_session,
) -> folkmoot_status {
    // SAFETY: the conventions; the options are numbers behind a size.
    enter(|| unsafe {
        wanted(session_out, "session_out")?;
        let member = borrow(member, "member")?;
        let asked = self::options(options, SESSION_DEFAULTS, "options")?;
        give(session_out, open_session(&member.member, asked)?);
        Ok(())
    })
}

/// Moves virtual time on by ms milliseconds: sessions whose silence is over expire, TTL znodes go,
/// before this returns.
///
/// FOLKMOOT_OK, _INVALID_STATE unless the target said time=virtual, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_advance(member: *const folkmoot_member, ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { borrow(member, "member")?.member.advance(ms) })
}

/// Listens at address ("host:port"; port 0 for any free one) for clients that speak ZooKeeper's protocol, until the
/// member closes. Its threads are the member's own.
///
/// settings   lines in the syntax of zoo.cfg ("tickTime=500", "4lw.commands.whitelist=*" ...), or NULL for the defaults
/// port_out   the port, when it listens; may be NULL
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS names the address or the line of the setting, _SYSTEM_ERROR when the address is taken or not
/// allowed, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_listen(
    member: *const folkmoot_member,
    address: *const c_char,
    settings: *const c_char,
    port_out: *mut u16,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let member = borrow(member, "member")?;
        let address = text(address, "address")?;
        let options = if settings.is_null() { Options::default() } else { Options::from_settings(text(settings, "settings")?)? };
        let at = member.member.listen_with(address, options)?;
        if !port_out.is_null() {
            put(port_out, at.port());
        }
        Ok(())
    })
}

/// What became of a write whose answer did not arrive; folkmoot_last_write says which one that is. Can be asked until ten
/// minutes after the session has ended.
///
/// session      folkmoot_session_id of its session, which may be over
/// write        its number among the writes of that session, from 1
/// outcome_out  FOLKMOOT_OUTCOME_
/// status_out   with FOLKMOOT_OUTCOME_DONE what the write would have returned, otherwise FOLKMOOT_OK; may be NULL
///
/// FOLKMOOT_OK, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_outcome(
    member: *const folkmoot_member,
    session: i64,
    write: u64,
    outcome_out: *mut i32,
    status_out: *mut folkmoot_status,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(outcome_out, "outcome_out")?;
        let outcome = borrow(member, "member")?.member.outcome(SessionId(session), write)?;
        let (outcome, status) = match outcome {
            Outcome::Done(result) => (FOLKMOOT_OUTCOME_DONE, result.map_or_else(|error| error.code(), |_| 0)),
            Outcome::Never => (FOLKMOOT_OUTCOME_NEVER, 0),
            Outcome::Pending => (FOLKMOOT_OUTCOME_PENDING, 0),
            Outcome::Forgotten => (FOLKMOOT_OUTCOME_FORGOTTEN, 0),
        };
        put(outcome_out, outcome);
        if !status_out.is_null() {
            put(status_out, status);
        }
        Ok(())
    })
}

/// The member's time: milliseconds since 1970, or since its start if virtual.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_now_ms(member: *const folkmoot_member, now_ms_out: *mut i64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(now_ms_out, "now_ms_out")?;
        put(now_ms_out, borrow(member, "member")?.member.now_ms());
        Ok(())
    })
}

/// Writes a snapshot now and waits until it is on disk. Nothing to do in memory.
///
/// FOLKMOOT_OK, _DISK_FULL, _DISK_FAILED, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_snapshot(member: *const folkmoot_member) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { borrow(member, "member")?.member.snapshot() })
}

/// What opening had to cut from the log's end, in words; *text_out is NULL if nothing.
/// To be freed with folkmoot_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_recovery(member: *const folkmoot_member, text_out: *mut *mut c_char) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(text_out, "text_out")?;
        let words = borrow(member, "member")?.member.recovery();
        put(text_out, words.map(|words| allocated(words.as_bytes())).transpose()?.map_or(null_mut(), |copy| copy.cast()));
        Ok(())
    })
}

/// Closes the member: sessions end, threads stop, files are closed, before this returns. Handles
/// stay to be freed, and answer FOLKMOOT_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_close(member: *const folkmoot_member) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { borrow(member, "member")?.member.close() })
}

/// Frees the handle. The member itself goes with its last handle, sessions included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_member_free(member: *mut folkmoot_member) {
    // SAFETY: the conventions.
    enter(|| {
        unsafe { release(member) };
        Ok(())
    });
}
