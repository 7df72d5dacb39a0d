//! The records of ZooKeeper's client protocol: request bodies in, reply bodies out.
//!
//! [`ask`] turns the body of one request into what is asked for, or says how it is malformed; [`reply`] writes the answer to it.
//! Both follow ZooKeeper 3.9 where a request is odd: which oddities still take a transaction number, and with what code they end.
//!
//! What always holds: no input makes these panic or allocate more than a few times its own length.
//! Not here: sockets, order of replies, who may do what.

use super::frame::{Malformed, Reader, Writer};
use crate::error::{Error, ErrorKind};
use crate::ids::{SessionId, Zxid};
use crate::request::{Acl, CreateMode, Data, Event, EventKind, Identity, Reply, Request, SessionState, SetWatches, Stat, WatchKind, WatchMode};
use crate::roster::{self, Reconfig};
use std::borrow::Cow;

mod client;

pub use client::{
    ReplyHeader, XID_AUTH, XID_SET_WATCHES, fullest_form, read_notification, read_reply, read_sasl, reply_header, write_bare, write_request, write_sasl,
};

/// ZooKeeper's numbers of operations.
#[allow(missing_docs, reason = "the names are ZooKeeper's")]
pub mod op {
    pub const NOTIFICATION: i32 = 0;
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SASL: i32 = 102;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CREATE_SESSION: i32 = -10;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
}

/// xid of notifications.
pub const XID_NOTIFICATION: i32 = -1;
/// xid of pings.
pub const XID_PING: i32 = -2;

/// The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// 0.
    pub protocol_version: i32,
    /// The last transaction the client has seen the effect of.
    pub last_zxid: Zxid,
    /// The session timeout wished for, in milliseconds.
    pub timeout_ms: i32,
    /// The session to attach to; 0 for a new one.
    pub session: SessionId,
    /// Its password.
    pub password: Vec<u8>,
    /// Whether a read-only member will do; none from clients older than that question.
    pub read_only: Option<bool>,
}

impl Connect {
    /// Reads the first frame.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(body: &[u8]) -> Result<Connect, Malformed> {
        let mut reader = Reader::new(body);
        Ok(Connect {
            protocol_version: reader.i32()?,
            last_zxid: Zxid(reader.i64()?),
            timeout_ms: reader.i32()?,
            session: SessionId(reader.i64()?),
            password: reader.buffer()?.unwrap_or_default().to_vec(),
            read_only: if reader.rest().is_empty() { None } else { Some(reader.bool()?) },
        })
    }

    /// Writes it, as a client does.
    pub fn write(&self, out: &mut Vec<u8>) {
        Writer::frame(out, |writer| {
            writer.i32(self.protocol_version);
            writer.i64(self.last_zxid.0);
            writer.i32(self.timeout_ms);
            writer.i64(self.session.0);
            writer.buffer(Some(&self.password));
            if let Some(read_only) = self.read_only {
                writer.bool(read_only);
            }
        });
    }
}

/// What is answered to [`Connect`]: the session, or (all zero) that there is none any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// As granted, in milliseconds; 0 if there is no session.
    pub timeout_ms: i32,
    /// The session.
    pub session: SessionId,
    /// Its password.
    pub password: [u8; 16],
    /// Whether this member only reads; none to clients that did not ask.
    pub read_only: Option<bool>,
}

impl Connected {
    /// Writes it in the shape that the client knows.
    pub fn write(&self, out: &mut Vec<u8>) {
        Writer::frame(out, |writer| {
            writer.i32(0);
            writer.i32(self.timeout_ms);
            writer.i64(self.session.0);
            writer.buffer(Some(&self.password));
            if let Some(read_only) = self.read_only {
                writer.bool(read_only);
            }
        });
    }

    /// Reads it, as a client does.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(body: &[u8]) -> Result<Connected, Malformed> {
        let mut reader = Reader::new(body);
        reader.i32()?;
        Ok(Connected {
            timeout_ms: reader.i32()?,
            session: SessionId(reader.i64()?),
            password: reader.buffer()?.and_then(|password| password.try_into().ok()).ok_or(Malformed)?,
            read_only: if reader.rest().is_empty() { None } else { Some(reader.bool()?) },
        })
    }
}

