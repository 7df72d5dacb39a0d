//! A map, or what moves between two, as text for terminals and as SVG.
//!
//! A node is a bar as long as its load; a mark stands at the load its weight asks for. Names are any bytes and are written escaped.

use super::{Plan, SlotMap};
use std::fmt::Write;

/// Nodes that a picture shows; the rest is summed up in one line.
const NODES_SHOWN: usize = 200;
/// Letters of a bar for the greatest load.
const BAR: usize = 40;
/// Height of a line and width of the bars of an SVG, in its units.
const LINE: usize = 18;
const WIDTH: usize = 480;

struct Line {
    name: String,
    load: u32,
    /// What the weight asks for.
    due: f64,
    /// Slots that come and go.
    comes: u64,
    goes: u64,
}

/// What a picture shows, by number.
fn lines(map: &SlotMap) -> Vec<Line> {
    let whole = f64::from(map.slots()) * map.standing().columns as f64;
    let weight: f64 = map.iter().map(|node| f64::from(node.weight)).sum();
    let line = |(node, load): (super::SlotNode<'_>, u32)| Line {
        name: node.name[..node.name.len().min(40)].escape_ascii().to_string(),
        load,
        due: whole * f64::from(node.weight) / weight,
        comes: 0,
        goes: 0,
    };
    map.iter().zip(map.loads()).map(line).collect()
}

/// The lines of `after`, and behind them of who leaves.
fn moved(before: &SlotMap, after: &SlotMap, plan: &Plan) -> Vec<Line> {
    let mut all = lines(after);
    let stays: Vec<Option<usize>> = before.iter().map(|node| after.number(node.name).map(usize::from)).collect();
    let mut gone: Vec<Line> = lines(before).into_iter().map(|line| Line { load: 0, due: 0.0, ..line }).collect();
    for each in &plan.moves {
        let slots = u64::from(each.slot_hi - each.slot_lo) + 1;
        if let Some(to) = each.to.and_then(|to| all.get_mut(usize::from(to))) {
            to.comes += slots;
        }
        if let Some(from) = each.from.map(usize::from).filter(|from| *from < gone.len()) {
            let line = stays[from].map_or(&mut gone[from], |at| &mut all[at]);
            line.goes += slots;
        }
    }
    all.extend(gone.into_iter().zip(stays).filter(|(_, stays)| stays.is_none()).map(|(line, _)| line));
    all
}

fn most(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.due.max(f64::from(line.load))).fold(1.0, f64::max)
}

/// The greatest load over what its weight asks for: 1 is perfect.
fn unevenness(lines: &[Line]) -> f64 {
    lines.iter().filter(|line| line.due > 0.0).map(|line| f64::from(line.load) / line.due).fold(0.0, f64::max)
}

fn head(map: &SlotMap, lines: &[Line]) -> String {
    let standing = map.standing();
    format!("{} nodes, {} slots x {}, epoch {}, greatest load {:.3} of its share", map.len(), map.slots(), standing.columns, map.epoch(), unevenness(lines))
}

fn head_of(plan: &Plan) -> String {
    format!("{} of {} move, the least is {}; {} change their owner in place", plan.moved_slots, plan.whole_slots, plan.least_slots, plan.promoted_slots)
}

