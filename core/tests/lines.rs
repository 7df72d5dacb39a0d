//! What the core says reaches the listener of another language's door. Alone in its process: there
//! is one listener a process.

use folkmoot::limits::{LINE_BYTES_MAX, LINES_MAX};
use folkmoot::lines::{DEBUG, Line, Lines, WARNING};

#[test]
fn lines_reach_the_last_listener_and_no_more_than_fit() {
    let line = |text: &str| Line { level: WARNING, target: "folkmoot::test".into(), text: text.into() };
    let (first, second) = (Lines::unheard(WARNING), Lines::unheard(DEBUG));
    tracing::warn!(target: "folkmoot::test", "to nobody");
    first.listen().expect("no other subscriber here");
    tracing::info!(target: "folkmoot::test", "too light");
    tracing::warn!(target: "other::test", "not ours");
    tracing::warn!(target: "folkmoot::test", file = "a.log", bytes = 7, "cut");
    assert_eq!(first.take(), [line("cut file=a.log bytes=7")]);

    second.listen().expect("ours");
    assert_eq!(first.take(), [], "closed and empty");
    tracing::warn!(target: "folkmoot::test", "{}", "é".repeat(LINE_BYTES_MAX));
    assert_eq!(second.take(), [line(&"é".repeat(LINE_BYTES_MAX / 2))]);

    for _ in 0..LINES_MAX + 3 {
        tracing::error!(target: "folkmoot::test", "again");
    }
    let lines = second.take();
    assert_eq!(lines.len(), LINES_MAX + 1);
    assert_eq!(lines[LINES_MAX].text, format!("3 lines were dropped: {LINES_MAX} were waiting"));

    tracing::warn!(target: "folkmoot::test", "last");
    second.close();
    tracing::warn!(target: "folkmoot::test", "unheard");
    assert_eq!(second.take(), [line("last")]);
    assert_eq!(second.take(), []);
}
