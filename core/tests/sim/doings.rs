//! What clients do, and what they hear.

use crate::clients::State;
use crate::member::{Asked, Bug, Flight, Op, enrolled};
use crate::world::{Event, World};
use folkmoot::machine::{Applied, Entry, Write};
use folkmoot::request::{CreateMode, Identity, Request};
use folkmoot::roster::Reconfig;

/// A client's next move.
pub fn client(world: &mut World, number: usize) {
    let pause = world.chance.between(5, 40);
    world.at(pause, Event::Client(number));
    let (now, quiet) = (world.now, world.quiet);
    let client = &world.clients[number];
    let (id, life, state) = (client.member, client.member_life, client.state);
    let is_there = id != 0 && world.alive(id, life).is_some();
    match state {
        State::Gone if !quiet => open(world, number),
        State::Gone => {}
        State::Opening | State::Moving => {
            // Nobody waits for ever.
            if !is_there || now > world.clients[number].since + 4_000 {
                world.clients[number].end();
            }
        }
        State::Silent => {
            if now > world.clients[number].since + 6_000 {
                world.clients[number].end();
            }
        }
        State::Live => {
            if !is_there {
                if world.clients[number].wire {
                    move_on(world, number)
                } else {
                    world.clients[number].end()
                }
                return;
            }
            touch(world, number);
            if !quiet {
                act(world, number);
            }
        }
    }
}

fn somewhere(world: &mut World) -> Option<(u8, u64)> {
    let up: Vec<_> = world.members.values().filter(|member| member.running.is_some()).map(|member| (member.id, member.life)).collect();
    if up.is_empty() {
        return None;
    }
    let at = world.chance.below(up.len() as u64) as usize;
    Some(up[at])
}

fn open(world: &mut World, number: usize) {
    let Some((id, life)) = somewhere(world) else { return };
    let session = world.session_id(id);
    let timeout_ms = world.chance.between(800, 2_500) as u32;
    let window = [1, 1, 4, 16][world.chance.below(4) as usize];
    let now = world.now;
    let client = &mut world.clients[number];
    client.end();
    client.state = State::Opening;
    (client.member, client.member_life, client.session, client.timeout_ms) = (id, life, session, timeout_ms);
    (client.attachment, client.number, client.answered, client.window) = (0, 1, 0, window);
    (client.value, client.value_acknowledged, client.since, client.touched) = (0, 0, now, now);
    let in_process = !client.wire;
    world.submit(number, Entry::Open { session, timeout_ms, in_process, time_ms: 0 }, Op::Open);
}

/// Its member is gone or seems to be: it goes to another.
fn move_on(world: &mut World, number: usize) {
    let Some((id, life)) = somewhere(world) else { return };
    let attachment = world.next_attachment();
    let now = world.now;
    let client = &mut world.clients[number];
    client.life += 1;
    client.state = State::Moving;
    client.flight.clear();
    (client.member, client.member_life, client.attachment) = (id, life, attachment);
    (client.number, client.answered, client.since) = (1, 0, now);
    let (session, timeout_ms) = (client.session, client.timeout_ms);
    world.submit(number, Entry::Move { session, attachment, timeout_ms, time_ms: 0 }, Op::Move);
}

fn touch(world: &mut World, number: usize) {
    let now = world.now;
    let client = &mut world.clients[number];
    if now < client.touched + u64::from(client.timeout_ms) / 5 {
        return;
    }
    client.touched = now;
    let (id, life, session) = (client.member, client.member_life, client.session);
    if let Some(running) = world.alive(id, life) {
        running.node.touch(session);
    }
}

fn act(world: &mut World, number: usize) {
    let has_room = (world.clients[number].flight.len() as u64) < world.clients[number].window;
    let idle = world.clients[number].flight.is_empty();
    match world.chance.below(100) {
        0..=54 if has_room => {
            for _ in 0..world.chance.between(1, 3) {
                if (world.clients[number].flight.len() as u64) < world.clients[number].window {
                    write(world, number);
                }
            }
        }
        55..=69 if idle => read(world, number),
        70..=89 => barrier(world, number),
        90..=91 => {
            let client = &mut world.clients[number];
            client.state = State::Silent;
            client.since = world.now;
        }
        92..=93 if world.clients[number].wire => move_on(world, number),
        94 => {
            let client = &mut world.clients[number];
            client.state = State::Opening;
            client.since = world.now;
            let session = client.session;
            world.submit(number, Entry::Close { session, expired: false, time_ms: 0 }, Op::Close);
        }
        _ => {}
    }
}

