//! The machine: tree, sessions and reply table, moved by one entry at a time.
//!
//! `apply` is the only way anything changes. It reads no clock and rolls no dice: what could differ
//! between members stands in the entry. So members that apply the same entries are equal.
//!
//! What always holds: a client write (a failed one too), a session's opening and its end take one zxid each; a
//! repeated write is answered as the first time and not done again; a gap in a session's writes is refused.
//!
//! Not here: when a session has been silent too long (`heartbeat`), watches (`watch`), order and disk (`log`).

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::{IN_FLIGHT_MAX, MULTI_OPS_MAX, MULTI_READ_BYTES_MAX, OUTCOMES_KEPT_MS, SESSIONS_MAX};
use crate::request::{Change, Identity, Outcome, Reply, Request, Requester};
use crate::roster::{Enrolled, Roster};
use crate::tree::{Context, Frozen, Part, Transaction, Tree};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A session's last replies, by the number of the write.
type Replies = VecDeque<(u64, Result<Reply>)>;

/// One step of the machine, as the log keeps it. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant says what it does")]
pub enum Entry {
    /// The first of a new store. The secret keys session passwords.
    Begin { secret: [u8; 32], time_ms: i64 },
    /// A session opens. `in_process` ones do not outlive the process that opened them.
    Open { session: SessionId, timeout_ms: u32, in_process: bool, time_ms: i64 },
    /// A session ends: by its own wish, or (`expired`) by silence.
    Close { session: SessionId, expired: bool, time_ms: i64 },
    /// A session is attached anew; writes of earlier attachments are refused from here on.
    Attach { session: SessionId, attachment: u64, time_ms: i64 },
    /// A client's write.
    Write(Box<Write>),
    /// A container or TTL znode is due.
    Sweep { path: String, time_ms: i64 },
    /// A member leads from here on: the epoch rises.
    Lead { member: u8, term: u64, time_ms: i64 },
    /// A session is attached anew, as [`Entry::Attach`]; it brings the timeout that it was granted. Twice is as once.
    Move { session: SessionId, attachment: u64, timeout_ms: u32, time_ms: i64 },
    /// The first members of an ensemble; nothing where some are known.
    Enrol { members: Vec<(u8, Enrolled)>, time_ms: i64 },
}

/// A client's write, with all that the leader decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Whose.
    pub session: SessionId,
    /// By which attachment of the session.
    pub attachment: u64,
    /// The session's writes are numbered from 1.
    pub number: u64,
    /// Every write up to this one has been answered: its reply need not be kept.
    pub answered: u64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// What the session had shown.
    pub identities: Arc<[Identity]>,
    /// What to do.
    pub request: Request,
}

/// A session, as every member knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Silence that ends it, in milliseconds.
    pub timeout_ms: u32,
    /// Whether it ends with the process that opened it.
    pub in_process: bool,
    /// The attachment whose writes are taken.
    pub attachment: u64,
    /// The number of its last write.
    pub number: u64,
    /// Replies that may still be asked for.
    replies: Replies,
}

/// What applying an entry came to.
#[derive(Debug)]
pub struct Applied {
    /// The answer.
    pub outcome: Result<Reply>,
    /// The last transaction when it was given.
    pub zxid: Zxid,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

/// Makes the passwords of sessions: 16 bytes that only members of this store can know, so that whoever sees a session's
/// number cannot take it over.
#[derive(Clone)]
pub struct Passwords([u8; 32]);

impl Passwords {
    /// The password of a session.
    pub fn of(&self, session: SessionId) -> [u8; 16] {
        let mut password = [0; 16];
        password.copy_from_slice(&self.mac(session).finalize().into_bytes()[..16]);
        password
    }

    /// Whether it is; takes the same time whatever is wrong with it.
    pub fn is(&self, session: SessionId, password: &[u8]) -> bool {
        password.len() == 16 && self.mac(session).verify_truncated_left(password).is_ok()
    }

    fn mac(&self, session: SessionId) -> Hmac<Sha256> {
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.0);
        Hmac::new(&key.into()).chain_update(session.0.to_be_bytes())
    }
}

/// A piece of a snapshot. Variants are only appended.
#[derive(Serialize, Deserialize)]
enum Piece {
    Head { zxid: Zxid, secret: [u8; 32] },
    Session(SessionId, SessionRecord),
    Departed(i64, SessionId, u64, Replies),
    Tree(Part),
    End,
    Roster(Roster),
}

