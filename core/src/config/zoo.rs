//! `zoo.cfg`: what each key asks for, and whether it can be had.

use super::properties::{self, Property};
use super::{Address, Ignored, Refused, ServeConfig, Server, unhonoured};
use crate::limits::{FRAME_BYTES_MAX, MEMBERS_VOTING_MAX};
use crate::wire::{ClientCertificate, Options, Tls};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Java's greatest `int`.
const INT_MAX: i128 = i32::MAX as i128;
/// ZooKeeper's tick when a file does not say, in milliseconds.
const TICK_MS: u32 = 3000;
/// The admin server's port when only its being on is said.
const ADMIN_PORT: u16 = 8080;
/// The classes of ZooKeeper behind the schemes that are known here.
const PROVIDERS: [&str; 5] =
    ["SASLAuthenticationProvider", "X509AuthenticationProvider", "DigestAuthenticationProvider", "IPAuthenticationProvider", "WorldAuthenticationProvider"];
const PROVIDERS_IN: &str = "org.apache.zookeeper.server.auth.";
const SCHEMES: [&str; 4] = ["digest", "ip", "sasl", "x509"];

/// Reads a `zoo.cfg`; `file` is its name in errors.
///
/// # Errors
/// A value that makes no sense, or two that contradict each other.
pub fn parse(file: &str, bytes: &[u8]) -> Result<ServeConfig, Refused> {
    let mut keys = Keys { file, keys: BTreeMap::new(), asked: BTreeSet::new(), ignored: Vec::new() };
    for property in properties::parse(file, bytes)? {
        keys.add(property);
    }

    let options = Options { tick_ms: TICK_MS, ..Options::default() };
    let options = Options {
        tick_ms: keys.number("tickTime", 1..=1_000_000)?.unwrap_or(options.tick_ms),
        min_session_timeout_ms: keys.timeout("minSessionTimeout")?,
        max_session_timeout_ms: keys.timeout("maxSessionTimeout")?,
        max_client_connections: keys.number("maxClientCnxns", 0..=INT_MAX)?.unwrap_or(options.max_client_connections),
        max_connections: keys.number("maxCnxns", 0..=INT_MAX)?.unwrap_or(options.max_connections),
        handshake_timeout: keys
            .number("nio.sessionlessCnxnTimeout", 1..=INT_MAX)?
            .map_or(options.handshake_timeout, |ms: u32| Duration::from_millis(ms.into())),
        four_letter_words: keys.list("4lw.commands.whitelist").unwrap_or(options.four_letter_words),
        frame_bytes_max: keys.frame_bytes()?.unwrap_or(options.frame_bytes_max),
        digest_scheme: keys.boolean("DigestAuthenticationProvider.enabled")?.unwrap_or(options.digest_scheme),
        super_digest: keys.super_digest()?,
        super_x509: keys.text("X509AuthenticationProvider.superUser"),
        extended_types: keys.boolean("extendedTypesEnabled")?.unwrap_or(options.extended_types),
        reconfig: keys.boolean("reconfigEnabled")?.unwrap_or(options.reconfig),
        skip_acl: keys.choice("skipACL", &[("yes", true), ("no", false), ("false", false)])?.unwrap_or(options.skip_acl),
        // ZooKeeper's password of the SASL user super, whatever JAAS says.
        sasl_users: keys.text("SASLAuthenticationProvider.superPassword").map(|password| ("super".to_owned(), password)).into_iter().collect(),
        super_user: keys.text("superUser"),
        required_schemes: keys.required_schemes()?,
        require_sasl: keys.boolean("sessionRequireClientSASLAuth")?.unwrap_or(options.require_sasl),
        tls: None,
    };
    if options.shortest_timeout_ms() > options.max_session_timeout_ms.unwrap_or(u32::MAX) {
        let shortest = options.shortest_timeout_ms();
        return Err(keys.refuse("maxSessionTimeout", format!("at least the shortest, {shortest} ms (minSessionTimeout, or two ticks)")));
    }

    let client = keys.address("clientPort", "clientPortAddress")?;
    let secure = keys.address("secureClientPort", "secureClientPortAddress")?;
    let unified = keys.boolean("client.portUnification")?.unwrap_or(false);
    let tls = keys.tls(secure.is_some() || (unified && client.is_some()))?;
    keys.providers();
    let data_dir = keys.data_dir()?;
    let admin = keys.admin()?;
    let snapshot_bytes = keys.number("snapSizeLimitInKb", 4..=i128::from(i64::MAX / 1024))?.map(|kib: u64| kib * 1024);
    let enforce_quota = keys.boolean("enforceQuota")?.unwrap_or(false);
    let servers = keys.servers()?;
    let ignored = keys.rest();
    Ok(ServeConfig {
        data_dir,
        client,
        secure,
        admin,
        options: Options { tls: tls.clone().filter(|_| unified).map(|tls| Tls { plaintext_too: true, ..tls }), ..options },
        secure_tls: tls,
        snapshot_bytes,
        enforce_quota,
        servers,
        ignored,
    })
}

