//! Loads of requests that follow one another on a connection, several of them unanswered.

use super::connection::{Connection, Head, expect};
use super::wire::{Read, Reply, XID_NOTIFICATION, op};
use super::{Meter, Operation, Plan, Row, SESSION_TIMEOUT_MS, unstuck};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

/// Children of the znode that `children` lists.
const CHILDREN: usize = 16;
/// Creates and deletes that are on their way at once, before and after what is measured.
const AT_ONCE: usize = 256;
/// Of so many requests of `mixed`, one is a set.
const MIXED_SET_EVERY: u64 = 10;

/// What the reply has to say.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The path of the connection's `n`th create.
    Created(u64),
    Set {
        version: i32,
    },
    /// The data that the `generation`th write put there.
    Data {
        znode: usize,
        generation: u64,
    },
    Length,
    Names,
}

/// One connection and what it knows of its znodes.
struct Lane {
    connection: Connection,
    operation: Operation,
    base: String,
    paths: Vec<String>,
    generations: Vec<u64>,
    filler: Rc<[u8]>,
    scratch: Vec<u8>,
    made: u64,
    turn: u64,
    due: VecDeque<(i32, Instant, Expected)>,
}

/// What a znode holds: its generation and number in the first bytes, then filler.
fn value<'a>(scratch: &'a mut Vec<u8>, filler: &[u8], znode: usize, generation: u64) -> &'a [u8] {
    scratch.clear();
    scratch.extend_from_slice(filler);
    let stamp = generation << 20 | znode as u64;
    for (byte, stamp) in scratch.iter_mut().zip(stamp.to_be_bytes().iter().rev()) {
        *byte = *stamp;
    }
    scratch
}

impl Lane {
    async fn open(plan: &Plan, number: usize, filler: Rc<[u8]>) -> Read<Lane> {
        let mut connection = Connection::open(plan.server(number), SESSION_TIMEOUT_MS).await?;
        let base = format!("{}/{number}", plan.root);
        connection.call(|out, xid| out.create(xid, &base, b""), path_is(&base)).await?;
        let znodes = match plan.operation {
            Operation::Create => 0,
            Operation::Children => CHILDREN,
            _ => plan.znodes,
        };
        let mut lane = Lane {
            connection,
            operation: plan.operation,
            paths: (0..znodes).map(|znode| format!("{base}/z{znode}")).collect(),
            base,
            generations: vec![0; znodes],
            filler,
            scratch: Vec::new(),
            made: 0,
            turn: 0,
            due: VecDeque::new(),
        };
        for from in (0..znodes).step_by(AT_ONCE) {
            let (some, first) = (from..znodes.min(from + AT_ONCE), lane.connection.xid + 1);
            for znode in some.clone() {
                let xid = lane.connection.next_xid();
                lane.connection.out.create(xid, &lane.paths[znode], value(&mut lane.scratch, &lane.filler, znode, 0));
            }
            for (xid, znode) in (first..).zip(some) {
                let path = &lane.paths[znode];
                let read = |head: Head, reply: Reply<'_>| expect(head, xid).and_then(|()| path_is(path)(reply));
                unstuck(lane.connection.receive(read)).await?;
            }
        }
        Ok(lane)
    }

    /// Puts the next request behind those to be sent.
    fn ask(&mut self, now: Instant) {
        let xid = self.connection.next_xid();
        let znode = (self.turn % self.paths.len().max(1) as u64) as usize;
        let out = &mut self.connection.out;
        let write = match self.operation {
            Operation::Set => true,
            Operation::Mixed => self.turn.is_multiple_of(MIXED_SET_EVERY),
            _ => false,
        };
        self.turn += 1;
        let path = self.paths.get(znode).map_or("", String::as_str);
        let expected = match self.operation {
            Operation::Create => {
                let path = format!("{}/n{}", self.base, self.made);
                out.create(xid, &path, value(&mut self.scratch, &self.filler, 0, self.made));
                self.made += 1;
                Expected::Created(self.made - 1)
            }
            _ if write => {
                self.generations[znode] += 1;
                out.set(xid, path, value(&mut self.scratch, &self.filler, znode, self.generations[znode]));
                // A znode's version counts its writes.
                Expected::Set { version: i32::try_from(self.generations[znode]).unwrap_or(i32::MAX) }
            }
            Operation::Exists => {
                out.read(xid, op::EXISTS, path, false);
                Expected::Length
            }
            Operation::Children => {
                out.read(xid, op::GET_CHILDREN2, &self.base, false);
                Expected::Names
            }
            _ => {
                out.read(xid, op::GET_DATA, path, false);
                Expected::Data { znode, generation: self.generations[znode] }
            }
        };
        self.due.push_back((xid, now, expected));
    }