/// What one request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Data of a znode, the most frequent of all: its path is not copied.
    Get(Cow<'a, str>, bool),
    /// A request in our own words, and how to write its answer.
    Request(Request, Form),
    /// A sign of life.
    Ping,
    /// The end of the session.
    Close,
    /// A credential: scheme and bytes.
    Auth(String, Vec<u8>),
    /// A token of SASL.
    Sasl(Vec<u8>),
    /// Malformed; it changes nothing and takes no transaction number.
    Malformed,
    /// Not an operation a client can ask for.
    Unknown,
}

/// How the answer to a request is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing but the header.
    Empty,
    /// Nothing but the header; in a multi the answer to a check.
    Check,
    /// Path of the new znode.
    Path,
    /// Path and Stat of the new znode.
    PathStat,
    /// Stat.
    Stat,
    /// Stat, or `NoNode`.
    Exists,
    /// Data and Stat.
    Data,
    /// Names of children.
    Names,
    /// Names of children and Stat.
    NamesStat,
    /// ACL and Stat.
    Acl,
    /// A result for each operation.
    Multi(Box<[Form]>),
    /// A result for each read.
    MultiRead(Box<[Form]>),
    /// The path that was asked for; null if it was.
    Sync(Option<Box<str>>),
    /// Paths.
    Paths,
    /// A number.
    Count,
    /// A 0 beside the header's.
    Watch,
    /// Identities.
    WhoAmI,
}

/// xid and operation of a request, and the rest of its body.
///
/// # Errors
/// [`Malformed`]: not even that is there.
pub fn header(body: &[u8]) -> Result<(i32, i32, &[u8]), Malformed> {
    let mut reader = Reader::new(body);
    Ok((reader.i32()?, reader.i32()?, reader.rest()))
}

/// What a request of operation `op` with this body asks for.
pub fn ask(op: i32, body: &[u8]) -> Ask<'_> {
    read_ask(op, &mut Reader::new(body)).unwrap_or(match op {
        // ZooKeeper numbers a multi before it reads it.
        op::MULTI => refused(ErrorKind::MarshallingError),
        _ => Ask::Malformed,
    })
}

/// A write that fails but takes its transaction number.
fn refused<'a>(kind: ErrorKind) -> Ask<'a> {
    Ask::Request(Request::Refused(kind), Form::Empty)
}

/// Members join and leave, or all are named; `leaving` is a list of numbers.
fn reconfig(joining: &str, leaving: &str, members: &str, from: i64) -> crate::error::Result<Request> {
    let number = |id: &str| id.trim().parse().map_err(|_| Error::from(ErrorKind::BadArguments));
    let change = Reconfig {
        joining: roster::parse(joining)?,
        leaving: leaving.split(',').filter(|id| !id.trim().is_empty()).map(number).collect::<crate::error::Result<_>>()?,
        members: if members.is_empty() { None } else { Some(roster::parse(members)?) },
        from,
    };
    Ok(Request::Reconfig(Box::new(change)))
}

