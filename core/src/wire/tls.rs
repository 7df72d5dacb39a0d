//! TLS of a listener: the server's certificate, which clients' certificates are taken, and whose they are.
//!
//! A listener holds one [`Acceptor`]. When its files have changed, the next connection gets what is in
//! them now; connections that are there keep what they have. Files that make no sense (a new chain beside
//! the old key, say, halfway through a renewal) leave the old ones in force, and a warning says so.
//!
//! With `plaintext_too`, a connection's first byte tells: 0x16 begins a TLS handshake and nothing a
//! ZooKeeper client ever sends, for a frame that began with it would be of more than 369 MB.
//!
//! Not here: how long a handshake may take (the listener closes what is late), ACLs.

use super::options::{ClientCertificate, Tls};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::PEM_BYTES_MAX;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::name::Name;

/// How often, at most, files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What a TLS handshake begins with.
const HANDSHAKE: u8 = 0x16;

/// What turns a listener's connections into TLS ones.
#[derive(Debug)]
pub struct Acceptor {
    options: Tls,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    seen: Vec<Option<Mark>>,
    looked: Instant,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// A connection, as its client opened it.
#[derive(Debug)]
pub enum Accepted {
    /// Without TLS, which `plaintext_too` allows.
    Plain(TcpStream),
    /// With TLS, the handshake done.
    Secure(Box<TlsStream<TcpStream>>),
}

impl Acceptor {
    /// Reads the files that `options` name.
    ///
    /// # Errors
    /// [`ErrorKind::BadArguments`]; the text names the file and what to do.
    pub fn new(options: Tls, now: Instant) -> Result<Self> {
        let seen = marks(files(&options));
        let config = load(&options)?;
        Ok(Self { options, current: Mutex::new(Current { config, seen, looked: now }) })
    }

    /// What to accept the next connection with: the files as they are now, if they are good.
    pub fn acceptor(&self, now: Instant) -> TlsAcceptor {
        let mut current = self.current.lock();
        if now.saturating_duration_since(current.looked) >= LOOK_EVERY {
            current.looked = now;
            // Marked before they are read: what changes meanwhile is seen next time.
            let seen = marks(files(&self.options));
            if seen != current.seen {
                current.seen = seen;
                match load(&self.options) {
                    Ok(config) => current.config = config,
                    Err(error) => tracing::warn!(%error, "TLS files have changed and cannot be used; the ones read before stay in force"),
                }
            }
        }
        TlsAcceptor::from(current.config.clone())
    }

    /// Does the handshake of `stream`, or finds that there is none to do.
    ///
    /// # Errors
    /// Of the socket, or of the handshake: the peer speaks no TLS, or its certificate is not taken.
    pub async fn accept(&self, stream: TcpStream, now: Instant) -> std::io::Result<Accepted> {
        if self.options.plaintext_too && !begins_handshake(&stream).await? {
            return Ok(Accepted::Plain(stream));
        }
        let acceptor = self.acceptor(now);
        Ok(Accepted::Secure(Box::new(acceptor.accept(stream).await?)))
    }
}

/// Whether what has come, or comes first, is TLS. A peer that closes before it says anything does not.
async fn begins_handshake(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

/// The subject of the certificate that the client has shown, as ZooKeeper's `x509` scheme names it.
pub fn peer_identity(connection: &ServerConnection) -> Option<String> {
    subject(connection.peer_certificates()?.first()?)
}

/// The subject of a certificate in the text of RFC 2253, the last of its names first; none if it cannot be read.
pub fn subject(certificate: &[u8]) -> Option<String> {
    let certificate = CertificateInner::<Raw>::from_der(certificate).ok()?;
    rfc2253(certificate.tbs_certificate().subject())
}

/// The text that Java's `X500Principal.getName()` gives, for that is what stands in ACLs. Where the two
/// differ it is Java's word: bytes of every kind of string are read as UTF-8, and of values that are no
/// string, or whose type has no short name in RFC 2253, the encoding is shown in hexadecimal.
fn rfc2253(name: &Name) -> Option<String> {
    let mut text = String::new();
    let sets: Vec<_> = name.as_ref().iter().collect();
    for set in sets.into_iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (at, pair) in set.as_ref().iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            let oid = pair.oid.to_string();
            let keyword = match oid.as_str() {
                "2.5.4.3" => Some("CN"),
                "2.5.4.6" => Some("C"),
                "2.5.4.7" => Some("L"),
                "2.5.4.8" => Some("ST"),
                "2.5.4.9" => Some("STREET"),
                "2.5.4.10" => Some("O"),
                "2.5.4.11" => Some("OU"),
                "0.9.2342.19200300.100.1.25" => Some("DC"),
                "0.9.2342.19200300.100.1.1" => Some("UID"),
                _ => None,
            };
            text.push_str(keyword.unwrap_or(&oid));
            text.push('=');
            let string =
                matches!(pair.value.tag(), Tag::PrintableString | Tag::TeletexString | Tag::Ia5String | Tag::GeneralString | Tag::BmpString | Tag::Utf8String);
            if keyword.is_some() && string {
                escape(&String::from_utf8_lossy(pair.value.value()), &mut text);
            } else {
                text.push('#');
                for byte in pair.value.to_der().ok()? {
                    let _ = write!(text, "{byte:02x}");
                }
            }
        }
    }
    Some(text)
}

