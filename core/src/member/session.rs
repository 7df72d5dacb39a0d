//! A session: what a program holds, whichever ground is below.
//!
//! Each operation comes twice, to be awaited and (`_blocking`) to block. A session's requests take
//! effect in the order in which they were made; a read sees the session's own writes.
//!
//! Not here: what an operation does (`machine`), who keeps the session alive (`engine`).

use super::Member;
use super::call::{Call, Completion};
use super::engine::{Engine, SessionCore, WatcherHandle, may_wait};
use super::events::Events;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::request::{Acl, CreateMode, Data, Identity, Reply, Request, SessionState, Stat, WatchKind, WatchMode};
use std::sync::Arc;

/// Who keeps a session alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heartbeat {
    /// The member, as long as the handle lives.
    #[default]
    Auto,
    /// The caller: any request counts, and [`Session::touch`].
    Manual,
}

/// How to open a session.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Silence that ends it, in milliseconds; 0 for the default. Clamped to the member's limits.
    pub timeout_ms: u32,
    /// Who keeps it alive.
    pub heartbeat: Heartbeat,
    /// All ACLs are passed by, as ZooKeeper's `super`.
    pub superuser: bool,
}

/// How to make a znode.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Its kind.
    pub mode: CreateMode,
    /// Who may do what with it.
    pub acl: Vec<Acl>,
    /// With the TTL modes: milliseconds unchanged and childless after which it goes.
    pub ttl_ms: i64,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { mode: CreateMode::Persistent, acl: Acl::open(), ttl_ms: 0 }
    }
}

impl From<CreateMode> for CreateOptions {
    fn from(mode: CreateMode) -> Self {
        Self { mode, ..Self::default() }
    }
}

/// A session. Clones are the same session; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Open>,
}

/// Closes its session when the last handle goes.
pub(super) struct Open {
    pub(super) engine: Arc<Engine>,
    pub(super) core: Arc<SessionCore>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.engine.abandon_session(&self.core);
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident / $blocking:ident ($($arg:ident: $type:ty),*) -> $out:ty { $request:expr => $($pattern:pat => $value:expr),+ })*) => {
        impl Session {
            $(
                $(#[$doc])*
                pub async fn $name(&self, $($arg: $type),*) -> Result<$out> {
                    match self.call($request).await? { $($pattern => Ok($value),)+ other => Err(unexpected(&other)) }
                }
                #[doc = concat!("[`Session::", stringify!($name), "`], blocking this thread.")]
                pub fn $blocking(&self, $($arg: $type),*) -> Result<$out> {
                    match self.call_blocking($request)? { $($pattern => Ok($value),)+ other => Err(unexpected(&other)) }
                }
            )*
        }
    };
}

fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorKind::SystemError, format!("the member answered with {reply:?}"))
}

fn found(reply: Reply) -> Result<(Data, Stat)> {
    match reply {
        Reply::Data { data, stat } => Ok((data, stat)),
        other => Err(unexpected(&other)),
    }
}

/// Data from bytes.
fn data(bytes: &[u8]) -> Data {
    Some(Arc::from(bytes))
}