fn read_ask<'a>(op: i32, reader: &mut Reader<'a>) -> Result<Ask<'a>, Malformed> {
    let text = |path: Option<Cow<'_, str>>| path.map(Cow::into_owned).ok_or(Malformed);
    let request = |request, form| Ok(Ask::Request(request, form));
    match op {
        op::GET_DATA => Ok(Ask::Get(reader.string()?.ok_or(Malformed)?, reader.bool()?)),
        op::EXISTS => request(Request::Exists { path: text(reader.string()?)?, watch: reader.bool()? }, Form::Exists),
        op::GET_CHILDREN => request(Request::Children { path: text(reader.string()?)?, watch: reader.bool()? }, Form::Names),
        op::GET_CHILDREN2 => request(Request::Children { path: text(reader.string()?)?, watch: reader.bool()? }, Form::NamesStat),
        op::GET_ACL => request(Request::GetAcl { path: text(reader.string()?)? }, Form::Acl),
        op::SYNC => {
            let path = reader.string()?.map(Cow::into_owned);
            let form = Form::Sync(path.as_deref().map(Box::from));
            request(Request::Sync { path: path.unwrap_or_default() }, form)
        }
        op::PING => Ok(Ask::Ping),
        op::CLOSE_SESSION => Ok(Ask::Close),
        op::GET_EPHEMERALS => request(Request::Ephemerals { prefix: reader.string()?.map(Cow::into_owned).unwrap_or_default() }, Form::Paths),
        op::GET_ALL_CHILDREN_NUMBER => request(Request::CountDescendants { path: text(reader.string()?)? }, Form::Count),
        op::WHO_AM_I => request(Request::WhoAmI, Form::WhoAmI),
        op::ADD_WATCH => {
            let path = text(reader.string()?)?;
            let mode = match reader.i32()? {
                0 => WatchMode::Persistent,
                1 => WatchMode::Recursive,
                _ => return Err(Malformed),
            };
            request(Request::AddWatch { path, mode }, Form::Watch)
        }
        op::CHECK_WATCHES | op::REMOVE_WATCHES => {
            let path = text(reader.string()?)?;
            let kind = match reader.i32()? {
                1 => WatchKind::Children,
                2 => WatchKind::Data,
                3 => WatchKind::Any,
                4 => WatchKind::Persistent,
                5 => WatchKind::Recursive,
                _ => return Err(Malformed),
            };
            request(if op == op::CHECK_WATCHES { Request::CheckWatches { path, kind } } else { Request::RemoveWatches { path, kind } }, Form::Empty)
        }
        op::SET_WATCHES | op::SET_WATCHES2 => {
            let mut watches = SetWatches { relative_zxid: Zxid(reader.i64()?), ..SetWatches::default() };
            let paths = |reader: &mut Reader<'a>| reader.list(|reader| text(reader.string()?))?.ok_or(Malformed);
            watches.data = paths(reader)?;
            watches.exist = paths(reader)?;
            watches.child = paths(reader)?;
            if op == op::SET_WATCHES2 {
                watches.persistent = paths(reader)?;
                watches.recursive = paths(reader)?;
            }
            request(Request::SetWatches(Box::new(watches)), Form::Empty)
        }
        op::AUTH => {
            reader.i32()?;
            Ok(Ask::Auth(reader.string()?.unwrap_or_default().into_owned(), reader.buffer()?.unwrap_or_default().to_vec()))
        }
        op::SASL => Ok(Ask::Sasl(reader.buffer()?.unwrap_or_default().to_vec())),
        op::RECONFIG => {
            let mut list = || reader.string().map(|text| text.unwrap_or_default().into_owned());
            let (joining, leaving, members) = (list()?, list()?, list()?);
            let from = reader.i64()?;
            Ok(reconfig(&joining, &leaving, &members, from).map_or_else(|_| refused(ErrorKind::BadArguments), |change| Ask::Request(change, Form::Data)))
        }
        op::MULTI => {
            let (writes, reads) = operations(reader)?;
            if !reads.0.is_empty() {
                return Err(Malformed);
            }
            match writes {
                Some((requests, forms)) => request(Request::Multi(requests), Form::Multi(forms.into())),
                None => Ok(refused(ErrorKind::MarshallingError)),
            }
        }
        op::MULTI_READ => {
            let (writes, (requests, forms)) = operations(reader)?;
            if writes.is_none_or(|(requests, _)| !requests.is_empty()) {
                return Err(Malformed);
            }
            request(Request::MultiRead(requests), Form::MultiRead(forms.into()))
        }
        op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL | op::DELETE | op::SET_DATA | op::SET_ACL => Ok(match write(op, reader, false)? {
            Some((made, form)) => Ask::Request(made, form),
            None => refused(ErrorKind::MarshallingError),
        }),
        _ => Ok(Ask::Unknown),
    }
}

type Operations = (Vec<Request>, Vec<Form>);

