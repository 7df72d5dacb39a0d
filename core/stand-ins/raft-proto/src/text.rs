use crate::eraftpb::{ConfChangeSingle, ConfChangeType};
use crate::new_conf_change_single;

/// Reads changes as [`stringify_conf_change`] writes them.
///
/// # Errors
/// Names the word that is none.
pub fn parse_conf_change(text: &str) -> Result<Vec<ConfChangeSingle>, String> {
    text.split_ascii_whitespace()
        .map(|word| {
            let change_type = match word.as_bytes()[0] {
                b'v' => ConfChangeType::AddNode,
                b'l' => ConfChangeType::AddLearnerNode,
                b'r' => ConfChangeType::RemoveNode,
                _ => return Err(format!("{word}: a change begins with v, l or r")),
            };
            let id = word[1..].parse().map_err(|error| format!("{word}: {error}"))?;
            Ok(new_conf_change_single(id, change_type))
        })
        .collect()
}

/// Writes changes as words: `v3` makes 3 a voter, `l3` a learner, `r3` removes it.
pub fn stringify_conf_change(changes: &[ConfChangeSingle]) -> String {
    let word = |change: &ConfChangeSingle| match change.change_type {
        ConfChangeType::AddNode => format!("v{}", change.node_id),
        ConfChangeType::AddLearnerNode => format!("l{}", change.node_id),
        ConfChangeType::RemoveNode => format!("r{}", change.node_id),
    };
    changes.iter().map(word).collect::<Vec<_>>().join(" ")
}
