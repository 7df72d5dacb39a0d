//! What goes wrong, by the seed.

use crate::world::{Event, World};

pub fn fault(world: &mut World) {
    if !world.faulty {
        return;
    }
    let ids = world.ids();
    let pick = |world: &mut World| ids[world.chance.below(ids.len() as u64) as usize];
    match world.chance.below(100) {
        0..=17 => {
            let id = pick(world);
            world.down(id);
        }
        18..=24 => {
            // The one who leads.
            let leader = world.members.values().find(|member| member.running.as_ref().is_some_and(|running| running.node.leads())).map(|member| member.id);
            if let Some(id) = leader {
                world.down(id);
            }
        }
        25..=39 => {
            let (from, to) = (pick(world), pick(world));
            if from != to {
                world.counts.one_way_cuts += 1;
                let told = world.chance.per_mille(300);
                world.cut(from, to, told);
                let after = world.chance.between(50, 2_000);
                world.at(after, Event::Heal(from, to));
            }
        }
        40..=54 => partition(world),
        55..=66 => {
            let (one, other) = (pick(world), pick(world));
            if one != other {
                world.counts.resets += 1;
                let overlaps = world.chance.per_mille(400);
                world.counts.overlaps += u64::from(overlaps);
                world.reset(one, other, overlaps);
            }
        }
        67..=74 => {
            let id = pick(world);
            world.counts.pauses += 1;
            let until = world.now + world.chance.between(20, 1_800);
            world.members.get_mut(&id).unwrap().paused_until = until;
        }
        75..=80 => {
            let id = pick(world);
            world.counts.slow_disks += 1;
            let until = world.now + world.chance.between(200, 2_500);
            world.members.get_mut(&id).unwrap().slow_until = until;
        }
        81..=86 => {
            let id = pick(world);
            world.counts.full_disks += 1;
            let room = world.chance.below(4_000);
            world.members[&id].disk.full_after(Some(room));
            let after = world.chance.between(50, 2_500);
            world.at(after, Event::Room(id));
        }
        87..=91 => {
            let id = pick(world);
            world.counts.failed_syncs += 1;
            world.members[&id].disk.fail_sync(0);
        }
        92..=95 => {
            let to = pick(world);
            let leader = world
                .members
                .values_mut()
                .find_map(|member| member.running.as_mut().filter(|running| running.node.leads()).map(|running| (member.id, running)));
            if let Some((id, running)) = leader
                && running.node.transfer(to).is_ok()
            {
                world.counts.transfers += 1;
                world.pump(id);
            }
        }
        96 => {
            world.counts.blackouts += 1;
            for id in ids {
                world.down(id);
            }
        }
        _ => {}
    }
    let after = world.chance.between(60, 500);
    world.at(after, Event::Fault);
}

fn partition(world: &mut World) {
    world.counts.partitions += 1;
    let mask = world.chance.next();
    let after = world.chance.between(100, 2_500);
    let told = world.chance.per_mille(300);
    let ids = world.ids();
    for from in &ids {
        for to in &ids {
            if (mask >> from & 1) != (mask >> to & 1) {
                world.cut(*from, *to, told);
                world.at(after, Event::Heal(*from, *to));
            }
        }
    }
}

/// Somebody has just been elected: the time when it matters what voters have on their disks.
pub fn about_an_election(world: &mut World, leader: u8) {
    if !world.chance.per_mille(300) {
        return;
    }
    let ids = world.ids();
    let voter = ids[world.chance.below(ids.len() as u64) as usize];
    if voter == leader {
        return;
    }
    // It forgets what it can, and the leader cannot remind it.
    for (from, to) in ids.iter().map(|id| (leader, *id)).flat_map(|(from, to)| [(from, to), (to, from)]) {
        if from != to {
            world.cut(from, to, false);
            let after = world.chance.between(600, 1_500);
            world.at(after, Event::Heal(from, to));
        }
    }
    world.crash(voter);
    let wait = world.chance.between(1, 30);
    world.at(wait, Event::Restart(voter));
}