/// The operations of a multi: writes (none if one of them names nothing) and reads. They are never mixed.
fn operations(reader: &mut Reader<'_>) -> Result<(Option<Operations>, Operations), Malformed> {
    let (mut writes, mut reads) = (Some(Operations::default()), Operations::default());
    let mut kinds = (false, false);
    loop {
        let (op, done, _) = (reader.i32()?, reader.bool()?, reader.i32()?);
        if done {
            return if kinds == (true, true) { Err(Malformed) } else { Ok((writes, reads)) };
        }
        match op {
            op::GET_DATA | op::GET_CHILDREN => {
                kinds.1 = true;
                let path = reader.string()?.map(Cow::into_owned).ok_or(Malformed)?;
                // A watch asked for here is not set, as in ZooKeeper.
                reader.bool()?;
                let (request, form) = match op {
                    op::GET_DATA => (Request::Get { path, watch: false }, Form::Data),
                    _ => (Request::Children { path, watch: false }, Form::Names),
                };
                reads.0.push(request);
                reads.1.push(form);
            }
            op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL | op::DELETE | op::SET_DATA | op::CHECK => {
                kinds.0 = true;
                match (write(op, reader, true)?, &mut writes) {
                    (Some((request, form)), Some(writes)) => {
                        writes.0.push(request);
                        writes.1.push(form);
                    }
                    (None, writes) => *writes = None,
                    (Some(_), None) => {}
                }
            }
            _ => return Err(Malformed),
        }
    }
}

/// One write; none if it names nothing or contradicts itself, which ZooKeeper finds out only after it has numbered it.
fn write(op: i32, reader: &mut Reader<'_>, in_multi: bool) -> Result<Option<(Request, Form)>, Malformed> {
    let path = reader.string()?.map(Cow::into_owned);
    // Alone, these look at their path before they use it.
    let nameless = || (!in_multi).then_some((Request::Refused(ErrorKind::BadArguments), Form::Empty));
    Ok(match op {
        op::DELETE => {
            let version = reader.i32()?;
            path.map(|path| (Request::Delete { path, version }, Form::Empty))
        }
        op::CHECK => {
            let version = reader.i32()?;
            path.map(|path| (Request::Check { path, version }, Form::Check))
        }
        op::SET_DATA => {
            let data = data(reader)?;
            let version = reader.i32()?;
            path.map(|path| (Request::Set { path, data, version }, Form::Stat)).or_else(nameless)
        }
        op::SET_ACL => {
            let (acl, has_null) = acl(reader)?;
            let version = reader.i32()?;
            path.map(|path| match has_null && crate::tree::path::validate(&path).is_ok() {
                true => (Request::Refused(ErrorKind::MarshallingError), Form::Empty),
                false => (Request::SetAcl { path, acl, version }, Form::Stat),
            })
            .or_else(nameless)
        }
        _ => {
            let data = data(reader)?;
            let (acl, has_null) = acl(reader)?;
            let flags = reader.i32()?;
            let ttl_ms = if op == op::CREATE_TTL { reader.i64()? } else { 0 };
            let (request, form) = create(op, path, data, acl, flags, ttl_ms, in_multi)?;
            request.map(|request| match &request {
                Request::Create { path, .. } if has_null && path.contains('/') && !path.contains('\0') => (Request::Refused(ErrorKind::MarshallingError), form),
                _ => (request, form),
            })
        }
    })
}

fn create(op: i32, path: Option<String>, data: Data, acl: Vec<Acl>, flags: i32, ttl_ms: i64, in_multi: bool) -> Result<(Option<Request>, Form), Malformed> {
    let mode = CreateMode::from_flag(flags);
    let has_ttl = matches!(mode, Some(CreateMode::Ttl | CreateMode::TtlSequential));
    let mut form = if op == op::CREATE { Form::Path } else { Form::PathStat };
    let mode = match mode {
        None if in_multi && op != op::CREATE_TTL => return Err(Malformed),
        None => return Ok((Some(Request::Refused(ErrorKind::BadArguments)), form)),
        // A TTL that is promised and does not follow.
        Some(_) if in_multi && has_ttl && op != op::CREATE_TTL => return Ok((None, form)),
        Some(mode) if in_multi => {
            // There the flags say what it is.
            if has_ttl || mode == CreateMode::Container {
                form = Form::PathStat;
            } else if op == op::CREATE_TTL {
                form = Form::Path;
            }
            if op == op::CREATE_CONTAINER { CreateMode::Container } else { mode }
        }
        // A TTL goes with its own operation, and that goes with nothing else.
        Some(_) if has_ttl != (op == op::CREATE_TTL) => return Ok((Some(Request::Refused(ErrorKind::BadArguments)), form)),
        Some(_) if op == op::CREATE_CONTAINER => CreateMode::Container,
        // Without its own operation a container is a plain znode.
        Some(CreateMode::Container) => CreateMode::Persistent,
        Some(mode) => mode,
    };
    Ok((path.map(|path| Request::Create { path, data, acl, mode, ttl_ms }), form))
}

