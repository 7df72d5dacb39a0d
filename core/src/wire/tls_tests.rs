//! Real sockets and certificates made here.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, PEM.
fn issue(authority: &Authority, names: &[(DnType, &str)]) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, name) in names {
        params.distinguished_name.push(kind.clone(), *name);
    }
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A directory with `server.pem` (key and chain in one file, as ZooKeeper's stores of type PEM) and `ca.pem`.
struct Ground {
    directory: tempfile::TempDir,
    authority: Authority,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { directory: tempfile::tempdir().unwrap(), authority: authority("the authority") };
        ground.server("first");
        ground.write("ca.pem", &ground.authority.pem());
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        // Another file under the old name: what a careful renewal does, and a new inode.
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn server(&self, name: &str) {
        let (certificate, key) = issue(&self.authority, &[(DnType::CommonName, name)]);
        self.write("server.pem", &(key + &certificate));
    }

    fn options(&self, client_certificate: ClientCertificate) -> Tls {
        Tls {
            certificates: self.path("server.pem"),
            key: self.path("server.pem"),
            client_authorities: Some(self.path("ca.pem")),
            client_certificate,
            plaintext_too: false,
        }
    }

    fn client(&self, identity: Option<(String, String)>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    /// What the server calls the client.
    client: Option<String>,
    /// What the client calls the server.
    server: Option<String>,
}

/// One connection by TLS: both handshakes, and a byte each way.
fn meet(acceptor: &Acceptor, now: Instant, client: &TlsConnector) -> std::io::Result<Seen> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let dial = TcpStream::connect(listener.local_addr()?);
        let (near, (far, _)) = (dial.await?, listener.accept().await?);
        let server = async {
            let Accepted::Secure(mut stream) = acceptor.accept(far, now).await? else { panic!("taken for plaintext") };
            stream.write_all(b"!").await?;
            stream.flush().await?;
            Ok::<_, std::io::Error>(peer_identity(stream.get_ref().1))
        };
        let client = async {
            let mut stream = client.connect(ServerName::try_from("localhost").unwrap(), near).await?;
            // TLS 1.3: a server's refusal of the certificate comes after the handshake.
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            Ok::<_, std::io::Error>(subject(&stream.get_ref().1.peer_certificates().unwrap()[0]))
        };
        let (server, client) = both(server, client).await;
        Ok(Seen { client: server?, server: client? })
    })
}

fn run<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(task)
}

async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut from_a, mut from_b) = (None, None);
    std::future::poll_fn(move |context| {
        if from_a.is_none()
            && let std::task::Poll::Ready(value) = a.as_mut().poll(context)
        {
            from_a = Some(value);
        }
        if from_b.is_none()
            && let std::task::Poll::Ready(value) = b.as_mut().poll(context)
        {
            from_b = Some(value);
        }
        if from_a.is_some() && from_b.is_some() { std::task::Poll::Ready((from_a.take().unwrap(), from_b.take().unwrap())) } else { std::task::Poll::Pending }
    })
    .await
}

fn named(name: &str) -> Vec<(DnType, &str)> {
    vec![(DnType::OrganizationName, "y"), (DnType::OrganizationalUnitName, "x"), (DnType::CommonName, name)]
}

#[test]
fn a_client_is_who_its_certificate_says() {
    let ground = Ground::new();
    let now = Instant::now();
    let acceptor = Acceptor::new(ground.options(ClientCertificate::Need), now).unwrap();
    let client = ground.client(Some(issue(&ground.authority, &named("client"))));
    let seen = meet(&acceptor, now, &client).unwrap();
    assert_eq!(seen, Seen { client: Some("CN=client,OU=x,O=y".into()), server: Some("CN=first".into()) });
    // A resumed session has the same client.
    assert_eq!(meet(&acceptor, now, &client).unwrap().client, seen.client);
}

#[test]
fn clients_without_a_good_certificate() {
    let ground = Ground::new();
    let now = Instant::now();
    let stranger = || issue(&authority("another"), &named("client"));
    let meet = |wanted, identity| meet(&Acceptor::new(ground.options(wanted), now).unwrap(), now, &ground.client(identity)).map(|seen| seen.client);
    assert!(meet(ClientCertificate::Need, None).is_err());
    assert!(meet(ClientCertificate::Need, Some(stranger())).is_err());
    assert_eq!(meet(ClientCertificate::Want, None).unwrap(), None);
    assert!(meet(ClientCertificate::Want, Some(stranger())).is_err());
    assert_eq!(meet(ClientCertificate::None, Some(stranger())).unwrap(), None);
}

