//! What operations answer with, owned: lists of names, of ACL entries, of results.

use crate::guard::{c_text, plain};
use crate::types::{folkmoot_acl, folkmoot_result, folkmoot_stat};
use folkmoot::request::{Acl, Data, Identity, Reply};
use folkmoot::{Error, Result};
use std::ffi::{CString, c_char};
use std::ptr::null;

/// A list of strings. Immutable: any threads may read it at once.
pub struct folkmoot_strings {
    texts: Vec<CString>,
}

/// A list of ACL entries or identities. Immutable: any threads may read it at once.
pub struct folkmoot_acls {
    entries: Vec<folkmoot_acl>,
    _texts: Vec<CString>,
}

/// The results of a multi, one for each operation. Immutable: any threads may read it at once.
pub struct folkmoot_results {
    results: Vec<Outcome>,
}

impl From<Vec<String>> for folkmoot_strings {
    fn from(texts: Vec<String>) -> Self {
        Self { texts: texts.iter().map(|text| c_text(text)).collect() }
    }
}

impl folkmoot_acls {
    fn new(entries: impl Iterator<Item = (u32, Identity)>) -> Self {
        let mut texts = Vec::new();
        let entries = entries
            .map(|(perms, identity)| {
                let (scheme, id) = (c_text(&identity.scheme), c_text(&identity.id));
                let entry = folkmoot_acl { perms, scheme: scheme.as_ptr(), id: id.as_ptr() };
                texts.extend([scheme, id]);
                entry
            })
            .collect();
        Self { entries, _texts: texts }
    }
}

impl From<Vec<Acl>> for folkmoot_acls {
    fn from(acl: Vec<Acl>) -> Self {
        Self::new(acl.into_iter().map(|entry| (entry.perms, entry.identity)))
    }
}

impl From<Vec<Identity>> for folkmoot_acls {
    fn from(identities: Vec<Identity>) -> Self {
        Self::new(identities.into_iter().map(|identity| (0, identity)))
    }
}

/// A result and what its pointers point to, all of it on the heap, so that it may be moved.
pub(crate) struct Outcome {
    pub(crate) view: folkmoot_result,
    _texts: [Option<CString>; 2],
    _data: Data,
    _names: Option<Box<folkmoot_strings>>,
    _acl: Option<Box<folkmoot_acls>>,
    _results: Option<Box<folkmoot_results>>,
}

impl Outcome {
    pub(crate) fn new(result: Result<Reply>) -> Outcome {
        let mut view = folkmoot_result {
            status: 0,
            reserved: 0,
            error: c"".as_ptr(),
            path: null(),
            data: null(),
            data_len: 0,
            stat: folkmoot_stat::default(),
            names: null(),
            acl: null(),
            results: null(),
        };
        let (mut texts, mut kept, mut names, mut entries, mut results) = ([None, None], None, None, None, None);
        match result {
            Err(error) => {
                view.status = error.code();
                view.error = texts[0].insert(c_text(&error.to_string())).as_ptr();
            }
            Ok(Reply::Created { path, stat }) => {
                view.path = texts[1].insert(c_text(&path)).as_ptr();
                view.stat = stat.into();
            }
            Ok(Reply::Stat(stat)) => view.stat = stat.into(),
            Ok(Reply::Data { data, stat }) => {
                view.stat = stat.into();
                view.data_len = data.as_ref().map_or(-1, |data| data.len() as i64);
                view.data = data.as_ref().map_or(null(), |data| data.as_ptr().cast());
                kept = data;
            }
            Ok(Reply::Children { names: list, stat }) => {
                view.stat = stat.into();
                view.names = &raw const **names.insert(Box::new(folkmoot_strings::from(list)));
            }
            Ok(Reply::Paths(list)) => view.names = &raw const **names.insert(Box::new(list.into())),
            Ok(Reply::Acl { acl, stat }) => {
                view.stat = stat.into();
                view.acl = &raw const **entries.insert(Box::new(folkmoot_acls::from(acl)));
            }
            Ok(Reply::Identities(list)) => view.acl = &raw const **entries.insert(Box::new(list.into())),
            Ok(Reply::Multi(list)) => {
                view.status = first_failure(&list).map_or(0, |error| error.code());
                let list = list.into_iter().map(|one| one.map_err(Error::from)).collect::<Vec<_>>();
                view.results = &raw const **results.insert(Box::new(folkmoot_results::from(list)));
            }
            Ok(Reply::MultiRead(list)) => view.results = &raw const **results.insert(Box::new(list.into())),
            Ok(Reply::Count(count)) => view.data_len = count.try_into().unwrap_or(i64::MAX),
            Ok(Reply::Done) => {}
        }
        Outcome { view, _texts: texts, _data: kept, _names: names, _acl: entries, _results: results }
    }
}