fn data(reader: &mut Reader<'_>) -> Result<Data, Malformed> {
    Ok(reader.buffer()?.map(Into::into))
}

/// An ACL, and whether an id in it is null over which ZooKeeper stumbles: not a refusal of the ACL, but a request it cannot read.
fn acl(reader: &mut Reader<'_>) -> Result<(Vec<Acl>, bool), Malformed> {
    let mut has_null = false;
    let entry = |reader: &mut Reader<'_>| {
        let perms = reader.i32()? as u32;
        let scheme = reader.string()?.unwrap_or_default().into_owned();
        let id = reader.string()?;
        has_null |= id.is_none() && matches!(scheme.as_str(), "world" | "digest" | "ip");
        Ok(Acl { perms, identity: Identity { scheme, id: id.unwrap_or_default().into_owned() } })
    };
    let acl = reader.list(entry)?.unwrap_or_default();
    Ok((acl, has_null))
}

/// A reply's header in a frame by itself.
pub fn header_only(out: &mut Vec<u8>, xid: i32, zxid: Zxid, code: i32) {
    Writer::frame(out, |writer| write_header(writer, xid, zxid, code));
}

#[inline]
fn write_header(writer: &mut Writer<'_>, xid: i32, zxid: Zxid, code: i32) {
    writer.i32(xid);
    writer.i64(zxid.0);
    writer.i32(code);
}

/// The answer to the most frequent request.
#[inline]
pub fn data_reply(out: &mut Vec<u8>, xid: i32, zxid: Zxid, data: Option<&[u8]>, stat: &Stat) {
    Writer::frame(out, |writer| {
        write_header(writer, xid, zxid, 0);
        writer.buffer(data);
        write_stat(writer, stat);
    });
}

/// The code that ZooKeeper's clients know for an error.
pub fn wire_code(kind: ErrorKind) -> i32 {
    match kind {
        ErrorKind::LimitExceeded => ErrorKind::BadArguments as i32,
        ErrorKind::Closed => ErrorKind::SessionExpired as i32,
        // What is our own does not reach them.
        kind if kind as i32 <= -1000 => ErrorKind::SystemError as i32,
        kind => kind as i32,
    }
}

/// Writes the answer to a request.
pub fn reply(out: &mut Vec<u8>, xid: i32, zxid: Zxid, form: &Form, result: &Result<Reply, Error>) {
    let reply = match (result, form) {
        (Err(error), _) => return header_only(out, xid, zxid, wire_code(error.kind())),
        (Ok(Reply::Done), Form::Exists) => return header_only(out, xid, zxid, ErrorKind::NoNode as i32),
        (Ok(reply), _) => reply,
    };
    Writer::frame(out, |writer| {
        write_header(writer, xid, zxid, 0);
        body(writer, form, reply);
    });
}

