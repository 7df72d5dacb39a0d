//! The same records from a client's side: requests out, replies in.
//!
//! [`write_request`] writes what [`ask`](super::ask) reads, [`read_reply`] reads what [`reply`](super::reply) writes. One request
//! can be answered in more than one [`Form`]; whoever writes it chooses, and must know the form again when its reply comes.
//!
//! What always holds: no reply makes these panic or allocate more than a few times its own length; bytes behind what
//! a reply is known to hold are left alone, as by ZooKeeper's clients, so that a later server may say more.
//! Not here: which reply belongs to which request, and whether a request fits the server's frame.

use super::{Form, Malformed, Reader, Writer, multi_op, op, write_multi_header};
use crate::error::{Error, ErrorKind};
use crate::ids::Zxid;
use crate::request::{Acl, CreateMode, Event, EventKind, Identity, Reply, Request, SessionState, Stat, WatchMode};
use crate::roster;

/// xid of credentials.
pub const XID_AUTH: i32 = -4;
/// xid of the watches of an earlier connection.
pub const XID_SET_WATCHES: i32 = -8;

/// The form in which the answer to a request tells most; none if the protocol has no such request.
pub fn fullest_form(request: &Request) -> Option<Form> {
    let inside = |requests: &[Request], form: fn(&Request) -> Option<Form>| requests.iter().map(form).collect::<Option<Box<[Form]>>>();
    Some(match request {
        Request::Create { .. } => Form::PathStat,
        Request::Delete { .. } | Request::RemoveWatches { .. } | Request::CheckWatches { .. } => Form::Empty,
        Request::AddAuth { .. } | Request::SetWatches(_) => Form::Empty,
        Request::Set { .. } | Request::SetAcl { .. } => Form::Stat,
        Request::Multi(requests) => Form::Multi(inside(requests, |request| match request {
            Request::Check { .. } => Some(Form::Check),
            Request::Create { .. } | Request::Delete { .. } | Request::Set { .. } => fullest_form(request),
            _ => None,
        })?),
        Request::Exists { .. } => Form::Exists,
        Request::Get { .. } | Request::Reconfig(_) => Form::Data,
        Request::Children { .. } => Form::NamesStat,
        Request::GetAcl { .. } => Form::Acl,
        Request::MultiRead(requests) => Form::MultiRead(inside(requests, |request| match request {
            Request::Get { .. } => Some(Form::Data),
            Request::Children { .. } => Some(Form::Names),
            _ => None,
        })?),
        Request::Sync { path } => Form::Sync(Some(path.as_str().into())),
        Request::Ephemerals { .. } => Form::Paths,
        Request::CountDescendants { .. } => Form::Count,
        Request::AddWatch { .. } => Form::Watch,
        Request::WhoAmI => Form::WhoAmI,
        // Alone, a check is no operation.
        Request::Check { .. } | Request::Refused(_) => return None,
    })
}

/// Writes a request in a frame, to be answered in `form`: [`fullest_form`], or `Path` or `Names` where that has a Stat beside them.
///
/// # Errors
/// `BadArguments`, with nothing written: the protocol has no such request, or it is not answered in that form.
pub fn write_request(out: &mut Vec<u8>, xid: i32, request: &Request, form: &Form) -> Result<(), Error> {
    let start = out.len();
    let mut operation = None;
    Writer::frame(out, |writer| {
        writer.i32(xid);
        operation = operation_of(request, form).filter(|operation| {
            writer.i32(*operation);
            write_body(writer, request, form).is_some()
        });
    });
    if operation.is_none() {
        out.truncate(start);
        return Err(Error::new(ErrorKind::BadArguments, "ZooKeeper's protocol has no such request"));
    }
    Ok(())
}

/// Writes what is nothing but a header: a ping ([`XID_PING`](super::XID_PING)) or the end of the session.
pub fn write_bare(out: &mut Vec<u8>, xid: i32, op: i32) {
    Writer::frame(out, |writer| {
        writer.i32(xid);
        writer.i32(op);
    });
}

/// Writes a token of SASL.
pub fn write_sasl(out: &mut Vec<u8>, xid: i32, token: Option<&[u8]>) {
    Writer::frame(out, |writer| {
        writer.i32(xid);
        writer.i32(op::SASL);
        writer.buffer(token);
    });
}