fn write(world: &mut World, number: usize) {
    let floor = world.invariants.linear.begins();
    let value = world.next_value();
    let kind = world.chance.below(10);
    let shared = world.chance.below(4);
    let changes = world.faulty && world.chance.per_mille(10);
    let change = if changes { reconfigure(world) } else { None };
    let client = &mut world.clients[number];
    let (session, attachment, own) = (client.session, client.attachment, format!("/c{:x}", client.session.0));
    let is_first = client.value == 0 && client.flight.is_empty();
    let mut own_value = None;
    let request = if is_first || kind < 4 {
        client.value = value;
        own_value = Some(value);
        // What comes after a move may find it there.
        if is_first {
            world.create(own, value, CreateMode::Ephemeral)
        } else {
            Request::Set { path: own, data: Some(value.to_le_bytes().as_slice().into()), version: -1 }
        }
    } else if let Some(change) = &change {
        change.clone()
    } else {
        match kind {
            4..=5 => world.create(format!("/e{:x}-{value}", session.0), value, CreateMode::Ephemeral),
            6 => world.create("/q-".to_owned(), value, CreateMode::EphemeralSequential),
            7 => world.create(format!("/k{shared}"), value, CreateMode::Persistent),
            _ => Request::Set { path: format!("/k{shared}"), data: Some(value.to_le_bytes().as_slice().into()), version: -1 },
        }
    };
    let client = &mut world.clients[number];
    let write_number = client.number;
    client.number += 1;
    client.flight.push_back(write_number);
    let answered = client.answered;
    let identities = if change.is_some() { [Identity::new("super", "")].into() } else { [].into() };
    let entry = Entry::Write(Box::new(Write { session, attachment, number: write_number, answered, time_ms: 0, identities, request }));
    world.submit(number, entry, Op::Write { number: write_number, floor, value: own_value });
}

/// Somebody joins, or leaves, or takes another's place.
fn reconfigure(world: &mut World) -> Option<Request> {
    let roster = world.reference.roster();
    let (version, ids) = (roster.version().0, roster.members().map(|(id, _)| id).collect::<Vec<_>>());
    let mut change = Reconfig { from: version, ..Reconfig::default() };
    let what = world.chance.below(3);
    if what != 0 && ids.len() > if what == 1 { 2 } else { 1 } {
        change.leaving.push(ids[world.chance.below(ids.len() as u64) as usize]);
    }
    if what != 1 && !ids.is_empty() && ids.len() < 6 && world.members.len() < 15 {
        let id = world.newcomer();
        change.joining.push((id, enrolled(id)));
    }
    (!ids.is_empty()).then(|| Request::Reconfig(Box::new(change)))
}

/// A local read: no more than its own writes, and nothing older than what it has seen.
fn read(world: &mut World, number: usize) {
    let client = &world.clients[number];
    let (id, life, session, least) = (client.member, client.member_life, client.session, client.value_acknowledged);
    let path = format!("/c{:x}", session.0);
    let Some(running) = world.alive(id, life) else { return };
    let (zxid, value) = (running.machine.zxid().0, World::value_of(&running.machine, &path));
    let is_open = running.machine.session(session).is_some();
    world.counts.reads += 1;
    if let Err(what) = world.invariants.order.sees(session, zxid) {
        world.breaks(what);
    }
    if is_open && least > 0 && value.is_none_or(|value| value < least) {
        world.breaks(format!("session {session} wrote {least} and read {value:?}"));
    }
}

fn barrier(world: &mut World, number: usize) {
    let floor = world.invariants.linear.begins();
    let client = &world.clients[number];
    let asked = Asked { client: number, life: client.life, floor };
    let (id, life, bug) = (client.member, client.member_life, world.bug);
    let Some(running) = world.alive(id, life) else { return };
    if bug == Some(Bug::StaleRead) && running.node.leads() {
        let zxid = running.machine.zxid().0;
        return world.barrier_read(&asked, zxid);
    }
    let own = running.node.barrier();
    running.barriers.insert(own, asked);
    world.pump(id);
}

/// An entry that was submitted for a client has been applied where it was submitted.
pub fn answered(world: &mut World, index: u64, flight: Flight, applied: Applied) {
    let client = &mut world.clients[flight.client];
    let is_its = client.life == flight.life;
    match flight.op {
        Op::Write { number, floor, value } => {
            if !is_its {
                return;
            }
            let key = (flight.session, flight.attachment, number);
            match world.invariants.once.answered(key, &applied.outcome) {
                Err(what) => world.breaks(what),
                Ok(None) => {
                    // Over, or attached elsewhere.
                    client.end();
                }
                Ok(Some(zxid)) => {
                    if client.flight.pop_front() != Some(number) {
                        return world.breaks(format!("write {key:?} is answered out of its order"));
                    }
                    client.answered = number;
                    if let Some(value) = value.filter(|_| applied.outcome.is_ok()) {
                        client.value_acknowledged = client.value_acknowledged.max(value);
                    }
                    world.counts.writes += 1;
                    world.invariants.acknowledged.write(key, index);
                    for check in [world.invariants.linear.write_ends(floor, zxid), world.invariants.order.sees(flight.session, applied.zxid.0)] {
                        if let Err(what) = check {
                            world.breaks(what);
                        }
                    }
                }
            }
        }
        _ if !is_its => {}
        Op::Open | Op::Move => {
            let moved = matches!(flight.op, Op::Move);
            match applied.outcome {
                Ok(_) => {
                    client.state = State::Live;
                    world.counts.moved += u64::from(moved);
                    if let Err(what) = world.invariants.order.sees(flight.session, applied.zxid.0) {
                        world.breaks(what);
                    }
                }
                Err(error) if moved && World::is_over(error.kind()) => client.end(),
                Err(error) => world.breaks(format!("session {} does not open: {error}", flight.session)),
            }
        }
        Op::Close => client.end(),
    }
}
