//! Who uses the ensemble: sessions that write in pipelines, read, fall silent, move and end.

use folkmoot::ids::SessionId;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Has no session.
    Gone,
    /// Has asked for one.
    Opening,
    Live,
    /// Is on its way to another member.
    Moving,
    /// Shows no sign of life any more.
    Silent,
}

pub struct Client {
    /// A session in a member's process ends with it; one on the wire moves.
    pub wire: bool,
    pub state: State,
    /// Counts what it has been; answers to what it was are for nobody.
    pub life: u64,
    pub member: u8,
    pub member_life: u64,
    pub session: SessionId,
    pub timeout_ms: u32,
    pub attachment: u64,
    /// The number of its next write.
    pub number: u64,
    pub answered: u64,
    pub flight: VecDeque<u64>,
    pub window: u64,
    pub touched: u64,
    /// What it wrote last into its own znode, and what of that was acknowledged.
    pub value: u64,
    pub value_acknowledged: u64,
    pub since: u64,
}

impl Client {
    pub fn new(wire: bool) -> Self {
        Self {
            wire,
            state: State::Gone,
            life: 0,
            member: 0,
            member_life: 0,
            session: SessionId(0),
            timeout_ms: 0,
            attachment: 0,
            number: 1,
            answered: 0,
            flight: VecDeque::new(),
            window: 1,
            touched: 0,
            value: 0,
            value_acknowledged: 0,
            since: 0,
        }
    }

    /// It is nobody from now on.
    pub fn end(&mut self) {
        self.life += 1;
        self.state = State::Gone;
        self.flight.clear();
    }
}