fn operation_of(request: &Request, form: &Form) -> Option<i32> {
    Some(match (request, form) {
        (Request::Create { mode: CreateMode::Ttl | CreateMode::TtlSequential, .. }, Form::PathStat) => op::CREATE_TTL,
        (Request::Create { mode: CreateMode::Container, .. }, Form::PathStat) => op::CREATE_CONTAINER,
        (Request::Create { mode: CreateMode::Ttl | CreateMode::TtlSequential | CreateMode::Container, .. }, _) => return None,
        (Request::Create { .. }, Form::PathStat) => op::CREATE2,
        (Request::Create { .. }, Form::Path) => op::CREATE,
        (Request::Delete { .. }, Form::Empty) => op::DELETE,
        (Request::Check { .. }, Form::Check) => op::CHECK,
        (Request::Set { .. }, Form::Stat) => op::SET_DATA,
        (Request::SetAcl { .. }, Form::Stat) => op::SET_ACL,
        (Request::Multi(_), Form::Multi(_)) => op::MULTI,
        (Request::Exists { .. }, Form::Exists) => op::EXISTS,
        (Request::Get { .. }, Form::Data) => op::GET_DATA,
        (Request::Children { .. }, Form::NamesStat) => op::GET_CHILDREN2,
        (Request::Children { .. }, Form::Names) => op::GET_CHILDREN,
        (Request::GetAcl { .. }, Form::Acl) => op::GET_ACL,
        (Request::MultiRead(_), Form::MultiRead(_)) => op::MULTI_READ,
        (Request::Sync { .. }, Form::Sync(_)) => op::SYNC,
        (Request::Ephemerals { .. }, Form::Paths) => op::GET_EPHEMERALS,
        (Request::CountDescendants { .. }, Form::Count) => op::GET_ALL_CHILDREN_NUMBER,
        (Request::AddWatch { .. }, Form::Watch) => op::ADD_WATCH,
        (Request::RemoveWatches { .. }, Form::Empty) => op::REMOVE_WATCHES,
        (Request::CheckWatches { .. }, Form::Empty) => op::CHECK_WATCHES,
        (Request::AddAuth { .. }, Form::Empty) => op::AUTH,
        (Request::WhoAmI, Form::WhoAmI) => op::WHO_AM_I,
        (Request::SetWatches(watches), Form::Empty) if watches.persistent.is_empty() && watches.recursive.is_empty() => op::SET_WATCHES,
        (Request::SetWatches(_), Form::Empty) => op::SET_WATCHES2,
        _ => return None,
    })
}

