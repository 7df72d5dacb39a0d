//! Which paths are valid, and the parts of a path.
//!
//! The rules are ZooKeeper's, tested on UTF-16 units as there: anything outside the basic plane is
//! two surrogates, and surrogates are refused.
//! Source: ZooKeeper Programmer's Guide, "The ZooKeeper Data Model".

use crate::error::{Error, ErrorKind, Result};
use crate::limits::PATH_BYTES_MAX;

/// Checks a path from end to end.
///
/// # Errors
/// `BadArguments`, with the path, the reason and the byte offset.
pub fn validate(path: &str) -> Result<()> {
    let bad = |reason: &str, at: usize| Err(Error::new(ErrorKind::BadArguments, format!("path {path:?}: {reason} at byte {at}")));
    if path.len() > PATH_BYTES_MAX {
        return Err(Error::new(ErrorKind::BadArguments, format!("a path has {} bytes, at most {PATH_BYTES_MAX} are allowed", path.len())));
    }
    if !path.starts_with('/') {
        return bad("it must start with /", 0);
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return bad("it must not end with /", path.len() - 1);
    }
    let mut offset = 1;
    for name in path[1..].split('/') {
        if let Some((reason, at)) = wrong_with(name) {
            return bad(reason, offset + at);
        }
        offset += name.len() + 1;
    }
    Ok(())
}

/// Whether a znode can have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.contains('/') && wrong_with(name).is_none()
}

/// Why no path can have this between two slashes, and from which byte on.
fn wrong_with(name: &str) -> Option<(&'static str, usize)> {
    if name.is_empty() {
        return Some(("an empty name", 0));
    }
    if name == "." || name == ".." {
        return Some(("a relative name", 0));
    }
    let is_wrong = |c| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{10000}'..);
    name.find(is_wrong).map(|at| ("a character that is not allowed", at))
}

/// The parent's path and the last name: `/a/b` is (`/a`, `b`), `/a` is (`/`, `a`). None without a slash.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let slash = path.rfind('/')?;
    Some((if slash == 0 { "/" } else { &path[..slash] }, &path[slash + 1..]))
}

/// Whether `path` is `ancestor` or below it.
pub fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor == "/" || path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_zookeeper_refuses_is_refused() {
        for path in [
            "",
            "a",
            "a/b",
            "//",
            "/a/",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a\0",
            "/\u{1}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{e000}",
            "/\u{f8ff}",
            "/\u{fff0}",
            "/\u{ffff}",
            "/\u{1f600}",
        ] {
            assert_eq!(validate(path).map_err(|e| e.kind()), Err(ErrorKind::BadArguments), "{path:?}");
        }
    }

    #[test]
    fn what_zookeeper_takes_is_taken() {
        for path in ["/", "/a", "/a/b", "/...", "/.a", "/a.", "/a..b", "/ ", "/\u{a0}", "/\u{d7ff}", "/\u{f900}", "/\u{ffef}"] {
            assert_eq!(validate(path), Ok(()), "{path:?}");
        }
    }
}
