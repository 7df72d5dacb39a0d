//! What a listener is told: ZooKeeper's settings, under their own names.
//!
//! Not here: reading them from a `zoo.cfg` (`config`), what they do (`server`, `admin`).

use crate::limits::{CONNECTIONS_MAX, FRAME_BYTES_MAX, SESSION_TICKS_MAX, SESSION_TICKS_MIN, SESSION_TIMEOUT_MS_FLOOR, TICK_MS_EMBEDDED};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one door for ZooKeeper's clients. The defaults are ZooKeeper's, but for the tick.
#[derive(Clone, Debug)]
pub struct Options {
    /// The unit of session timeouts, in milliseconds.
    pub tick_ms: u32,
    /// Shortest session timeout in milliseconds; 2 ticks if none.
    pub min_session_timeout_ms: Option<u32>,
    /// Longest session timeout in milliseconds; 20 ticks or 40 s, whichever is more, if none.
    pub max_session_timeout_ms: Option<u32>,
    /// Connections from one address; 0 for as many as there may be in all.
    pub max_client_connections: u32,
    /// Connections in all; 0 for [`CONNECTIONS_MAX`].
    pub max_connections: u32,
    /// Within what time of its beginning a connection must have said who it is.
    pub handshake_timeout: Duration,
    /// The four-letter words that are answered; `*` for all.
    pub four_letter_words: Vec<String>,
    /// Bytes of a request as ZooKeeper counts them (`jute.maxbuffer`).
    pub frame_bytes_max: usize,
    /// Whether the scheme `digest` is known (`DigestAuthenticationProvider.enabled`).
    pub digest_scheme: bool,
    /// The `user:hash` that is also `super`.
    pub super_digest: Option<String>,
    /// The subject name (RFC 2253) that is also `super` when a certificate shows it.
    pub super_x509: Option<String>,
    /// Whether TTL znodes are made.
    pub extended_types: bool,
    /// Whether clients may change who takes part in the ensemble, if `/zookeeper/config` lets them (ZooKeeper's `reconfigEnabled`).
    pub reconfig: bool,
    /// No ACL is checked.
    pub skip_acl: bool,
    /// Users of SASL DIGEST-MD5: name and password.
    pub sasl_users: Vec<(String, String)>,
    /// The SASL user that is also `super`.
    pub super_user: Option<String>,
    /// Whether a session must authenticate with one of these schemes before it may do anything.
    pub required_schemes: Vec<String>,
    /// Whether, for want of SASL, a session is closed (`sessionRequireClientSASLAuth`).
    pub require_sasl: bool,
    /// TLS; none for plaintext.
    pub tls: Option<Tls>,
}

/// TLS on a listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificates: PathBuf,
    /// Its private key, PEM; may be the same file.
    pub key: PathBuf,
    /// The authorities that clients' certificates must come from, PEM; without, none can be asked for.
    pub client_authorities: Option<PathBuf>,
    /// Whether clients must show one.
    pub client_certificate: ClientCertificate,
    /// Whether plaintext connections are taken on the same port too.
    pub plaintext_too: bool,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Not asked for.
    None,
    /// Asked for.
    Want,
    /// Demanded.
    #[default]
    Need,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tick_ms: TICK_MS_EMBEDDED,
            min_session_timeout_ms: None,
            max_session_timeout_ms: None,
            max_client_connections: 60,
            max_connections: 0,
            handshake_timeout: Duration::from_secs(10),
            four_letter_words: vec!["srvr".into()],
            frame_bytes_max: FRAME_BYTES_MAX,
            digest_scheme: true,
            super_digest: None,
            super_x509: None,
            extended_types: true,
            reconfig: false,
            skip_acl: false,
            sasl_users: Vec::new(),
            super_user: None,
            required_schemes: Vec::new(),
            require_sasl: false,
            tls: None,
        }
    }
}

impl Options {
    /// Settings from lines in the syntax of `zoo.cfg`, such as `tickTime=500` and `4lw.commands.whitelist=*`. What is not said
    /// is as for a `zoo.cfg` that does not say it: a tick of 3000 ms, for one.
    ///
    /// # Errors
    /// [`ErrorKind::BadArguments`](crate::ErrorKind::BadArguments) names the line of a setting that is wrong, or that a listener does not have.
    pub fn from_settings(text: &str) -> crate::Result<Self> {
        let config = crate::config::parse("settings", text.as_bytes())?;
        if let Some(ignored) = config.ignored.iter().find(|ignored| !ignored.harmless) {
            return Err(crate::Error::new(crate::ErrorKind::BadArguments, format!("settings: {ignored}")));
        }
        Ok(config.options)
    }

    /// Shortest session timeout granted, in milliseconds.
    pub fn shortest_timeout_ms(&self) -> u32 {
        self.min_session_timeout_ms.unwrap_or(self.tick_ms.saturating_mul(SESSION_TICKS_MIN))
    }

    /// Longest session timeout granted, in milliseconds.
    pub fn longest_timeout_ms(&self) -> u32 {
        let default = self.tick_ms.saturating_mul(SESSION_TICKS_MAX).max(SESSION_TIMEOUT_MS_FLOOR);
        self.max_session_timeout_ms.unwrap_or(default).max(self.shortest_timeout_ms())
    }

    /// How many connections there may be in all.
    pub fn connections(&self) -> usize {
        if self.max_connections == 0 { CONNECTIONS_MAX } else { self.max_connections as usize }
    }
}
