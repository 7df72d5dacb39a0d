//! What a target string says.

use crate::error::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// Where state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Memory,
    Directory(PathBuf),
}

/// A parsed target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) ground: Ground,
    pub(super) virtual_time: bool,
    /// Hard quotas refuse writes (ZooKeeper's `enforceQuota`).
    pub(super) enforce_quota: bool,
    /// `user:hash` that the digest scheme takes for `super`.
    pub(super) super_digest: Option<String>,
    /// Bytes of log after which a snapshot is written.
    pub(super) snapshot_bytes: u64,
    /// Where ZooKeeper's clients are listened for.
    pub(super) listen: Vec<String>,
    /// Where the admin door is.
    pub(super) admin: Option<String>,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Target> {
        let bad = |what: String| Err(Error::new(ErrorKind::BadArguments, format!("target {text}: {what}")));
        let (memory, rest) = match text.split_once(':') {
            Some(("memory", rest)) => (true, rest),
            Some(("file", rest)) => (false, rest),
            Some((scheme, _)) if scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_lowercase()) => {
                return bad(format!("the scheme {scheme} is not known here; memory: and file: are"));
            }
            _ => (false, text),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let ground = if memory {
            if !path.is_empty() {
                return bad(format!("memory: takes no path, and there is {path}"));
            }
            Ground::Memory
        } else if path.is_empty() {
            return bad("there is no path".into());
        } else {
            Ground::Directory(path.into())
        };
        let mut target =
            Target { ground, virtual_time: false, enforce_quota: false, super_digest: None, snapshot_bytes: 64 << 20, listen: Vec::new(), admin: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("time", "virtual") => target.virtual_time = true,
                ("time", "real") => target.virtual_time = false,
                ("quota", "enforced") => target.enforce_quota = true,
                ("super", digest) if digest.contains(':') => target.super_digest = Some(digest.into()),
                ("admin", address) if address.contains(':') => target.admin = Some(address.into()),
                ("listen", address) if address.contains(':') => target.listen.push(address.into()),
                ("snapshot_bytes", bytes) => match bytes.parse() {
                    Ok(bytes) if bytes >= 4096 => target.snapshot_bytes = bytes,
                    _ => return bad(format!("snapshot_bytes is {bytes}; it is a number of at least 4096")),
                },
                (key @ ("time" | "quota" | "super" | "listen" | "admin"), value) => return bad(format!("{key} cannot be {value}")),
                (key, _) => return bad(format!("the key {key} is not known")),
            }
        }
        if target.virtual_time && !memory {
            return bad("time=virtual goes with memory: only".into());
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_say_where_and_how() {
        assert_eq!(Target::parse("./data").unwrap().ground, Ground::Directory("./data".into()));
        assert_eq!(Target::parse("file:/var/lib/x").unwrap().ground, Ground::Directory("/var/lib/x".into()));
        assert!(Target::parse("memory:?time=virtual").unwrap().virtual_time);
        assert_eq!(Target::parse("memory:?listen=[::1]:0&listen=localhost:2181").unwrap().listen, ["[::1]:0", "localhost:2181"]);
        assert_eq!(Target::parse("memory:?admin=127.0.0.1:8080").unwrap().admin.as_deref(), Some("127.0.0.1:8080"));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, named) in [
            ("memory:?tiem=virtual", "tiem"),
            ("etcd://x", "etcd"),
            ("./d?time=virtual", "memory"),
            ("memory:?time=never", "never"),
            ("memory:?listen=2181", "2181"),
            ("", "path"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadArguments);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
