//! Loads of sessions: many that come and go, many that watch, many that do nothing.

use super::connection::{Connection, Head, expect};
use super::histogram::Histogram;
use super::processes::usage;
use super::wire::{Frames, Read, Reply, XID_NOTIFICATION, op};
use super::{Meter, Plan, Row, SESSION_TIMEOUT_MS, unstuck};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Connections that are being opened, or closed, at once.
const OPENING: usize = 64;
/// Events: a znode's data has changed, and the client is connected.
const DATA_CHANGED: i32 = 3;
const SYNC_CONNECTED: i32 = 3;

/// Sessions that are opened, pinged once and closed, `conns` of them at any moment. An operation is the
/// opening: from connect() to the session's number.
pub(super) async fn connect_storm(plan: &Plan) -> Read<Row> {
    let meter = Rc::new(RefCell::new(Meter::new(plan)));
    let mut tasks = Vec::new();
    for number in 0..plan.connections {
        let (meter, server) = (meter.clone(), plan.server(number).to_owned());
        tasks.push(tokio::task::spawn_local(async move {
            loop {
                let begun = Instant::now();
                let mut connection = unstuck(Connection::open(&server, SESSION_TIMEOUT_MS)).await?;
                let opened = Instant::now();
                unstuck(connection.ping()).await?;
                unstuck(connection.close()).await?;
                let mut meter = meter.borrow_mut();
                let goes_on = meter.goes_on(Instant::now())?;
                meter.count(begun, opened);
                if !goes_on {
                    return Ok::<_, String>(());
                }
            }
        }));
    }
    for task in tasks {
        task.await.map_err(|e| e.to_string())??;
    }
    Rc::into_inner(meter).ok_or("a connection is still at it")?.into_inner().row(plan, Vec::new())
}

/// `plan.connections` sessions, spread over the servers.
async fn open_all(plan: &Plan) -> Read<Vec<Connection>> {
    let mut connections = Vec::new();
    for first in (0..plan.connections).step_by(OPENING) {
        let tasks: Vec<_> = (first..plan.connections.min(first + OPENING))
            .map(|number| {
                let server = plan.server(number).to_owned();
                tokio::task::spawn_local(async move { unstuck(Connection::open(&server, SESSION_TIMEOUT_MS)).await })
            })
            .collect();
        for task in tasks {
            connections.push(task.await.map_err(|e| e.to_string())??);
        }
    }
    Ok(connections)
}

/// Many at once: one after the other, the last sessions could expire before their turn.
async fn close_all(connections: Vec<Connection>) -> Read<()> {
    let mut connections = connections.into_iter();
    loop {
        let tasks: Vec<_> = connections.by_ref().take(OPENING).map(|connection| tokio::task::spawn_local(unstuck(connection.close()))).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        for task in tasks {
            task.await.map_err(|e| e.to_string())??;
        }
    }
}