#[test]
fn plaintext_on_a_tls_port_is_refused_unless_it_is_allowed() {
    let ground = Ground::new();
    let now = Instant::now();
    let say = |plaintext_too, words: &'static [u8]| {
        let acceptor = Acceptor::new(Tls { plaintext_too, ..ground.options(ClientCertificate::Need) }, now).unwrap();
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (far, _) = listener.accept().await.unwrap();
            near.write_all(words).await.unwrap();
            near.shutdown().await.unwrap();
            match acceptor.accept(far, now).await.map_err(|e| e.kind())? {
                Accepted::Plain(mut stream) => {
                    let mut heard = Vec::new();
                    stream.read_to_end(&mut heard).await.unwrap();
                    Ok(heard)
                }
                Accepted::Secure(_) => panic!("taken for TLS"),
            }
        })
    };
    assert_eq!(say(true, b"ruok"), Ok(b"ruok".to_vec()), "nothing is lost of what was peeked at");
    assert_eq!(say(true, b"\0\0\0\x2d"), Ok(b"\0\0\0\x2d".to_vec()));
    assert_eq!(say(true, b""), Ok(vec![]));
    assert_eq!(say(false, b"ruok ruok ruok ruok"), Err(std::io::ErrorKind::InvalidData));
    assert_eq!(say(true, b"\x16\x03\x01"), Err(std::io::ErrorKind::UnexpectedEof), "half a handshake");
    // And TLS is still TLS there.
    let acceptor = Acceptor::new(Tls { plaintext_too: true, ..ground.options(ClientCertificate::Want) }, now).unwrap();
    assert!(meet(&acceptor, now, &ground.client(None)).is_ok());
}

#[test]
fn files_that_change_are_read_again_and_bad_ones_change_nothing() {
    let ground = Ground::new();
    let start = Instant::now();
    let acceptor = Acceptor::new(ground.options(ClientCertificate::None), start).unwrap();
    let client = ground.client(None);
    let server_at = |seconds_tenths: u64| meet(&acceptor, start + Duration::from_millis(100 * seconds_tenths), &client).unwrap().server.unwrap();
    ground.server("second");
    assert_eq!(server_at(9), "CN=first", "not looked at yet");
    assert_eq!(server_at(10), "CN=second");
    ground.write("server.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n");
    assert_eq!(server_at(20), "CN=second");
    fs::remove_file(ground.path("server.pem")).unwrap();
    assert_eq!(server_at(30), "CN=second");
    let (certificate, _) = issue(&ground.authority, &named("other"));
    let (_, key) = issue(&ground.authority, &named("other"));
    ground.write("server.pem", &(key + &certificate));
    assert_eq!(server_at(40), "CN=second", "a key that is not the certificate's");
    ground.server("third");
    assert_eq!(server_at(50), "CN=third");
}

