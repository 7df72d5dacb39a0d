//! Operations that call back: each returns at once, and its completion is told how it ended.

use crate::dispatch::folkmoot_completion;
use crate::guard::{borrow, enter, text};
use crate::session::{create_request, data, folkmoot_session};
use crate::types::{folkmoot_create_options, folkmoot_status};
use folkmoot::Result;
use folkmoot::request::Request;
use std::ffi::{c_char, c_void};

unsafe fn submit(
    session: *const folkmoot_session,
    request: impl FnOnce() -> Result<Request>,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the caller's conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        session.dispatcher.submit(session.session()?, request()?, completion, context)
    })
}

/// folkmoot_session_create without waiting: completion is told path and stat.
/// Unless this returns FOLKMOOT_OK, completion will not be called; so with all that end in _async.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_create_async(
    session: *const folkmoot_session,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    mode: i32,
    options: *const folkmoot_create_options,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || create_request(path, data, data_len, mode, options), completion, context) }
}

/// folkmoot_session_delete without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_delete_async(
    session: *const folkmoot_session,
    path: *const c_char,
    version: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Delete { path: text(path, "path")?.into(), version }), completion, context) }
}

/// folkmoot_session_set without waiting: completion is told stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_set_async(
    session: *const folkmoot_session,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    version: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Set { path: text(path, "path")?.into(), data: self::data(data, data_len)?, version }), completion, context) }
}

/// folkmoot_session_get without waiting: completion is told data, data_len and stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_get_async(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Get { path: text(path, "path")?.into(), watch: watch != 0 }), completion, context) }
}

/// folkmoot_session_exists without waiting: completion is told stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_exists_async(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Exists { path: text(path, "path")?.into(), watch: watch != 0 }), completion, context) }
}

/// folkmoot_session_children without waiting: completion is told names and stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_children_async(
    session: *const folkmoot_session,
    path: *const c_char,
    watch: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Children { path: text(path, "path")?.into(), watch: watch != 0 }), completion, context) }
}

/// folkmoot_session_sync without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_sync_async(
    session: *const folkmoot_session,
    path: *const c_char,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Sync { path: text(path, "path")?.into() }), completion, context) }
}
