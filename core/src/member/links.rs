use crate::error::Result;
use crate::log::replica::MemberId;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
pub(crate) trait Peers: Send + Sync {
    fn arrived(&self, from: MemberId, message: Vec<u8>);
    fn link(&self, with: MemberId, up: bool);
    fn snapshot_begins(&self, from: MemberId, about: Vec<u8>) -> Result<()>;
    fn snapshot_record(&self, from: MemberId, record: &[u8]) -> Result<()>;
    fn snapshot_ends(&self, from: MemberId, whole: bool);
    fn snapshot_sent(&self, to: MemberId, arrived: bool);
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkTls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authorities: PathBuf,
}
pub(crate) struct LinkOptions {
    pub id: MemberId,
    pub incarnation: u64,
    pub ensemble: [u8; 16],
    pub listen: String,
    pub peers: Vec<(MemberId, String)>,
    pub tls: Option<LinkTls>,
    pub open: bool,
}
pub(crate) struct Links;
impl Links {
    pub(crate) fn start(_: LinkOptions, _: Arc<dyn Peers>) -> Result<Links> {
        Ok(Links)
    }
    pub(crate) fn send(&self, _: MemberId, _: Vec<u8>) -> bool {
        false
    }
    pub(crate) fn send_snapshot(&self, _: MemberId, _: Vec<u8>, _: Box<dyn FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> + Send>) {}
    pub(crate) fn close(&self) {}
}
