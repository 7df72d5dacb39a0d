//! Transactions: built one operation at a time, then committed.

use crate::dispatch::folkmoot_completion;
use crate::guard::{borrow, enter, give, plain, plain_mut, put, text, wanted};
use crate::lists::{first_failure, folkmoot_results};
use crate::session::{answer, create_request, data, folkmoot_session};
use crate::types::{acl_list, folkmoot_acl, folkmoot_create_options, folkmoot_status};
use folkmoot::limits::MULTI_OPS_MAX;
use folkmoot::request::{Reply, Request};
use folkmoot::{Error, ErrorKind, Result};
use std::ffi::{c_char, c_void};

/// A transaction being put together. One thread at a time.
pub struct folkmoot_multi {
    operations: Vec<Request>,
}

unsafe fn add(multi: *mut folkmoot_multi, request: impl FnOnce() -> Result<Request>) -> folkmoot_status {
    // SAFETY: the caller's conventions.
    enter(|| unsafe {
        let multi = plain_mut(multi, "multi")?;
        if multi.operations.len() >= MULTI_OPS_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("a multi holds {MULTI_OPS_MAX} operations")));
        }
        multi.operations.push(request()?);
        Ok(())
    })
}

/// An empty transaction, to be freed with folkmoot_multi_free. It belongs to no session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_new(multi_out: *mut *mut folkmoot_multi) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(multi_out, "multi_out")?;
        give(multi_out, folkmoot_multi { operations: Vec::new() });
        Ok(())
    })
}

/// Adds what folkmoot_session_create does. Everything is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_create(
    multi: *mut folkmoot_multi,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    mode: i32,
    options: *const folkmoot_create_options,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || create_request(path, data, data_len, mode, options)) }
}

/// Adds what folkmoot_session_delete does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_delete(multi: *mut folkmoot_multi, path: *const c_char, version: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::Delete { path: text(path, "path")?.into(), version })) }
}

/// Adds what folkmoot_session_set does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_set(
    multi: *mut folkmoot_multi,
    path: *const c_char,
    data: *const c_void,
    data_len: usize,
    version: i32,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::Set { path: text(path, "path")?.into(), data: self::data(data, data_len)?, version })) }
}

/// Adds what folkmoot_session_set_acl does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_set_acl(
    multi: *mut folkmoot_multi,
    path: *const c_char,
    acl: *const folkmoot_acl,
    acl_count: usize,
    version: i32,
) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::SetAcl { path: text(path, "path")?.into(), acl: acl_list(acl, acl_count)?, version })) }
}

/// Adds: fail unless the znode is at version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_check(multi: *mut folkmoot_multi, path: *const c_char, version: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::Check { path: text(path, "path")?.into(), version })) }
}

/// Adds a read of data, for folkmoot_multi_read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_get(multi: *mut folkmoot_multi, path: *const c_char) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::Get { path: text(path, "path")?.into(), watch: false })) }
}

/// Adds a read of the list of children, for folkmoot_multi_read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_children(multi: *mut folkmoot_multi, path: *const c_char) -> folkmoot_status {
    // SAFETY: the conventions.
    unsafe { add(multi, || Ok(Request::Children { path: text(path, "path")?.into(), watch: false })) }
}

/// Forgets what was added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_clear(multi: *mut folkmoot_multi) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        plain_mut(multi, "multi")?.operations.clear();
        Ok(())
    })
}

/// Does all that was added, or nothing: one transaction. The status is FOLKMOOT_OK if all was done,
/// else that of the operation that failed. results_out, which may be NULL, is given one result for
/// each operation whenever the member has answered, also when it failed (operations before the one
/// that failed are FOLKMOOT_OK, those behind it FOLKMOOT_RUNTIME_INCONSISTENCY); otherwise it is set
/// to NULL. To be freed with folkmoot_results_free. The multi keeps its operations and may be committed again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_commit(
    multi: *const folkmoot_multi,
    session: *const folkmoot_session,
    results_out: *mut *mut folkmoot_results,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        put(results_out, std::ptr::null_mut());
        let (multi, session) = (plain(multi, "multi")?, borrow(session, "session")?);
        let results = answer!(session, Request::Multi(multi.operations.clone()), Reply::Multi(results) => results);
        let failure = first_failure(&results);
        if !results_out.is_null() {
            let results = results.into_iter().map(|one| one.map_err(Error::from)).collect::<Vec<_>>();
            give(results_out, folkmoot_results::from(results));
        }
        failure.map_or(Ok(()), Err)
    })
}

/// folkmoot_multi_commit without waiting: completion is told results, and the status of the
/// operation that failed. The multi may be changed or freed at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_commit_async(
    multi: *const folkmoot_multi,
    session: *const folkmoot_session,
    completion: folkmoot_completion,
    context: *mut c_void,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let (multi, session) = (plain(multi, "multi")?, borrow(session, "session")?);
        session.dispatcher.submit(session.session()?, Request::Multi(multi.operations.clone()), completion, context)
    })
}

/// Answers the reads that were added, each by itself, all at one zxid. To be freed with
/// folkmoot_results_free. A read that failed is no failure of the call: see its result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_read(
    multi: *const folkmoot_multi,
    session: *const folkmoot_session,
    results_out: *mut *mut folkmoot_results,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(results_out, "results_out")?;
        let (multi, session) = (plain(multi, "multi")?, borrow(session, "session")?);
        let results = answer!(session, Request::MultiRead(multi.operations.clone()), Reply::MultiRead(results) => results);
        give(results_out, folkmoot_results::from(results));
        Ok(())
    })
}

/// Frees the multi.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_multi_free(multi: *mut folkmoot_multi) {
    if !multi.is_null() {
        // SAFETY: the conventions: made by `give`, freed once.
        drop(unsafe { Box::from_raw(multi) });
    }
}