/// Tree, sessions and reply table.
#[derive(Debug)]
pub struct Machine {
    tree: Tree,
    zxid: Zxid,
    secret: [u8; 32],
    sessions: BTreeMap<SessionId, SessionRecord>,
    /// By when they may be forgotten: the last replies of sessions that are over.
    departed: BTreeMap<(i64, SessionId), (u64, Replies)>,
    /// Where to find them.
    departed_until: BTreeMap<SessionId, i64>,
    roster: Roster,
    enforce_quota: bool,
    seed: u64,
    complete: bool,
}

impl Machine {
    /// An empty machine. `seed` scatters its index and shows nowhere; `enforce_quota` must be the same on all members.
    pub fn new(seed: u64, enforce_quota: bool) -> Self {
        Self {
            tree: Tree::new(seed),
            zxid: Zxid(0),
            secret: [0; 32],
            sessions: BTreeMap::new(),
            departed: BTreeMap::new(),
            departed_until: BTreeMap::new(),
            roster: Roster::default(),
            enforce_quota,
            seed,
            complete: true,
        }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last transaction.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Whether nothing was ever applied.
    pub fn is_new(&self) -> bool {
        self.secret == [0; 32]
    }

    /// Who is to take part in the ensemble.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The sessions, by number.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &SessionRecord)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// How many there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Option<&SessionRecord> {
        self.sessions.get(&id)
    }

    /// What makes the passwords of sessions.
    pub fn passwords(&self) -> Passwords {
        Passwords(self.secret)
    }

    /// What became of write `number` of a session.
    pub fn outcome(&self, session: SessionId, number: u64) -> Outcome {
        let (last, replies, is_over) = match self.sessions.get(&session) {
            Some(record) => (record.number, &record.replies, false),
            None => match self.departed_until.get(&session).and_then(|due| self.departed.get(&(*due, session))) {
                Some((last, replies)) => (*last, replies, true),
                None => return Outcome::Forgotten,
            },
        };
        match replies.iter().find(|(other, _)| *other == number) {
            Some((_, reply)) => Outcome::Done(reply.clone()),
            None if number <= last => Outcome::Forgotten,
            None if is_over => Outcome::Never,
            None => Outcome::Pending,
        }
    }

    /// Applies the next entry.
    pub fn apply(&mut self, entry: &Entry) -> Applied {
        let mut changes = Vec::new();
        let outcome = match entry {
            Entry::Begin { secret, .. } => {
                // Whoever leads for the first time says so, not knowing whether another has before.
                if self.is_new() {
                    self.secret = *secret;
                }
                Ok(Reply::Done)
            }
            Entry::Open { session, timeout_ms, in_process, .. } => self.open(*session, *timeout_ms, *in_process),
            Entry::Close { session, time_ms, .. } => self.close(*session, *time_ms, &mut changes),
            Entry::Attach { session, attachment, .. } => match self.sessions.get_mut(session) {
                Some(record) => {
                    record.attachment = *attachment;
                    record.number = 0;
                    record.replies.clear();
                    Ok(Reply::Done)
                }
                None => Err(expired(*session)),
            },
            Entry::Write(write) => self.write(write, &mut changes),
            Entry::Lead { .. } => {
                self.zxid = self.zxid.next_epoch();
                Ok(Reply::Done)
            }
            Entry::Move { session, attachment, timeout_ms, .. } => match self.sessions.get_mut(session) {
                // What lives in a process moves to no other.
                Some(record) if !record.in_process => {
                    if record.attachment != *attachment {
                        record.attachment = *attachment;
                        record.timeout_ms = *timeout_ms;
                        record.number = 0;
                        record.replies.clear();
                    }
                    Ok(Reply::Done)
                }
                _ => Err(expired(*session)),
            },
            Entry::Enrol { members, time_ms } => {
                let mut next = self.roster.clone();
                if next.found(members, self.zxid) {
                    let who = Requester { session: SessionId(0), identities: [Identity::new("super", "")].into() };
                    let with = Context { zxid: self.zxid, time_ms: *time_ms, who: &who, enforce_quota: false };
                    let mut transaction = Transaction::new(&mut self.tree, &with, false);
                    let told = transaction.write(&tell(&next));
                    changes = transaction.commit();
                    debug_assert!(told.is_ok(), "it is there, and nobody else may write it");
                    self.roster = next;
                }
                Ok(Reply::Done)
            }
            Entry::Sweep { path, time_ms } => {
                self.zxid = self.zxid.next();
                let who = Requester::default();
                let with = Context { zxid: self.zxid, time_ms: *time_ms, who: &who, enforce_quota: false };
                let mut transaction = Transaction::new(&mut self.tree, &with, false);
                let outcome = transaction.sweep(path);
                changes = transaction.commit();
                outcome
            }
        };
        Applied { outcome, zxid: self.zxid, changes }
    }

