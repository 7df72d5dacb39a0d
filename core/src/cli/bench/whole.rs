//! Loads that make or start a whole server: a tree of many znodes, and how soon a new process answers.

use super::connection::{Connection, expect};
use super::wire::{Frames, Read, op};
use super::{Meter, Plan, Row, SESSION_TIMEOUT_MS, STUCK, unstuck};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Znodes under one parent.
const TO_A_PARENT: u64 = 1000;
/// Between two attempts to connect to a process that does not listen yet.
const ATTEMPT: Duration = Duration::from_millis(1);
/// How long one attempt may take: a server that is just starting may take a connection and forget it.
const PATIENCE: Duration = Duration::from_millis(250);

/// `plan.count` znodes, made as fast as `conns` and `inflight` allow. They stay. An operation is one create.
pub(super) async fn fill(plan: &Plan) -> Read<Row> {
    let mut first = Connection::open(plan.server(0), SESSION_TIMEOUT_MS).await?;
    first.call(|out, xid| out.create(xid, &plan.root, b""), |mut reply| reply.bytes().map(drop)).await?;
    // Nothing would keep its session alive meanwhile.
    first.close().await?;
    let meter = std::rc::Rc::new(std::cell::RefCell::new(Meter::new(plan)));
    {
        let mut meter = meter.borrow_mut();
        meter.began = Some(meter.reading()?);
    }
    let lanes = plan.connections as u64;
    let mut tasks = Vec::new();
    for lane in 0..lanes {
        let (meter, plan) = (meter.clone(), plan.clone());
        let count = plan.count / lanes + u64::from(lane < plan.count % lanes);
        tasks.push(tokio::task::spawn_local(async move { fill_lane(&plan, lane, count, &meter).await }));
    }
    for task in tasks {
        task.await.map_err(|e| e.to_string())??;
    }
    let mut meter = std::rc::Rc::into_inner(meter).ok_or("a connection is still at it")?.into_inner();
    meter.ended = Some(meter.reading()?);
    meter.row(plan, Vec::new())
}

/// What one connection makes: `count` znodes and their parents.
async fn fill_lane(plan: &Plan, lane: u64, count: u64, meter: &std::cell::RefCell<Meter>) -> Read<()> {
    let mut connection = unstuck(Connection::open(plan.server(lane as usize), SESSION_TIMEOUT_MS)).await?;
    let data = vec![b'x'; plan.data_bytes];
    let parent = |number: u64| format!("{}/{lane}-{}", plan.root, number / TO_A_PARENT);
    let mut due = std::collections::VecDeque::new();
    let mut next = 0;
    while next < count || !due.is_empty() {
        while next < count && due.len() < plan.in_flight {
            let parent = parent(next);
            if next % TO_A_PARENT == 0 {
                let xid = connection.next_xid();
                connection.out.create(xid, &parent, b"");
                due.push_back((xid, None, parent.clone()));
            }
            let (xid, path) = (connection.next_xid(), format!("{parent}/n{next}"));
            connection.out.create(xid, &path, &data);
            due.push_back((xid, Some(Instant::now()), path));
            next += 1;
        }
        unstuck(connection.more()).await?;
        let now = Instant::now();
        while let Some((head, mut reply)) = connection.ready()? {
            let (xid, begun, path) = due.pop_front().ok_or("a reply came, and none was due")?;
            expect(head, xid)?;
            if reply.bytes()? != path.as_bytes() {
                return Err(format!("a create of {path} was answered with another path"));
            }
            reply.end()?;
            if let Some(begun) = begun {
                meter.borrow_mut().latencies.add(now.saturating_duration_since(begun));
            }
        }
    }
    unstuck(connection.close()).await
}

/// A server that was started here, and ends here.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server that `plan.command` says, again and again. An operation is one start: from the start of
/// the process to the reply to its first read. Each server is killed before the next is started.
pub(super) async fn first_read(plan: &Plan) -> Read<Row> {
    let mut meter = Meter::new(plan);
    meter.began = Some(meter.reading()?);
    let (program, arguments) = plan.command.split_first().ok_or("no command")?;
    while meter.latencies.count() == 0 || Instant::now() < meter.until {
        let begun = Instant::now();
        let server = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut server = Started(server.map_err(|e| format!("{}: {e}", program.display()))?);
        let read = |out: &mut Frames, xid| out.read(xid, op::GET_DATA, "/", false);
        loop {
            let attempt = async {
                let mut connection = Connection::open(plan.server(0), SESSION_TIMEOUT_MS).await?;
                connection
                    .call(read, |mut reply| {
                        reply.bytes()?;
                        reply.stat().map(drop)
                    })
                    .await?;
                Ok::<_, String>(connection)
            };
            match tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err("no answer".into())) {
                Ok(connection) => {
                    meter.latencies.add(begun.elapsed());
                    unstuck(connection.close()).await?;
                    break;
                }
                Err(error) => {
                    if let Some(status) = server.0.try_wait().map_err(|e| e.to_string())? {
                        return Err(format!("{}: it has ended with {status}", program.display()));
                    }
                    if begun.elapsed() > STUCK {
                        return Err(error);
                    }
                    tokio::time::sleep(ATTEMPT).await;
                }
            }
        }
    }
    meter.ended = Some(meter.reading()?);
    meter.row(plan, Vec::new())
}
