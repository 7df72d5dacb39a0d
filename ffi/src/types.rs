//! The plain data that crosses: numbers and structs of numbers.

use folkmoot::request::{Acl, Event, Identity, Stat};
use folkmoot::{Error, ErrorKind, Result};
use std::ffi::{c_char, c_void};

/// How a call ended: FOLKMOOT_OK, or one of the negative numbers above.
pub type folkmoot_status = i32;

/// The binary interface this header describes: see folkmoot_abi_version.
pub const FOLKMOOT_ABI_VERSION: u32 = 1;

/// Lives until deleted.
pub const FOLKMOOT_PERSISTENT: i32 = 0;
/// Lives as long as its session.
pub const FOLKMOOT_EPHEMERAL: i32 = 1;
/// The parent's create count, ten digits, is appended to its name.
pub const FOLKMOOT_PERSISTENT_SEQUENTIAL: i32 = 2;
/// Both.
pub const FOLKMOOT_EPHEMERAL_SEQUENTIAL: i32 = 3;
/// Deleted by itself once its last child has gone.
pub const FOLKMOOT_CONTAINER: i32 = 4;
/// Deleted by itself once it has been unchanged and childless for ttl_ms.
pub const FOLKMOOT_TTL: i32 = 5;
/// A TTL znode with a sequential name.
pub const FOLKMOOT_TTL_SEQUENTIAL: i32 = 6;

/// Permission to read data and list children.
pub const FOLKMOOT_PERM_READ: u32 = 1;
/// Permission to change data.
pub const FOLKMOOT_PERM_WRITE: u32 = 2;
/// Permission to create children.
pub const FOLKMOOT_PERM_CREATE: u32 = 4;
/// Permission to delete children.
pub const FOLKMOOT_PERM_DELETE: u32 = 8;
/// Permission to change the ACL.
pub const FOLKMOOT_PERM_ADMIN: u32 = 16;
/// All permissions.
pub const FOLKMOOT_PERM_ALL: u32 = 31;

/// add_watch, watch_open: this znode and its list of children.
pub const FOLKMOOT_WATCH_PERSISTENT: i32 = 0;
/// add_watch, watch_open: this znode and all below it, without CHILDREN_CHANGED.
pub const FOLKMOOT_WATCH_RECURSIVE: i32 = 1;

/// remove_watches: those set by listing children.
pub const FOLKMOOT_WATCHER_CHILDREN: i32 = 1;
/// remove_watches: those set by reading data or asking for existence.
pub const FOLKMOOT_WATCHER_DATA: i32 = 2;
/// remove_watches: all at the path.
pub const FOLKMOOT_WATCHER_ANY: i32 = 3;
/// remove_watches: set by add_watch, persistent.
pub const FOLKMOOT_WATCHER_PERSISTENT: i32 = 4;
/// remove_watches: set by add_watch, recursive.
pub const FOLKMOOT_WATCHER_RECURSIVE: i32 = 5;

/// News of the session, not of a znode: see the event's state.
pub const FOLKMOOT_EVENT_SESSION: i32 = -1;
/// The znode was created.
pub const FOLKMOOT_EVENT_CREATED: i32 = 1;
/// The znode was deleted.
pub const FOLKMOOT_EVENT_DELETED: i32 = 2;
/// Its data was set.
pub const FOLKMOOT_EVENT_DATA_CHANGED: i32 = 3;
/// A child was created or deleted.
pub const FOLKMOOT_EVENT_CHILDREN_CHANGED: i32 = 4;
/// Events were dropped because nobody fetched them: read again what you watch.
pub const FOLKMOOT_EVENT_OVERFLOW: i32 = 100;

/// The session has no contact.
pub const FOLKMOOT_STATE_DISCONNECTED: i32 = 0;
/// The session is in contact.
pub const FOLKMOOT_STATE_CONNECTED: i32 = 3;
/// The session is over by closing.
pub const FOLKMOOT_STATE_CLOSED: i32 = 7;
/// The session is over by silence: its ephemerals are gone.
pub const FOLKMOOT_STATE_EXPIRED: i32 = -112;

