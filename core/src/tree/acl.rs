//! Who may do what: the schemes, what they make of a credential, and whom an entry means.
//!
//! Always holds: an ACL that is stored has passed [`fix_up`]; `super` passes every check.
//! Source: ZooKeeper Programmer's Guide, "ZooKeeper access control using ACLs".

use crate::error::{Error, ErrorKind, Result};
use crate::limits::ACL_ENTRIES_MAX;
use crate::request::{Acl, Identity};
use base64::Engine as _;
use sha1::{Digest, Sha1};
use std::net::IpAddr;

/// `user:hash` of a `user:password`, as the digest scheme stores it.
pub fn digest_id(credential: &str) -> String {
    let user = credential.split(':').next().unwrap_or_default();
    format!("{user}:{}", base64::engine::general_purpose::STANDARD.encode(Sha1::digest(credential.as_bytes())))
}

/// The identities that a credential shows. `super_digest` is the `user:hash` that is also `super`.
///
/// # Errors
/// `AuthFailed` for an unknown scheme or a credential it cannot take.
pub fn authenticate(scheme: &str, credential: &[u8], super_digest: Option<&str>) -> Result<Vec<Identity>> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::AuthFailed, format!("scheme {scheme}: {why}")));
    match scheme {
        "digest" => {
            let Ok(text) = std::str::from_utf8(credential) else { return refuse("the credential is not UTF-8") };
            let id = digest_id(text);
            let mut shown = Vec::new();
            if super_digest == Some(id.as_str()) {
                shown.push(Identity::new("super", ""));
            }
            shown.push(Identity::new("digest", id));
            Ok(shown)
        }
        "ip" => refuse("it comes with a connection, and this session has none"),
        _ => refuse("it is not known here"),
    }
}

/// Whether one of `identities` has one of `perms` by `acl`.
pub fn allows(acl: &[Acl], perms: u32, identities: &[Identity]) -> bool {
    acl.is_empty()
        || identities.iter().any(|shown| shown.scheme == "super")
        || acl.iter().filter(|entry| entry.perms & perms != 0).any(|entry| {
            let wanted = &entry.identity;
            (wanted.scheme == "world" && wanted.id == "anyone") || identities.iter().any(|shown| shown.scheme == wanted.scheme && matches(shown, wanted))
        })
}

fn matches(shown: &Identity, wanted: &Identity) -> bool {
    if wanted.scheme != "ip" {
        return shown.id == wanted.id;
    }
    let (Ok(address), Some((network, bits))) = (shown.id.parse::<IpAddr>(), network(&wanted.id)) else { return false };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => same_prefix(&a.octets(), &n.octets(), bits),
        (IpAddr::V6(a), IpAddr::V6(n)) => same_prefix(&a.octets(), &n.octets(), bits),
        _ => false,
    }
}

fn same_prefix(a: &[u8], b: &[u8], bits: u32) -> bool {
    a.iter().zip(b).enumerate().all(|(at, (a, b))| {
        let left = bits.saturating_sub(at as u32 * 8).min(8);
        let mask = (0xff00_u16 >> left) as u8;
        a & mask == b & mask
    })
}

/// An address. ZooKeeper takes leading zeros in IPv4 and reads them as decimal, so we do.
fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let parts = text.split('.').map(|part| part.parse::<u8>().ok()).collect::<Option<Vec<_>>>()?;
    <[u8; 4]>::try_from(parts).ok().map(IpAddr::from)
}

fn network(id: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match id.split_once('/') {
        Some((text, bits)) => (address(text)?, Some(bits.parse::<u32>().ok()?)),
        None => (address(id)?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some((address, bits))
}

/// Whether an id means something in its scheme.
fn is_valid(identity: &Identity) -> bool {
    match identity.scheme.as_str() {
        // Two parts, trailing empty ones not counted, as ZooKeeper counts them.
        "digest" => identity.id.trim_end_matches(':').split(':').count() == 2,
        "ip" => network(&identity.id).is_some(),
        "x509" => !identity.id.is_empty(),
        "sasl" => !identity.id.is_empty(),
        _ => false,
    }
}

/// Checks an ACL, drops repeats and puts the requester's identities in the place of `auth`.
///
/// # Errors
/// `InvalidAcl` for an empty list, an unknown scheme, an id that means nothing, or `auth` from
/// someone who has shown nothing.
pub fn fix_up(acl: &[Acl], identities: &[Identity], path: &str) -> Result<Vec<Acl>> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidAcl, format!("ACL for {path}: {why}")));
    if acl.is_empty() {
        return refuse("it is empty".into());
    }
    if acl.len() > ACL_ENTRIES_MAX {
        return refuse(format!("{} entries, at most {ACL_ENTRIES_MAX} are allowed", acl.len()));
    }
    let mut fixed: Vec<Acl> = Vec::with_capacity(acl.len());
    for (at, entry) in acl.iter().enumerate() {
        if acl[..at].contains(entry) {
            continue;
        }
        let identity = &entry.identity;
        if identity.scheme == "world" && identity.id == "anyone" {
            fixed.push(entry.clone());
        } else if identity.scheme == "auth" {
            // An address is not something one has shown.
            let shown: Vec<_> = identities.iter().filter(|shown| shown.scheme != "ip").collect();
            if shown.is_empty() {
                return refuse("auth, and the requester has shown no identity".into());
            }
            fixed.extend(shown.into_iter().map(|shown| Acl { perms: entry.perms, identity: shown.clone() }));
        } else if is_valid(identity) {
            fixed.push(entry.clone());
        } else {
            return refuse(format!("{}:{} means nothing", identity.scheme, identity.id));
        }
    }
    Ok(fixed)
}

/// The ACL as someone without ADMIN sees it: password hashes hidden.
pub fn masked(acl: &[Acl]) -> Vec<Acl> {
    let mut acl = acl.to_vec();
    for entry in &mut acl {
        if entry.identity.scheme == "digest"
            && let Some((user, _)) = entry.identity.id.split_once(':')
        {
            entry.identity.id = format!("{user}:x");
        }
    }
    acl
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::perms;

    #[test]
    fn networks_are_matched_bit_by_bit() {
        let entry = |id: &str| vec![Acl { perms: perms::READ, identity: Identity::new("ip", id) }];
        let from = |id: &str| vec![Identity::new("ip", id)];
        for (acl, address, allowed) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.128/25", "10.1.2.127", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("fd00::/9", "fd7f::1", true),
            ("fd00::/9", "fd80::1", false),
            ("0.0.0.0/0", "::1", false),
        ] {
            assert_eq!(allows(&entry(acl), perms::READ, &from(address)), allowed, "{acl} {address}");
        }
    }

    #[test]
    fn the_digest_is_zookeepers() {
        assert_eq!(digest_id("super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }
}
