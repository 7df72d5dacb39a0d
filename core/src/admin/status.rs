//! The ensemble as one member sees it: a table for people, fields for programs, rows for metrics.
//!
//! Not here: who asks (`words`, `commands`, `monitor`).

use super::json::{Fields, Json};
use super::view::Source;
use crate::ensemble::{MemberView, View};
use crate::log::replica::Role;
use std::fmt::Write;

/// What a member is, in a word.
pub fn role(member: &MemberView) -> &'static str {
    match member.role {
        Some(Role::Leader) => "leader",
        Some(Role::Candidate) => "candidate",
        Some(Role::Follower) if !member.is_voter => "learner",
        Some(Role::Follower) => "follower",
        None => "unknown",
    }
}

/// The text that `folkmoot status` prints.
pub fn text(source: &dyn Source) -> String {
    let zxid = source.statistics().zxid;
    let Some(view) = source.ensemble() else {
        return format!("one member alone, zxid {zxid}\n");
    };
    let leader = view.standing.leader.map_or("nobody leads".into(), |leader| format!("member {leader} leads"));
    let mut out = format!("{leader} in term {}; asked: member {}, zxid {zxid}\n", view.standing.term, view.id);
    let _ = writeln!(out, "{:<8}{:<11}{:<10}{:<14}{:<12}LAG", "MEMBER", "ROLE", "PRIORITY", "LAST HEARD", "SUSPECTED");
    for member in view.members() {
        let heard = match member.silent_ms {
            _ if member.is_self => "itself".into(),
            Some(ms) => format!("{ms} ms ago"),
            None => "never".into(),
        };
        let lag = view.lag(&member).map_or("-".into(), |lag| lag.to_string());
        let suspected = if member.suspected { "suspected" } else { "no" };
        let _ = writeln!(out, "{:<8}{:<11}{:<10}{heard:<14}{suspected:<12}{lag}", member.id, role(&member), member.priority);
    }
    out
}

/// The same, for programs.
pub(super) fn fields(source: &dyn Source) -> Fields {
    let known = |number: Option<u64>| number.map_or(Json::Null, Json::from);
    let mut out: Fields = vec![("zxid".into(), source.statistics().zxid.0.into())];
    let Some(view) = source.ensemble() else {
        out.push(("members".into(), Json::List(Vec::new())));
        return out;
    };
    out.push(("id".into(), u32::from(view.id).into()));
    out.push(("leader".into(), view.standing.leader.map_or(Json::Null, |leader| u32::from(leader).into())));
    out.push(("term".into(), view.standing.term.into()));
    out.push(("committed".into(), view.commit.into()));
    out.push(("applied".into(), view.applied.into()));
    let row = |member: MemberView| {
        Json::Map(vec![
            ("id".into(), u32::from(member.id).into()),
            ("role".into(), role(&member).into()),
            ("priority".into(), u32::from(member.priority).into()),
            ("silent_ms".into(), known(member.silent_ms)),
            ("suspected".into(), member.suspected.into()),
            ("linked".into(), member.linked.into()),
            ("matched".into(), known(member.matched)),
            ("lag".into(), known(view.lag(&member))),
        ])
    };
    out.push(("members".into(), Json::List(view.members().into_iter().map(row).collect())));
    out
}

/// Rows for Prometheus: of the ensemble, then one of each kind for each other member.
pub(super) fn rows(out: &mut String, view: &View) {
    let mut put = |name: &str, help: &str, rows: &[(String, u64)]| {
        if !rows.is_empty() {
            let _ = writeln!(out, "# HELP folkmoot_{name} {help}\n# TYPE folkmoot_{name} gauge");
        }
        for (label, value) in rows {
            let _ = writeln!(out, "folkmoot_{name}{label} {value}");
        }
    };
    let one = |value: u64| [(String::new(), value)];
    put("ensemble_member", "The number of this member.", &one(view.id.into()));
    put("ensemble_leader", "The number of the member that leads; 0 for nobody.", &one(view.standing.leader.unwrap_or(0).into()));
    put("ensemble_term", "The term, which rises with each election.", &one(view.standing.term));
    put("ensemble_committed_index", "The last entry that a majority has.", &one(view.commit));
    put("ensemble_applied_index", "The last entry applied here.", &one(view.applied));
    let members = view.members();
    let all =
        |value: &dyn Fn(&MemberView) -> u64| -> Vec<_> { members.iter().map(|member| (format!("{{member=\"{}\"}}", member.id), value(member))).collect() };
    put("ensemble_priority", "How much a member should lead.", &all(&|member| member.priority.into()));
    let roles: Vec<_> = members.iter().map(|member| (format!("{{member=\"{}\",role=\"{}\"}}", member.id, role(member)), 1)).collect();
    put("ensemble_role", "What a member is, as this one sees it.", &roles);
    let peers = |value: &dyn Fn(&MemberView) -> Option<u64>| -> Vec<_> {
        members.iter().filter(|member| !member.is_self).filter_map(|peer| value(peer).map(|value| (format!("{{peer=\"{}\"}}", peer.id), value))).collect()
    };
    put("peer_silent_ms", "For how long another member has not been heard, in ms.", &peers(&|peer| peer.silent_ms));
    put("peer_suspected", "Whether its silence has been too long.", &peers(&|peer| Some(peer.suspected.into())));
    put("peer_linked", "Whether the link to it is up.", &peers(&|peer| Some(peer.linked.into())));
    put("peer_matched_index", "The last entry it is known to have, on the leader.", &peers(&|peer| peer.matched));
    put("peer_lag_entries", "Entries it lacks of those that a majority has, on the leader.", &peers(&|peer| view.lag(peer)));
}
