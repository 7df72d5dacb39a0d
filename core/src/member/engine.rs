//! Stub while the doors are being built.
use super::call::Completion;
use super::events::Events;
use super::session::SessionOptions;
use super::target::Target;
use crate::error::{ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::request::{Reply, Request, SessionState, WatchMode};
use std::sync::Arc;
pub(super) struct Engine;
pub(super) struct SessionCore { events: Events }
pub(super) struct WatcherHandle;
impl SessionCore {
    pub(super) fn id(&self) -> SessionId { SessionId(1) }
    pub(super) fn timeout_ms(&self) -> u32 { 0 }
    pub(super) fn state(&self) -> SessionState { SessionState::Connected }
    pub(super) fn events(&self) -> Events { self.events.clone() }
}
impl Engine {
    pub(super) fn open(_: &Target) -> Result<Arc<Engine>> { Ok(Arc::new(Engine)) }
    pub(super) fn open_session(&self, _: &SessionOptions) -> Result<Arc<SessionCore>> { Ok(Arc::new(SessionCore { events: Events::new() })) }
    pub(super) fn submit(&self, _: &Arc<SessionCore>, _: Request, done: Completion) { done(Err(ErrorKind::Unimplemented.into())) }
    pub(super) fn call_blocking(&self, _: &Arc<SessionCore>, _: Request) -> Result<Reply> { Err(ErrorKind::Unimplemented.into()) }
    pub(super) fn close_session(&self, _: &Arc<SessionCore>, done: Completion) { done(Ok(Reply::Done)) }
    pub(super) fn abandon_session(&self, _: &Arc<SessionCore>) {}
    pub(super) fn open_watch(&self, _: &Arc<SessionCore>, _: &str, _: WatchMode) -> Result<(WatcherHandle, Events)> { Ok((WatcherHandle, Events::new())) }
    pub(super) fn zxid(&self) -> Result<Zxid> { Ok(Zxid(0)) }
    pub(super) fn touch(&self, _: &SessionCore) -> Result<()> { Ok(()) }
    pub(super) fn advance(&self, _: u64) -> Result<()> { Ok(()) }
    pub(super) fn wall_ms(&self) -> i64 { 0 }
    pub(super) fn snapshot(&self) -> Result<()> { Ok(()) }
    pub(super) fn recovery(&self) -> Option<String> { None }
    pub(super) fn close(&self) -> Result<()> { Ok(()) }
}
