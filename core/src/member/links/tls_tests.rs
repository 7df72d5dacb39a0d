//! Mutual TLS, with certificates made here.

use super::frame::{Hello, Kind};
use super::tests::{Teller, Told, meet, next, options, start, until};
use super::*;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

struct Ground {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Ground {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        Self { directory, authority }
    }

    /// Files of whoever has these names.
    fn issue(&self, file: &str, names: &[&str]) -> LinkTls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let path = |name: String| self.directory.path().join(name);
        let files = LinkTls { certificate: path(format!("{file}.pem")), key: path(format!("{file}.key")), authorities: path("ca.pem".into()) };
        fs::write(&files.certificate, params.signed_by(&key, &self.authority).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn member(&self, id: MemberId) -> LinkTls {
        self.issue(&id.to_string(), &[&format!("member-{id}")])
    }
}

fn member(id: MemberId, tls: LinkTls) -> (Links, mpsc::Receiver<Told>) {
    start(LinkOptions { tls: Some(tls), ..options(id, "127.0.0.1:0") })
}

fn dial(links: &Links, to: MemberId, at: SocketAddr) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(dial::connect(&links.shared, &Peer::new(to, String::new()), &at.to_string(), Kind::Messages)).map(drop)
}

#[test]
fn members_that_know_each_other_by_certificate_are_linked() {
    let ground = Ground::new();
    let ((one, of_one), (two, of_two)) = (member(1, ground.member(1)), member(2, ground.issue("two", &["two.example", "member-2"])));
    meet(&[&one, &two]);
    until(&of_one, &Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    for size in [0, 1, 100_000, LINK_FRAME_BYTES_MAX] {
        assert!(one.send(2, vec![3; size]));
        assert_eq!(next(&of_two), Told::Message(1, vec![3; size]));
    }
    two.send_snapshot(1, b"about".to_vec(), Box::new(|out| (0..100).try_for_each(|_| out(&[4; 10_000]))));
    assert_eq!(next(&of_one), Told::Begins(2, b"about".to_vec()));
    for _ in 0..100 {
        assert_eq!(next(&of_one), Told::Record(vec![4; 10_000]));
    }
    assert_eq!(next(&of_one), Told::Ends(2, true));
    assert_eq!(next(&of_two), Told::Sent(1, true));
    drop(two);
    assert_eq!(next(&of_one), Told::Link(2, false));
}

#[test]
fn a_certificate_is_good_for_its_member_only() {
    let (ground, elsewhere) = (Ground::new(), Ground::new());
    let (one, _of_one) = member(1, ground.member(1));
    one.set_peers(vec![(2, "127.0.0.1:1".into()), (3, "127.0.0.1:1".into())]);
    // Whoever is dialled is another member, or has its certificate from another authority, or has none.
    let (three, _of_three) = member(3, ground.member(3));
    let (foreign, _of_foreign) = member(2, elsewhere.member(2));
    let (plain, _of_plain) = start(options(2, "127.0.0.1:0"));
    for at in [three.address(), foreign.address()] {
        assert_eq!(dial(&one, 2, at).unwrap_err().kind(), ErrorKind::AuthFailed);
    }
    assert_eq!(dial(&one, 2, plain.address()).unwrap_err().kind(), ErrorKind::ConnectionLoss);
    // Whoever dials: the authority decides before a word is said.
    assert_eq!(dial(&foreign, 1, one.address()).unwrap_err().kind(), ErrorKind::AuthFailed);
    assert!(dial(&plain, 1, one.address()).unwrap_err().to_string().contains("TLS"));
    dial(&three, 1, one.address()).unwrap();
    // Member 3's own certificate, and the words of member 2.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let socket = TcpStream::connect(one.address()).await.unwrap();
        let connector = three.shared.tls.as_ref().unwrap().connector();
        let mut stream = connector.connect(tls::name(1).unwrap(), socket).await.unwrap();
        let hello = Hello { ensemble: [0; 16], from: 2, to: 1, incarnation: 1, kind: Kind::Messages };
        stream.write_all(&hello.encode()).await.unwrap();
        stream.read_u8().await.unwrap()
    });
    assert_eq!(answer, frame::Refusal::Certificate as u8);
}

#[test]
fn files_that_make_no_sense_are_refused_by_name() {
    let ground = Ground::new();
    let refused = |id, files: LinkTls| {
        let (tell, _told) = mpsc::channel();
        let given = LinkOptions { tls: Some(files), ..options(id, "127.0.0.1:0") };
        let error = Links::start(given, Arc::new(Teller(Mutex::new(tell)))).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::BadArguments);
        error.to_string()
    };
    assert!(refused(1, ground.member(2)).contains("DNS:member-1"));
    assert!(refused(1, LinkTls { key: PathBuf::new(), ..ground.member(1) }).contains("peer_key"));
    assert!(refused(1, LinkTls { key: "/nowhere".into(), ..ground.member(1) }).contains("/nowhere"));
    assert!(refused(1, LinkTls { key: ground.issue("other", &["member-1"]).key, ..ground.member(1) }).contains("other.key"));
}

#[test]
fn the_next_connection_shows_what_is_in_the_files_now() {
    let ground = Ground::new();
    let files = ground.member(1);
    let tls = tls::Tls::new(files.clone(), 1).unwrap();
    let before = tls.now_at(std::time::Instant::now());
    let later = std::time::Instant::now() + Duration::from_secs(5);
    // Halfway through a renewal the old ones stay in force.
    let other = ground.issue("new", &["member-1"]);
    fs::rename(&other.key, &files.key).unwrap();
    assert!(Arc::ptr_eq(&before, &tls.now_at(later)));
    fs::rename(&other.certificate, &files.certificate).unwrap();
    assert!(!Arc::ptr_eq(&before, &tls.now_at(later + Duration::from_secs(5))));
}