operations! {
    /// Makes a znode; returns its path, with the number if it is sequential, and its Stat.
    ///
    /// # Errors
    /// `NodeExists`, `NoNode` (the parent), `NoChildrenForEphemerals`, `NoAuth`, `InvalidAcl`, `BadArguments`, `QuotaExceeded`.
    create / create_blocking (path: &str, bytes: &[u8], options: impl Into<CreateOptions>) -> (String, Stat) {
        { let options = options.into(); Request::Create { path: path.into(), data: data(bytes), acl: options.acl, mode: options.mode, ttl_ms: options.ttl_ms } }
        => Reply::Created { path, stat } => (path, stat)
    }
    /// Removes a childless znode at `version`, or at any (-1).
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NotEmpty`, `NoAuth` (DELETE is asked of the parent).
    delete / delete_blocking (path: &str, version: i32) -> () {
        Request::Delete { path: path.into(), version } => Reply::Done => ()
    }
    /// The Stat of a znode, or none if there is none.
    exists / exists_blocking (path: &str, watch: bool) -> Option<Stat> {
        Request::Exists { path: path.into(), watch } => Reply::Stat(stat) => Some(stat), Reply::Done => None
    }
    /// Replaces the data of a znode at `version`, or at any (-1).
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NoAuth`, `QuotaExceeded`.
    set / set_blocking (path: &str, bytes: &[u8], version: i32) -> Stat {
        Request::Set { path: path.into(), data: data(bytes), version } => Reply::Stat(stat) => stat
    }
    /// Names of a znode's children, in the order of their creation, and its Stat.
    children / children_blocking (path: &str, watch: bool) -> (Vec<String>, Stat) {
        Request::Children { path: path.into(), watch } => Reply::Children { names, stat } => (names, stat)
    }
    /// ACL and Stat of a znode.
    get_acl / get_acl_blocking (path: &str) -> (Vec<Acl>, Stat) {
        Request::GetAcl { path: path.into() } => Reply::Acl { acl, stat } => (acl, stat)
    }
    /// Replaces the ACL of a znode whose `aversion` is `version`, or any (-1).
    set_acl / set_acl_blocking (path: &str, acl: Vec<Acl>, version: i32) -> Stat {
        Request::SetAcl { path: path.into(), acl, version } => Reply::Stat(stat) => stat
    }
    /// All of `writes`, or none: one transaction. A failed one is `Ok` too: its results say what failed.
    multi / multi_blocking (writes: Vec<Request>) -> Vec<std::result::Result<Reply, ErrorKind>> {
        Request::Multi(writes) => Reply::Multi(results) => results
    }
    /// Several `Get` and `Children`, each answered by itself, all at one zxid.
    multi_read / multi_read_blocking (reads: Vec<Request>) -> Vec<Result<Reply>> {
        Request::MultiRead(reads) => Reply::MultiRead(results) => results
    }
    /// Waits until everything acknowledged before, to anyone, is visible here.
    sync / sync_blocking (path: &str) -> () { Request::Sync { path: path.into() } => Reply::Done => () }
    /// Paths of this session's ephemerals that start with `prefix`, sorted.
    ephemerals / ephemerals_blocking (prefix: &str) -> Vec<String> {
        Request::Ephemerals { prefix: prefix.into() } => Reply::Paths(paths) => paths
    }
    /// How many descendants a znode has.
    count_descendants / count_descendants_blocking (path: &str) -> u64 {
        Request::CountDescendants { path: path.into() } => Reply::Count(count) => count
    }
    /// Watches until removed; told on [`Session::events`].
    add_watch / add_watch_blocking (path: &str, mode: WatchMode) -> () {
        Request::AddWatch { path: path.into(), mode } => Reply::Done => ()
    }
    /// Takes watches away.
    ///
    /// # Errors
    /// `NoWatcher` if there is none of that kind.
    remove_watches / remove_watches_blocking (path: &str, kind: WatchKind) -> () {
        Request::RemoveWatches { path: path.into(), kind } => Reply::Done => ()
    }
    /// Shows an identity, such as `digest` with `user:password`.
    ///
    /// # Errors
    /// `AuthFailed`.
    add_auth / add_auth_blocking (scheme: &str, credential: &[u8]) -> () {
        Request::AddAuth { scheme: scheme.into(), credential: credential.to_vec() } => Reply::Done => ()
    }
    /// The identities shown so far.
    who_am_i / who_am_i_blocking () -> Vec<Identity> { Request::WhoAmI => Reply::Identities(identities) => identities }
}

impl Session {
    /// Data and Stat of a znode. With `watch`, its next change is told on [`Session::events`].
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub async fn get(&self, path: &str, watch: bool) -> Result<(Data, Stat)> {
        match self.get_at_once(path, watch)? {
            Some(found) => Ok(found),
            None => found(self.call(Request::Get { path: path.into(), watch }).await?),
        }
    }

