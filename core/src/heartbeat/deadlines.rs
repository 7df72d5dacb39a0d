//! Which sessions are over.
//!
//! A session's deadline is its last sign of life plus its timeout. Signs of life are frequent and ends
//! are rare, so a touch only stores a time; the wheel keeps a lower bound and finds out about the
//! touch when that bound is reached, once per timeout or so. Every operation but `remove` can only
//! move a deadline back, hence a lower bound stays one.
//!
//! Extending all is O(1) for the same reason: `offset` is added to every deadline, `floor` counts as a
//! sign of life of everyone who was there. Signs of life are kept less the offset of their time, so
//! that they do not gain from pauses that were over by then.
//!
//! Not here: the clock, and closing what is over.

use super::id_hash::IdMap;
use super::wheel::{NONE, Wheel};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::TIMEOUT_MS_MAX;
use std::fmt::Debug;
use std::hash::Hash;

/// Times and pauses are taken as no more than this, so that no sum overflows: 73 million years.
const TIME_MS_MAX: u64 = 1 << 61;

/// Where a session is kept, for [`Deadlines::touch_slot`]. Of no use once the session is removed:
/// its successor has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The position in the table, below the most sessions there ever were at once.
    pub index: u32,
    /// Which user of that position.
    pub generation: u32,
}

#[derive(Clone, Debug)]
struct Entry<Id> {
    /// `None` when free.
    id: Option<Id>,
    generation: u32,
    /// The next free slot, when this one is.
    next_free: u32,
    timeout_ms: u64,
    /// The last sign of life less the offset of then; may be below 0.
    touched_ms: i64,
    /// How many floors had been set when it came: later ones are for it.
    floors: u32,
}

/// The deadlines of up to `limit` sessions, by id.
#[derive(Clone, Debug)]
pub struct Deadlines<Id> {
    slots: IdMap<Id, u32>,
    entries: Vec<Entry<Id>>,
    free: u32,
    limit: usize,
    wheel: Wheel,
    /// All that [`Deadlines::extend_by`] granted.
    offset_ms: i64,
    /// A sign of life of everyone who was there, kept like `touched_ms`.
    floor_ms: i64,
    /// How often it was set.
    floors: u32,
    /// The slots being looked at; kept for its memory.
    started: Vec<u32>,
}

impl<Id: Copy + Ord + Hash + Debug> Deadlines<Id> {
    /// An empty table for at most `limit` sessions (and at most 2^32 - 2).
    pub fn new(limit: usize) -> Self {
        Self {
            slots: IdMap::default(),
            entries: Vec::new(),
            free: NONE,
            limit: limit.min(NONE as usize - 1),
            wheel: Wheel::new(),
            offset_ms: 0,
            floor_ms: i64::MIN / 2,
            floors: 0,
            started: Vec::new(),
        }
    }