fn body(writer: &mut Writer<'_>, form: &Form, reply: &Reply) {
    match (form, reply) {
        (Form::Path, Reply::Created { path, .. }) => writer.echo(path),
        (Form::PathStat, Reply::Created { path, stat }) => {
            writer.echo(path);
            write_stat(writer, stat);
        }
        (Form::Stat | Form::Exists, Reply::Stat(stat)) => write_stat(writer, stat),
        (Form::Data, Reply::Data { data, stat }) => {
            writer.buffer(data.as_deref());
            write_stat(writer, stat);
        }
        (Form::Names, Reply::Children { names, .. }) => writer.list(names, |writer, name| writer.echo(name)),
        (Form::NamesStat, Reply::Children { names, stat }) => {
            writer.list(names, |writer, name| writer.echo(name));
            write_stat(writer, stat);
        }
        (Form::Acl, Reply::Acl { acl, stat }) => {
            writer.list(acl, |writer, entry| {
                writer.i32(entry.perms as i32);
                writer.echo(&entry.identity.scheme);
                writer.echo(&entry.identity.id);
            });
            write_stat(writer, stat);
        }
        (Form::Multi(forms), Reply::Multi(results)) => {
            let failed = results.iter().any(Result::is_err);
            for (form, result) in forms.iter().zip(results) {
                match result {
                    // Before the operation that failed: nothing was done, and that is written as error 0.
                    Ok(_) if failed => write_failed(writer, 0),
                    Ok(reply) => {
                        write_multi_header(writer, multi_op(form), false, 0);
                        body(writer, form, reply);
                    }
                    Err(kind) => write_failed(writer, wire_code(*kind)),
                }
            }
            write_multi_header(writer, -1, true, -1);
        }
        (Form::MultiRead(forms), Reply::MultiRead(results)) => {
            for (form, result) in forms.iter().zip(results) {
                match result {
                    Ok(reply) => {
                        write_multi_header(writer, multi_op(form), false, 0);
                        body(writer, form, reply);
                    }
                    Err(error) => write_failed(writer, wire_code(error.kind())),
                }
            }
            write_multi_header(writer, -1, true, -1);
        }
        (Form::Sync(Some(path)), _) => writer.echo(path),
        (Form::Sync(None), _) => writer.buffer(None),
        (Form::Paths, Reply::Paths(paths)) => writer.list(paths, |writer, path| writer.echo(path)),
        (Form::Count, Reply::Count(count)) => writer.i32(i32::try_from(*count).unwrap_or(i32::MAX)),
        (Form::Watch, _) => writer.i32(0),
        (Form::WhoAmI, Reply::Identities(identities)) => writer.list(identities, |writer, identity| {
            writer.echo(&identity.scheme);
            writer.echo(shown(identity));
        }),
        _ => {}
    }
}

/// An identity as `whoAmI` shows it: without what proves it.
fn shown(identity: &Identity) -> &str {
    match identity.scheme.as_str() {
        "digest" => identity.id.split(':').next().unwrap_or_default(),
        _ => &identity.id,
    }
}

fn multi_op(form: &Form) -> i32 {
    match form {
        Form::Path => op::CREATE,
        Form::PathStat => op::CREATE2,
        Form::Stat => op::SET_DATA,
        Form::Data => op::GET_DATA,
        Form::Names => op::GET_CHILDREN,
        Form::Check => op::CHECK,
        _ => op::DELETE,
    }
}

fn write_multi_header(writer: &mut Writer<'_>, op: i32, done: bool, code: i32) {
    writer.i32(op);
    writer.bool(done);
    writer.i32(code);
}

fn write_failed(writer: &mut Writer<'_>, code: i32) {
    write_multi_header(writer, op::ERROR, false, code);
    writer.i32(code);
}

fn write_stat(writer: &mut Writer<'_>, stat: &Stat) {
    let mut bytes = [0; 68];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(&stat.czxid.0.to_be_bytes());
    put(&stat.mzxid.0.to_be_bytes());
    put(&stat.ctime.to_be_bytes());
    put(&stat.mtime.to_be_bytes());
    put(&stat.version.to_be_bytes());
    put(&stat.cversion.to_be_bytes());
    put(&stat.aversion.to_be_bytes());
    put(&stat.ephemeral_owner.to_be_bytes());
    put(&stat.data_length.to_be_bytes());
    put(&stat.num_children.to_be_bytes());
    put(&stat.pzxid.0.to_be_bytes());
    writer.raw(&bytes);
}

/// Writes a notification. zxid -1 is that of no transaction.
pub fn notification(out: &mut Vec<u8>, event: &Event) {
    let state = match event.state {
        SessionState::Connected => 3,
        state => state as i32,
    };
    let kind = match event.kind {
        EventKind::Overflow => EventKind::Session as i32,
        kind => kind as i32,
    };
    Writer::frame(out, |writer| {
        write_header(writer, XID_NOTIFICATION, event.zxid, 0);
        writer.i32(kind);
        writer.i32(state);
        writer.echo(&event.path);
    });
}

/// Writes a token of SASL.
pub fn sasl_reply(out: &mut Vec<u8>, xid: i32, code: i32, token: Option<&[u8]>) {
    Writer::frame(out, |writer| {
        write_header(writer, xid, Zxid(0), code);
        writer.buffer(token);
    });
}
