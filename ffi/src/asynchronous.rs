//! Operations that call back: each returns at once, and its completion is told how it ended.

use crate::dispatch::folkmoot_completion;
use crate::guard::{borrow, bytes, enter, text};
use crate::session::{create_request, data, folkmoot_session, watch_kind, watch_mode};
use crate::types::{acl_list, folkmoot_acl, folkmoot_create_options, folkmoot_status};
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

/// folkmoot_session_get_acl without waiting: completion is told acl and stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_get_acl_async(
    session: *const folkmoot_session,
    path: *const c_char,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::GetAcl { path: text(path, "path")?.into() }), completion, context) }
}

/// folkmoot_session_set_acl without waiting: completion is told stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_set_acl_async(
    session: *const folkmoot_session,
    path: *const c_char,
    acl: *const folkmoot_acl,
    acl_count: usize,
    version: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::SetAcl { path: text(path, "path")?.into(), acl: acl_list(acl, acl_count)?, version }), completion, context) }
}

/// folkmoot_session_ephemerals without waiting: completion is told names, which are whole paths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_ephemerals_async(
    session: *const folkmoot_session,
    prefix: *const c_char,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::Ephemerals { prefix: text(prefix, "prefix")?.into() }), completion, context) }
}

/// folkmoot_session_count_descendants without waiting: completion is told data_len, which is how many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_count_descendants_async(
    session: *const folkmoot_session,
    path: *const c_char,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::CountDescendants { path: text(path, "path")?.into() }), completion, context) }
}

/// folkmoot_session_add_watch without waiting. The watch is set when completion is told so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_add_watch_async(
    session: *const folkmoot_session,
    path: *const c_char,
    mode: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::AddWatch { path: text(path, "path")?.into(), mode: watch_mode(mode)? }), completion, context) }
}

/// folkmoot_session_remove_watches without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_remove_watches_async(
    session: *const folkmoot_session,
    path: *const c_char,
    kind: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::RemoveWatches { path: text(path, "path")?.into(), kind: watch_kind(kind)? }), completion, context) }
}

/// folkmoot_session_check_watches without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_check_watches_async(
    session: *const folkmoot_session,
    path: *const c_char,
    kind: i32,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::CheckWatches { path: text(path, "path")?.into(), kind: watch_kind(kind)? }), completion, context) }
}

/// folkmoot_session_add_auth without waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_add_auth_async(
    session: *const folkmoot_session,
    scheme: *const c_char,
    credential: *const c_void,
    credential_len: usize,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe {
        submit(
            session,
            || {
                Ok(Request::AddAuth {
                    scheme: text(scheme, "scheme")?.into(),
                    credential: bytes(credential, credential_len, "credential")?.unwrap_or_default().to_vec(),
                })
            },
            completion,
            context,
        )
    }
}

/// folkmoot_session_who_am_i without waiting: completion is told acl, whose perms are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_session_who_am_i_async(
    session: *const folkmoot_session,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { submit(session, || Ok(Request::WhoAmI), completion, context) }
}