/// Writes what follows the header; none if it holds what it cannot.
fn write_body(writer: &mut Writer<'_>, request: &Request, form: &Form) -> Option<()> {
    let paths = |writer: &mut Writer<'_>, paths: &[String]| writer.list(paths, |writer, path| writer.string(path));
    match request {
        Request::Create { path, data, acl, mode, ttl_ms } => {
            writer.string(path);
            writer.buffer(data.as_deref());
            write_acl(writer, acl);
            writer.i32(mode.flag());
            if matches!(mode, CreateMode::Ttl | CreateMode::TtlSequential) {
                writer.i64(*ttl_ms);
            }
        }
        Request::Delete { path, version } | Request::Check { path, version } => {
            writer.string(path);
            writer.i32(*version);
        }
        Request::Set { path, data, version } => {
            writer.string(path);
            writer.buffer(data.as_deref());
            writer.i32(*version);
        }
        Request::SetAcl { path, acl, version } => {
            writer.string(path);
            write_acl(writer, acl);
            writer.i32(*version);
        }
        Request::Exists { path, watch } | Request::Get { path, watch } | Request::Children { path, watch } => {
            writer.string(path);
            writer.bool(*watch);
        }
        Request::GetAcl { path } | Request::CountDescendants { path } | Request::Ephemerals { prefix: path } => writer.string(path),
        Request::Sync { path } => match form {
            Form::Sync(None) => writer.buffer(None),
            _ => writer.string(path),
        },
        Request::AddWatch { path, mode } => {
            writer.string(path);
            writer.i32(match mode {
                WatchMode::Persistent => 0,
                WatchMode::Recursive => 1,
            });
        }
        Request::RemoveWatches { path, kind } | Request::CheckWatches { path, kind } => {
            writer.string(path);
            writer.i32(*kind as i32);
        }
        Request::AddAuth { scheme, credential } => {
            writer.i32(0);
            writer.string(scheme);
            writer.buffer(Some(credential));
        }
        Request::SetWatches(watches) => {
            writer.i64(watches.relative_zxid.0);
            paths(writer, &watches.data);
            paths(writer, &watches.exist);
            paths(writer, &watches.child);
            if !watches.persistent.is_empty() || !watches.recursive.is_empty() {
                paths(writer, &watches.persistent);
                paths(writer, &watches.recursive);
            }
        }
        Request::Multi(requests) | Request::MultiRead(requests) => {
            let (Form::Multi(forms) | Form::MultiRead(forms)) = form else { return None };
            if forms.len() != requests.len() {
                return None;
            }
            for (request, form) in requests.iter().zip(forms) {
                let is_read = matches!(request, Request::Get { .. } | Request::Children { .. });
                let is_write = matches!(request, Request::Create { .. } | Request::Delete { .. } | Request::Set { .. } | Request::Check { .. });
                // The list of children with a Stat is not known there.
                if !(is_read || is_write) || *form == Form::NamesStat {
                    return None;
                }
                write_multi_header(writer, operation_of(request, form)?, false, -1);
                write_body(writer, request, form)?;
            }
            write_multi_header(writer, -1, true, -1);
        }
        Request::WhoAmI => {}
        Request::Reconfig(change) => {
            writer.string(&roster::list(&change.joining));
            writer.string(&change.leaving.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
            writer.string(&change.members.as_deref().map(roster::list).unwrap_or_default());
            writer.i64(change.from);
        }
        Request::Refused(_) => return None,
    }
    Some(())
}

fn write_acl(writer: &mut Writer<'_>, acl: &[Acl]) {
    writer.list(acl, |writer, entry| {
        writer.i32(entry.perms as i32);
        writer.string(&entry.identity.scheme);
        writer.string(&entry.identity.id);
    });
}

/// What every reply begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// Of the request; [`XID_NOTIFICATION`](super::XID_NOTIFICATION) if it answers none.
    pub xid: i32,
    /// The last transaction when it was answered.
    pub zxid: Zxid,
    /// 0, or what went wrong.
    pub code: i32,
}

/// The header of a reply, and the rest of its body.
///
/// # Errors
/// [`Malformed`]: not even that is there.
pub fn reply_header(body: &[u8]) -> Result<(ReplyHeader, &[u8]), Malformed> {
    let mut reader = Reader::new(body);
    let header = ReplyHeader { xid: reader.i32()?, zxid: Zxid(reader.i64()?), code: reader.i32()? };
    Ok((header, reader.rest()))
}

/// Reads what follows the header of a reply: how the request ended. What a form leaves out (a Stat) is all zero.
///
/// A missing znode is [`Reply::Done`] to [`Form::Exists`], as everywhere. A code that is not in our table is a `SystemError`
/// whose text names it.
///
/// # Errors
/// [`Malformed`]: it is no reply of that form.
pub fn read_reply(form: &Form, code: i32, body: &[u8]) -> Result<Result<Reply, Error>, Malformed> {
    match code {
        0 => read_body(&mut Reader::new(body), form).map(Ok),
        code if *form == Form::Exists && code == ErrorKind::NoNode as i32 => Ok(Ok(Reply::Done)),
        code => Ok(Err(error_of(code))),
    }
}

fn error_of(code: i32) -> Error {
    match ErrorKind::from_code(code).filter(|_| code > -1000) {
        Some(kind) => kind.into(),
        None => Error::new(ErrorKind::SystemError, format!("the server answered {code}, which means nothing here")),
    }
}

