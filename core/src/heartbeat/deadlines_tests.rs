//! The deadlines against a table that keeps every one of them, always up to date.

use super::*;
use crate::error::ErrorKind;
use crate::limits::TIMEOUT_MS_MAX;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Insert(i64, u64),
    Touch(i64),
    TouchSlot(i64),
    SetTimeout(i64, u64),
    Remove(i64),
    ExtendAll,
    /// A pause, and how much of it has passed before it is reported.
    ExtendBy(u64),
    Expire,
    Wait(u64),
    /// Until just when the table asks to be looked at.
    Sleep,
}

fn timeouts() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..10, 1u64..300, 1u64..100_000, 1u64..=TIMEOUT_MS_MAX]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = -3i64..9;
    let step = prop_oneof![
        4 => (id.clone(), timeouts()).prop_map(|(id, timeout)| Step::Insert(id, timeout)),
        4 => id.clone().prop_map(Step::Touch),
        2 => id.clone().prop_map(Step::TouchSlot),
        1 => (id.clone(), timeouts()).prop_map(|(id, timeout)| Step::SetTimeout(id, timeout)),
        1 => id.prop_map(Step::Remove),
        1 => Just(Step::ExtendAll),
        1 => timeouts().prop_map(Step::ExtendBy),
        3 => Just(Step::Expire),
        4 => timeouts().prop_map(Step::Wait),
        4 => Just(Step::Sleep),
    ];
    vec(step, 0..120)
}

/// Timeout and last sign of life.
type Model = BTreeMap<i64, (u64, u64)>;

