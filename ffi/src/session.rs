//! Sessions, and their operations one by one, blocking.

use crate::dispatch::{Dispatcher, folkmoot_event_callback};
use crate::guard::{allocated, bad, borrow, bytes, enter, give, handle, options, put, release, text, wanted};
use crate::lists::{folkmoot_acls, folkmoot_strings};
use crate::member::folkmoot_member;
use crate::types::{acl_list, folkmoot_acl, folkmoot_create_options, folkmoot_stat, folkmoot_status};
use folkmoot::request::{Acl, CreateMode, Data, Reply, Request, WatchKind, WatchMode};
use folkmoot::{Error, ErrorKind, Result, Session};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What a program holds to work with the tree. Any number of threads may use one at once. Its
/// requests take effect in the order in which they were made; a read sees the session's own writes.
pub struct folkmoot_session {
    generation: u64,
    session: Option<Session>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    thread: Option<JoinHandle<()>>,
}
handle!(folkmoot_session);

impl folkmoot_session {
    pub(crate) fn new(session: Session, dispatcher: Arc<Dispatcher>, thread: Option<JoinHandle<()>>) -> Self {
        Self { generation: folkmoot_sys::generation(), session: Some(session), dispatcher, thread }
    }

    pub(crate) fn session(&self) -> Result<&Session> {
        self.session.as_ref().ok_or_else(|| ErrorKind::Closed.into())
    }
}

impl Drop for folkmoot_session {
    fn drop(&mut self) {
        // The session first: it ends what is under way, and the dispatcher tells it.
        drop(self.session.take());
        self.dispatcher.finish(self.thread.take());
    }
}

pub(crate) fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorKind::SystemError, format!("the member answered with {reply:?}"))
}

/// Nothing at the path of an `Exists`: C has a status for that.
pub(crate) fn absent(path: &str) -> Error {
    Error::new(ErrorKind::NoNode, path)
}

/// Waits for an answer and takes it apart.
macro_rules! answer {
    ($session:expr, $request:expr, $($pattern:pat => $value:expr),+) => {
        match $session.session()?.call_blocking($request)? {
            $($pattern => $value,)+
            #[allow(unreachable_patterns)]
            other => return Err($crate::session::unexpected(&other)),
        }
    };
}
pub(crate) use answer;

pub(crate) unsafe fn data(pointer: *const c_void, len: usize) -> Result<Data> {
    // SAFETY: the caller's conventions.
    Ok(unsafe { bytes(pointer, len, "data") }?.map(Arc::from))
}

pub(crate) unsafe fn create_request(
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    mode: i32,
    options: *const folkmoot_create_options,
) -> Result<Request> {
    const DEFAULTS: folkmoot_create_options = folkmoot_create_options { size: 0, acl: null(), acl_count: 0, ttl_ms: 0 };
    // SAFETY: the caller's conventions.
    unsafe {
        let asked = self::options(options, DEFAULTS, "options")?;
        let acl = if asked.acl.is_null() && asked.acl_count == 0 { Acl::open() } else { acl_list(asked.acl, asked.acl_count)? };
        let mode = CreateMode::from_flag(mode).ok_or_else(|| bad(format!("mode is {mode}; 0 to 6 are known")))?;
        Ok(Request::Create { path: text(path, "path")?.into(), data: self::data(data, data_len)?, acl, mode, ttl_ms: asked.ttl_ms })
    }
}

pub(crate) fn watch_mode(mode: i32) -> Result<WatchMode> {
    match mode {
        0 => Ok(WatchMode::Persistent),
        1 => Ok(WatchMode::Recursive),
        _ => Err(bad(format!("mode is {mode}; FOLKMOOT_WATCH_ 0 and 1 are known"))),
    }
}

pub(crate) fn watch_kind(kind: i32) -> Result<WatchKind> {
    use WatchKind::*;
    [Children, Data, Any, Persistent, Recursive]
        .into_iter()
        .find(|one| *one as i32 == kind)
        .ok_or_else(|| bad(format!("kind is {kind}; FOLKMOOT_WATCHER_ 1 to 5 are known")))
}

/// Milliseconds as C says them: below 0 is for ever.
pub(crate) fn timeout(ms: i32) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// The session's number: ephemeral_owner of its ephemerals. Never 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_id(session: *const folkmoot_session, id_out: *mut i64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(id_out, "id_out")?;
        put(id_out, borrow(session, "session")?.session()?.id().0);
        Ok(())
    })
}

/// Silence that ends it, in milliseconds, as granted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_timeout_ms(session: *const folkmoot_session, timeout_ms_out: *mut u32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(timeout_ms_out, "timeout_ms_out")?;
        put(timeout_ms_out, borrow(session, "session")?.session()?.timeout_ms());
        Ok(())
    })
}