/// Which operation of a multi failed, and how.
pub(crate) fn first_failure(results: &[std::result::Result<Reply, folkmoot::ErrorKind>]) -> Option<Error> {
    let at = results.iter().position(|one| one.is_err())?;
    results[at].as_ref().err().map(|kind| Error::new(*kind, format!("operation {at} of the multi; nothing was changed")))
}

impl From<Vec<Result<Reply>>> for folkmoot_results {
    fn from(results: Vec<Result<Reply>>) -> Self {
        Self { results: results.into_iter().map(Outcome::new).collect() }
    }
}

/// How many strings; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_strings_count(strings: *const folkmoot_strings) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(strings, "strings") }.map_or(0, |list| list.texts.len())
}

/// String number index, from 0; NULL if there is none. Valid until the list is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_strings_at(strings: *const folkmoot_strings, index: usize) -> *const c_char {
    // SAFETY: the conventions.
    let list = unsafe { plain(strings, "strings") };
    list.ok().and_then(|list| list.texts.get(index)).map_or(null(), |text| text.as_ptr())
}

/// Frees a list that a function has given you. Not one that belongs to a folkmoot_result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_strings_free(strings: *mut folkmoot_strings) {
    if !strings.is_null() {
        // SAFETY: the conventions: made by `give`, freed once.
        drop(unsafe { Box::from_raw(strings) });
    }
}

/// How many entries; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_acls_count(acls: *const folkmoot_acls) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(acls, "acls") }.map_or(0, |list| list.entries.len())
}

/// The entries, one behind the other, as folkmoot_session_set_acl takes them; NULL if there are
/// none. Valid until the list is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_acls_entries(acls: *const folkmoot_acls) -> *const folkmoot_acl {
    // SAFETY: the conventions.
    unsafe { plain(acls, "acls") }.ok().filter(|list| !list.entries.is_empty()).map_or(null(), |list| list.entries.as_ptr())
}

/// Frees a list that a function has given you. Not one that belongs to a folkmoot_result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_acls_free(acls: *mut folkmoot_acls) {
    if !acls.is_null() {
        // SAFETY: the conventions: made by `give`, freed once.
        drop(unsafe { Box::from_raw(acls) });
    }
}

/// How many results; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_results_count(results: *const folkmoot_results) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(results, "results") }.map_or(0, |list| list.results.len())
}

/// The result of operation number index, from 0; NULL if there is none. Valid until the results are freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_results_at(results: *const folkmoot_results, index: usize) -> *const folkmoot_result {
    // SAFETY: the conventions.
    let list = unsafe { plain(results, "results") };
    list.ok().and_then(|list| list.results.get(index)).map_or(null(), |outcome| &raw const outcome.view)
}

/// Frees results that a function has given you. Not those that belong to a folkmoot_result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_results_free(results: *mut folkmoot_results) {
    if !results.is_null() {
        // SAFETY: the conventions: made by `give`, freed once.
        drop(unsafe { Box::from_raw(results) });
    }
}