fn read_body(reader: &mut Reader<'_>, form: &Form) -> Result<Reply, Malformed> {
    Ok(match form {
        Form::Empty | Form::Check => Reply::Done,
        Form::Path => Reply::Created { path: text(reader)?, stat: Stat::default() },
        Form::PathStat => Reply::Created { path: text(reader)?, stat: stat(reader)? },
        Form::Stat | Form::Exists => Reply::Stat(stat(reader)?),
        Form::Data => Reply::Data { data: reader.buffer()?.map(Into::into), stat: stat(reader)? },
        Form::Names => Reply::Children { names: texts(reader)?, stat: Stat::default() },
        Form::NamesStat => Reply::Children { names: texts(reader)?, stat: stat(reader)? },
        Form::Acl => {
            let entry = |reader: &mut Reader<'_>| Ok(Acl { perms: reader.i32()? as u32, identity: identity(reader)? });
            Reply::Acl { acl: reader.list(entry)?.unwrap_or_default(), stat: stat(reader)? }
        }
        Form::Multi(forms) => Reply::Multi(read_results(reader, forms)?.into_iter().map(|result| result.map_err(|code| error_of(code).kind())).collect()),
        Form::MultiRead(forms) => Reply::MultiRead(read_results(reader, forms)?.into_iter().map(|result| result.map_err(error_of)).collect()),
        Form::Sync(_) => {
            reader.echoed()?;
            Reply::Done
        }
        Form::Paths => Reply::Paths(texts(reader)?),
        Form::Count => Reply::Count(u64::try_from(reader.i32()?).map_err(|_| Malformed)?),
        Form::Watch => {
            reader.i32()?;
            Reply::Done
        }
        Form::WhoAmI => Reply::Identities(reader.list(identity)?.unwrap_or_default()),
    })
}

/// One result for each form, or its code. Code 0 is an operation before one that failed.
fn read_results(reader: &mut Reader<'_>, forms: &[Form]) -> Result<Vec<Result<Reply, i32>>, Malformed> {
    let mut results = Vec::new();
    for form in forms {
        let (op, done, _) = (reader.i32()?, reader.bool()?, reader.i32()?);
        results.push(match (op, done) {
            (_, true) => return Err(Malformed),
            (op::ERROR, _) => match reader.i32()? {
                0 => Ok(Reply::Done),
                code => Err(code),
            },
            (op, _) if op == multi_op(form) => Ok(read_body(reader, form)?),
            _ => return Err(Malformed),
        });
    }
    reader.i32()?;
    let done = reader.bool()?;
    reader.i32()?;
    if done { Ok(results) } else { Err(Malformed) }
}

fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    reader.echoed()?.map(|text| text.into_owned()).ok_or(Malformed)
}

fn texts(reader: &mut Reader<'_>) -> Result<Vec<String>, Malformed> {
    Ok(reader.list(text)?.unwrap_or_default())
}

fn identity(reader: &mut Reader<'_>) -> Result<Identity, Malformed> {
    Ok(Identity { scheme: text(reader)?, id: reader.echoed()?.unwrap_or_default().into_owned() })
}

fn stat(reader: &mut Reader<'_>) -> Result<Stat, Malformed> {
    Ok(Stat {
        czxid: Zxid(reader.i64()?),
        mzxid: Zxid(reader.i64()?),
        ctime: reader.i64()?,
        mtime: reader.i64()?,
        version: reader.i32()?,
        cversion: reader.i32()?,
        aversion: reader.i32()?,
        ephemeral_owner: reader.i64()?,
        data_length: reader.i32()?,
        num_children: reader.i32()?,
        pzxid: Zxid(reader.i64()?),
    })
}

/// Reads what follows the header of a notification.
///
/// # Errors
/// [`Malformed`], for a kind or state that no server sends too.
pub fn read_notification(header: &ReplyHeader, body: &[u8]) -> Result<Event, Malformed> {
    let mut reader = Reader::new(body);
    let (kind, state) = (reader.i32()?, reader.i32()?);
    let kinds = [EventKind::Session, EventKind::Created, EventKind::Deleted, EventKind::DataChanged, EventKind::ChildrenChanged];
    let states = [SessionState::Disconnected, SessionState::Connected, SessionState::Expired, SessionState::Closed];
    Ok(Event {
        kind: kinds.into_iter().find(|known| *known as i32 == kind).ok_or(Malformed)?,
        state: states.into_iter().find(|known| *known as i32 == state).ok_or(Malformed)?,
        path: reader.echoed()?.unwrap_or_default().into(),
        zxid: header.zxid,
    })
}