/// How it stands: FOLKMOOT_STATE_.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_state(session: *const folkmoot_session, state_out: *mut i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(state_out, "state_out")?;
        put(state_out, borrow(session, "session")?.session()?.state() as i32);
        Ok(())
    })
}

/// The last transaction that the session's member has applied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_zxid(session: *const folkmoot_session, zxid_out: *mut i64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(zxid_out, "zxid_out")?;
        put(zxid_out, borrow(session, "session")?.session()?.zxid()?.0);
        Ok(())
    })
}

/// The session's member, as one more handle to it, to be freed with folkmoot_member_free.
///
/// FOLKMOOT_OK, _INVALID_STATE if its ground is elsewhere, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_member(session: *const folkmoot_session, member_out: *mut *mut folkmoot_member) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(member_out, "member_out")?;
        let member = borrow(session, "session")?.session()?.member();
        give(member_out, folkmoot_member::new(member.ok_or_else(|| Error::new(ErrorKind::InvalidState, "the session's ground is not in this process"))?));
        Ok(())
    })
}

/// A heartbeat, for sessions opened with FOLKMOOT_HEARTBEAT_MANUAL.
///
/// FOLKMOOT_OK, _SESSION_EXPIRED, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_touch(session: *const folkmoot_session) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { borrow(session, "session")?.session()?.touch() })
}

/// Closes the session: its ephemerals go, in one transaction, before this returns. The handle stays
/// to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_close(session: *const folkmoot_session) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { borrow(session, "session")?.session()?.close_blocking() })
}

/// Closes the session if it is open, and frees the handle. Completions that still wait are called
/// from within, with FOLKMOOT_CLOSED if their operation had not ended; a callback that runs on
/// another thread is waited for. May be called from inside a callback of the session's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_free(session: *mut folkmoot_session) {
    // SAFETY: the conventions.
    enter(|| {
        unsafe { release(session) };
        Ok(())
    });
}

/// A descriptor that is readable while an event or a completion waits, or the session is over: for
/// poll, epoll, select. Do not read, write or close it. One and the same for each call; open until
/// the session is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_fd(session: *const folkmoot_session, fd_out: *mut c_int) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(fd_out, "fd_out")?;
        put(fd_out, borrow(session, "session")?.dispatcher.fd()?);
        Ok(())
    })
}

/// Runs the callbacks that wait, at most max of them (0: all), on this thread. Never blocks, but for
/// another thread that runs callbacks of this session. count_out may be NULL.
///
/// FOLKMOOT_OK, _INVALID_STATE if the session has a dispatch_thread, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_dispatch(session: *const folkmoot_session, max: usize, count_out: *mut usize) -> folkmoot_status {
    // SAFETY: the conventions. A callback may free the session: it is not looked at after the first.
    enter(|| unsafe {
        let dispatcher = borrow(session, "session")?.dispatcher.clone();
        put(count_out, dispatcher.dispatch(max)?);
        Ok(())
    })
}

/// Waits until every operation under way has ended and its completion has returned; without a
/// dispatch_thread this thread runs them. timeout_ms below 0 is for ever.
///
/// FOLKMOOT_OK, _OPERATION_TIMEOUT, _WOULD_DEADLOCK inside a callback of this session, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_drain(session: *const folkmoot_session, timeout_ms: i32) -> folkmoot_status {
    // SAFETY: the conventions. A callback may free the session: it is not looked at after the first.
    enter(|| unsafe {
        let dispatcher = borrow(session, "session")?.dispatcher.clone();
        dispatcher.drain(timeout(timeout_ms))
    })
}

/// From now on each event of the session is told to callback, where its completions are, instead of
/// waiting for folkmoot_events_next. NULL takes it back. context goes along; it must live until the
/// session is freed or another callback is set and the one that runs has returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_on_event(
    session: *const folkmoot_session,
    callback: folkmoot_event_callback,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        borrow(session, "session")?.dispatcher.set_on_event(callback, context);
        Ok(())
    })
}

