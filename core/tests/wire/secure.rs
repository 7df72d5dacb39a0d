//! TLS at the door for clients. Files that change, and certificates that are not taken, are tested where they are read.

use crate::client::*;
use folkmoot::Member;
use folkmoot::ids::SessionId;
use folkmoot::wire::records::{Connected, op};
use folkmoot::wire::{ClientCertificate, Options, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

struct Ground {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Ground {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let ground = Self { directory: tempfile::tempdir().expect("a directory"), authority };
        let (certificate, key) = ground.issue("server");
        std::fs::write(ground.directory.path().join("server.pem"), key + &certificate).expect("written");
        std::fs::write(ground.directory.path().join("ca.pem"), ground.authority.pem()).expect("written");
        ground
    }

    /// Certificate and key, PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".into()]).expect("parameters");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.authority).expect("signed").pem(), key.serialize_pem())
    }

    fn listen(&self, member: &Member, plaintext_too: bool) -> SocketAddr {
        let path = |name: &str| self.directory.path().join(name);
        let tls = Tls {
            certificates: path("server.pem"),
            key: path("server.pem"),
            client_authorities: Some(path("ca.pem")),
            client_certificate: ClientCertificate::Want,
            plaintext_too,
        };
        let options = Options { tls: Some(tls), super_x509: Some("CN=boss".into()), four_letter_words: vec!["ruok".into()], ..Options::default() };
        member.listen_with("127.0.0.1:0", options).expect("a listener")
    }

    /// A client that shows a certificate with this name, or none.
    fn client(&self, address: SocketAddr, name: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).expect("PEM")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
        let config = match name.map(|name| self.issue(name)) {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
                config.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM")).expect("a certificate")
            }
        };
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").expect("a name")).expect("a client");
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("a deadline");
        StreamOwned::new(connection, stream)
    }
}

fn frame(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length");
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).expect("a body");
    body
}

fn connect() -> Vec<u8> {
    let mut bytes = Vec::new();
    hello(SessionId(0), &[0; 16], 10_000).write(&mut bytes);
    bytes
}

/// The session of a client, and who it has shown to be.
fn who(stream: &mut (impl Read + Write)) -> Vec<(String, String)> {
    stream.write_all(&connect()).expect("sent");
    assert_ne!(Connected::read(&frame(stream)).expect("an answer").session, SessionId(0));
    stream.write_all(&request(1, op::WHO_AM_I, Body::new())).expect("sent");
    let body = frame(stream);
    let mut fields = Fields(&body[16..]);
    (0..fields.int()).map(|_| (fields.text(), fields.text())).collect()
}

#[test]
fn a_certificate_says_who_a_client_is() {
    let ground = Ground::new();
    let member = Member::open("memory:").expect("a member");
    let address = ground.listen(&member, false);
    let shown = who(&mut ground.client(address, Some("ann")));
    assert!(shown.contains(&("x509".into(), "CN=ann".into())), "{shown:?}");
    let shown = who(&mut ground.client(address, None));
    assert!(shown.iter().all(|(scheme, _)| scheme == "ip"), "{shown:?}");
    // Nobody but the boss may do what nobody is allowed to.
    let session = member.session(folkmoot::SessionOptions { superuser: true, ..Default::default() }).expect("a session");
    let acl = vec![folkmoot::request::Acl { perms: 31, identity: folkmoot::request::Identity::new("x509", "CN=nobody") }];
    let options = folkmoot::CreateOptions { acl, ..Default::default() };
    session.create_blocking("/closed", b"", options).expect("/closed");
    for (name, code) in [("ann", -102), ("boss", 0)] {
        let mut stream = ground.client(address, Some(name));
        who(&mut stream);
        stream.write_all(&request(2, op::GET_DATA, read("/closed", false))).expect("sent");
        assert_eq!(i32::from_be_bytes(frame(&mut stream)[12..16].try_into().expect("four bytes")), code, "{name}");
    }
}

#[test]
fn words_are_answered_over_tls() {
    let ground = Ground::new();
    let member = Member::open("memory:").expect("a member");
    let mut stream = ground.client(ground.listen(&member, false), None);
    stream.write_all(b"ruok").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and the end");
    assert_eq!(text, "imok");
}

#[test]
fn plaintext_is_taken_on_the_same_port_only_if_that_is_asked_for() {
    let ground = Ground::new();
    let member = Member::open("memory:").expect("a member");
    let both = ground.listen(&member, true);
    Client::open(both).done(op::CREATE, create("/a", 0));
    assert!(!who(&mut ground.client(both, Some("ann"))).is_empty());
    let mut raw = Raw::open(ground.listen(&member, false));
    raw.send(&connect());
    // What comes, if anything, is an alert of TLS, and then the end.
    let mut answer = Vec::new();
    let _ = raw.stream.read_to_end(&mut answer);
    assert!(answer.first().is_none_or(|first| *first == 0x15), "{answer:?}");
}