    /// Adds a session that is over `timeout_ms` milliseconds after its last sign of life, the first being now.
    ///
    /// # Errors
    /// `BadArguments` when `id` is there already or the timeout is 0 or above [`TIMEOUT_MS_MAX`];
    /// `LimitExceeded` when `limit` sessions are there.
    pub fn insert(&mut self, id: Id, timeout_ms: u64, now_ms: u64) -> Result<Slot> {
        check_timeout(timeout_ms)?;
        if self.slots.contains_key(&id) {
            return Err(Error::new(ErrorKind::BadArguments, format!("id {id:?} has a deadline already")));
        }
        if self.slots.len() >= self.limit {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("{} deadlines, the limit given is {}", self.slots.len(), self.limit)));
        }
        Ok(self.place(id, timeout_ms, now_ms))
    }

    /// [`Deadlines::insert`] once everything is checked.
    pub(super) fn place(&mut self, id: Id, timeout_ms: u64, now_ms: u64) -> Slot {
        if self.slots.is_empty() {
            // Or the first wakeup would be counted from the origin of time. No one is left whom the past concerns.
            (self.offset_ms, self.floor_ms, self.floors) = (0, i64::MIN / 2, 0);
            self.wheel.advance(time(now_ms) as u64);
        }
        let reused = self.entries.get(self.free as usize).map(|entry| (self.free, entry.generation, entry.next_free));
        let (index, generation, next_free) = reused.unwrap_or((self.entries.len() as u32, 0, NONE));
        self.free = next_free;
        let touched_ms = time(now_ms) - self.offset_ms;
        let entry = Entry { id: Some(id), generation, next_free: NONE, timeout_ms, touched_ms, floors: self.floors };
        match self.entries.get_mut(index as usize) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        self.slots.insert(id, index);
        self.wheel.put(index, self.deadline_of(index));
        Slot { index, generation }
    }

    /// Notes a sign of life at `now_ms`; false when there is no such session (any more).
    pub fn touch(&mut self, id: Id, now_ms: u64) -> bool {
        let Some(index) = self.slots.get(&id) else { return false };
        let entry = &mut self.entries[*index as usize];
        entry.touched_ms = entry.touched_ms.max(time(now_ms) - self.offset_ms);
        true
    }

    /// [`Deadlines::touch`] without looking the id up: one store.
    #[inline]
    pub fn touch_slot(&mut self, slot: Slot, now_ms: u64) -> bool {
        match self.entries.get_mut(slot.index as usize) {
            Some(entry) if entry.generation == slot.generation && entry.id.is_some() => {
                entry.touched_ms = entry.touched_ms.max(time(now_ms) - self.offset_ms);
                true
            }
            _ => false,
        }
    }

    /// Gives a session another timeout and notes a sign of life, as when it is attached again;
    /// false when there is no such session. The deadline may come closer.
    ///
    /// # Errors
    /// `BadArguments` when the timeout is 0 or above [`TIMEOUT_MS_MAX`].
    pub fn set_timeout(&mut self, id: Id, timeout_ms: u64, now_ms: u64) -> Result<bool> {
        check_timeout(timeout_ms)?;
        let Some(index) = self.slots.get(&id).copied() else { return Ok(false) };
        self.touch(id, now_ms);
        self.entries[index as usize].timeout_ms = timeout_ms;
        self.wheel.take(index);
        self.wheel.put(index, self.deadline_of(index));
        Ok(true)
    }

    /// Forgets a session; false when there is none.
    pub fn remove(&mut self, id: Id) -> bool {
        let Some(index) = self.slots.remove(&id) else { return false };
        self.wheel.take(index);
        self.free(index);
        true
    }

    /// Removes the sessions whose deadline is at or before `now_ms` and returns them in the order
    /// of their deadlines, of equals the lower id first. Never early.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Id> {
        self.expire_with_deadlines(now_ms).into_iter().map(|(_, id)| id).collect()
    }

    /// [`Deadlines::expire`] with the deadline of each, in milliseconds.
    pub fn expire_with_deadlines(&mut self, now_ms: u64) -> Vec<(u64, Id)> {
        let now_ms = (time(now_ms) as u64).max(self.wheel.elapsed());
        let mut started = std::mem::take(&mut self.started);
        self.wheel.take_started(now_ms, &mut started);
        self.wheel.advance(now_ms);
        let mut over = Vec::new();
        for index in started.drain(..) {
            let deadline_ms = self.deadline_of(index);
            if deadline_ms > now_ms {
                self.wheel.put(index, deadline_ms);
            } else if let Some(id) = self.entries[index as usize].id {
                self.slots.remove(&id);
                self.free(index);
                over.push((deadline_ms, id));
            }
        }
        self.started = started;
        over.sort_unstable();
        over
    }

    /// When to call [`Deadlines::expire`] next: never later than the earliest deadline, often sooner,
    /// because touches are only looked at then. After `expire(t)` it is later than t. `None`
    /// when there is no session.
    pub fn next_wakeup(&self) -> Option<u64> {
        self.wheel.next()
    }

    /// Grants every session its full timeout from `now_ms` on, in O(1): for a new leader, who has
    /// not heard what the old one heard.
    pub fn extend_all(&mut self, now_ms: u64) {
        self.floor_ms = self.floor_ms.max(time(now_ms) - self.offset_ms);
        self.floors = self.floors.wrapping_add(1);
    }

    /// Moves every deadline back by `pause_ms` milliseconds, in O(1): for an observer that has itself slept
    /// so long. Sessions that come later do not gain by it; only one that comes between two
    /// `extend_all` may, by as much as the pauses between the two exceed the time between them.
    pub fn extend_by(&mut self, pause_ms: u64) {
        self.offset_ms = self.offset_ms.saturating_add(time(pause_ms)).min(TIME_MS_MAX as i64);
    }

    /// When the session will be over, in milliseconds; `None` when there is none.
    pub fn deadline_ms(&self, id: Id) -> Option<u64> {
        self.slots.get(&id).map(|index| self.deadline_of(*index))
    }

    /// The session's timeout in milliseconds; `None` when there is none.
    pub fn timeout_ms(&self, id: Id) -> Option<u64> {
        self.slots.get(&id).map(|index| self.entries[*index as usize].timeout_ms)
    }

    /// Where the session is kept; `None` when there is none.
    pub fn slot(&self, id: Id) -> Option<Slot> {
        self.slots.get(&id).map(|index| Slot { index: *index, generation: self.entries[*index as usize].generation })
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn deadline_of(&self, index: u32) -> u64 {
        let entry = &self.entries[index as usize];
        let alive_ms = if entry.floors == self.floors { entry.touched_ms } else { entry.touched_ms.max(self.floor_ms) };
        let deadline_ms = alive_ms + entry.timeout_ms as i64 + self.offset_ms;
        u64::try_from(deadline_ms).unwrap_or(0)
    }

    fn free(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.id = None;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next_free = self.free;
        self.free = index;
    }
}

/// A time or pause within what is counted with.
#[inline]
fn time(ms: u64) -> i64 {
    ms.min(TIME_MS_MAX) as i64
}

fn check_timeout(timeout_ms: u64) -> Result<()> {
    if timeout_ms == 0 || timeout_ms > TIMEOUT_MS_MAX {
        return Err(Error::new(ErrorKind::BadArguments, format!("timeout is {timeout_ms} ms, not in 1..={TIMEOUT_MS_MAX}")));
    }
    Ok(())
}