/// Reads the token in the answer to SASL.
///
/// # Errors
/// [`Malformed`].
pub fn read_sasl(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    Reader::new(body).buffer()
}

#[cfg(test)]
mod tests {
    use super::super::{Ask, Connect, Connected, ask, header, notification, reply, sasl_reply};
    use super::*;
    use crate::ids::SessionId;
    use crate::request::{SetWatches, WatchKind};
    use crate::wire::frame::{Frame, split};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn body_of(bytes: &[u8]) -> &[u8] {
        let Frame::Whole(body, rest) = split(bytes, usize::MAX) else { panic!("not whole") };
        assert!(rest.is_empty());
        body
    }

    fn a_stat() -> impl Strategy<Value = Stat> {
        (any::<[i64; 6]>(), any::<[i32; 5]>()).prop_map(|(long, int)| Stat {
            czxid: Zxid(long[0]),
            mzxid: Zxid(long[1]),
            ctime: long[2],
            mtime: long[3],
            version: int[0],
            cversion: int[1],
            aversion: int[2],
            ephemeral_owner: long[4],
            data_length: int[3],
            num_children: int[4],
            pzxid: Zxid(long[5]),
        })
    }

    fn an_acl() -> impl Strategy<Value = Vec<Acl>> {
        vec((any::<u32>(), any::<String>(), any::<String>()), 0..4)
            .prop_map(|acl| acl.into_iter().map(|(perms, scheme, id)| Acl { perms, identity: Identity { scheme, id } }).collect())
    }

    fn some_data() -> impl Strategy<Value = Option<std::sync::Arc<[u8]>>> {
        option::of(vec(any::<u8>(), 0..40)).prop_map(|data| data.map(Into::into))
    }

    fn a_create() -> impl Strategy<Value = (Request, Form)> {
        (any::<String>(), some_data(), an_acl(), 0..7, any::<i64>(), any::<bool>()).prop_map(|(path, data, acl, flag, ttl_ms, short)| {
            let mode = CreateMode::from_flag(flag).unwrap();
            let ttl_ms = if flag >= 5 { ttl_ms } else { 0 };
            let form = if short && flag < 4 { Form::Path } else { Form::PathStat };
            (Request::Create { path, data, acl, mode, ttl_ms }, form)
        })
    }

    fn fullest(request: impl Strategy<Value = Request>) -> impl Strategy<Value = (Request, Form)> {
        request.prop_map(|request| {
            let form = fullest_form(&request).unwrap();
            (request, form)
        })
    }

    fn a_write_in_a_multi() -> impl Strategy<Value = (Request, Form)> {
        prop_oneof![
            a_create(),
            fullest((any::<String>(), any::<i32>()).prop_map(|(path, version)| Request::Delete { path, version })),
            (any::<String>(), any::<i32>()).prop_map(|(path, version)| (Request::Check { path, version }, Form::Check)),
            fullest((any::<String>(), some_data(), any::<i32>()).prop_map(|(path, data, version)| Request::Set { path, data, version })),
        ]
    }

    fn a_read_in_a_multi() -> impl Strategy<Value = (Request, Form)> {
        (any::<String>(), any::<bool>()).prop_map(|(path, get)| match get {
            true => (Request::Get { path, watch: false }, Form::Data),
            false => (Request::Children { path, watch: false }, Form::Names),
        })
    }

    fn a_kind() -> impl Strategy<Value = WatchKind> {
        proptest::sample::select(&[WatchKind::Children, WatchKind::Data, WatchKind::Any, WatchKind::Persistent, WatchKind::Recursive][..])
    }

