//! Every bound, its unit and its reason. A caller who meets one gets a typed refusal that names it.

/// Bytes of a request as ZooKeeper counts them: `jute.maxbuffer`, 1 MiB less one.
pub const FRAME_BYTES_MAX: usize = 0xfffff;
/// Bytes of a path: nothing longer fits a frame; this keeps a walk to the root short.
pub const PATH_BYTES_MAX: usize = 64 * 1024;
/// Operations in one multi. ZooKeeper has only its frame; 1 MiB holds about 20,000 checks.
pub const MULTI_OPS_MAX: usize = 65_536;
/// Bytes that one multi-read may answer with: its 60,000 reads of a full znode would otherwise be as many megabytes.
pub const MULTI_READ_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries of one ACL.
pub const ACL_ENTRIES_MAX: usize = 1024;
/// Longest TTL in milliseconds: what ZooKeeper's `ephemeralOwner` encoding holds, 2^40 - 1.
pub const TTL_MS_MAX: i64 = (1 << 40) - 1;
/// Shortest and longest session timeouts, in ticks.
pub const SESSION_TICKS_MIN: u32 = 2;
/// Longest session timeout, in ticks (or [`SESSION_TIMEOUT_MS_FLOOR`], whichever is more).
pub const SESSION_TICKS_MAX: u32 = 20;
/// Longest session timeout in milliseconds is never less than this.
pub const SESSION_TIMEOUT_MS_FLOOR: u32 = 40_000;
/// Session timeout in milliseconds when none is asked for.
pub const SESSION_TIMEOUT_MS_DEFAULT: u32 = 10_000;
/// A tick of the embedded grounds, in milliseconds.
pub const TICK_MS_EMBEDDED: u32 = 500;
/// Sessions of one member.
pub const SESSIONS_MAX: usize = 1_000_000;
/// Writes of one session that are not answered yet; also how many replies are kept for repeats.
pub const IN_FLIGHT_MAX: usize = 4096;
/// Events waiting in one session's queue. Beyond it the newest are dropped, and one `Overflow` mark says so.
pub const EVENTS_MAX: usize = 65_536;
/// Watches of one session.
pub const WATCHES_MAX: usize = 1_000_000;
/// Bytes of the paths that one session watches, a path counted once in each table: paths may be nearly as long as a frame, and of
/// those that lead nowhere a session could otherwise have a million.
pub const WATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Identities one session may collect with `add_auth`.
pub const IDENTITIES_MAX: usize = 128;
/// How long the outcomes of a session's last writes outlive it, in milliseconds.
pub const OUTCOMES_KEPT_MS: i64 = 600_000;
/// Writes that may wait for one member's log.
pub const QUEUE_MAX: usize = 65_536;
/// Bytes of the writes that may wait for one member's log, but for one write that is let in however many there are.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one group in the log.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Connections of one listener, when nothing less is asked for.
pub const CONNECTIONS_MAX: usize = 100_000;
/// Bytes of a PEM file: a chain is a few KiB, a machine's whole list of authorities some 200.
pub const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Lines for the host's log that may wait for the thread that tells them; beyond it the newest are
/// dropped and counted. The core warns seldom: this is a disk that fails for a while.
pub const LINES_MAX: usize = 1024;
/// Bytes of one such line; the rest is cut.
pub const LINE_BYTES_MAX: usize = 4096;
/// Requests of one connection that wait in the member's queue; more are not read from it.
pub const CONNECTION_IN_FLIGHT_MAX: usize = 2048;
/// Of these, reads that wait for writes: each may be answered with as much as a frame.
pub const CONNECTION_QUEUED_READS_MAX: usize = 64;
/// Bytes of the requests of one connection that wait in the queue; more are not read from it.
pub const CONNECTION_QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes waiting to be written to one connection beyond which nothing more is read from it.
pub const CONNECTION_OUT_BYTES: usize = 1024 * 1024;
/// Bytes waiting to be written to one connection at which it is dropped when another event comes.
pub const CONNECTION_EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of the first frame of a connection: a session's number, password and little else.
pub const HANDSHAKE_BYTES_MAX: usize = 4096;
/// Connections that the system may have ready before we accept them: a fleet that reconnects at once must not meet a
/// full queue, for each of them would lose a second.
pub const LISTEN_BACKLOG: u32 = 4096;
/// Bytes of the head of a request to the admin door, request line included: a browser's fits many times.
pub const ADMIN_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Headers of a request to the admin door.
pub const ADMIN_HEADERS_MAX: usize = 64;
/// Connections to the admin door. When one more comes, the oldest that nothing is computed for gives way.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Commands carried out at once for the admin door: some hold a list of everything in memory.
pub const ADMIN_COMMANDS_MAX: usize = 4;
/// Shortest token of the admin door, in bytes: 16 random letters cannot be guessed over a network.
pub const ADMIN_TOKEN_BYTES_MIN: usize = 16;
/// Nodes of one placement: an owner is kept in two bytes.
pub const NODES_MAX: usize = 65_535;
/// The largest weight of a node; the least is 1. More than a thousandfold difference is another kind of machine.
pub const WEIGHT_MAX: u32 = 1000;
/// Points of one ring, 14 to 18 bytes each: 65,535 nodes of weight 1 at 160 points fit.
pub const POINTS_MAX: u64 = 1 << 24;
/// Bytes of a node's name: it is hashed once for each of its points.
pub const NODE_NAME_BYTES_MAX: usize = 4096;
/// Slots of one slot map, a power of two: at 2^20 an owner column is 2 MiB, which a cache still holds.
pub const SLOTS_MAX: u32 = 1 << 20;
/// The least slots of a slot map that chooses for itself: 32 KiB a column, more than 100 slots a node up to 128 nodes.
pub const SLOTS_DEFAULT: u32 = 16_384;
/// Slots a node at least gets in a slot map that chooses for itself, until [`SLOTS_MAX`] is reached: loads differ by less than 1 %.
pub const SLOTS_PER_NODE: u32 = 128;
/// Replica columns of one slot map: a row of eight fits beside its neighbour in a cache line.
pub const REPLICAS_MAX: usize = 8;
/// Levels of a failure domain, such as region, zone, rack and host.
pub const DOMAIN_LEVELS_MAX: usize = 8;
/// Bytes of a failure domain's path.
pub const DOMAIN_BYTES_MAX: usize = 1024;
/// The largest extra load, in percent of its share, that a load cap may allow a node.
pub const CAP_PERCENT_MAX: u32 = 1000;
/// Places of a Maglev table: the largest that Envoy takes.
pub const MAGLEV_TABLE_MAX: u32 = 5_000_011;
/// Voters of one electorate: a ballot from each has to arrive within one election.
pub const VOTERS_MAX: usize = 65_535;
/// Contenders at one parent, as many as there can be sessions.
pub const CONTENDERS_MAX: usize = SESSIONS_MAX;
/// Peers of one detector, as many as there can be sessions.
pub const PEERS_MAX: usize = SESSIONS_MAX;
/// The longest timeout of a detector or a deadline, in milliseconds: about 35 years, as the longest TTL.
pub const TIMEOUT_MS_MAX: u64 = TTL_MS_MAX as u64;
/// Bytes of entries in one message between members: a link is not to be held by one for long.
pub const APPEND_BYTES_MAX: u64 = 1024 * 1024;
/// Such messages on their way to one member.
pub const APPENDS_IN_FLIGHT_MAX: usize = 64;
/// Bytes of entries that a leader has made and no majority has yet; more are not taken.
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of entries handed out to be applied at once.
pub const COMMITTED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of applied entries kept for members that lag; one farther behind is sent the whole state.
pub const LOG_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of the entries in one place of the ensemble's log: larger ones gain nothing, smaller ones cost.
pub const PROPOSAL_BYTES_MAX: usize = 256 * 1024;
/// Bytes of entries in one message to the leader.
pub const FORWARD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a member's entries that are under way to the leader; the rest waits where it is.
pub const FORWARD_WINDOW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of messages from other members that wait for a member's attention; more are dropped, as a link might.
pub const INBOX_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of entries that a majority has and that wait to be applied here; beyond it no more are ordered, or taken from a leader.
pub const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Ticks of 10 ms without a leader's word after which an election may begin.
pub const ELECTION_TICKS: usize = 40;
/// Ticks between a leader's heartbeats.
pub const HEARTBEAT_TICKS: usize = 5;
/// Ticks by which each lower rank waits longer before it campaigns.
pub const BAND_TICKS: usize = 3;
/// Members of an ensemble whose votes count: each more makes every write dearer.
pub const MEMBERS_VOTING_MAX: usize = 9;
/// Bytes of an address, `host:port`: as long as a name can be.
pub const ADDRESS_BYTES_MAX: usize = 261;
/// Bytes of a message between members: an append of [`APPEND_BYTES_MAX`] and one entry more, each as large as it may be.
pub const LINK_FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of messages that wait to be sent to one member; more are dropped, and sent again by those who miss them.
pub const LINK_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one record of a snapshot on its way.
pub const SNAPSHOT_FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What one member has sent to another and nothing of it has moved for so long, in milliseconds: then the link is broken. Longer
/// than any pause of a healthy one, and short beside the minutes after which the system would give up by itself.
pub const LINK_STALLED_MS: u64 = 5_000;
/// Connections to a member's own door that have not said who they are yet; one more, and the oldest is closed.
pub const LINK_STRANGERS_MAX: usize = 64;
