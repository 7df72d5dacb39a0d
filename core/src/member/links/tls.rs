//! Mutual TLS between members: whose certificate is whose.
//!
//! A member's certificate is signed by the authorities that all know and names it: a subject alternative name of type DNS,
//! `member-3` for member 3, good for servers and for clients. Whoever dials checks that name as of any server, whoever accepts
//! checks it once the hello has said who is calling. TLS 1.3 only, and nothing is resumed: each connection shows a certificate.
//!
//! When the files have changed, the next connection gets what is in them, if that makes sense; those that are there stay.

use super::LinkTls;
use crate::error::{Error, ErrorKind, Result};
use crate::log::replica::MemberId;
use crate::wire::tls::{Mark, bad, certificates, marks, private_key};
use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How often, at most, files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Tls {
    files: LinkTls,
    current: Mutex<Current>,
}

struct Current {
    seen: Vec<Option<Mark>>,
    looked: Instant,
    both: Arc<Both>,
}

pub(super) struct Both {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files of member `id`.
    ///
    /// # Errors
    /// `BadArguments`: one is not named, cannot be used, or the certificate is another's.
    pub fn new(files: LinkTls, id: MemberId) -> Result<Self> {
        let seen = marks(files.all());
        let both = load(&files)?;
        let own = certificates(&files.certificate)?;
        if !names(&own[0], id) {
            return Err(bad(&files.certificate, format!("this certificate is not for member {id}: it lacks the name DNS:member-{id}")));
        }
        Ok(Self { files, current: Mutex::new(Current { seen, looked: Instant::now(), both }) })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.now_at(Instant::now()).server.clone().into()
    }

    pub fn connector(&self) -> TlsConnector {
        self.now_at(Instant::now()).client.clone().into()
    }

    /// What to use for a connection made now: the files as they are, if they are good.
    pub fn now_at(&self, now: Instant) -> Arc<Both> {
        let mut current = self.current.lock();
        if now.saturating_duration_since(current.looked) >= LOOK_EVERY {
            current.looked = now;
            // Marked before they are read: what changes meanwhile is seen next time.
            let seen = marks(self.files.all());
            if seen != current.seen {
                current.seen = seen;
                match load(&self.files) {
                    Ok(both) => current.both = both,
                    Err(error) => tracing::warn!(%error, "TLS files of the links have changed and cannot be used; the ones read before stay in force"),
                }
            }
        }
        current.both.clone()
    }
}

impl LinkTls {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key, &self.authorities].into_iter()
    }
}

/// The name of a member in its certificate.
pub(super) fn name(id: MemberId) -> Result<ServerName<'static>> {
    ServerName::try_from(format!("member-{id}")).map_err(|error| Error::new(ErrorKind::SystemError, format!("member-{id}: {error}")))
}

/// Whether a certificate is that of a member. Who has signed it is another question, and has been answered in the handshake.
pub(super) fn names(certificate: &CertificateDer<'_>, id: MemberId) -> bool {
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| name(id).is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok()))
}

fn load(files: &LinkTls) -> Result<Arc<Both>> {
    if files.all().any(|path| path.as_os_str().is_empty()) {
        return Err(Error::new(
            ErrorKind::BadArguments,
            "TLS between members needs three files: peer_certificate, peer_key, and peer_authorities for whose certificates are good",
        ));
    }
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.authorities)? {
        roots.add(certificate).map_err(|error| bad(&files.authorities, format!("a certificate that cannot be an authority: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| Error::new(ErrorKind::SystemError, format!("TLS: {error}"));
    let unfit = |error: rustls::Error| bad(&files.key, format!("this key with the certificate in {}: {error}", files.certificate.display()));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone())
        .build()
        .map_err(|error| bad(&files.authorities, error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(unfit)?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(unfit)?;
    client.resumption = Resumption::disabled();
    Ok(Arc::new(Both { server: Arc::new(server), client: Arc::new(client) }))
}