    fn a_request() -> impl Strategy<Value = (Request, Form)> {
        let path = any::<String>;
        let paths = || vec(any::<String>(), 0..4);
        let simple = prop_oneof![
            (path(), any::<i32>()).prop_map(|(path, version)| Request::Delete { path, version }),
            (path(), some_data(), any::<i32>()).prop_map(|(path, data, version)| Request::Set { path, data, version }),
            (path(), an_acl(), any::<i32>()).prop_map(|(path, acl, version)| Request::SetAcl { path, acl, version }),
            (path(), any::<bool>()).prop_map(|(path, watch)| Request::Exists { path, watch }),
            (path(), any::<bool>()).prop_map(|(path, watch)| Request::Get { path, watch }),
            (path(), any::<bool>()).prop_map(|(path, watch)| Request::Children { path, watch }),
            path().prop_map(|path| Request::GetAcl { path }),
            path().prop_map(|path| Request::Sync { path }),
            path().prop_map(|prefix| Request::Ephemerals { prefix }),
            path().prop_map(|path| Request::CountDescendants { path }),
            (path(), any::<bool>()).prop_map(|(path, deep)| Request::AddWatch { path, mode: if deep { WatchMode::Recursive } else { WatchMode::Persistent } }),
            (path(), a_kind()).prop_map(|(path, kind)| Request::RemoveWatches { path, kind }),
            (path(), a_kind()).prop_map(|(path, kind)| Request::CheckWatches { path, kind }),
            (path(), vec(any::<u8>(), 0..40)).prop_map(|(scheme, credential)| Request::AddAuth { scheme, credential }),
            Just(Request::WhoAmI),
            (any::<i64>(), paths(), paths(), paths(), paths(), paths()).prop_map(|(zxid, data, exist, child, persistent, recursive)| {
                Request::SetWatches(Box::new(SetWatches { relative_zxid: Zxid(zxid), data, exist, child, persistent, recursive }))
            }),
        ];
        let multi = |one: BoxedStrategy<(Request, Form)>| vec(one, 0..6).prop_map(|all| all.into_iter().unzip::<_, _, Vec<_>, Vec<_>>());
        prop_oneof![
            8 => fullest(simple),
            2 => a_create(),
            1 => path().prop_map(|path| (Request::Children { path, watch: true }, Form::Names)),
            1 => Just((Request::Sync { path: String::new() }, Form::Sync(None))),
            2 => multi(a_write_in_a_multi().boxed()).prop_map(|(requests, forms)| (Request::Multi(requests), Form::Multi(forms.into()))),
            1 => multi(a_read_in_a_multi().boxed()).prop_map(|(requests, forms)| (Request::MultiRead(requests), Form::MultiRead(forms.into()))),
        ]
    }

    fn a_failure() -> impl Strategy<Value = ErrorKind> {
        let known: Vec<_> = ErrorKind::ALL.iter().copied().filter(|kind| *kind as i32 > -1000).collect();
        proptest::sample::select(known)
    }