fn escape(value: &str, text: &mut String) {
    let blank = |c: char| c == ' ' || c == '\r';
    let lead = value.len() - value.trim_start_matches(blank).len();
    let trail = value.trim_end_matches(blank).len();
    for (at, c) in value.char_indices() {
        if c == '\0' {
            text.push_str("\\00");
            continue;
        }
        if at < lead || at >= trail || matches!(c, ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
}

/// What a file looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    modified: Option<SystemTime>,
    bytes: u64,
    file: u64,
}

fn files(options: &Tls) -> impl Iterator<Item = &PathBuf> {
    [&options.certificates, &options.key].into_iter().chain(&options.client_authorities)
}

/// What files look like now; none where there is none.
pub(crate) fn marks<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Vec<Option<Mark>> {
    fn number(metadata: &Metadata) -> u64 {
        #[cfg(unix)]
        return std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        return 0;
    }
    let mark = |metadata: Metadata| Mark { modified: metadata.modified().ok(), bytes: metadata.len(), file: number(&metadata) };
    files.map(|path| std::fs::metadata(path).ok().map(mark)).collect()
}

fn load(options: &Tls) -> Result<Arc<ServerConfig>> {
    let chain = certificates(&options.certificates)?;
    let key = private_key(&options.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::SystemError, format!("TLS: {e}")))?;
    let builder = match (&options.client_authorities, options.client_certificate) {
        (_, ClientCertificate::None) => builder.with_no_client_auth(),
        (None, _) => {
            return Err(Error::new(
                ErrorKind::BadArguments,
                "TLS: clients are asked for a certificate, and nothing says which authorities' are good: name a trust store, or ask for none",
            ));
        }
        (Some(path), wanted) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| bad(path, format!("a certificate that cannot be an authority: {e}")))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if wanted == ClientCertificate::Want { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| bad(path, e.to_string()))?)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|e| bad(&options.key, format!("this key with the certificate in {}: {e}", options.certificates.display())))?;
    Ok(Arc::new(config))
}

pub(crate) fn bad(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::BadArguments, format!("{}: {what}", path.display()))
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(path)?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|e| bad(path, format!("the PEM is broken: {e}")))?;
    if chain.is_empty() {
        return Err(bad(path, "there is no certificate in it"));
    }
    Ok(chain)
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let pem = read(path)?;
    let encrypted = |needle: &[u8]| pem.windows(needle.len()).any(|window| window == needle);
    if encrypted(b"BEGIN ENCRYPTED PRIVATE KEY") || encrypted(b"Proc-Type: 4,ENCRYPTED") {
        return Err(bad(
            path,
            format!("the key is encrypted, and Folkmoot keeps no passwords of keys: write it out with `openssl pkey -in {} -out KEY.pem`", path.display()),
        ));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| match e {
        rustls::pki_types::pem::Error::NoItemsFound => bad(path, "there is no private key in it"),
        e => bad(path, format!("the PEM is broken: {e}")),
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|e| bad(path, e))?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(bad(path, format!("more than {PEM_BYTES_MAX} bytes, which no chain of certificates has")));
    }
    let name = path.display();
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return Err(bad(
            path,
            format!(
                "a Java keystore (JKS); Folkmoot reads PEM: `keytool -importkeystore -srckeystore {name} -destkeystore STORE.p12 -deststoretype PKCS12`, \
                 then `openssl pkcs12 -in STORE.p12 -nodes -out STORE.pem`"
            ),
        ));
    }
    if bytes.first() == Some(&0x30) {
        return Err(bad(path, format!("a binary keystore (PKCS12 or DER); Folkmoot reads PEM: `openssl pkcs12 -in {name} -nodes -out STORE.pem`")));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