    /// Looks at every reply that is here; gives how many there were.
    fn answer(&mut self, mut count: impl FnMut(Instant)) -> Read<usize> {
        let mut answered = 0;
        while let Some((head, mut reply)) = self.connection.ready()? {
            if head.xid == XID_NOTIFICATION {
                return Err("an event came, and no watch was set".into());
            }
            let Some((xid, begun, expected)) = self.due.pop_front() else { return Err(format!("a reply to {} came, and none was due", head.xid)) };
            expect(head, xid)?;
            match expected {
                Expected::Created(number) => {
                    let path = reply.bytes()?;
                    let right = path.strip_prefix(self.base.as_bytes()).and_then(|path| path.strip_prefix(b"/n"));
                    if right.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok()) != Some(number) {
                        return Err(format!("a create of {}/n{number} was answered with {}", self.base, String::from_utf8_lossy(path)));
                    }
                }
                Expected::Set { version } => {
                    let stat = reply.stat()?;
                    if stat.version != version || stat.data_length as usize != self.filler.len() {
                        return Err(format!("a set was answered with {stat:?}; version {version} was due, and {} bytes", self.filler.len()));
                    }
                }
                Expected::Data { znode, generation } => {
                    let data = reply.bytes()?;
                    if data != value(&mut self.scratch, &self.filler, znode, generation) {
                        return Err(format!("{} holds other data than write {generation} put there", self.paths[znode]));
                    }
                    let stat = reply.stat()?;
                    if u64::try_from(stat.version) != Ok(generation) {
                        return Err(format!("{} is at version {}; {generation} was due", self.paths[znode], stat.version));
                    }
                }
                Expected::Length => {
                    let stat = reply.stat()?;
                    if stat.data_length as usize != self.filler.len() {
                        return Err(format!("exists was answered with {stat:?}; {} bytes were due", self.filler.len()));
                    }
                }
                Expected::Names => {
                    let names = reply.int()?;
                    let mut seen = 0u32;
                    for _ in 0..names {
                        let name = reply.bytes()?;
                        let number = name.strip_prefix(b"z").and_then(|number| std::str::from_utf8(number).ok()?.parse::<u32>().ok());
                        let bit = number.and_then(|number| 1u32.checked_shl(number)).ok_or("children lists a name that is none of ours")?;
                        seen |= bit;
                    }
                    let stat = reply.stat()?;
                    if names as usize != CHILDREN || seen != (1 << CHILDREN) - 1 || stat.children != names {
                        return Err(format!("children lists {names} names and {stat:?}; {CHILDREN} were due"));
                    }
                }
            }
            reply.end()?;
            answered += 1;
            count(begun);
        }
        Ok(answered)
    }

    /// Keeps `in_flight` requests unanswered until the time is up, then waits for the last replies.
    async fn load(&mut self, in_flight: usize, meter: &RefCell<Meter>) -> Read<()> {
        let now = Instant::now();
        (0..in_flight).for_each(|_| self.ask(now));
        while !self.due.is_empty() {
            unstuck(self.connection.more()).await?;
            let now = Instant::now();
            let mut meter = meter.borrow_mut();
            let goes_on = meter.goes_on(now)?;
            let answered = self.answer(|begun| meter.count(begun, now))?;
            if goes_on {
                (0..answered).for_each(|_| self.ask(now));
            }
        }
        Ok(())
    }

    /// Removes what was made and ends the session.
    async fn remove(mut self) -> Read<()> {
        let made: Vec<String> = match self.operation {
            Operation::Create => (0..self.made).map(|number| format!("{}/n{number}", self.base)).collect(),
            _ => std::mem::take(&mut self.paths),
        };
        for some in made.chunks(AT_ONCE) {
            let first = self.connection.xid + 1;
            for path in some {
                let xid = self.connection.next_xid();
                self.connection.out.delete(xid, path);
            }
            for (xid, _) in (first..).zip(some) {
                unstuck(self.connection.receive(|head, _| expect(head, xid))).await?;
            }
        }
        let base = self.base;
        self.connection.call(|out, xid| out.delete(xid, &base), |reply| reply.end()).await?;
        self.connection.close().await
    }
}

fn path_is(path: &str) -> impl FnOnce(Reply<'_>) -> Read<()> {
    move |mut reply| {
        let found = reply.bytes()?;
        if found == path.as_bytes() { reply.end() } else { Err(format!("a create of {path} was answered with {}", String::from_utf8_lossy(found))) }
    }
}

/// Runs what `plan` says: every connection at once.
pub(super) async fn load(plan: &Plan) -> Read<Row> {
    let filler: Rc<[u8]> = (0..plan.data_bytes).map(|at| (at * 131 + 7) as u8).collect();
    let mut first = Connection::open(plan.server(0), SESSION_TIMEOUT_MS).await?;
    first.call(|out, xid| out.create(xid, &plan.root, b""), path_is(&plan.root)).await?;
    // Nothing would keep its session alive meanwhile.
    first.close().await?;
    let mut lanes = Vec::new();
    for number in 0..plan.connections {
        lanes.push(unstuck(Lane::open(plan, number, filler.clone())).await?);
    }
    let meter = Rc::new(RefCell::new(Meter::new(plan)));
    let mut tasks = Vec::new();
    for mut lane in lanes {
        let (meter, in_flight) = (meter.clone(), plan.in_flight);
        tasks.push(tokio::task::spawn_local(async move {
            lane.load(in_flight, &meter).await?;
            Ok::<_, String>(lane)
        }));
    }
    let mut lanes = Vec::new();
    for task in tasks {
        lanes.push(task.await.map_err(|e| e.to_string())??);
    }
    for lane in lanes {
        lane.remove().await?;
    }
    let mut last = Connection::open(plan.server(0), SESSION_TIMEOUT_MS).await?;
    last.call(|out, xid| out.delete(xid, &plan.root), |reply| reply.end()).await?;
    last.close().await?;
    let meter = Rc::into_inner(meter).ok_or("a connection is still at it")?.into_inner();
    meter.row(plan, Vec::new())
}