    fn an_answer() -> impl Strategy<Value = (Form, Reply)> {
        let names = || vec(any::<String>(), 0..5);
        let data = || (some_data(), a_stat()).prop_map(|(data, stat)| (Form::Data, Reply::Data { data, stat }));
        let short = || names().prop_map(|names| (Form::Names, Reply::Children { names, stat: Stat::default() }));
        let path = || any::<String>().prop_map(|path| (Form::Path, Reply::Created { path, stat: Stat::default() }));
        let path_stat = || (any::<String>(), a_stat()).prop_map(|(path, stat)| (Form::PathStat, Reply::Created { path, stat }));
        let stat = || a_stat().prop_map(|stat| (Form::Stat, Reply::Stat(stat)));
        let identities = || vec((any::<String>(), "[^:]*"), 0..4).prop_map(|all| all.into_iter().map(|(scheme, id)| Identity { scheme, id }).collect());
        let written = prop_oneof![path(), path_stat(), stat(), Just((Form::Empty, Reply::Done)), Just((Form::Check, Reply::Done))];
        let failed = (0..4usize, a_failure(), 0..4usize).prop_map(|(before, kind, after)| {
            let forms = vec![Form::Empty; before + 1 + after];
            let mut results = vec![Ok(Reply::Done); before];
            results.push(Err(kind));
            results.extend((0..after).map(|_| Err(ErrorKind::RuntimeInconsistency)));
            (Form::Multi(forms.into()), Reply::Multi(results))
        });
        let read = prop_oneof![
            data().prop_map(|(form, reply)| (form, Ok(reply))),
            short().prop_map(|(form, reply)| (form, Ok(reply))),
            a_failure().prop_map(|kind| (Form::Data, Err(kind.into()))),
        ];
        prop_oneof![
            path(),
            path_stat(),
            stat(),
            data(),
            short(),
            failed,
            a_stat().prop_map(|stat| (Form::Exists, Reply::Stat(stat))),
            (names(), a_stat()).prop_map(|(names, stat)| (Form::NamesStat, Reply::Children { names, stat })),
            (an_acl(), a_stat()).prop_map(|(acl, stat)| (Form::Acl, Reply::Acl { acl, stat })),
            names().prop_map(|paths| (Form::Paths, Reply::Paths(paths))),
            (0..=i32::MAX as u64).prop_map(|count| (Form::Count, Reply::Count(count))),
            identities().prop_map(|identities| (Form::WhoAmI, Reply::Identities(identities))),
            option::of(any::<String>()).prop_map(|path| (Form::Sync(path.map(Into::into)), Reply::Done)),
            proptest::sample::select(vec![Form::Empty, Form::Watch, Form::Exists]).prop_map(|form| (form, Reply::Done)),
            vec(written, 0..6).prop_map(|all| {
                let (forms, replies): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (Form::Multi(forms.into()), Reply::Multi(replies.into_iter().map(Ok).collect()))
            }),
            vec(read, 0..6).prop_map(|all| {
                let (forms, results): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (Form::MultiRead(forms.into()), Reply::MultiRead(results))
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_is_read_as_it_was_written((request, form) in a_request(), xid: i32) {
            let mut bytes = Vec::new();
            write_request(&mut bytes, xid, &request, &form).unwrap();
            let (read_xid, op, body) = header(body_of(&bytes)).unwrap();
            prop_assert_eq!(read_xid, xid);
            match (ask(op, body), request) {
                (Ask::Get(path, watch), request) => prop_assert_eq!(Request::Get { path: path.into_owned(), watch }, request),
                (Ask::Auth(scheme, credential), request) => prop_assert_eq!(Request::AddAuth { scheme, credential }, request),
                (read, request) => prop_assert_eq!(read, Ask::Request(request, form)),
            }
        }

        #[test]
        fn a_reply_is_read_as_it_was_written((form, answer) in an_answer(), xid: i32, zxid: i64) {
            let mut bytes = Vec::new();
            reply(&mut bytes, xid, Zxid(zxid), &form, &Ok(answer.clone()));
            let (header, rest) = reply_header(body_of(&bytes)).unwrap();
            prop_assert_eq!((header.xid, header.zxid), (xid, Zxid(zxid)));
            prop_assert_eq!(read_reply(&form, header.code, rest), Ok(Ok(answer)));
        }

        #[test]
        fn a_failure_is_read_as_it_was_written(kind in a_failure(), (form, _) in an_answer()) {
            prop_assume!(form != Form::Exists);
            let mut bytes = Vec::new();
            reply(&mut bytes, 1, Zxid(2), &form, &Err(kind.into()));
            let (header, rest) = reply_header(body_of(&bytes)).unwrap();
            prop_assert_eq!(read_reply(&form, header.code, rest), Ok(Err(kind.into())));
        }

        #[test]
        fn no_bytes_make_a_reader_panic((form, _) in an_answer(), (_, other) in a_request(), code: i32, bytes: Vec<u8>, op in -20..120) {
            let _ = read_reply(&form, 0, &bytes);
            let _ = read_reply(&other, code, &bytes);
            let _ = reply_header(&bytes).map(|(header, rest)| read_notification(&header, rest));
            let _ = (Connect::read(&bytes), Connected::read(&bytes), header(&bytes), ask(op, &bytes), read_sasl(&bytes));
        }

        #[test]
        fn what_is_cut_off_is_malformed((form, answer) in an_answer(), at: proptest::sample::Index) {
            let mut bytes = Vec::new();
            reply(&mut bytes, 1, Zxid(2), &form, &Ok(answer));
            let (header, rest) = reply_header(body_of(&bytes)).unwrap();
            if header.code == 0 && !rest.is_empty() {
                prop_assert_eq!(read_reply(&form, 0, &rest[..at.index(rest.len())]), Err(Malformed));
            }
        }

        #[test]
        fn the_first_frames_are_read_as_they_were_written(zxid: i64, timeout_ms: i32, session: i64, password: [u8; 16], read_only: Option<bool>) {
            let session = SessionId(session);
            let mut bytes = Vec::new();
            let connect = Connect { protocol_version: 0, last_zxid: Zxid(zxid), timeout_ms, session, password: password.to_vec(), read_only };
            connect.write(&mut bytes);
            prop_assert_eq!(Connect::read(body_of(&bytes)), Ok(connect));
            bytes.clear();
            let connected = Connected { timeout_ms, session, password, read_only };
            connected.write(&mut bytes);
            prop_assert_eq!(Connected::read(body_of(&bytes)), Ok(connected));
        }

        #[test]
        fn an_event_is_read_as_it_was_written(kind in 1..=4i32, path: String, zxid: i64) {
            let kinds = [EventKind::Created, EventKind::Deleted, EventKind::DataChanged, EventKind::ChildrenChanged];
            let event = Event { kind: kinds[kind as usize - 1], state: SessionState::Connected, path: path.into(), zxid: Zxid(zxid) };
            let mut bytes = Vec::new();
            notification(&mut bytes, &event);
            let (header, rest) = reply_header(body_of(&bytes)).unwrap();
            prop_assert_eq!(read_notification(&header, rest), Ok(event));
        }

        #[test]
        fn a_token_is_read_as_it_was_written(token: Option<Vec<u8>>) {
            let mut bytes = Vec::new();
            write_sasl(&mut bytes, 5, token.as_deref());
            let (xid, op, body) = header(body_of(&bytes)).unwrap();
            prop_assert_eq!((xid, ask(op, body)), (5, Ask::Sasl(token.clone().unwrap_or_default())));
            bytes.clear();
            sasl_reply(&mut bytes, 5, 0, token.as_deref());
            let (_, rest) = reply_header(body_of(&bytes)).unwrap();
            prop_assert_eq!(read_sasl(rest), Ok(token.as_deref()));
        }
    }

    #[test]
    fn what_the_protocol_cannot_say_is_not_written() {
        let check = Request::Check { path: "/a".into(), version: 1 };
        let deep = Request::Multi(vec![Request::Multi(vec![])]);
        let children = Request::Children { path: "/a".into(), watch: false };
        let ttl = Request::Create { path: "/a".into(), data: None, acl: vec![], mode: CreateMode::Ttl, ttl_ms: 1 };
        for (request, form) in [
            (check.clone(), Form::Empty),
            (Request::Refused(ErrorKind::NoNode), Form::Empty),
            (deep.clone(), Form::Multi([Form::Multi([].into())].into())),
            (Request::Multi(vec![check]), Form::Multi([].into())),
            (Request::MultiRead(vec![children]), Form::MultiRead([Form::NamesStat].into())),
            (ttl, Form::Path),
        ] {
            let mut bytes = vec![7];
            let error = write_request(&mut bytes, 1, &request, &form).unwrap_err();
            assert_eq!((error.kind(), bytes), (ErrorKind::BadArguments, vec![7]), "{request:?}");
        }
        assert_eq!((fullest_form(&deep), fullest_form(&Request::Refused(ErrorKind::NoNode))), (None, None));
    }

    #[test]
    fn pings_and_the_end_are_nothing_but_a_header() {
        for (xid, op, expected) in [(-2, op::PING, Ask::Ping), (9, op::CLOSE_SESSION, Ask::Close)] {
            let mut bytes = Vec::new();
            write_bare(&mut bytes, xid, op);
            let (read_xid, op, body) = header(body_of(&bytes)).unwrap();
            assert_eq!((read_xid, ask(op, body), body.len()), (xid, expected, 0));
        }
    }

    #[test]
    fn codes_of_our_own_do_not_come_in_from_a_wire() {
        for code in [-1000, -1010, -13, 77] {
            let error = read_reply(&Form::Empty, code, &[]).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SystemError);
            assert!(error.context().contains(&code.to_string()), "{error}");
        }
    }

    #[test]
    fn only_codes_that_a_client_of_zookeeper_knows_go_out() {
        let known =
            [-1, -2, -3, -4, -5, -6, -7, -8, -9, -12, -101, -102, -103, -108, -110, -111, -112, -114, -115, -116, -118, -119, -121, -123, -124, -125, -127];
        for kind in ErrorKind::ALL {
            let code = super::super::wire_code(*kind);
            assert!(known.contains(&code), "{kind:?} goes out as {code}");
        }
    }
}
