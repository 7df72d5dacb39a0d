//! The detector against a list of last beats.

use super::*;
use crate::error::ErrorKind;
use crate::limits::TIMEOUT_MS_MAX;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Default, Debug)]
struct Model {
    alive_ms: u64,
    seq: Option<u64>,
    told: Option<EventKind>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_does_what_the_list_says(
        suspect in 1u64..200, more in 0u64..300, steps in vec((0u64..8, 0u64..5, 0u64..150, 0u64..40), 0..150)
    ) {
        let expire = suspect + more;
        let mut detector = FixedTimeout::new(suspect, expire).unwrap();
        let (mut peers, mut now) = (BTreeMap::<u64, Model>::new(), 1000);
        for (what, peer, time, seq) in steps {
            match what {
                0..4 => {
                    now += time / 4;
                    let expected = match peers.get_mut(&peer) {
                        None => {
                            peers.insert(peer, Model { alive_ms: now, seq: Some(seq), told: None });
                            Heard::New
                        }
                        Some(known) if known.told == Some(EventKind::Expire) => Heard::Expired,
                        Some(known) if known.seq >= Some(seq) => Heard::Stale,
                        Some(known) => {
                            let was = known.told.take();
                            // Of a trusted peer no grant is taken back.
                            let alive_ms = if was.is_some() { now } else { known.alive_ms.max(now) };
                            *known = Model { alive_ms, seq: Some(seq), told: None };
                            if was.is_some() { Heard::Restored } else { Heard::Fresh }
                        }
                    };
                    prop_assert_eq!(detector.beat(peer, seq, now), Ok(expected));
                }
                4 => {
                    prop_assert_eq!(detector.watch(peer, now), Ok(!peers.contains_key(&peer)));
                    peers.entry(peer).or_insert(Model { alive_ms: now, ..Model::default() });
                }
                5 => prop_assert_eq!(detector.forget(peer), peers.remove(&peer).is_some()),
                6 => {
                    detector.paused(time);
                    peers.values_mut().for_each(|known| known.alive_ms += time);
                }
                _ => {
                    now += time;
                    let mut expected = Vec::new();
                    for (peer, known) in &mut peers {
                        for (kind, after) in [(EventKind::Suspect, suspect), (EventKind::Expire, expire)] {
                            if known.told < Some(kind) && known.alive_ms + after <= now {
                                expected.push(Event { peer: *peer, kind, at_ms: known.alive_ms + after });
                                known.told = Some(kind);
                            }
                        }
                    }
                    expected.sort_by_key(|event| (event.at_ms, event.peer, event.kind));
                    prop_assert_eq!(detector.poll(now), expected);
                    prop_assert_eq!(detector.poll(now), []);
                    prop_assert!(detector.next_wakeup().is_none_or(|wakeup| wakeup > now));
                }
            }
            let next = |known: &Model| match known.told {
                None => Some(known.alive_ms + suspect),
                Some(EventKind::Suspect) => Some(known.alive_ms + expire),
                Some(EventKind::Expire) => None,
            };
            let earliest = peers.values().filter_map(next).min();
            prop_assert_eq!(detector.next_wakeup().is_some(), earliest.is_some());
            // What is due already may be shown as due now.
            prop_assert!(detector.next_wakeup() <= earliest.map(|at| at.max(now)));
            for (peer, known) in &peers {
                prop_assert_eq!(detector.told(*peer), known.told);
                prop_assert_eq!(detector.is_trusted(*peer), known.told.is_none());
            }
        }
    }
}

#[test]
fn a_pause_of_the_observer_accuses_no_one() {
    let mut detector = FixedTimeout::new(2_000, 5_000).unwrap();
    for peer in 0..1000 {
        detector.beat(peer, 0, 0).unwrap();
    }
    detector.paused(60_000);
    assert_eq!(detector.poll(61_999), []);
    assert_eq!(detector.poll(62_000).len(), 1000);
    assert_eq!(detector.poll(70_000).len(), 1000);
}

#[test]
fn with_one_timeout_one_miss_is_the_end() {
    let mut detector = FixedTimeout::new(1_000, 1_000).unwrap();
    detector.watch(3, 0).unwrap();
    let told = |kind| Event { peer: 3, kind, at_ms: 1_000 };
    assert_eq!(detector.poll(1_000), [told(EventKind::Suspect), told(EventKind::Expire)]);
    assert_eq!(detector.beat(3, 9, 1_001), Ok(Heard::Expired));
    assert!(detector.forget(3));
    assert_eq!(detector.beat(3, 0, 1_002), Ok(Heard::New));
}

#[test]
fn timeouts_have_to_make_sense() {
    for (suspect, expire) in [(0, 5), (6, 5), (1, TIMEOUT_MS_MAX + 1)] {
        assert_eq!(FixedTimeout::new(suspect, expire).unwrap_err().kind(), ErrorKind::BadArguments);
    }
}