#[test]
fn the_authorities_are_read_again_too() {
    let ground = Ground::new();
    let start = Instant::now();
    let acceptor = Acceptor::new(ground.options(ClientCertificate::Need), start).unwrap();
    let other = authority("another");
    let identity = issue(&other, &named("client"));
    assert!(meet(&acceptor, start, &ground.client(Some(identity.clone()))).is_err());
    ground.write("ca.pem", &(ground.authority.pem() + &other.pem()));
    assert!(meet(&acceptor, start + LOOK_EVERY, &ground.client(Some(identity))).is_ok());
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let ground = Ground::new();
    let refusal = |name: &str, bytes: &[u8]| {
        fs::write(ground.path(name), bytes).unwrap();
        let options = Tls { certificates: ground.path(name), key: ground.path(name), ..ground.options(ClientCertificate::None) };
        let error = Acceptor::new(options, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadArguments);
        let text = error.context().to_string();
        assert!(text.contains(name), "{text}");
        text
    };
    assert!(refusal("a.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).contains("keytool"));
    assert!(refusal("a.p12", &[0x30, 0x82, 1, 2, 3]).contains("openssl pkcs12"));
    let whole = fs::read_to_string(ground.path("server.pem")).unwrap();
    let (key, certificate) = whole.split_at(whole.find("-----BEGIN CERTIFICATE").unwrap());
    assert!(refusal("certificate.pem", certificate.as_bytes()).contains("no private key"));
    assert!(refusal("key.pem", key.as_bytes()).contains("no certificate"));
    let locked = format!("{certificate}-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert!(refusal("locked.pem", locked.as_bytes()).contains("openssl pkey"));
    assert!(refusal("empty.pem", b"").contains("no certificate"));
    let missing = Tls { certificates: ground.path("missing.pem"), ..ground.options(ClientCertificate::None) };
    assert!(Acceptor::new(missing, Instant::now()).unwrap_err().context().contains("missing.pem"));
    let nobody = Tls { client_authorities: None, ..ground.options(ClientCertificate::Want) };
    assert!(Acceptor::new(nobody, Instant::now()).is_err());
}

/// Names made with OpenSSL or by hand, and what Java 17 printed of each. (Of a UniversalString, which
/// nobody writes, Java shows the encoding; such a certificate has no name here.)
#[test]
fn subjects_read_as_java_prints_them() {
    for (name, java) in [
        (
            "3041310b300906035504061302474231133011060355040a0c0a466f6c6b2c204d6f6f74310a3008060355040b0c01613111300f06035504030c0820636c69656e7420",
            "CN=\\ client\\ ,OU=a,O=Folk\\, Moot,C=GB",
        ),
        (
            "306331133011060a0992268993f22c64011916036f726731183016060a0992268993f22c6401191608666f6c6b6d6f6f74311c300806035504030c01783010060a0992268993f22c6401010c0275313114301206092a864886f70d01090116056140622e63",
            "1.2.840.113549.1.9.1=#16056140622e63,CN=x+UID=u1,DC=folkmoot,DC=org",
        ),
        (
            "3063310d300b06035504080c044b656e74310c300a06035504070c03456c793114301206035504090c0b3120224869676822205374310a300806035504051301373115301306035504030c0c236ac3b672673b3c783e5c79310b3009060355040c0c024472",
            "2.5.4.12=#0c024472,CN=\\#jörg\\;\\<x\\>\\\\y,2.5.4.5=#130137,STREET=1 \\\"High\\\" St,L=Ely,ST=Kent",
        ),
        (
            "30403113301106035504030c0ae697a5e69cac20e8aa9e310a300806035504040c0173310a3008060355042a0c01673111300f06035504030c0874616209785f2a21",
            "CN=tab\tx_*!,2.5.4.42=#0c0167,2.5.4.4=#0c0173,CN=日本 語",
        ),
        (
            "30463110300e060355040a0c07202074776f2020310e300c06035504070c0523686173683112301006092a864886f70d0109020c037a7a7a310e300c06035504030c05c3a974c3a9",
            "CN=été,1.2.840.113549.1.9.2=#0c037a7a7a,L=\\#hash,O=\\ \\ two\\ \\ ",
        ),
        ("300f310d300b06035504031e04006100e9", "CN=\\00a\\00\u{fffd}"),
        ("300c310a300806035504031401e9", "CN=\u{fffd}"),
        ("3010310e300c06035504030c050d2061200d", "CN=\\\r\\ a\\ \\\r"),
        ("300b3109300706035504030c00", "CN="),
        ("300d310b3009060355040312023132", "CN=#12023132"),
        ("300e310c300a06035504031603696135", "CN=ia5"),
        ("300e310c300a06035504030c03202020", "CN=\\ \\ \\ "),
        ("300c310a30080603550403020105", "CN=#020105"),
        ("300e310c300a060355040313036d6178", "CN=max"),
        ("3000", ""),
        ("300b3109300706022a030c0178", "1.2.3=#0c0178"),
    ] {
        let bytes: Vec<u8> = (0..name.len()).step_by(2).map(|at| u8::from_str_radix(&name[at..at + 2], 16).unwrap()).collect();
        let name = Name::from_der(&bytes).unwrap_or_else(|e| panic!("{java}: {e}"));
        assert_eq!(rfc2253(&name).unwrap(), java);
    }
}

proptest::proptest! {
    #[test]
    fn no_certificate_is_more_than_nameless(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), at in 0usize..400, byte: u8) {
        assert_eq!(subject(&bytes), None);
        static SAMPLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| authority("x").der().to_vec());
        bytes.clone_from(&SAMPLE);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = subject(&bytes);
    }
}