fn text_of(head: &str, lines: &[Line]) -> String {
    let (most, width) = (most(lines), lines.iter().map(|line| line.name.len()).max().unwrap_or(0));
    let mut out = format!("{head}\n");
    for line in lines.iter().take(NODES_SHOWN) {
        let letters = |load: f64| (load / most * BAR as f64).round() as usize;
        let (load, due) = (letters(f64::from(line.load)), letters(line.due));
        let bar: String = (0..=BAR)
            .map(|at| {
                if at == due {
                    '|'
                } else if at < load {
                    '#'
                } else {
                    ' '
                }
            })
            .collect();
        let _ = write!(out, "{:width$} {bar} {}", line.name, line.load);
        if line.comes + line.goes > 0 {
            let _ = write!(out, "  +{} -{}", line.comes, line.goes);
        }
        out.push('\n');
    }
    if lines.len() > NODES_SHOWN {
        let _ = writeln!(out, "and {} more", lines.len() - NODES_SHOWN);
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn svg_of(head: &str, lines: &[Line]) -> String {
    let most = most(lines);
    let shown = &lines[..lines.len().min(NODES_SHOWN)];
    let names = 8 * shown.iter().map(|line| line.name.len()).max().unwrap_or(0) + 16;
    let (width, height) = (names + WIDTH + 160, LINE * (shown.len() + 3));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"{}\">{}</text>\n",
        LINE,
        escaped(head)
    );
    let long = |load: f64| load / most * WIDTH as f64;
    for (at, line) in shown.iter().enumerate() {
        let y = LINE * (at + 2);
        let (load, comes, goes) = (long(f64::from(line.load)), long(line.comes as f64), long(line.goes as f64));
        let (top, thick) = (y - 11, LINE - 4);
        let _ = writeln!(out, "<text x=\"8\" y=\"{y}\">{}</text>", escaped(&line.name));
        let _ = writeln!(out, "<rect x=\"{names}\" y=\"{top}\" width=\"{:.1}\" height=\"{thick}\" fill=\"#4a78a8\"/>", load - comes);
        if line.comes > 0 {
            let _ = writeln!(out, "<rect x=\"{:.1}\" y=\"{top}\" width=\"{comes:.1}\" height=\"{thick}\" fill=\"#5aa469\"/>", names as f64 + load - comes);
        }
        if line.goes > 0 {
            let x = names as f64 + load;
            let _ = writeln!(out, "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{goes:.1}\" height=\"{thick}\" fill=\"none\" stroke=\"#c0504d\"/>");
        }
        let due = names as f64 + long(line.due);
        let _ = writeln!(out, "<path d=\"M{due:.1} {top}v{thick}\" stroke=\"#222\"/>");
        let told = if line.comes + line.goes > 0 { format!("{}  +{} -{}", line.load, line.comes, line.goes) } else { line.load.to_string() };
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{y}\">{told}</text>", names as f64 + load.max(long(line.due)) + goes + 6.0);
    }
    if lines.len() > NODES_SHOWN {
        let _ = writeln!(out, "<text x=\"8\" y=\"{}\">and {} more</text>", LINE * (shown.len() + 2), lines.len() - NODES_SHOWN);
    }
    out.push_str("</svg>\n");
    out
}

impl SlotMap {
    /// The loads as bars, for a terminal.
    pub fn text(&self) -> String {
        let lines = lines(self);
        text_of(&head(self, &lines), &lines)
    }

    /// The loads as bars, an SVG document.
    pub fn svg(&self) -> String {
        let lines = lines(self);
        svg_of(&head(self, &lines), &lines)
    }

    /// What `plan` moves from this map to `after`, for a terminal: behind each load what comes and what goes.
    pub fn plan_text(&self, after: &Self, plan: &Plan) -> String {
        text_of(&head_of(plan), &moved(self, after, plan))
    }

    /// What `plan` moves from this map to `after`, an SVG document: filled green what comes, outlined red what goes.
    pub fn plan_svg(&self, after: &Self, plan: &Plan) -> String {
        svg_of(&head_of(plan), &moved(self, after, plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::{Placement, SlotNode};

    #[test]
    fn a_join_shows_as_what_comes_and_goes() {
        let map = SlotMap::new().next([SlotNode::new("a"), SlotNode::new("<b>").weight(2)]).unwrap();
        let text = map.text();
        assert!(text.starts_with("2 nodes, 16384 slots x 1, epoch 1, greatest load 1.000 of its share\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
        let after = map.with(b"c", 1).unwrap().without(b"a").unwrap();
        let plan = map.plan(&after).unwrap();
        let text = map.plan_text(&after, &plan);
        assert!(text.lines().any(|line| line.starts_with("c ") && line.ends_with("+5461 -0")), "{text}");
        assert!(text.lines().any(|line| line.starts_with("a ") && line.contains(" 0  +0 -54")), "{text}");
        for svg in [map.svg(), map.plan_svg(&after, &plan), SlotMap::new().svg()] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("<b>"), "{svg}");
        }
        let many: Vec<[u8; 2]> = (0..300u16).map(u16::to_be_bytes).collect();
        let many = SlotMap::new().next(many.iter().map(|name| SlotNode::new(&name[..]))).unwrap();
        assert!(many.text().ends_with("and 100 more\n"));
    }
}