    fn open(&mut self, session: SessionId, timeout_ms: u32, in_process: bool) -> Result<Reply> {
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("there are {SESSIONS_MAX} sessions; that is the most")));
        }
        if let Some(record) = self.sessions.get(&session)
            && (record.timeout_ms, record.in_process, record.attachment, record.number) == (timeout_ms, in_process, 0, 0)
        {
            // A member that has not seen it open asks again: twice is as once.
            return Ok(Reply::Done);
        }
        if session.0 == 0 || self.sessions.contains_key(&session) {
            return Err(Error::new(ErrorKind::BadArguments, format!("session {session} is open already, or is none")));
        }
        self.zxid = self.zxid.next();
        self.sessions.insert(session, SessionRecord { timeout_ms, in_process, attachment: 0, number: 0, replies: VecDeque::new() });
        Ok(Reply::Done)
    }

    fn close(&mut self, session: SessionId, time_ms: i64, changes: &mut Vec<Change>) -> Result<Reply> {
        let Some(record) = self.sessions.remove(&session) else { return Err(expired(session)) };
        self.zxid = self.zxid.next();
        let who = Requester { session, identities: [].into() };
        let with = Context { zxid: self.zxid, time_ms, who: &who, enforce_quota: false };
        let mut transaction = Transaction::new(&mut self.tree, &with, false);
        transaction.remove_ephemerals(session.0);
        *changes = transaction.commit();
        // One that has never written has nothing to be asked about, unless its first write was lost on the way here. Of one that
        // moved nobody asks: its writes are numbered anew each time.
        if (!record.replies.is_empty() || record.in_process) && record.attachment == 0 {
            self.depart(time_ms.saturating_add(OUTCOMES_KEPT_MS), session, (record.number, record.replies));
        }
        while let Some((&(due, session), _)) = self.departed.first_key_value() {
            if due >= time_ms && self.departed.len() <= SESSIONS_MAX {
                break;
            }
            self.departed.pop_first();
            if self.departed_until.get(&session) == Some(&due) {
                self.departed_until.remove(&session);
            }
        }
        Ok(Reply::Done)
    }

    fn depart(&mut self, due: i64, session: SessionId, last: (u64, Replies)) {
        if let Some(before) = self.departed_until.insert(session, due) {
            self.departed.remove(&(before, session));
        }
        self.departed.insert((due, session), last);
    }

    fn write(&mut self, write: &Write, changes: &mut Vec<Change>) -> Result<Reply> {
        let Some(record) = self.sessions.get_mut(&write.session) else {
            if write.attachment == 0
                && let Outcome::Done(reply) = self.outcome(write.session, write.number)
            {
                // It comes a second time, and its session ended in between.
                return reply;
            }
            self.zxid = self.zxid.next();
            return Err(expired(write.session));
        };
        if record.attachment != write.attachment {
            return Err(Error::new(ErrorKind::SessionMoved, format!("session {} has been attached elsewhere", write.session)));
        }
        while record.replies.front().is_some_and(|(number, _)| *number <= write.answered) {
            record.replies.pop_front();
        }
        if write.number <= record.number {
            return match record.replies.iter().find(|(number, _)| *number == write.number) {
                Some((_, reply)) => reply.clone(),
                None => Err(Error::new(
                    ErrorKind::OutcomeUnknown,
                    format!("write {} of session {} was answered before, and its reply is not kept", write.number, write.session),
                )),
            };
        }
        if record.number.checked_add(1) != Some(write.number) || record.replies.len() >= IN_FLIGHT_MAX {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!(
                    "write {} of session {} comes after {} with {} unanswered; at most {IN_FLIGHT_MAX} can be",
                    write.number,
                    write.session,
                    record.number,
                    record.replies.len()
                ),
            ));
        }
        record.number = write.number;
        self.zxid = self.zxid.next();
        let who = Requester { session: write.session, identities: write.identities.clone() };
        let with = Context { zxid: self.zxid, time_ms: write.time_ms, who: &who, enforce_quota: self.enforce_quota };
        let outcome = match &write.request {
            Request::Multi(requests) => multi(&mut self.tree, &with, requests, changes),
            // Alone it is not an operation, as in ZooKeeper 3.9.
            Request::Check { .. } => Err(Error::new(ErrorKind::Unimplemented, "check is for multi only")),
            Request::Refused(kind) => Err(Error::new(*kind, "the request makes no sense")),
            Request::Reconfig(change) => self.roster.changed(change, self.zxid).and_then(|next| {
                let request = tell(&next);
                let mut transaction = Transaction::new(&mut self.tree, &with, false);
                let outcome = transaction.write(&request);
                *changes = transaction.commit();
                let (Reply::Stat(stat), Request::Set { data, .. }) = (outcome?, request) else {
                    return Err(Error::new(ErrorKind::SystemError, "a set answers a stat"));
                };
                self.roster = next;
                Ok(Reply::Data { data, stat })
            }),
            request => {
                let mut transaction = Transaction::new(&mut self.tree, &with, false);
                let outcome = transaction.write(request);
                *changes = transaction.commit();
                outcome
            }
        };
        if let Some(record) = self.sessions.get_mut(&write.session) {
            record.replies.push_back((write.number, outcome.clone()));
        }
        outcome
    }

    /// Answers a read. Watches are the caller's to set.
    ///
    /// # Errors
    /// As the operation; `InvalidState` for a request that is no read of the tree.
    pub fn read(&self, request: &Request, who: &Requester) -> Result<Reply> {
        match request {
            Request::Get { path, .. } => self.tree.get(path, who).map(|(data, stat)| Reply::Data { data, stat }),
            Request::Exists { path, .. } => self.tree.exists(path, who).map(Reply::Stat),
            Request::Children { path, .. } => self.tree.children(path, who).map(|(names, stat)| Reply::Children { names, stat }),
            Request::GetAcl { path } => self.tree.get_acl(path, who).map(|(acl, stat)| Reply::Acl { acl, stat }),
            Request::MultiRead(requests) => {
                if requests.len() > MULTI_OPS_MAX {
                    return Err(Error::new(ErrorKind::LimitExceeded, format!("{} reads in one, at most {MULTI_OPS_MAX} are allowed", requests.len())));
                }
                if !requests.iter().all(|request| matches!(request, Request::Get { .. } | Request::Children { .. })) {
                    return Err(Error::new(ErrorKind::MarshallingError, "a multi-read holds get and children only"));
                }
                let (mut results, mut bytes) = (Vec::with_capacity(requests.len()), 0);
                for request in requests {
                    let result = self.read(request, who);
                    bytes += match &result {
                        Ok(Reply::Data { data: Some(data), .. }) => data.len(),
                        Ok(Reply::Children { names, .. }) => names.iter().map(|name| 4 + name.len()).sum(),
                        _ => 0,
                    };
                    if bytes > MULTI_READ_BYTES_MAX {
                        return Err(Error::new(ErrorKind::LimitExceeded, format!("the answer to a multi-read has more than {MULTI_READ_BYTES_MAX} bytes")));
                    }
                    results.push(result);
                }
                Ok(Reply::MultiRead(results))
            }
            Request::Ephemerals { prefix } => Ok(Reply::Paths(self.tree.ephemerals(who.session.0, prefix))),
            Request::CountDescendants { path } => self.tree.count_descendants(path, who).map(Reply::Count),
            Request::Sync { .. } => Ok(Reply::Done),
            Request::WhoAmI => Ok(Reply::Identities(who.identities.to_vec())),
            _ => Err(Error::new(ErrorKind::InvalidState, "not a read of the tree")),
        }
    }

    /// The machine as it is now; cheap.
    pub fn freeze(&self) -> FrozenMachine {
        FrozenMachine {
            tree: self.tree.freeze(),
            zxid: self.zxid,
            secret: self.secret,
            roster: self.roster.clone(),
            sessions: self.sessions.clone(),
            departed: self.departed.iter().map(|((due, id), (number, replies))| (*due, *id, *number, replies.clone())).collect(),
        }
    }

    /// A machine to be filled by [`Machine::load`].
    pub fn to_load(seed: u64, enforce_quota: bool) -> Self {
        Self { tree: Tree::to_load(seed), complete: false, ..Self::new(seed, enforce_quota) }
    }

    /// Takes the next record of a snapshot.
    ///
    /// # Errors
    /// `Corrupt` if it contradicts itself: the machine is then of no use.
    pub fn load(&mut self, record: &[u8]) -> Result<()> {
        let corrupt = |what: String| Error::new(ErrorKind::Corrupt, format!("snapshot: {what}"));
        if self.complete {
            return Err(corrupt("records after its end".into()));
        }
        match postcard::from_bytes(record).map_err(|error| corrupt(error.to_string()))? {
            Piece::Head { zxid, secret } => {
                self.zxid = zxid;
                self.secret = secret;
            }
            Piece::Session(id, session) => drop(self.sessions.insert(id, session)),
            Piece::Departed(due, id, number, replies) => self.depart(due, id, (number, replies)),
            Piece::Tree(part) => self.tree.load(part)?,
            Piece::Roster(roster) => self.roster = roster,
            Piece::End => {
                self.tree.loaded(self.seed)?;
                if let Some(owner) = self.tree.owners().find(|owner| !self.sessions.contains_key(&SessionId(*owner))) {
                    return Err(corrupt(format!("ephemerals of session {}, which is not there", SessionId(owner))));
                }
                self.complete = true;
            }
        }
        Ok(())
    }

    /// Whether a snapshot has been loaded to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