    /// [`Session::get`], blocking this thread.
    pub fn get_blocking(&self, path: &str, watch: bool) -> Result<(Data, Stat)> {
        match self.get_at_once(path, watch)? {
            Some(found) => Ok(found),
            None => found(self.call_blocking(Request::Get { path: path.into(), watch })?),
        }
    }

    /// The most frequent request of all, without the ado of the others, if that will do.
    fn get_at_once(&self, path: &str, watch: bool) -> Result<Option<(Data, Stat)>> {
        if watch { Ok(None) } else { self.inner.engine.get_now(&self.inner.core, path) }
    }

    /// Any request; the completion is told how it ended. Never blocks.
    pub fn submit(&self, request: Request, done: Completion) {
        self.inner.engine.submit(&self.inner.core, request, done);
    }

    /// Any request, to be awaited.
    pub fn call(&self, request: Request) -> Call {
        let (call, done) = Call::pair();
        self.submit(request, done);
        call
    }

    /// Any request, blocking this thread.
    pub fn call_blocking(&self, request: Request) -> Result<Reply> {
        self.inner.engine.call_blocking(&self.inner.core, request)
    }

    /// The session's number: `ephemeral_owner` of its ephemerals.
    pub fn id(&self) -> SessionId {
        self.inner.core.id()
    }

    /// Silence that ends it, in milliseconds, as granted.
    pub fn timeout_ms(&self) -> u32 {
        self.inner.core.timeout_ms()
    }

    /// How it stands.
    pub fn state(&self) -> SessionState {
        self.inner.core.state()
    }

    /// The last transaction this member has applied.
    ///
    /// # Errors
    /// `Forked`.
    pub fn zxid(&self) -> Result<Zxid> {
        self.inner.engine.zxid()
    }

    /// Its member; none when the ground is elsewhere.
    pub fn member(&self) -> Option<Member> {
        Some(Member { engine: self.inner.engine.clone() })
    }

    /// A heartbeat, for sessions opened with [`Heartbeat::Manual`].
    ///
    /// # Errors
    /// `SessionExpired`, `Forked`.
    pub fn touch(&self) -> Result<()> {
        self.inner.engine.touch(&self.inner.core)
    }

    /// The events of watches set by reading and by [`Session::add_watch`], and news of the session.
    pub fn events(&self) -> Events {
        self.inner.core.events()
    }

    /// A watch with a queue of its own: everything that happens at `path` (and below it, if
    /// recursive) from now on, until the [`Watch`] is dropped.
    pub fn watch(&self, path: &str, mode: WatchMode) -> Result<Watch> {
        let (handle, events) = self.inner.engine.open_watch(&self.inner.core, path, mode)?;
        Ok(Watch { events, _handle: handle })
    }

    /// Closes the session: its ephemerals go, in one transaction, before this returns.
    pub async fn close(&self) -> Result<()> {
        let (call, done) = Call::pair();
        self.inner.engine.close_session(&self.inner.core, done);
        call.await.map(drop)
    }

    /// [`Session::close`], blocking this thread.
    ///
    /// # Errors
    /// `WouldDeadlock` inside a [`Completion`], as all that ends in `_blocking`; `Forked`, `Closed`.
    pub fn close_blocking(&self) -> Result<()> {
        may_wait()?;
        let (call, done) = Call::pair();
        self.inner.engine.close_session(&self.inner.core, done);
        call.wait().map(drop)
    }
}

/// A persistent watch with its own queue.
pub struct Watch {
    events: Events,
    _handle: WatcherHandle,
}

impl Watch {
    /// Its queue.
    pub fn events(&self) -> &Events {
        &self.events
    }
    /// The next event; none when the session is over.
    pub async fn next(&self) -> Option<crate::request::Event> {
        self.events.next().await
    }
}