/// The member keeps the session alive.
pub const FOLKMOOT_HEARTBEAT_AUTO: i32 = 0;
/// The caller keeps it alive: any request counts, and folkmoot_session_touch.
pub const FOLKMOOT_HEARTBEAT_MANUAL: i32 = 1;

/// The write was carried out, or refused, as its status says.
pub const FOLKMOOT_OUTCOME_DONE: i32 = 0;
/// The write was not carried out and never will be: its session is over.
pub const FOLKMOOT_OUTCOME_NEVER: i32 = 1;
/// The write has not been carried out here yet, and may still be.
pub const FOLKMOOT_OUTCOME_PENDING: i32 = 2;
/// The write was answered at the time, or its session ended more than ten minutes ago, or there was none.
pub const FOLKMOOT_OUTCOME_FORGOTTEN: i32 = 3;

/// A member is not known to be anything: nobody leads.
pub const FOLKMOOT_ROLE_UNKNOWN: i32 = 0;
/// A member leads.
pub const FOLKMOOT_ROLE_LEADER: i32 = 1;
/// A member follows the leader, or waits for one.
pub const FOLKMOOT_ROLE_FOLLOWER: i32 = 2;
/// A member asks for votes.
pub const FOLKMOOT_ROLE_CANDIDATE: i32 = 3;
/// A member follows without a vote.
pub const FOLKMOOT_ROLE_LEARNER: i32 = 4;

/// Log lines: of every step.
pub const FOLKMOOT_LOG_TRACE: i32 = 5;
/// Log lines: for whoever debugs the host.
pub const FOLKMOOT_LOG_DEBUG: i32 = 10;
/// Log lines: in the course of things.
pub const FOLKMOOT_LOG_INFO: i32 = 20;
/// Log lines: someone should look at it.
pub const FOLKMOOT_LOG_WARNING: i32 = 30;
/// Log lines: something was lost or refused.
pub const FOLKMOOT_LOG_ERROR: i32 = 40;

/// Conditional operations: do not compare versions.
pub const FOLKMOOT_ANY_VERSION: i32 = -1;

/// The counters of a znode. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct folkmoot_stat {
    /// Transaction that created the znode.
    pub czxid: i64,
    /// Transaction that last changed its data.
    pub mzxid: i64,
    /// Transaction that last created or deleted a child.
    pub pzxid: i64,
    /// When it was created: milliseconds since 1970.
    pub ctime: i64,
    /// When its data was last changed: milliseconds since 1970.
    pub mtime: i64,
    /// Owner session of an ephemeral; 0 for a persistent znode; below 0 for a container or TTL znode.
    pub ephemeral_owner: i64,
    /// Version of its data.
    pub version: i32,
    /// Changes of its list of children.
    pub cversion: i32,
    /// Version of its ACL.
    pub aversion: i32,
    /// Bytes of data.
    pub data_length: i32,
    /// Children now.
    pub num_children: i32,
    /// 0.
    pub reserved: i32,
}

impl From<Stat> for folkmoot_stat {
    fn from(stat: Stat) -> Self {
        Self {
            czxid: stat.czxid.0,
            mzxid: stat.mzxid.0,
            pzxid: stat.pzxid.0,
            ctime: stat.ctime,
            mtime: stat.mtime,
            ephemeral_owner: stat.ephemeral_owner,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            data_length: stat.data_length,
            num_children: stat.num_children,
            reserved: 0,
        }
    }
}

/// One entry of an ACL; as an identity (who_am_i), perms is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_acl {
    /// Bits of FOLKMOOT_PERM_.
    pub perms: u32,
    /// "world", "auth", "digest", "ip", ...
    pub scheme: *const c_char,
    /// What the scheme makes of it, such as "anyone".
    pub id: *const c_char,
}