/// One znode, watched on every connection and written on one of them, again and again. An operation is one
/// event, from the sending of the write to its coming, and `told` the last one's of a round; setting the watches again is part of the time.
///
/// The writer watches too: its event has to come before the reply to its write.
pub(super) async fn watch_fanout(plan: &Plan) -> Read<Row> {
    let path = plan.root.as_str();
    let mut connections = open_all(plan).await?;
    let data = vec![b'x'; plan.data_bytes];
    connections[0].call(|out, xid| out.create(xid, path, &data), |mut reply| reply.bytes().map(drop)).await?;
    for connection in &mut connections {
        // Until its server knows the znode.
        let sync = |out: &mut Frames, xid| out.request(xid, op::SYNC, |out| out.string(path));
        unstuck(connection.call(sync, |mut reply| reply.bytes().map(drop))).await?;
    }
    let mut meter = Meter::new(plan);
    let (mut rounds, mut last, mut told) = (0u32, 0, Histogram::new());
    while meter.goes_on(Instant::now())? {
        for connection in &mut connections {
            let xid = connection.next_xid();
            connection.out.read(xid, op::GET_DATA, path, true);
            unstuck(connection.flush()).await?;
        }
        for connection in &mut connections {
            let xid = connection.xid;
            unstuck(connection.receive(|head, mut reply| {
                expect(head, xid)?;
                reply.bytes()?;
                // Every server has told of the last write, so none is behind.
                let version = reply.stat()?.version;
                if version == last { Ok(()) } else { Err(format!("a watcher reads version {version}; {last} was written")) }
            }))
            .await?;
        }
        rounds += 1;
        let begun = Instant::now();
        let xid = connections[0].next_xid();
        connections[0].out.set(xid, path, &data);
        unstuck(connections[0].flush()).await?;
        for connection in &mut connections {
            let event = |head: Head, mut reply: Reply<'_>| {
                if head.xid != XID_NOTIFICATION {
                    return Err(format!("the reply to {} came where an event was due", head.xid));
                }
                let (kind, state, at) = (reply.int()?, reply.int()?, reply.bytes()?);
                if (kind, state, at) != (DATA_CHANGED, SYNC_CONNECTED, path.as_bytes()) {
                    return Err(format!("an event of type {kind}, state {state}, at {}", String::from_utf8_lossy(at)));
                }
                reply.end()
            };
            unstuck(connection.receive(event)).await?;
            meter.count(begun, Instant::now());
        }
        if meter.counts() {
            told.add(begun.elapsed());
        }
        last = unstuck(connections[0].receive(|head, mut reply| {
            expect(head, xid)?;
            Ok(reply.stat()?.version)
        }))
        .await?;
    }
    connections[0].call(|out, xid| out.delete(xid, path), |reply| reply.end()).await?;
    close_all(connections).await?;
    meter.row(plan, vec![("rounds", rounds.into()), ("told_p50_us", told.quantile_us(0.5)), ("told_p99_us", told.quantile_us(0.99))])
}

/// Sessions that do nothing but ping, each third of their timeout. An operation is one ping; the figures
/// of interest are what the servers use.
pub(super) async fn idle(plan: &Plan) -> Read<Row> {
    let before = usage(&plan.pids)?;
    let begun = Instant::now();
    let mut connections = open_all(plan).await?;
    let opening = begun.elapsed().as_secs_f64();
    let opened = usage(&plan.pids)?;
    let mut meter = Meter::new(plan);
    let every = connections.iter().map(|c| c.timeout_ms).min().map_or(Duration::from_secs(1), |ms| Duration::from_millis(u64::try_from(ms / 3).unwrap_or(1)));
    let step = every / u32::try_from(connections.len()).unwrap_or(u32::MAX).max(1);
    // Pings are spread over the interval; between two of them the servers have peace.
    let mut due = Instant::now();
    'measured: loop {
        for connection in &mut connections {
            let wake = due.min(if meter.began.is_none() { meter.from } else { meter.until });
            tokio::time::sleep_until(wake.max(Instant::now()).into()).await;
            if wake < due && meter.began.is_none() {
                meter.goes_on(Instant::now())?;
                tokio::time::sleep_until(due.min(meter.until).into()).await;
            }
            if !meter.goes_on(Instant::now())? {
                break 'measured;
            }
            let asked = Instant::now();
            unstuck(connection.ping()).await?;
            meter.count(asked, Instant::now());
            due += step;
        }
    }
    let mut more = vec![("open_per_s", plan.connections as f64 / opening)];
    if !plan.pids.is_empty() {
        let kib = opened.resident_kib.saturating_sub(before.resident_kib);
        more.push(("server_rss_kib_per_conn", kib as f64 / plan.connections as f64));
        more.push(("server_cpu_us_per_open", opened.cpu_us.saturating_sub(before.cpu_us) as f64 / plan.connections as f64));
    }
    close_all(connections).await?;
    meter.row(plan, more)
}
