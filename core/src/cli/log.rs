//! Warnings and errors of a server, a line each on standard error.
//!
//! The library tells them to whoever subscribes to `tracing`; the program is who does.

use crate::lines;
use std::io::Write as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Shows what is told from here on, unless a host of ours (Python, say) subscribes already.
pub(super) fn show() {
    let _ = tracing::subscriber::set_global_default(Lines);
}

struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        // In one piece, for other threads write too; a standard error nobody reads is no reason to stop.
        let _ = std::io::stderr().write_all(line(event).as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(event: &Event<'_>) -> String {
    let level = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
    format!("{level}: {}\n", lines::text(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            Lines.enabled(metadata)
        }
        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            Lines.new_span(attributes)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(line(event));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn one_line_of_what_matters() {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        tracing::subscriber::with_default(Kept(kept.clone()), || {
            tracing::warn!(file = "a\nb", count = 2, "it {}", "rains");
            tracing::error!("worse");
            tracing::info!("nothing");
        });
        assert_eq!(*kept.lock().unwrap(), ["warning: it rains file=a b count=2\n", "error: worse\n"]);
    }
}