/// Reads `count` entries; none for NULL and 0.
///
/// # Safety
/// NULL, or `count` entries whose texts end in NUL.
pub(crate) unsafe fn acl_list(acl: *const folkmoot_acl, count: usize) -> Result<Vec<Acl>> {
    if count > folkmoot::limits::ACL_ENTRIES_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("an ACL of {count} entries; {} are allowed", folkmoot::limits::ACL_ENTRIES_MAX)));
    }
    // SAFETY: as asked of the caller.
    (0..count)
        .map(|at| unsafe {
            let entry = crate::guard::plain(if acl.is_null() { acl } else { acl.add(at) }, "acl")?;
            let identity = Identity::new(crate::guard::text(entry.scheme, "acl scheme")?, crate::guard::text(entry.id, "acl id")?);
            Ok(Acl { perms: entry.perms, identity })
        })
        .collect()
}

/// How to open a session. Set size to sizeof the struct and the rest to 0 (FOLKMOOT_SESSION_OPTIONS_INIT), then what you want.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_session_options {
    /// sizeof(folkmoot_session_options).
    pub size: usize,
    /// Silence that ends the session, in milliseconds; 0 for 10 s. Clamped to the member's limits.
    pub timeout_ms: u32,
    /// FOLKMOOT_HEARTBEAT_AUTO or _MANUAL.
    pub heartbeat: i32,
    /// Not 0: all ACLs are passed by.
    pub superuser: i32,
    /// Not 0: callbacks run on a thread of the library's, named fm-callback, instead of in folkmoot_session_dispatch.
    pub dispatch_thread: i32,
}

/// How to make a znode, beyond its mode. Set size to sizeof the struct and the rest to 0 (FOLKMOOT_CREATE_OPTIONS_INIT), then what you want.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_create_options {
    /// sizeof(folkmoot_create_options).
    pub size: usize,
    /// Who may do what with it; NULL for everyone everything. Borrowed for the call.
    pub acl: *const folkmoot_acl,
    /// Entries of acl.
    pub acl_count: usize,
    /// With the TTL modes: milliseconds unchanged and childless after which it goes.
    pub ttl_ms: i64,
}

/// One notification. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_event {
    /// FOLKMOOT_EVENT_.
    pub kind: i32,
    /// How the session stands: FOLKMOOT_STATE_.
    pub state: i32,
    /// To which znode it happened; "" for news of the session. Never NULL. Valid until this thread
    /// asks for its next event, of any queue; within an event callback, until it returns.
    pub path: *const c_char,
    /// In which transaction; 0 for news of the session.
    pub zxid: i64,
}

impl folkmoot_event {
    pub(crate) fn of(event: &Event, path: *const c_char) -> Self {
        Self { kind: event.kind as i32, state: event.state as i32, path, zxid: event.zxid.0 }
    }
}

/// How an operation ended: what a completion is told, and each operation of a multi. Only the fields
/// of its operation mean something; the others are 0 or NULL. All memory is the library's: within a
/// completion it is valid until the completion returns, in a folkmoot_results until that is freed.
/// May grow at its end in later versions.
#[repr(C)]
#[derive(Debug)]
pub struct folkmoot_result {
    /// How it ended.
    pub status: folkmoot_status,
    /// 0.
    pub reserved: i32,
    /// In words, if it failed; "" otherwise.
    pub error: *const c_char,
    /// create: the whole path, with its number if sequential.
    pub path: *const c_char,
    /// get: the data; NULL if it is null.
    pub data: *const c_void,
    /// get: its length in bytes; -1 if the data is null. count_descendants: how many.
    pub data_len: i64,
    /// create, set, set_acl, exists, get, children, get_acl.
    pub stat: folkmoot_stat,
    /// children, ephemerals.
    pub names: *const crate::lists::folkmoot_strings,
    /// get_acl, who_am_i.
    pub acl: *const crate::lists::folkmoot_acls,
    /// multi: one for each operation.
    pub results: *const crate::lists::folkmoot_results,
}