/// The keys of a file, and which of them have been asked for.
struct Keys<'a> {
    file: &'a str,
    keys: BTreeMap<String, Property>,
    asked: BTreeSet<String>,
    ignored: Vec<Ignored>,
}

impl Keys<'_> {
    fn add(&mut self, property: Property) {
        let key = property.key.strip_prefix("zookeeper.").unwrap_or(&property.key).to_owned();
        let line = property.line;
        if let Some(earlier) = self.keys.insert(key, property) {
            self.ignore(&earlier, false, format!("line {line} sets it again"));
        }
    }

    fn ignore(&mut self, property: &Property, harmless: bool, why: impl Into<String>) {
        self.ignored.push(Ignored { line: property.line, key: property.key.clone(), harmless, why: why.into() });
    }

    fn refuse(&self, key: &str, allowed: impl Into<String>) -> Refused {
        let found = self.keys.get(key);
        Refused {
            file: self.file.into(),
            line: found.map(|property| property.line),
            key: found.map_or(key, |property| &property.key).into(),
            value: found.filter(|_| !key.to_ascii_lowercase().contains("password")).map(|property| property.value.clone()).unwrap_or_default(),
            allowed: allowed.into(),
        }
    }

    fn take(&mut self, key: &str) -> Option<Property> {
        let found = self.keys.get(key)?.clone();
        self.asked.insert(key.into());
        Some(found)
    }

    /// The value, if it says anything.
    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|property| property.value).filter(|value| !value.is_empty())
    }

    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.take(key)?.value;
        Some(value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// A whole number, as Java reads system properties: `0x` begins a hexadecimal one.
    fn number<T: TryFrom<i128>>(&mut self, key: &str, allowed: RangeInclusive<i128>) -> Result<Option<T>, Refused> {
        let Some(property) = self.take(key) else { return Ok(None) };
        let value = property.value.strip_prefix('+').unwrap_or(&property.value);
        let number = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
            Some(digits) if !digits.starts_with(['+', '-']) => i128::from_str_radix(digits, 16).ok(),
            Some(_) => None,
            None => value.parse().ok(),
        };
        let number = number.filter(|number| allowed.contains(number)).and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.refuse(key, format!("a whole number from {} to {}", allowed.start(), allowed.end())))
    }

    /// A session timeout in milliseconds; -1 is none, as in ZooKeeper.
    fn timeout(&mut self, key: &str) -> Result<Option<u32>, Refused> {
        if self.keys.get(key).is_some_and(|property| property.value == "-1") {
            self.take(key);
            return Ok(None);
        }
        self.number(key, 1..=INT_MAX)
    }

    fn frame_bytes(&mut self) -> Result<Option<usize>, Refused> {
        let key = "jute.maxbuffer";
        let bytes: Option<usize> = self.number(key, 64..=INT_MAX)?;
        if bytes.is_some_and(|bytes| bytes > FRAME_BYTES_MAX)
            && let Some(property) = self.take(key)
        {
            self.ignore(&property, false, format!("a request has at most {FRAME_BYTES_MAX} bytes"));
        }
        Ok(bytes.map(|bytes| bytes.min(FRAME_BYTES_MAX)))
    }

    /// One of some words, in whatever case.
    fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, Refused> {
        let Some(property) = self.take(key) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&property.value));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(key, words.join(" or "))
        })
    }

    fn boolean(&mut self, key: &str) -> Result<Option<bool>, Refused> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    fn super_digest(&mut self) -> Result<Option<String>, Refused> {
        let key = "DigestAuthenticationProvider.superDigest";
        let digest = self.text(key);
        if digest.as_ref().is_some_and(|digest| !digest.split_once(':').is_some_and(|(user, hash)| !user.is_empty() && hash.len() == 28)) {
            return Err(self.refuse(key, "user:HASH, the hash as Base64 of SHA-1 of user:password, 28 characters"));
        }
        Ok(digest)
    }

    fn required_schemes(&mut self) -> Result<Vec<String>, Refused> {
        let (enabled, schemes) = ("enforce.auth.enabled", "enforce.auth.schemes");
        let on = self.boolean(enabled)?.unwrap_or(false);
        let required = self.list(schemes).unwrap_or_default();
        if required.iter().any(|scheme| !SCHEMES.contains(&scheme.as_str())) {
            return Err(self.refuse(schemes, format!("some of {}", SCHEMES.join(","))));
        }
        if on && required.is_empty() {
            return Err(self.refuse(enabled, format!("true only with {schemes}: some of {}", SCHEMES.join(","))));
        }
        if !on && let Some(property) = self.keys.get(schemes).cloned() {
            self.ignore(&property, false, format!("{enabled} is not true"));
        }
        Ok(if on { required } else { Vec::new() })
    }

    fn address(&mut self, port_key: &str, host_key: &str) -> Result<Option<Address>, Refused> {
        let port = self.number(port_key, 0..=u16::MAX.into())?;
        let host = self.text(host_key);
        let host = host.map(|host| host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned).unwrap_or(host));
        if host.as_ref().is_some_and(|host| host.contains(['[', ']', '/', ' ', ','])) {
            return Err(self.refuse(host_key, "one name of a host, or one address"));
        }
        match port {
            Some(port) => Ok(Some(Address { host, port })),
            None if host.is_some() => Err(self.refuse(host_key, format!("an address only with {port_key}"))),
            None => Ok(None),
        }
    }

    fn data_dir(&mut self) -> Result<Option<PathBuf>, Refused> {
        match self.take("dataDir") {
            Some(property) if property.value.is_empty() || property.value.contains('\0') => Err(self.refuse("dataDir", "a directory")),
            property => Ok(property.map(|property| property.value.into())),
        }
    }

    /// The members of the ensemble. One alone is none, as in ZooKeeper.
    fn servers(&mut self) -> Result<Vec<Server>, Refused> {
        let is_one = |key: &String| key.strip_prefix("server.").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
        let keys: Vec<String> = self.keys.keys().filter(|key| is_one(key)).cloned().collect();
        if keys.len() < 2 {
            return Ok(Vec::new());
        }
        let mut servers = Vec::new();
        for key in keys {
            let Some(property) = self.take(&key) else { continue };
            servers.push(Server::parse(&key["server.".len()..], &property.value).map_err(|allowed| self.refuse(&key, allowed))?);
        }
        servers.sort_by_key(|server| server.id);
        if servers.len() > MEMBERS_VOTING_MAX {
            return Err(self.refuse(&format!("server.{}", servers[MEMBERS_VOTING_MAX].id), format!("at most {MEMBERS_VOTING_MAX} members that vote")));
        }
        Ok(servers)
    }

    fn admin(&mut self) -> Result<Option<Address>, Refused> {
        let on = self.boolean("admin.enableServer")?;
        let port: Option<u16> = self.number("admin.serverPort", 0..=u16::MAX.into())?;
        let host = self.text("admin.serverAddress");
        if on == Some(false) || (on.is_none() && port.is_none() && host.is_none()) {
            return Ok(None);
        }
        let mut address = Address { host: Some(host.unwrap_or_else(|| "127.0.0.1".into())), port: port.unwrap_or(ADMIN_PORT) };
        if !address.is_loopback() {
            if let Some(property) = self.keys.get("admin.serverAddress").cloned() {
                self.ignore(&property, false, "the admin commands ask nobody who they are, and are answered on 127.0.0.1 only");
            }
            address.host = Some("127.0.0.1".into());
        }
        Ok(Some(address))
    }

    /// TLS of the listeners; `used` if there is one that does it.
    fn tls(&mut self, used: bool) -> Result<Option<Tls>, Refused> {
        const KEYS: &str = "ssl.keyStore";
        const TRUST: &str = "ssl.trustStore";
        if !used {
            for key in self.keys.clone().into_keys() {
                if key.starts_with(KEYS) || key.starts_with(TRUST) || key == "ssl.clientAuth" {
                    let property = self.take(&key);
                    property
                        .iter()
                        .for_each(|property| self.ignore(property, true, "no port does TLS: there is no secureClientPort, nor client.portUnification"));
                }
            }
            return Ok(None);
        }
        let store = self.store(KEYS, "its key and its chain of certificates")?;
        let store = store.ok_or_else(|| self.refuse("ssl.keyStore.location", "the name of a PEM file, since a port does TLS"))?;
        let trust = self.store(TRUST, "the certificates of the authorities")?;
        let words = [("need", ClientCertificate::Need), ("want", ClientCertificate::Want), ("none", ClientCertificate::None)];
        let wanted = if self.text("ssl.clientAuth").is_none() { None } else { self.choice("ssl.clientAuth", &words)? };
        let wanted = wanted.unwrap_or_default();
        if wanted != ClientCertificate::None && trust.is_none() {
            return Err(self.refuse(
                "ssl.trustStore.location",
                "the name of a PEM file with the authorities of clients' certificates, since ssl.clientAuth is need or want (need, if it is not set)",
            ));
        }
        Ok(Some(Tls { certificates: store.clone(), key: store, client_authorities: trust, client_certificate: wanted, plaintext_too: false }))
    }

    /// The file of a key store or trust store, which has to be PEM.
    fn store(&mut self, which: &str, what: &str) -> Result<Option<PathBuf>, Refused> {
        let [location, kind] = ["location", "type"].map(|part| format!("{which}.{part}"));
        let Some(file) = self.text(&location) else {
            self.take(&kind);
            return Ok(None);
        };
        // As ZooKeeper: the type is said, or told by the ending.
        let ending = Path::new(&file).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let said = self.text(&kind);
        let found = said.clone().unwrap_or_else(|| ending.clone()).to_ascii_uppercase();
        let convert = match found.as_str() {
            "JKS" => format!(
                "PEM: `keytool -importkeystore -srckeystore {file} -destkeystore STORE.p12 -deststoretype PKCS12`, then `openssl pkcs12 -in STORE.p12 -nodes -out STORE.pem`"
            ),
            "PKCS12" | "P12" | "PFX" => format!("PEM: `openssl pkcs12 -in {file} -nodes -out STORE.pem`"),
            "BCFKS" => "PEM".into(),
            // Whatever its ending, what the file holds is looked at when it is read.
            _ if said.is_none() || found == "PEM" => return self.passwords(which).map(|()| Some(file.into())),
            _ => "PEM".into(),
        };
        Err(self.refuse(if said.is_some() { &kind } else { &location }, format!("{convert}; a PEM file holds {what}")))
    }

    fn passwords(&mut self, which: &str) -> Result<(), Refused> {
        for part in ["password", "passwordPath"] {
            if let Some(property) = self.take(&format!("{which}.{part}")).filter(|property| !property.value.is_empty()) {
                self.ignore(&property, true, "PEM files are read as they are; one with an encrypted key is refused");
            }
        }
        Ok(())
    }

    fn providers(&mut self) {
        for (key, property) in self.keys.clone() {
            let known = |class: &str| class.strip_prefix(PROVIDERS_IN).is_some_and(|class| PROVIDERS.contains(&class));
            if key == "ssl.authProvider" {
                self.take(&key);
                if !property.value.is_empty() && property.value != "x509" {
                    self.ignore(&property, false, "a certificate is known by the scheme x509");
                }
            } else if key == "authProvider" || key.starts_with("authProvider.") {
                self.take(&key);
                if !known(&property.value) {
                    self.ignore(&property, false, format!("classes of Java cannot be loaded; the schemes are {}", SCHEMES.join(", ")));
                }
            }
        }
    }

    /// What is not honoured, in the order of its lines.
    fn rest(mut self) -> Vec<Ignored> {
        for (key, property) in std::mem::take(&mut self.keys) {
            if self.asked.contains(&key) {
                continue;
            }
            match unhonoured::find(&key) {
                Some(found) => self.ignore(&property, found.harmless, found.why),
                None => self.ignore(&property, false, "it is not known"),
            }
        }
        self.ignored.sort_by_key(|ignored| ignored.line);
        self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> ServeConfig {
        parse("zoo.cfg", text.as_bytes()).unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn refusal(text: &str) -> String {
        parse("zoo.cfg", text.as_bytes()).map(|config| format!("{config:?}")).unwrap_err().to_string()
    }

    fn ignored(text: &str) -> Vec<(u32, String, bool)> {
        read(text).ignored.into_iter().map(|i| (i.line, i.key, i.harmless)).collect()
    }

    const SAMPLE: &str = "
# The number of milliseconds of each tick
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
clientPort=2181
autopurge.snapRetainCount=3
zookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=
minSessionTimeout=-1
maxSessionTimeout=90000
maxClientCnxns=0
4lw.commands.whitelist=stat, ruok,,mntr
zookeeper.superUser = super
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
authProvider.2=com.example.Mine
jute.maxbuffer=0xffff
enforceQuota=true
server.1=a:2888:3888
tickTime=1000
skipACL=yes
snapSizeLimitInKb=1024
whatever=1
";

    #[test]
    fn a_file_as_they_are() {
        let config = read(SAMPLE);
        assert_eq!(config.data_dir, Some("/var/lib/zookeeper".into()));
        assert_eq!((config.client.clone(), config.secure.clone(), config.admin.clone()), (Some(Address { host: None, port: 2181 }), None, None));
        let options = &config.options;
        assert_eq!((options.tick_ms, options.min_session_timeout_ms, options.max_session_timeout_ms), (1000, None, Some(90_000)));
        assert_eq!((options.max_client_connections, options.frame_bytes_max, options.skip_acl), (0, 0xffff, true));
        assert_eq!(options.four_letter_words, ["stat", "ruok", "mntr"]);
        assert_eq!(options.super_digest.as_deref(), Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU="));
        assert_eq!(options.super_user.as_deref(), Some("super"));
        assert_eq!((config.enforce_quota, config.snapshot_bytes), (true, Some(1 << 20)));
        let ignored: Vec<_> = config.ignored.iter().map(|i| (i.line, i.key.as_str(), i.harmless)).collect();
        assert_eq!(
            ignored,
            [
                (3, "tickTime", false),
                (4, "initLimit", true),
                (5, "syncLimit", true),
                (8, "autopurge.snapRetainCount", true),
                (16, "authProvider.2", false),
                (19, "server.1", false),
                (23, "whatever", false)
            ]
        );
        assert_eq!(config.ignored[0].to_string(), "line 3: tickTime is not honoured: line 20 sets it again");
    }

    #[test]
    fn what_is_not_said_is_as_in_zookeeper() {
        let config = read("");
        assert_eq!((config.options.tick_ms, config.options.max_client_connections), (3000, 60));
        assert_eq!((config.data_dir, config.client, config.ignored), (None, None, vec![]));
    }

    #[test]
    fn tls_of_the_secure_port_and_of_both() {
        let tls = "secureClientPort=2281\nssl.keyStore.location=/k.pem\nssl.keyStore.password=hush\nssl.trustStore.location=/t.crt\nssl.trustStore.type=PEM\n";
        let config = read(tls);
        let secure = config.secure_options().tls.unwrap();
        assert_eq!((secure.certificates, secure.key, secure.client_authorities), ("/k.pem".into(), "/k.pem".into(), Some("/t.crt".into())));
        assert_eq!((secure.client_certificate, secure.plaintext_too), (ClientCertificate::Need, false));
        assert!(config.options.tls.is_none());
        assert_eq!(config.secure, Some(Address { host: None, port: 2281 }));
        assert_eq!(ignored(tls), [(3, "ssl.keyStore.password".into(), true)]);

        let both = read(&format!("{tls}clientPort=2181\nclientPortAddress=[::1]\nclient.portUnification=true\nssl.clientAuth=WANT\n"));
        let plain = both.options.tls.clone().unwrap();
        assert_eq!((plain.plaintext_too, plain.client_certificate), (true, ClientCertificate::Want));
        assert!(!both.secure_options().tls.unwrap().plaintext_too);
        assert_eq!(both.client.unwrap().to_string(), "[::1]:2181");

        assert_eq!(ignored("clientPort=1\nssl.keyStore.location=/k.jks\n"), [(2, "ssl.keyStore.location".into(), true)]);
        let one = |more: &str| refusal(&format!("secureClientPort=1\n{more}"));
        assert!(one("").contains("ssl.keyStore.location"));
        assert!(one("ssl.keyStore.location=/k.jks").contains("keytool"));
        assert!(one("ssl.keyStore.location=/k.p12").contains("openssl pkcs12 -in /k.p12"));
        assert!(one("ssl.keyStore.location=/k\nssl.keyStore.type=BCFKS").contains("zoo.cfg:3: ssl.keyStore.type is BCFKS; allowed is PEM"));
        assert!(one("ssl.keyStore.location=/k").contains("ssl.trustStore.location"));
        assert!(one("ssl.keyStore.location=/k\nssl.clientAuth=maybe\nssl.trustStore.location=/t").contains("need or want or none"));
        assert!(read("secureClientPort=1\nssl.keyStore.location=/k\nssl.clientAuth=none").secure_tls.is_some());
    }

    #[test]
    fn admin_is_off_unless_it_is_spoken_of_and_never_leaves_the_machine() {
        let admin = |text: &str| read(text).admin.map(|address| address.to_string());
        assert_eq!(admin("admin.enableServer=true").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(admin("admin.serverPort=9000").as_deref(), Some("127.0.0.1:9000"));
        assert_eq!(admin("admin.serverPort=9000\nadmin.enableServer=false"), None);
        assert_eq!(admin("admin.serverAddress=::1").as_deref(), Some("[::1]:8080"));
        assert_eq!(admin("admin.serverAddress=0.0.0.0").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(ignored("admin.serverAddress=0.0.0.0"), [(1, "admin.serverAddress".into(), false)]);
    }

    #[test]
    fn schemes_that_are_required_have_to_be_known() {
        assert_eq!(read("enforce.auth.enabled=true\nenforce.auth.schemes=sasl,digest").options.required_schemes, ["sasl", "digest"]);
        assert_eq!(ignored("enforce.auth.schemes=sasl"), [(1, "enforce.auth.schemes".into(), false)]);
        assert!(refusal("enforce.auth.enabled=true").contains("enforce.auth.schemes"));
        assert!(refusal("enforce.auth.enabled=true\nenforce.auth.schemes=mine").contains("digest,ip,sasl,x509"));
        assert_eq!(read("jute.maxbuffer=4194304").options.frame_bytes_max, FRAME_BYTES_MAX);
        assert_eq!(ignored("jute.maxbuffer=4194304"), [(1, "jute.maxbuffer".into(), false)]);
        assert!(read("sessionRequireClientSASLAuth=true").options.require_sasl);
    }

    #[test]
    fn a_bad_value_is_named_with_file_line_key_and_what_is_allowed() {
        assert_eq!(refusal("\ntickTime=soon"), "zoo.cfg:2: tickTime is soon; allowed is a whole number from 1 to 1000000");
        assert_eq!(refusal("skipACL=true"), "zoo.cfg:1: skipACL is true; allowed is yes or no or false");
        for (text, words) in [
            ("tickTime=0", "1 to"),
            ("tickTime=", "a whole number"),
            ("clientPort=65536", "0 to 65535"),
            ("clientPort=-1", "0 to 65535"),
            ("clientPortAddress=a", "clientPort"),
            ("clientPort=1\nclientPortAddress=a b", "one name of a host"),
            ("minSessionTimeout=-2", "1 to"),
            ("minSessionTimeout=5000\nmaxSessionTimeout=4999", "at least the shortest, 5000 ms"),
            ("dataDir=", "a directory"),
            ("enforceQuota=maybe", "true or false"),
            ("jute.maxbuffer=0x-1", "a whole number"),
            ("DigestAuthenticationProvider.superDigest=super:test", "Base64"),
            ("a=\\u00", "hexadecimal"),
        ] {
            assert!(refusal(text).contains(words), "{}", refusal(text));
        }
    }

    #[test]
    fn servers_make_an_ensemble() {
        let config = read("server.1=a:2888:3888\nserver.2=[::1]:2889:3889:participant;2182\nserver.10=c:1:2;0.0.0.0:2183\nclientPort=2181");
        let servers: Vec<_> = config.servers.iter().map(|server| (server.id, server.peer(), server.client.as_ref().map(ToString::to_string))).collect();
        assert_eq!(
            servers,
            [(1, "a:2888".to_owned(), None), (2, "[::1]:2889".to_owned(), Some("*:2182".into())), (10, "c:1".to_owned(), Some("0.0.0.0:2183".into()))]
        );
        assert!(config.ignored.is_empty(), "{:?}", config.ignored);
        assert!(read("server.1=a:2888:3888").servers.is_empty(), "one alone");
        for bad in
            ["server.0=a:1:2\nserver.1=a:1:2", "server.1=a:1\nserver.2=a:1:2", "server.1=a:1:2:observer\nserver.2=a:1:2", "server.1=a:1:2;x\nserver.2=a:1:2"]
        {
            assert!(refusal(bad).contains("server."), "{bad}");
        }
    }

    #[test]
    fn the_longer_name_wins_in_the_table() {
        assert_eq!(ignored("server.realm=X\nserver.2=h:1:2"), [(1, "server.realm".into(), false), (2, "server.2".into(), false)]);
        assert!(read("server.realm=X").ignored[0].why.contains("Kerberos"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("f", &bytes);
        }

        #[test]
        fn no_value_is_too_much(at in any::<prop::sample::Index>(), value in "\\PC{0,20}") {
            let keys = ["tickTime", "clientPort", "secureClientPort", "clientPortAddress", "dataDir", "ssl.keyStore.location", "ssl.keyStore.type", "ssl.clientAuth",
                "jute.maxbuffer", "skipACL", "enforce.auth.schemes", "4lw.commands.whitelist", "admin.serverAddress", "DigestAuthenticationProvider.superDigest"];
            let _ = parse("f", format!("{}={value}\nsecureClientPort=1\n", at.get(&keys)).as_bytes());
        }

        #[test]
        fn every_key_is_honoured_or_listed(key in "[a-z][a-zA-Z.]{0,12}") {
            let config = parse("f", format!("{key}=1").as_bytes());
            let known = ["superUser"];
            prop_assert!(known.contains(&key.as_str()) || config.map_or(true, |config| config.ignored.len() == 1));
        }
    }
}