/// Makes a znode.
///
/// data      data_len bytes, or NULL (and 0) for null data, which is kept apart from empty
/// mode      FOLKMOOT_PERSISTENT and so on
/// options   ACL and TTL; may be NULL
/// path_out  up to path_cap bytes: the whole path, with its number if sequential, and a NUL; may be
///           NULL when path_cap is 0
/// stat_out  may be NULL
///
/// path_cap, if not 0, has to be at least strlen(path) + 12, whatever the mode: too small a buffer
/// is found out before anything is made.
/// FOLKMOOT_OK, _NODE_EXISTS, _NO_NODE (the parent), _NO_CHILDREN_FOR_EPHEMERALS, _NO_AUTH,
/// _INVALID_ACL, _BAD_ARGUMENTS, _QUOTA_EXCEEDED, _BUFFER_TOO_SMALL, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_create(
    session: *const folkmoot_session,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    mode: i32,
    options: *const folkmoot_create_options,
    path_out: *mut c_char,
    path_cap: usize,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        let request = create_request(path, data, data_len, mode, options)?;
        let needed = text(path, "path")?.len() + 12; // ten digits, perhaps a sign, a NUL
        if path_cap > 0 {
            wanted(path_out, "path_out")?;
            if path_cap < needed {
                return Err(Error::new(ErrorKind::BufferTooSmall, format!("path_cap is {path_cap}; {needed} are needed")));
            }
        }
        let (made, stat) = answer!(session, request, Reply::Created { path, stat } => (path, stat));
        if path_cap > made.len() {
            path_out.copy_from_nonoverlapping(made.as_ptr().cast(), made.len());
            path_out.add(made.len()).write(0);
        }
        put(stat_out, stat.into());
        Ok(())
    })
}

/// Removes a childless znode at version, or at any (FOLKMOOT_ANY_VERSION).
///
/// FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NOT_EMPTY, _NO_AUTH, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_delete(session: *const folkmoot_session, path: *const c_char, version: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        answer!(session, Request::Delete { path: text(path, "path")?.into(), version }, Reply::Done => ());
        Ok(())
    })
}

/// The counters of a znode. With watch not 0, its next change (its creation, if there is none) is
/// told as an event. stat_out may be NULL.
///
/// FOLKMOOT_OK, _NO_NODE if there is none, _NO_AUTH, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_exists(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let (session, path) = (borrow(session, "session")?, text(path, "path")?);
        let stat = answer!(session, Request::Exists { path: path.into(), watch: watch != 0 },
            Reply::Stat(stat) => stat, Reply::Done => return Err(absent(path)));
        put(stat_out, stat.into());
        Ok(())
    })
}

/// Copies the data of a znode into buf. With watch not 0, its next change is told as an event.
///
/// buf       up to buf_cap bytes; may be NULL when buf_cap is 0
/// len_out   the data's whole length in bytes, -1 if it is null; written on success and on
///           FOLKMOOT_BUFFER_TOO_SMALL
/// stat_out  may be NULL
///
/// FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _BUFFER_TOO_SMALL, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_get(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    buf: *mut c_void,
    buf_cap: usize,
    len_out: *mut i64,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let (session, path) = (borrow(session, "session")?, text(path, "path")?);
        wanted(len_out, "len_out")?;
        if buf_cap > 0 {
            wanted(buf, "buf")?;
        }
        let (data, stat) = session.session()?.get_blocking(path, watch != 0)?;
        if let Some(data) = &data {
            if data.len() > buf_cap {
                put(len_out, data.len() as i64);
                return Err(Error::new(ErrorKind::BufferTooSmall, format!("{path} has {} bytes, buf_cap is {buf_cap}", data.len())));
            }
            buf.cast::<u8>().copy_from_nonoverlapping(data.as_ptr(), data.len());
        }
        put(len_out, data.map_or(-1, |data| data.len() as i64));
        put(stat_out, stat.into());
        Ok(())
    })
}

/// As folkmoot_session_get, into memory that is allocated for it: data_out is to be freed with
/// folkmoot_free. A NUL, which is not counted, stands behind the data. If the data is null,
/// *data_out is NULL and *len_out is -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_get_alloc(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    data_out: *mut *mut c_char,
    len_out: *mut i64,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let (session, path) = (borrow(session, "session")?, text(path, "path")?);
        wanted(data_out, "data_out")?;
        let (data, stat) = session.session()?.get_blocking(path, watch != 0)?;
        put(data_out, data.as_ref().map(|data| allocated(data)).transpose()?.map_or(null_mut(), |copy| copy.cast()));
        put(len_out, data.map_or(-1, |data| data.len() as i64));
        put(stat_out, stat.into());
        Ok(())
    })
}

/// Replaces the data of a znode at version, or at any (FOLKMOOT_ANY_VERSION). data NULL (and
/// data_len 0) is null data. stat_out may be NULL.
///
/// FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NO_AUTH, _QUOTA_EXCEEDED, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_set(
    session: *const folkmoot_session,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    version: i32,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        let request = Request::Set { path: text(path, "path")?.into(), data: self::data(data, data_len)?, version };
        put(stat_out, answer!(session, request, Reply::Stat(stat) => stat).into());
        Ok(())
    })
}

