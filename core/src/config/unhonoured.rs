//! The keys of ZooKeeper that change nothing here, and why: one table.

/// What is known of such a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unhonoured {
    /// The key without `zookeeper.`; one that ends in `*` stands for all that begin so.
    key: &'static str,
    /// Whether a server is as good without.
    pub(super) harmless: bool,
    pub(super) why: &'static str,
}

const ALONE: &str = "it is about several servers, and this one serves alone";
const THREADS: &str = "it is about ZooKeeper's threads and buffers; there are none like them here";
const CLIENT: &str = "it is a setting of clients";
const KERBEROS: &str = "SASL is DIGEST-MD5 here; Kerberos is not known";
const THROTTLE: &str = "connections and requests are not throttled by rate; every queue has a fixed bound";
const CACHE: &str = "replies are not cached";

macro_rules! table {
    ($($harm:ident $key:literal $why:expr;)*) => {
        const TABLE: &[Unhonoured] = &[$(Unhonoured { key: $key, harmless: table!(@ $harm), why: $why },)*];
    };
    (@ harmless) => { true };
    (@ felt) => { false };
}

table! {
    // Several servers.
    felt "server.*" "it names the only member there is, and that serves alone";
    felt "group*" ALONE;
    felt "weight*" ALONE;
    felt "dynamicConfigFile" "it names the members of an ensemble, and this server serves alone";
    felt "peerType" ALONE;
    felt "observerMasterPort" ALONE;
    harmless "initLimit" ALONE;
    harmless "syncLimit" ALONE;
    harmless "connectToLearnerMasterLimit" ALONE;
    harmless "electionAlg" ALONE;
    harmless "electionPortBindRetry" ALONE;
    harmless "quorumListenOnAllIPs" ALONE;
    harmless "quorumCnxnTimeoutMs" ALONE;
    harmless "cnxTimeout" ALONE;
    harmless "leaderServes" ALONE;
    harmless "leaderConnectDelayDuringRetryMs" ALONE;
    harmless "leader.*" ALONE;
    harmless "learner.*" ALONE;
    harmless "follower.*" ALONE;
    harmless "observer.*" ALONE;
    harmless "observerMaster.*" ALONE;
    harmless "syncEnabled" ALONE;
    harmless "fastleader.*" ALONE;
    harmless "standaloneEnabled" ALONE;
    harmless "version" ALONE;
    harmless "quorum.*" ALONE;
    harmless "sslQuorum" ALONE;
    harmless "sslQuorumReloadCertFiles" ALONE;
    harmless "portUnification" ALONE;
    harmless "ssl.quorum.*" ALONE;
    harmless "multiAddress.*" ALONE;
    harmless "oraclePath" ALONE;
    harmless "forceSnapshotSync" ALONE;
    harmless "skipTxnLogSync*" ALONE;
    harmless "readonlymode.enabled" "a server that serves alone always has its majority";
    harmless "localSessionsEnabled" "every session is a global one";
    harmless "localSessionsUpgradingEnabled" "every session is a global one";

    // Disk.
    felt "dataLogDir" "the log is kept in dataDir";
    harmless "preAllocSize" "log files have a size of their own";
    harmless "txnLogSizeLimitInKb" "log files have a size of their own";
    harmless "commitLogCount" ALONE;
    harmless "snapCount" "snapshots are written by bytes of log: snapSizeLimitInKb";
    harmless "snapshotSizeFactor" ALONE;
    harmless "snapshot.*" "snapshots have a format of their own";
    harmless "serializeLastProcessedZxid.enabled" "snapshots have a format of their own";
    harmless "autopurge.*" "what is no longer needed of log and snapshots is removed at once";
    harmless "forceSync" "every write that is acknowledged is on the disk";
    harmless "fsync.warningthresholdms" "it is about a warning in ZooKeeper's log";
    harmless "flushDelay" "writes that wait are one group, and none waits for others";
    harmless "maxWriteQueuePollTime" "writes that wait are one group, and none waits for others";
    harmless "maxBatchSize" "writes that wait are one group, bounded by its bytes";
    harmless "datadir.autocreate" "the directory is made if it is not there";
    harmless "db.autocreate" "the database is made if it is not there";
    harmless "digest.enabled" "it is about a check between servers";
    harmless "closeSessionTxn.enabled" "the log has a format of its own";

    // Connections.
    harmless "clientPortListenBacklog" "it is 4096, or the kernel's limit";
    harmless "globalOutstandingLimit" "every connection and the member's queue have a fixed bound of their own";
    harmless "serverCnxnFactory" "there is one kind of listener, and it does TLS";
    harmless "netty.*" THREADS;
    harmless "nio.*" THREADS;
    harmless "intBufferStartingSizeBytes" THREADS;
    harmless "commitProcessor.*" THREADS;
    harmless "tcpKeepAlive" "sessions that are silent expire";
    harmless "clientTcpKeepAlive" CLIENT;
    felt "connection_throttle_*" THROTTLE;
    felt "request_throttle*" THROTTLE;
    felt "request_stale*" THROTTLE;
    felt "throttled_op_wait_time" THROTTLE;
    felt "largeRequest*" THROTTLE;
    harmless "maxResponseCacheSize" CACHE;
    harmless "maxGetChildrenResponseCacheSize" CACHE;
    harmless "watchManagerName" "there is one watch table";
    harmless "bitHashCacheSize" "there is one watch table";
    harmless "watcherClean*" "the watches of a session go with it";
    harmless "maxInProcessingDeadWatchers" "the watches of a session go with it";
    harmless "messageTracker.*" "messages between servers: there are none";
    harmless "znode.container.checkIntervalMs" "containers go when their last child has gone, without a sweep";
    harmless "znode.container.maxPerMinute" "containers go when their last child has gone, without a sweep";
    felt "znode.container.maxNeverUsedIntervalMs" "a container that never had a child stays";
    felt "emulate353TTLNodes" "TTL znodes are encoded as since ZooKeeper 3.5.4";
    harmless "enableEagerACLCheck" ALONE;

    // Who is who.
    felt "DigestAuthenticationProvider.digestAlg" "the scheme digest is SHA-1, as ZooKeeper's is unless told otherwise";
    felt "IPAuthenticationProvider.usexforwardedfor" "an address is the connection's";
    felt "ensembleAuthName" "the scheme ensemble is not known";
    felt "fips-mode" "SASL users log in by DIGEST-MD5 if there are any";
    felt "allowSaslFailedClients" "a client that fails to log in by SASL is told so, and its connection closed";
    felt "letAnySaslUserDoX" "identities are what they say";
    felt "requireKerberosConfig" KERBEROS;
    felt "kerberos.*" KERBEROS;
    felt "security.auth_to_local" KERBEROS;
    felt "server.realm" KERBEROS;
    felt "server.principal" KERBEROS;
    felt "kinit" KERBEROS;
    harmless "jaasLoginRenew" KERBEROS;

    // TLS.
    felt "ssl.protocol" "the protocols are TLS 1.2 and 1.3";
    felt "ssl.enabledProtocols" "the protocols are TLS 1.2 and 1.3";
    felt "ssl.ciphersuites" "the cipher suites are those of rustls";
    felt "ssl.cipherSuites" "the cipher suites are those of rustls";
    felt "ssl.crl" "revocation is not looked up";
    felt "ssl.ocsp" "revocation is not looked up";
    felt "ssl.tcnative.*" "the cipher suites are those of rustls";
    felt "ssl.sslProvider" "TLS is rustls";
    felt "ssl.clientHostnameVerification" "a client is who its certificate says, wherever it calls from";
    felt "ssl.context.supplier.class" "classes of Java cannot be loaded";
    harmless "ssl.hostnameVerification" CLIENT;
    harmless "ssl.allowReverseDnsLookup" CLIENT;
    harmless "ssl.handshakeDetectionTimeoutMillis" "a connection is closed that does not say in time who it is";
    harmless "client.certReload" "files of certificates are read again whenever they change";
    harmless "client.secure" CLIENT;
    harmless "clientCnxnSocket" CLIENT;
    harmless "sasl.client*" CLIENT;
    harmless "disableAutoWatchReset" CLIENT;
    harmless "request.timeout" CLIENT;
    harmless "shuffleDnsResponse" CLIENT;
    harmless "hostProvider.*" CLIENT;

    // Seeing in.
    felt "metricsProvider.*" "metrics are answered by the admin address";
    felt "audit.*" "there is no audit log";
    harmless "pathStats.*" "there are no statistics by path";
    harmless "jmx.*" "there is no JMX";
    harmless "jvm.pause.*" "there is no Java machine that could pause";
    harmless "admin.idleTimeout" "the admin address has a timeout of its own";
    harmless "admin.httpVersion" "the admin address speaks HTTP/1.1";
    felt "admin.forceHttps" "the admin address is plaintext, on loopback";
    felt "admin.portUnification" "the admin address is plaintext, on loopback";
    felt "admin.needClientAuth" "the admin address is plaintext, on loopback";
    felt "admin.commandURL" "the admin commands are at /commands";
    felt "admin.snapshot.*" "snapshots are not given out";
    felt "admin.restore.*" "snapshots are not taken in";
    harmless "admin.rateLimiterIntervalInMS" "snapshots are not given out";
}

/// What is said of `key`, which has no `zookeeper.` before it.
pub(super) fn find(key: &str) -> Option<Unhonoured> {
    let fits = |entry: &&Unhonoured| match entry.key.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => entry.key == key,
    };
    // The longer name says more: `server.realm` is no member of an ensemble.
    TABLE.iter().filter(fits).max_by_key(|entry| entry.key.len()).copied()
}