/// What has `/zookeeper/config` tell it.
fn tell(roster: &Roster) -> Request {
    Request::Set { path: "/zookeeper/config".into(), data: Some(roster.text().into_bytes().into()), version: -1 }
}

fn expired(session: SessionId) -> Error {
    Error::new(ErrorKind::SessionExpired, format!("session {session} is over, or never was"))
}

fn multi(tree: &mut Tree, with: &Context<'_>, requests: &[Request], changes: &mut Vec<Change>) -> Result<Reply> {
    if requests.len() > MULTI_OPS_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{} operations in one multi, at most {MULTI_OPS_MAX} are allowed", requests.len())));
    }
    if !requests.iter().all(|request| request.is_write() && !matches!(request, Request::Multi(_))) {
        return Err(Error::new(ErrorKind::MarshallingError, "a multi holds writes only, and writes hold no multi"));
    }
    let mut transaction = Transaction::new(tree, with, true);
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        match transaction.write(request) {
            Ok(reply) => results.push(Ok(reply)),
            Err(error) => {
                transaction.undo();
                // What cannot be read is nobody's result: ZooKeeper, too, meets it only when its turn comes.
                if *request == Request::Refused(ErrorKind::MarshallingError) {
                    return Err(error);
                }
                let failed = results.len();
                results.iter_mut().for_each(|result| *result = Ok(Reply::Done));
                results.push(Err(error.kind()));
                results.extend((failed + 1..requests.len()).map(|_| Err(ErrorKind::RuntimeInconsistency)));
                return Ok(Reply::Multi(results));
            }
        }
    }
    *changes = transaction.commit();
    Ok(Reply::Multi(results))
}

/// A machine as it was.
pub struct FrozenMachine {
    tree: Frozen,
    zxid: Zxid,
    secret: [u8; 32],
    roster: Roster,
    sessions: BTreeMap<SessionId, SessionRecord>,
    departed: Vec<(i64, SessionId, u64, Replies)>,
}

impl FrozenMachine {
    /// Calls `out` with every record of its snapshot, in order.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn records(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut put = |piece: &Piece| {
            let bytes = postcard::to_stdvec(piece).map_err(|error| Error::new(ErrorKind::SystemError, error.to_string()))?;
            out(&bytes)
        };
        put(&Piece::Head { zxid: self.zxid, secret: self.secret })?;
        for (id, session) in &self.sessions {
            put(&Piece::Session(*id, session.clone()))?;
        }
        for (due, id, number, replies) in &self.departed {
            put(&Piece::Departed(*due, *id, *number, replies.clone()))?;
        }
        self.tree.parts(&mut |part| put(&Piece::Tree(part)))?;
        if !self.roster.is_empty() {
            put(&Piece::Roster(self.roster.clone()))?;
        }
        put(&Piece::End)
    }
}