/// Names of a znode's children, in the order of their creation, to be freed with
/// folkmoot_strings_free. With watch not 0, the next change of the list is told as an event.
/// stat_out may be NULL.
///
/// FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_children(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    names_out: *mut *mut folkmoot_strings,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(names_out, "names_out")?;
        let request = Request::Children { path: text(path, "path")?.into(), watch: watch != 0 };
        let (names, stat) = answer!(session, request, Reply::Children { names, stat } => (names, stat));
        give(names_out, folkmoot_strings::from(names));
        put(stat_out, stat.into());
        Ok(())
    })
}

/// ACL of a znode, to be freed with folkmoot_acls_free. stat_out may be NULL.
///
/// FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_get_acl(
    session: *const folkmoot_session,
    path: *const c_char,
    acl_out: *mut *mut folkmoot_acls,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(acl_out, "acl_out")?;
        let (acl, stat) = answer!(session, Request::GetAcl { path: text(path, "path")?.into() }, Reply::Acl { acl, stat } => (acl, stat));
        give(acl_out, folkmoot_acls::from(acl));
        put(stat_out, stat.into());
        Ok(())
    })
}

/// Replaces the ACL of a znode whose aversion is version, or any (FOLKMOOT_ANY_VERSION). acl is
/// acl_count entries, borrowed for the call. stat_out may be NULL.
///
/// FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NO_AUTH, _INVALID_ACL, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_set_acl(
    session: *const folkmoot_session,
    path: *const c_char,
    acl: *const folkmoot_acl,
    acl_count: usize,
    version: i32,
    stat_out: *mut folkmoot_stat,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        let request = Request::SetAcl { path: text(path, "path")?.into(), acl: acl_list(acl, acl_count)?, version };
        put(stat_out, answer!(session, request, Reply::Stat(stat) => stat).into());
        Ok(())
    })
}

/// Waits until everything acknowledged before, to anyone, is visible here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_sync(session: *const folkmoot_session, path: *const c_char) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        answer!(session, Request::Sync { path: text(path, "path")?.into() }, Reply::Done => ());
        Ok(())
    })
}

/// Paths of this session's ephemerals that start with prefix, sorted, to be freed with
/// folkmoot_strings_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_ephemerals(
    session: *const folkmoot_session,
    prefix: *const c_char,
    paths_out: *mut *mut folkmoot_strings,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(paths_out, "paths_out")?;
        let paths = answer!(session, Request::Ephemerals { prefix: text(prefix, "prefix")?.into() }, Reply::Paths(paths) => paths);
        give(paths_out, folkmoot_strings::from(paths));
        Ok(())
    })
}

/// How many descendants a znode has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_count_descendants(session: *const folkmoot_session, path: *const c_char, count_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(count_out, "count_out")?;
        put(count_out, answer!(session, Request::CountDescendants { path: text(path, "path")?.into() }, Reply::Count(count) => count));
        Ok(())
    })
}

/// Watches until removed; told as events of the session. mode is FOLKMOOT_WATCH_PERSISTENT or
/// _RECURSIVE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_add_watch(session: *const folkmoot_session, path: *const c_char, mode: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        answer!(session, Request::AddWatch { path: text(path, "path")?.into(), mode: watch_mode(mode)? }, Reply::Done => ());
        Ok(())
    })
}

/// Takes watches away. kind is FOLKMOOT_WATCHER_.
///
/// FOLKMOOT_OK, _NO_WATCHER if there is none of that kind, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_remove_watches(session: *const folkmoot_session, path: *const c_char, kind: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        answer!(session, Request::RemoveWatches { path: text(path, "path")?.into(), kind: watch_kind(kind)? }, Reply::Done => ());
        Ok(())
    })
}

/// Succeeds if there is such a watch. kind is FOLKMOOT_WATCHER_.
///
/// FOLKMOOT_OK, _NO_WATCHER, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_check_watches(session: *const folkmoot_session, path: *const c_char, kind: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        answer!(session, Request::CheckWatches { path: text(path, "path")?.into(), kind: watch_kind(kind)? }, Reply::Done => ());
        Ok(())
    })
}

/// Shows an identity, such as scheme "digest" with credential "user:password".
///
/// FOLKMOOT_OK, _AUTH_FAILED, _SESSION_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_add_auth(
    session: *const folkmoot_session,
    scheme: *const c_char,
    credential: *const c_void,
    credential_len: usize,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        let credential = bytes(credential, credential_len, "credential")?.unwrap_or_default().to_vec();
        answer!(session, Request::AddAuth { scheme: text(scheme, "scheme")?.into(), credential }, Reply::Done => ());
        Ok(())
    })
}

/// The identities shown so far, to be freed with folkmoot_acls_free; their perms are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_who_am_i(session: *const folkmoot_session, identities_out: *mut *mut folkmoot_acls) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(identities_out, "identities_out")?;
        let identities = answer!(session, Request::WhoAmI, Reply::Identities(identities) => identities);
        give(identities_out, folkmoot_acls::from(identities));
        Ok(())
    })
}