fn earliest(model: &Model) -> Option<u64> {
    model.values().map(|(timeout, alive)| timeout + alive).min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_does_what_the_plain_table_does(start in prop_oneof![Just(0u64), Just(1_764_000_000_000u64)], steps in steps()) {
        let (mut table, mut model, mut slots) = (Deadlines::new(100), Model::new(), BTreeMap::new());
        let mut now = start;
        for step in steps {
            match step {
                Step::Insert(id, timeout) => {
                    let added = table.insert(id, timeout, now);
                    prop_assert_eq!(added.is_err(), model.contains_key(&id));
                    if let Ok(slot) = added {
                        model.insert(id, (timeout, now));
                        slots.insert(id, slot);
                    }
                }
                Step::Touch(id) => {
                    prop_assert_eq!(table.touch(id, now), model.contains_key(&id));
                    model.entry(id).and_modify(|(_, alive)| *alive = now.max(*alive));
                }
                Step::TouchSlot(id) => {
                    // A slot kept from before the session ended touches no one.
                    if let Some(slot) = slots.get(&id) {
                        prop_assert_eq!(table.touch_slot(*slot, now), model.contains_key(&id));
                        model.entry(id).and_modify(|(_, alive)| *alive = now.max(*alive));
                    }
                }
                Step::SetTimeout(id, timeout) => {
                    prop_assert_eq!(table.set_timeout(id, timeout, now), Ok(model.contains_key(&id)));
                    model.entry(id).and_modify(|entry| *entry = (timeout, now.max(entry.1)));
                }
                Step::Remove(id) => prop_assert_eq!(table.remove(id), model.remove(&id).is_some()),
                Step::ExtendAll => {
                    table.extend_all(now);
                    model.values_mut().for_each(|(_, alive)| *alive = now.max(*alive));
                }
                Step::ExtendBy(pause) => {
                    now += pause;
                    table.extend_by(pause);
                    model.values_mut().for_each(|(_, alive)| *alive += pause);
                }
                Step::Wait(time) => now += time,
                Step::Sleep | Step::Expire => {
                    if let (Step::Sleep, Some(wakeup)) = (step, table.next_wakeup()) {
                        now = now.max(wakeup);
                    }
                    let mut over: Vec<(u64, i64)> = model.iter().map(|(id, (timeout, alive))| (timeout + alive, *id)).collect();
                    over.retain(|(deadline, _)| *deadline <= now);
                    over.sort();
                    model.retain(|id, _| !over.iter().any(|(_, gone)| gone == id));
                    prop_assert_eq!(table.expire_with_deadlines(now), over);
                    prop_assert!(table.next_wakeup().is_none_or(|wakeup| wakeup > now));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.next_wakeup().is_some(), !model.is_empty());
            prop_assert!(table.next_wakeup() <= earliest(&model), "{:?} after {:?}", table.next_wakeup(), earliest(&model));
            for (id, (timeout, alive)) in &model {
                prop_assert_eq!(table.deadline_ms(*id), Some(timeout + alive));
                prop_assert_eq!(table.timeout_ms(*id), Some(*timeout));
            }
        }
    }

    /// Whatever is granted and whatever the clock does, no one is over before its timeout has passed.
    #[test]
    fn nothing_is_early(steps in vec((0u64..5, -2i64..6, 0u64..2000, 0u64..500), 0..200)) {
        let (mut table, mut model, mut latest) = (Deadlines::new(100), Model::new(), 0);
        for (what, id, now, amount) in steps {
            latest = latest.max(now);
            match what {
                0 => {
                    if table.insert(id, amount + 1, now).is_ok() {
                        model.insert(id, (amount + 1, now));
                    }
                }
                1 => {
                    table.touch(id, now);
                    model.entry(id).and_modify(|(_, alive)| *alive = now.max(*alive));
                }
                2 => {
                    table.extend_by(amount);
                    model.values_mut().for_each(|(_, alive)| *alive += amount);
                }
                3 => {
                    table.extend_all(now);
                    model.values_mut().for_each(|(_, alive)| *alive = now.max(*alive));
                }
                _ => {
                    for (deadline, id) in table.expire_with_deadlines(now) {
                        let (timeout, alive) = model.remove(&id).unwrap();
                        prop_assert!(timeout + alive <= deadline && deadline <= latest);
                    }
                }
            }
        }
        // And all are over in the end.
        let wakeups = std::iter::from_fn(|| {
            let wakeup = table.next_wakeup()?;
            Some(table.expire(wakeup).len())
        });
        prop_assert_eq!(wakeups.sum::<usize>(), model.len());
    }
}

#[test]
fn a_newcomer_gains_nothing_from_earlier_grants() {
    let mut table = Deadlines::new(9);
    table.insert(1, 10, 100).unwrap();
    table.extend_all(105);
    table.extend_by(5000);
    table.insert(2, 10, 110).unwrap();
    assert_eq!((table.deadline_ms(1), table.deadline_ms(2)), (Some(5115), Some(120)));
    assert_eq!(table.expire(200), [2]);
}

#[test]
fn a_wakeup_is_few_for_a_session_that_keeps_beating() {
    let mut table = Deadlines::new(1);
    table.insert(7u64, 10_000, 1_764_000_000_000).unwrap();
    let mut looks = 0;
    for beat in 0..3600 {
        let now = 1_764_000_000_000 + beat * 1000;
        while table.next_wakeup().unwrap() <= now {
            assert!(table.expire(now).is_empty());
            looks += 1;
        }
        table.touch(7, now);
    }
    assert!(looks <= 1000, "{looks} looks at 3600 beats");
}

#[test]
fn ends_of_time_do_not_overflow() {
    let mut table = Deadlines::new(9);
    table.insert(1u64, TIMEOUT_MS_MAX, u64::MAX).unwrap();
    table.extend_all(u64::MAX);
    table.extend_by(u64::MAX);
    table.extend_by(u64::MAX);
    table.insert(2, 1, 0).unwrap();
    table.touch(2, u64::MAX);
    assert!(table.deadline_ms(1) > Some(1 << 61));
    let _ = table.expire(u64::MAX);
    let _ = table.next_wakeup();
}

#[test]
fn bounds_are_told() {
    let mut table = Deadlines::new(1);
    let kind = |result: crate::Result<Slot>| result.unwrap_err().kind();
    assert_eq!(kind(table.insert(1, 0, 0)), ErrorKind::BadArguments);
    assert_eq!(kind(table.insert(1, TIMEOUT_MS_MAX + 1, 0)), ErrorKind::BadArguments);
    table.insert(1, 1, 0).unwrap();
    assert_eq!(kind(table.insert(1, 1, 0)), ErrorKind::BadArguments);
    assert_eq!(kind(table.insert(2, 1, 0)), ErrorKind::LimitExceeded);
    assert!(table.set_timeout(1, 0, 0).is_err());
    assert_eq!(table.set_timeout(2, 1, 0), Ok(false));
}

/// Slots are used again, so what was once the most is all the memory there is.
#[test]
fn churn_does_not_grow() {
    let mut table = Deadlines::new(10);
    let mut old = None;
    for id in 0..1000u64 {
        let slot = table.insert(id, 50, id).unwrap();
        assert!(slot.index < 2);
        if id > 0 {
            assert!(table.remove(id - 1));
            assert!(!table.touch_slot(old.unwrap(), id));
        }
        old = Some(slot);
    }
}
