/* folkmoot.h: coordination that lives in your process, for C89 and later, and C++98 and later.
 * Written from ffi/src by ffi/tests/header.rs; do not edit.
 *
 * Conventions. A function's own comment tells only what differs.
 *
 * Results    Functions return a folkmoot_status: FOLKMOOT_OK (0) or a negative number. A program acts
 *            on the number; folkmoot_last_error() has the words, for this thread. Outputs come last
 *            in the list of parameters, end in _out and are written on success only.
 *            Every function may answer FOLKMOOT_BAD_ARGUMENTS (NULL, text that is not UTF-8, an
 *            unknown number: the words name the parameter), FOLKMOOT_CLOSED, FOLKMOOT_FORKED and
 *            FOLKMOOT_PANIC (a bug of ours, caught). Outputs that may be NULL say so.
 * Text       const char * is UTF-8 that ends in NUL. Data is a pointer and a length; NULL with
 *            length 0 is null data, any other pointer with length 0 is empty data. What is passed
 *            in is borrowed until the function returns and copied if it is needed longer.
 * Ownership  What a function gives through a pointer to a pointer is yours and is freed with the
 *            function its comment names. Freeing NULL does nothing. A handle may not be in use by
 *            another thread while it is freed; handles may be freed in any order.
 * Threads    Members, sessions and watches may be used by any threads at once. A multi belongs to
 *            one thread at a time.
 * Waiting    Functions block until they are answered, but for those that end in _async. Callbacks
 *            run inside folkmoot_session_dispatch and _drain on the thread that calls them, or, if
 *            the session was opened with dispatch_thread, on one thread of the library's. A callback
 *            may call any function, also blocking ones; only folkmoot_session_drain of its own
 *            session answers FOLKMOOT_WOULD_DEADLOCK there. It must not throw or longjmp.
 * fork       In a child, handles of the parent answer FOLKMOOT_FORKED and freeing them does nothing
 *            (their memory stays): open new ones.
 * Process    The library installs no signal handler, reads no environment variable and writes
 *            nothing to stdout or stderr: what it has to say goes to folkmoot_set_log_callback. Its
 *            threads are named fm-* and have all signals blocked.
 * Growth     Option structs begin with their size; fields are added at the end. Numbers are never
 *            used again. Functions are not taken away within one soname.
 */
#ifndef FOLKMOOT_H
#define FOLKMOOT_H

#include <stddef.h>
#include <stdint.h>

#ifndef FOLKMOOT_API
#if defined(__GNUC__)
#define FOLKMOOT_API __attribute__((visibility("default")))
#else
#define FOLKMOOT_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; folkmoot_version() has that of the library. */
#define FOLKMOOT_VERSION_MAJOR 0
#define FOLKMOOT_VERSION_MINOR 1
#define FOLKMOOT_VERSION_PATCH 0
#define FOLKMOOT_VERSION "0.1.0"

/* Statuses. */

/* It worked. */
#define FOLKMOOT_OK 0
/* Something that should not happen did. */
#define FOLKMOOT_SYSTEM_ERROR (-1)
/* In a failed multi: an operation after the one that failed. */
#define FOLKMOOT_RUNTIME_INCONSISTENCY (-2)
/* Stored data contradicts itself. */
#define FOLKMOOT_DATA_INCONSISTENCY (-3)
/* The reply was lost: the write may be committed, or may never be. Read before writing again. */
#define FOLKMOOT_CONNECTION_LOSS (-4)
/* The request could not be read. */
#define FOLKMOOT_MARSHALLING_ERROR (-5)
/* This member does not do that. */
#define FOLKMOOT_UNIMPLEMENTED (-6)
/* No answer within the time given. */
#define FOLKMOOT_OPERATION_TIMEOUT (-7)
/* An argument is not valid: the text names it. */
#define FOLKMOOT_BAD_ARGUMENTS (-8)
/* The handle is not in a state to do that. */
#define FOLKMOOT_INVALID_STATE (-9)
/* No such session. */
#define FOLKMOOT_UNKNOWN_SESSION (-12)
/* Nothing at that path. */
#define FOLKMOOT_NO_NODE (-101)
/* The requester's identities do not allow it. */
#define FOLKMOOT_NO_AUTH (-102)
/* The znode has moved past the version the caller named. Nothing was changed. */
#define FOLKMOOT_BAD_VERSION (-103)
/* An ephemeral znode cannot have children. */
#define FOLKMOOT_NO_CHILDREN_FOR_EPHEMERALS (-108)
/* There is a znode at that path already. */
#define FOLKMOOT_NODE_EXISTS (-110)
/* The znode has children. */
#define FOLKMOOT_NOT_EMPTY (-111)
/* The session is over; its ephemerals are gone. */
#define FOLKMOOT_SESSION_EXPIRED (-112)
/* The ACL is empty, or has an entry that means nothing. */
#define FOLKMOOT_INVALID_ACL (-114)
/* The scheme is unknown, or it refused the credential. */
#define FOLKMOOT_AUTH_FAILED (-115)
/* The handle is being closed. */
#define FOLKMOOT_CLOSING (-116)
/* The session has been attached elsewhere since. */
#define FOLKMOOT_SESSION_MOVED (-118)
/* A write was sent to a read-only member. */
#define FOLKMOOT_NOT_READ_ONLY (-119)
/* No such watch is registered. */
#define FOLKMOOT_NO_WATCHER (-121)
/* Changing the members by request is off. */
#define FOLKMOOT_RECONFIG_DISABLED (-123)
/* The session must authenticate first, and was closed. */
#define FOLKMOOT_AUTH_REQUIRED (-124)
/* The write would exceed a hard quota. */
#define FOLKMOOT_QUOTA_EXCEEDED (-125)
/* The member has as much waiting as it takes: try again later. */
#define FOLKMOOT_THROTTLED (-127)
/* A bug of ours was caught; the member it happened in answers no more. */
#define FOLKMOOT_PANIC (-1000)
/* The process was forked: this handle belongs to the parent. */
#define FOLKMOOT_FORKED (-1001)
/* The buffer is too small: the length needed is told. */
#define FOLKMOOT_BUFFER_TOO_SMALL (-1002)
/* The disk is full: this write changed nothing, and later ones may pass once there is room. */
#define FOLKMOOT_DISK_FULL (-1003)
/* A file contradicts its checksum: the text names file and offset. */
#define FOLKMOOT_CORRUPT (-1004)
/* The token is stale: someone else has been granted the lock or office since. */
#define FOLKMOOT_FENCED (-1005)
/* It is not known whether the write was committed: ask for its outcome, or read. */
#define FOLKMOOT_OUTCOME_UNKNOWN (-1006)
/* The directory is in use by another process: the text names its pid. */
#define FOLKMOOT_IN_USE (-1007)
/* Reading or writing a file failed for good: this member writes no more. */
#define FOLKMOOT_DISK_FAILED (-1008)
/* A file is of a format this version does not know. */
#define FOLKMOOT_UNKNOWN_FORMAT (-1009)
/* A bound of `limits` was met: the text names it. */
#define FOLKMOOT_LIMIT_EXCEEDED (-1010)
/* The handle is closed. */
#define FOLKMOOT_CLOSED (-1011)
/* A wait was interrupted by the caller. */
#define FOLKMOOT_INTERRUPTED (-1012)
/* The call would wait for its own thread. */
#define FOLKMOOT_WOULD_DEADLOCK (-1013)

/* The binary interface this header describes: see folkmoot_abi_version. */
#define FOLKMOOT_ABI_VERSION 1

/* Lives until deleted. */
#define FOLKMOOT_PERSISTENT 0

/* Lives as long as its session. */
#define FOLKMOOT_EPHEMERAL 1

/* The parent's create count, ten digits, is appended to its name. */
#define FOLKMOOT_PERSISTENT_SEQUENTIAL 2

/* Both. */
#define FOLKMOOT_EPHEMERAL_SEQUENTIAL 3

/* Deleted by itself once its last child has gone. */
#define FOLKMOOT_CONTAINER 4

/* Deleted by itself once it has been unchanged and childless for ttl_ms. */
#define FOLKMOOT_TTL 5

/* A TTL znode with a sequential name. */
#define FOLKMOOT_TTL_SEQUENTIAL 6

/* Permission to read data and list children. */
#define FOLKMOOT_PERM_READ 1

/* Permission to change data. */
#define FOLKMOOT_PERM_WRITE 2

/* Permission to create children. */
#define FOLKMOOT_PERM_CREATE 4

/* Permission to delete children. */
#define FOLKMOOT_PERM_DELETE 8

/* Permission to change the ACL. */
#define FOLKMOOT_PERM_ADMIN 16

/* All permissions. */
#define FOLKMOOT_PERM_ALL 31

/* add_watch, watch_open: this znode and its list of children. */
#define FOLKMOOT_WATCH_PERSISTENT 0

/* add_watch, watch_open: this znode and all below it, without CHILDREN_CHANGED. */
#define FOLKMOOT_WATCH_RECURSIVE 1

/* remove_watches: those set by listing children. */
#define FOLKMOOT_WATCHER_CHILDREN 1

/* remove_watches: those set by reading data or asking for existence. */
#define FOLKMOOT_WATCHER_DATA 2

/* remove_watches: all at the path. */
#define FOLKMOOT_WATCHER_ANY 3

/* remove_watches: set by add_watch, persistent. */
#define FOLKMOOT_WATCHER_PERSISTENT 4

/* remove_watches: set by add_watch, recursive. */
#define FOLKMOOT_WATCHER_RECURSIVE 5

/* News of the session, not of a znode: see the event's state. */
#define FOLKMOOT_EVENT_SESSION (-1)

/* The znode was created. */
#define FOLKMOOT_EVENT_CREATED 1

/* The znode was deleted. */
#define FOLKMOOT_EVENT_DELETED 2

/* Its data was set. */
#define FOLKMOOT_EVENT_DATA_CHANGED 3

/* A child was created or deleted. */
#define FOLKMOOT_EVENT_CHILDREN_CHANGED 4

/* Events were dropped because nobody fetched them: read again what you watch. */
#define FOLKMOOT_EVENT_OVERFLOW 100

/* The session has no contact. */
#define FOLKMOOT_STATE_DISCONNECTED 0

/* The session is in contact. */
#define FOLKMOOT_STATE_CONNECTED 3

/* The session is over by closing. */
#define FOLKMOOT_STATE_CLOSED 7

/* The session is over by silence: its ephemerals are gone. */
#define FOLKMOOT_STATE_EXPIRED (-112)

/* The member keeps the session alive. */
#define FOLKMOOT_HEARTBEAT_AUTO 0

/* The caller keeps it alive: any request counts, and folkmoot_session_touch. */
#define FOLKMOOT_HEARTBEAT_MANUAL 1

/* The write was carried out, or refused, as its status says. */
#define FOLKMOOT_OUTCOME_DONE 0

/* The write was not carried out and never will be: its session is over. */
#define FOLKMOOT_OUTCOME_NEVER 1

/* The write has not been carried out here yet, and may still be. */
#define FOLKMOOT_OUTCOME_PENDING 2

/* The write was answered at the time, or its session ended more than ten minutes ago, or there was none. */
#define FOLKMOOT_OUTCOME_FORGOTTEN 3

/* A member is not known to be anything: nobody leads. */
#define FOLKMOOT_ROLE_UNKNOWN 0

/* A member leads. */
#define FOLKMOOT_ROLE_LEADER 1

/* A member follows the leader, or waits for one. */
#define FOLKMOOT_ROLE_FOLLOWER 2

/* A member asks for votes. */
#define FOLKMOOT_ROLE_CANDIDATE 3

/* A member follows without a vote. */
#define FOLKMOOT_ROLE_LEARNER 4

/* Log lines: of every step. */
#define FOLKMOOT_LOG_TRACE 5

/* Log lines: for whoever debugs the host. */
#define FOLKMOOT_LOG_DEBUG 10

/* Log lines: in the course of things. */
#define FOLKMOOT_LOG_INFO 20

/* Log lines: someone should look at it. */
#define FOLKMOOT_LOG_WARNING 30

/* Log lines: something was lost or refused. */
#define FOLKMOOT_LOG_ERROR 40

/* Conditional operations: do not compare versions. */
#define FOLKMOOT_ANY_VERSION (-1)

/* The tally can still elect someone. */
#define FOLKMOOT_UNDECIDED 0

/* More than half of the voters voted for one candidate. It stays so for the term. */
#define FOLKMOOT_ELECTED 1

/* No one can be elected any more in this term. */
#define FOLKMOOT_SPLIT 2

/* The first beat of this peer. */
#define FOLKMOOT_HEARD_NEW 0

/* The peer is alive, as was thought. */
#define FOLKMOOT_HEARD_FRESH 1

/* The peer was suspect and is no more. */
#define FOLKMOOT_HEARD_RESTORED 2

/* A repeat, or overtaken by a later one: no effect. */
#define FOLKMOOT_HEARD_STALE 3

/* The peer has expired: no effect until it is forgotten. */
#define FOLKMOOT_HEARD_EXPIRED 4

/* The peer has been silent for the first timeout. May be a mistake. */
#define FOLKMOOT_SUSPECT 1

/* The peer has been silent for the second timeout. Final. */
#define FOLKMOOT_EXPIRED 2

/* The number of no node: there are none, or a row has fewer replicas than were asked for. */
#define FOLKMOOT_NOBODY 65535

/* From the map before: loads within one slot of each quota, and the fewest moves that allows. */
#define FOLKMOOT_COORDINATED 0

/* From the set of nodes alone, each slot by lot: whoever knows the nodes has the same map. */
#define FOLKMOOT_RENDEZVOUS 1

/* Replicas are apart at the widest level of their domains at which every quota still fits. */
#define FOLKMOOT_SPREAD_BALANCE 0

/* Replicas are apart at the widest level with enough domains, whatever that does to balance. */
#define FOLKMOOT_SPREAD_DOMAINS 1

/* libmemcached's KETAMA and nothing else set. */
#define FOLKMOOT_KETAMA_LIBMEMCACHED 0

/* libmemcached's KETAMA with HASH_MD5. */
#define FOLKMOOT_KETAMA_LIBMEMCACHED_MD5 1

/* libmemcached's KETAMA_WEIGHTED, about 160 points a server. */
#define FOLKMOOT_KETAMA_WEIGHTED 2

/* libmemcached's KETAMA_SPY with HASH_MD5. */
#define FOLKMOOT_KETAMA_SPY 3

/* twemproxy's ketama. */
#define FOLKMOOT_KETAMA_TWEMPROXY 4

/* A list of ACL entries or identities. Immutable: any threads may read it at once. */
typedef struct folkmoot_acls folkmoot_acls;

/*
 When sessions (leases, peers, whatever has a timeout) are over: a table of many, touched often.
 One thread at a time.
 */
typedef struct folkmoot_deadlines folkmoot_deadlines;

/* Which peers have fallen silent: two fixed timeouts since the last beat. One thread at a time. */
typedef struct folkmoot_detector folkmoot_detector;

/* The ensemble as one of its members saw it. Immutable: any threads may read it at once. */
typedef struct folkmoot_ensemble folkmoot_ensemble;

/* A ketama continuum. Immutable. */
typedef struct folkmoot_ketama folkmoot_ketama;

/* What one voter has to remember: the last vote it cast. One thread at a time. */
typedef struct folkmoot_last_vote folkmoot_last_vote;

/* A Maglev table. Immutable. */
typedef struct folkmoot_maglev folkmoot_maglev;

/* A participant that lives in this process. Any number of threads may use one at once. */
typedef struct folkmoot_member folkmoot_member;

/* What changes hands between two rings. Immutable. */
typedef struct folkmoot_moves folkmoot_moves;

/* A transaction being put together. One thread at a time. */
typedef struct folkmoot_multi folkmoot_multi;

/* The results of a multi, one for each operation. Immutable: any threads may read it at once. */
typedef struct folkmoot_results folkmoot_results;

/* A hash ring: which node owns a key. Immutable: any threads may use one at once. */
typedef struct folkmoot_ring folkmoot_ring;

/* When to send the next heartbeat. One thread at a time. */
typedef struct folkmoot_schedule folkmoot_schedule;

/*
 What a program holds to work with the tree. Any number of threads may use one at once. Its
 requests take effect in the order in which they were made; a read sees the session's own writes.
 */
typedef struct folkmoot_session folkmoot_session;

/* Which nodes own a key. Immutable: any threads may use one at once, and no lookup waits. */
typedef struct folkmoot_slot_map folkmoot_slot_map;

/* What moves between two slot maps. Immutable. */
typedef struct folkmoot_slot_plan folkmoot_slot_plan;

/* A list of strings. Immutable: any threads may read it at once. */
typedef struct folkmoot_strings folkmoot_strings;

/* The votes of one term. One thread at a time. */
typedef struct folkmoot_tally folkmoot_tally;

/* A watch with a queue of its own. Any number of threads may use one at once; each event goes to one of them. */
typedef struct folkmoot_watch folkmoot_watch;

/* How a call ended: FOLKMOOT_OK, or one of the negative numbers above. */
typedef int32_t folkmoot_status;

/*
 Told each line of the library's. context is what was passed with it; level is FOLKMOOT_LOG_;
 target is the part of the library that speaks, such as "folkmoot::log::store"; text is one line
 without a newline at its end. Both are valid until it returns. Must not throw.
 */
typedef void (*folkmoot_log_callback)(void *context,
                                      int32_t level,
                                      const char *target,
                                      const char *text);

/* How to open a session. Set size to sizeof the struct and the rest to 0 (FOLKMOOT_SESSION_OPTIONS_INIT), then what you want. */
typedef struct folkmoot_session_options {
  /* sizeof(folkmoot_session_options). */
  size_t size;
  /* Silence that ends the session, in milliseconds; 0 for 10 s. Clamped to the member's limits. */
  uint32_t timeout_ms;
  /* FOLKMOOT_HEARTBEAT_AUTO or _MANUAL. */
  int32_t heartbeat;
  /* Not 0: all ACLs are passed by. */
  int32_t superuser;
  /* Not 0: callbacks run on a thread of the library's, named fm-callback, instead of in folkmoot_session_dispatch. */
  int32_t dispatch_thread;
} folkmoot_session_options;

/* What holds for the whole ensemble. The library's memory; may grow at its end in later versions, as size tells. */
typedef struct folkmoot_ensemble_summary {
  /* How long this struct is in the library that made it. */
  size_t size;
  /* The term, which rises with each election. */
  uint64_t term;
  /* The last entry of the log that a majority has, as far as is known here. */
  uint64_t committed;
  /* The last entry applied here. */
  uint64_t applied;
  /* The member that was asked. */
  int32_t id;
  /* The member that leads; 0 for nobody. */
  int32_t leader;
} folkmoot_ensemble_summary;

/* One member of an ensemble, the one that was asked too. The library's memory; may grow at its end in later versions, as size tells. */
typedef struct folkmoot_ensemble_member {
  /* How long this struct is in the library that made it. */
  size_t size;
  /* For how many milliseconds it has not been heard: 0 for the one that was asked, -1 if never. */
  int64_t silent_ms;
  /* The last entry of the log that it is known to have: of all where the asked one leads, else of itself; -1 if unknown. */
  int64_t matched;
  /* Its number, 1 to 255. */
  int32_t id;
  /* How much it should lead, 0 (never) to 255. */
  int32_t priority;
  /* FOLKMOOT_ROLE_. */
  int32_t role;
  /* Not 0: it has been silent for too long: it may have stopped, or be out of reach. */
  int32_t suspected;
  /* Not 0: the link to it is up. */
  int32_t linked;
  /* Not 0: it is the one that was asked. */
  int32_t is_self;
} folkmoot_ensemble_member;

/* One notification. Will not grow. */
typedef struct folkmoot_event {
  /* FOLKMOOT_EVENT_. */
  int32_t kind;
  /* How the session stands: FOLKMOOT_STATE_. */
  int32_t state;
  /*
   To which znode it happened; "" for news of the session. Never NULL. Valid until this thread
   asks for its next event, of any queue; within an event callback, until it returns.
   */
  const char *path;
  /* In which transaction; 0 for news of the session. */
  int64_t zxid;
} folkmoot_event;

/* Told of each event of a session. context is what was passed with it; event is valid until it returns. Must not throw. */
typedef void (*folkmoot_event_callback)(void *context, const struct folkmoot_event *event);

/* One entry of an ACL; as an identity (who_am_i), perms is 0. */
typedef struct folkmoot_acl {
  /* Bits of FOLKMOOT_PERM_. */
  uint32_t perms;
  /* "world", "auth", "digest", "ip", ... */
  const char *scheme;
  /* What the scheme makes of it, such as "anyone". */
  const char *id;
} folkmoot_acl;

/* How to make a znode, beyond its mode. Set size to sizeof the struct and the rest to 0 (FOLKMOOT_CREATE_OPTIONS_INIT), then what you want. */
typedef struct folkmoot_create_options {
  /* sizeof(folkmoot_create_options). */
  size_t size;
  /* Who may do what with it; NULL for everyone everything. Borrowed for the call. */
  const struct folkmoot_acl *acl;
  /* Entries of acl. */
  size_t acl_count;
  /* With the TTL modes: milliseconds unchanged and childless after which it goes. */
  int64_t ttl_ms;
} folkmoot_create_options;

/* The counters of a znode. Will not grow. */
typedef struct folkmoot_stat {
  /* Transaction that created the znode. */
  int64_t czxid;
  /* Transaction that last changed its data. */
  int64_t mzxid;
  /* Transaction that last created or deleted a child. */
  int64_t pzxid;
  /* When it was created: milliseconds since 1970. */
  int64_t ctime;
  /* When its data was last changed: milliseconds since 1970. */
  int64_t mtime;
  /* Owner session of an ephemeral; 0 for a persistent znode; below 0 for a container or TTL znode. */
  int64_t ephemeral_owner;
  /* Version of its data. */
  int32_t version;
  /* Changes of its list of children. */
  int32_t cversion;
  /* Version of its ACL. */
  int32_t aversion;
  /* Bytes of data. */
  int32_t data_length;
  /* Children now. */
  int32_t num_children;
  /* 0. */
  int32_t reserved;
} folkmoot_stat;

/*
 How an operation ended: what a completion is told, and each operation of a multi. Only the fields
 of its operation mean something; the others are 0 or NULL. All memory is the library's: within a
 completion it is valid until the completion returns, in a folkmoot_results until that is freed.
 May grow at its end in later versions.
 */
typedef struct folkmoot_result {
  /* How it ended. */
  folkmoot_status status;
  /* 0. */
  int32_t reserved;
  /* In words, if it failed; "" otherwise. */
  const char *error;
  /* create: the whole path, with its number if sequential. */
  const char *path;
  /* get: the data; NULL if it is null. */
  const void *data;
  /* get: its length in bytes; -1 if the data is null. count_descendants: how many. */
  int64_t data_len;
  /* create, set, set_acl, exists, get, children, get_acl. */
  struct folkmoot_stat stat;
  /* children, ephemerals. */
  const struct folkmoot_strings *names;
  /* get_acl, who_am_i. */
  const struct folkmoot_acls *acl;
  /* multi: one for each operation. */
  const struct folkmoot_results *results;
} folkmoot_result;

/* Told once how an operation ended. context is what was passed with it; result and all it points to are valid until it returns. Must not throw. */
typedef void (*folkmoot_completion)(void *context, const struct folkmoot_result *result);

/* A range of positions that changes hands. Will not grow. */
typedef struct folkmoot_move {
  /* First position of the range. */
  uint64_t lo;
  /* Last position of the range, itself included. */
  uint64_t hi;
  /* Who owned it; NULL when there was no node. */
  const char *from;
  /* Who owns it now; NULL when there is no node left. */
  const char *to;
} folkmoot_move;

/* One voter. Will not grow. */
typedef struct folkmoot_voter {
  /* Its number, unique among the voters. */
  uint64_t id;
  /* 255 is preferred most; 0 votes but never holds office. At most 255. */
  uint32_t priority;
} folkmoot_voter;

/* One contender for an office or a lock. Will not grow. */
typedef struct folkmoot_contender {
  /* The number of its sequential znode. */
  int32_t sequence;
  /* Not 0: content to hold together with other sharers, as a reader. For an office 0. */
  int32_t shared;
} folkmoot_contender;

/* A beat that is due. Will not grow. */
typedef struct folkmoot_beat {
  /* The number of the beat: 0 for the first. Never given twice. */
  uint64_t seq;
  /* When it was due, in milliseconds. */
  uint64_t scheduled_ms;
  /* How many beats before it were missed and are skipped. */
  uint64_t missed;
} folkmoot_beat;

/* A peer fell silent. Will not grow. */
typedef struct folkmoot_silence {
  /* Who. */
  uint64_t peer;
  /* When its time was up, in milliseconds. */
  uint64_t at_ms;
  /* FOLKMOOT_SUSPECT or FOLKMOOT_EXPIRED. */
  int32_t kind;
} folkmoot_silence;

/* Something whose time is up. Will not grow. */
typedef struct folkmoot_end {
  /* Whose. */
  uint64_t id;
  /* When it was, in milliseconds. */
  uint64_t at_ms;
} folkmoot_end;

/* How a slot map is made. All zeros but for the size are the defaults. */
typedef struct folkmoot_slot_options {
  /* sizeof(folkmoot_slot_options) */
  size_t size;
  /* A power of two, 2 to 1048576; 0: 16384, doubled while a coordinated map has fewer than 128 for each node. */
  uint32_t slots;
  /* Nodes for each slot, the owner included, at most 8; 0 is 1. */
  uint32_t replicas;
  /* FOLKMOOT_COORDINATED or _RENDEZVOUS. */
  int32_t filler;
  /* FOLKMOOT_SPREAD_BALANCE or _DOMAINS. */
  int32_t spread;
  /* One more than the percent by which a node may exceed its share, by lot and with one replica only; 0: no bound. */
  uint32_t cap_percent_and_one;
  /* 1: keys are hashed with SipHash-2-4 under the secret; 0: with folkmoot_hash. */
  uint32_t keyed;
  /* The secret, the same for all who share the map. */
  uint8_t secret[16];
} folkmoot_slot_options;

/* One node of a slot map, a continuum or a table. Will not grow. */
typedef struct folkmoot_slot_node {
  /* Any bytes, name_len of them. */
  const void *name;
  /* How many. */
  size_t name_len;
  /* 1 to 1000: twice the weight is twice the slots. */
  uint32_t weight;
  /* What it fails together with, widest first, as zone/rack/host; NULL when nothing is known. */
  const void *domain;
  /* How many bytes that is. */
  size_t domain_len;
} folkmoot_slot_node;

/* Slots that one node takes over from another. Will not grow. */
typedef struct folkmoot_slot_move {
  /* First slot, in slots of the map that has more of them. */
  uint32_t slot_lo;
  /* Last slot, itself included. */
  uint32_t slot_hi;
  /* The lowest hash of a key that moves. */
  uint64_t hash_lo;
  /* The highest, itself included. */
  uint64_t hash_hi;
  /* The column, 0 is the owner's. */
  uint32_t replica;
  /* Number of the node that leaves, in the map before; FOLKMOOT_NOBODY when the place was vacant. */
  uint16_t from;
  /* Number of the node that comes, in the map after; FOLKMOOT_NOBODY when the place stays vacant. */
  uint16_t to;
} folkmoot_slot_move;

/* The library's version, such as "0.1.0". Never NULL, never freed. */
FOLKMOOT_API const char *folkmoot_version(void);

/*
 The number of the binary interface: it rises when functions are added. A program compiled with
 FOLKMOOT_ABI_VERSION n runs with any library of the same soname that says n or more.
 */
FOLKMOOT_API uint32_t folkmoot_abi_version(void);

/*
 The name of a status, such as "NoNode"; "Ok" for FOLKMOOT_OK, "Unknown" for a number that is
 none. Never NULL, never freed.
 */
FOLKMOOT_API const char *folkmoot_status_name(folkmoot_status status);

/*
 What went wrong in the last call on this thread that failed, in words: the thing and the values
 that disagree. "" if none has. Never NULL; valid until the next call on this thread fails.
 */
FOLKMOOT_API const char *folkmoot_last_error(void);

/*
 Which write the last call on this thread that failed was about, where that was FOLKMOOT_OUTCOME_UNKNOWN: to ask
 folkmoot_member_outcome about, in another life of the process too. Both are 0 otherwise.

 FOLKMOOT_OK, _BAD_ARGUMENTS (which is then the last failure itself).
 */
FOLKMOOT_API
folkmoot_status folkmoot_last_write(int64_t *session_out,
                                    uint64_t *write_out);

/* Frees what a function of this library has said to free with it. NULL does nothing. */
FOLKMOOT_API void folkmoot_free(void *memory);

/*
 Has the library's own lines (what it found when it opened a directory, what fails in the
 background) told to callback: those of at least min_level, FOLKMOOT_LOG_. One callback a process;
 NULL takes it back, and without one nothing is said anywhere.

 The callback runs on a thread named fm-log, one line at a time and in order, with no lock held: it
 may call any function, this one too. Nothing waits for it: a line can come after the call that it
 is about has returned, and beyond 1024 that wait, lines are dropped and the next says how many.

 When this returns, the callback set before has been told all lines up to now, has returned and
 will not be called again, so its context can be freed. Only inside that very callback it returns
 at once: the callback is not called again then, and the lines that wait are dropped. What is said
 before a process ends is sure to be told only if it sets NULL first. A child of fork has no
 callback until it sets one.

 FOLKMOOT_OK, _LIMIT_EXCEEDED if the thread cannot start.
 */
FOLKMOOT_API
folkmoot_status folkmoot_set_log_callback(int32_t min_level,
                                          folkmoot_log_callback callback,
                                          void *context);

/*
 Opens a session on the ground that target names: "memory:", "memory:?time=virtual",
 "file:./data" or a plain path. Freeing the session frees the member with it.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _IN_USE, _CORRUPT, _DISK_FAILED, _UNKNOWN_FORMAT.
 */
FOLKMOOT_API
folkmoot_status folkmoot_open(const char *target,
                              struct folkmoot_session **session_out);

/*
 Opens a member without a session. Its threads, files and ports are freed when the last handle
 to it, sessions included, is freed.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _IN_USE, _CORRUPT, _DISK_FAILED, _UNKNOWN_FORMAT.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_open(const char *target,
                                     struct folkmoot_member **member_out);

/*
 Opens a session. options may be NULL.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _CLOSED, _LIMIT_EXCEEDED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_session(const struct folkmoot_member *member,
                                        const struct folkmoot_session_options *options,
                                        struct folkmoot_session **session_out);

/*
 Moves virtual time on by ms milliseconds: sessions whose silence is over expire, TTL znodes go,
 before this returns.

 FOLKMOOT_OK, _INVALID_STATE unless the target said time=virtual, _CLOSED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_advance(const struct folkmoot_member *member,
                                        uint64_t ms);

/*
 Listens at address ("host:port"; port 0 for any free one) for clients that speak ZooKeeper's protocol, until the
 member closes. Its threads are the member's own.

 settings   lines in the syntax of zoo.cfg ("tickTime=500", "4lw.commands.whitelist=*" ...), or NULL for the defaults
 port_out   the port, when it listens; may be NULL

 FOLKMOOT_OK, _BAD_ARGUMENTS names the address or the line of the setting, _SYSTEM_ERROR when the address is taken or not
 allowed, _CLOSED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_listen(const struct folkmoot_member *member,
                                       const char *address,
                                       const char *settings,
                                       uint16_t *port_out);

/*
 What became of a write whose answer did not arrive; folkmoot_last_write says which one that is. Can be asked until ten
 minutes after the session has ended.

 session      folkmoot_session_id of its session, which may be over
 write        its number among the writes of that session, from 1
 outcome_out  FOLKMOOT_OUTCOME_
 status_out   with FOLKMOOT_OUTCOME_DONE what the write would have returned, otherwise FOLKMOOT_OK; may be NULL

 FOLKMOOT_OK, _CLOSED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_outcome(const struct folkmoot_member *member,
                                        int64_t session,
                                        uint64_t write,
                                        int32_t *outcome_out,
                                        folkmoot_status *status_out);

/* The member's time: milliseconds since 1970, or since its start if virtual. */
FOLKMOOT_API
folkmoot_status folkmoot_member_now_ms(const struct folkmoot_member *member,
                                       int64_t *now_ms_out);

/*
 Writes a snapshot now and waits until it is on disk. Nothing to do in memory.

 FOLKMOOT_OK, _DISK_FULL, _DISK_FAILED, _CLOSED, _FORKED.
 */
FOLKMOOT_API folkmoot_status folkmoot_member_snapshot(const struct folkmoot_member *member);

/*
 What opening had to cut from the log's end, in words; *text_out is NULL if nothing.
 To be freed with folkmoot_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_recovery(const struct folkmoot_member *member,
                                         char **text_out);

/*
 Closes the member: sessions end, threads stop, files are closed, before this returns. Handles
 stay to be freed, and answer FOLKMOOT_CLOSED.
 */
FOLKMOOT_API folkmoot_status folkmoot_member_close(const struct folkmoot_member *member);

/* Frees the handle. The member itself goes with its last handle, sessions included. */
FOLKMOOT_API void folkmoot_member_free(struct folkmoot_member *member);

/*
 What the member knows of its ensemble, at most 100 ms old: to be freed with folkmoot_ensemble_free.

 FOLKMOOT_OK, _INVALID_STATE if the member is one alone, _CLOSED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_ensemble(const struct folkmoot_member *member,
                                         struct folkmoot_ensemble **ensemble_out);

/*
 Hands leadership to the voter to, or with 0 to the one that fits best. Returns when this member leads no more.

 FOLKMOOT_OK, _INVALID_STATE: this member does not lead, is one alone, or the other did not take over within a second (it
 leads on then), _BAD_ARGUMENTS: there is no such voter, _WOULD_DEADLOCK inside a completion, _CLOSED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_member_transfer(const struct folkmoot_member *member,
                                         int32_t to);

/* What holds for the whole ensemble; NULL for NULL. Valid until the ensemble is freed. */
FOLKMOOT_API
const struct folkmoot_ensemble_summary *folkmoot_ensemble_about(const struct folkmoot_ensemble *ensemble);

/* How many members there are; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_ensemble_count(const struct folkmoot_ensemble *ensemble);

/* Member number index, from 0, in the order of their ids; NULL if there is none. Valid until the ensemble is freed. */
FOLKMOOT_API
const struct folkmoot_ensemble_member *folkmoot_ensemble_at(const struct folkmoot_ensemble *ensemble,
                                                            size_t index);

/* Frees it. */
FOLKMOOT_API void folkmoot_ensemble_free(struct folkmoot_ensemble *ensemble);

/* The session's number: ephemeral_owner of its ephemerals. Never 0. */
FOLKMOOT_API
folkmoot_status folkmoot_session_id(const struct folkmoot_session *session,
                                    int64_t *id_out);

/* Silence that ends it, in milliseconds, as granted. */
FOLKMOOT_API
folkmoot_status folkmoot_session_timeout_ms(const struct folkmoot_session *session,
                                            uint32_t *timeout_ms_out);

/* How it stands: FOLKMOOT_STATE_. */
FOLKMOOT_API
folkmoot_status folkmoot_session_state(const struct folkmoot_session *session,
                                       int32_t *state_out);

/* The last transaction that the session's member has applied. */
FOLKMOOT_API
folkmoot_status folkmoot_session_zxid(const struct folkmoot_session *session,
                                      int64_t *zxid_out);

/*
 The session's member, as one more handle to it, to be freed with folkmoot_member_free.

 FOLKMOOT_OK, _INVALID_STATE if its ground is elsewhere, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_member(const struct folkmoot_session *session,
                                        struct folkmoot_member **member_out);

/*
 A heartbeat, for sessions opened with FOLKMOOT_HEARTBEAT_MANUAL.

 FOLKMOOT_OK, _SESSION_EXPIRED, _CLOSED, _FORKED.
 */
FOLKMOOT_API folkmoot_status folkmoot_session_touch(const struct folkmoot_session *session);

/*
 Closes the session: its ephemerals go, in one transaction, before this returns. The handle stays
 to be freed.
 */
FOLKMOOT_API folkmoot_status folkmoot_session_close(const struct folkmoot_session *session);

/*
 Closes the session if it is open, and frees the handle. Completions that still wait are called
 from within, with FOLKMOOT_CLOSED if their operation had not ended; a callback that runs on
 another thread is waited for. May be called from inside a callback of the session's own.
 */
FOLKMOOT_API void folkmoot_session_free(struct folkmoot_session *session);

/*
 A descriptor that is readable while an event or a completion waits, or the session is over: for
 poll, epoll, select. Do not read, write or close it. One and the same for each call; open until
 the session is freed.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_fd(const struct folkmoot_session *session,
                                    int *fd_out);

/*
 Runs the callbacks that wait, at most max of them (0: all), on this thread. Never blocks, but for
 another thread that runs callbacks of this session. count_out may be NULL.

 FOLKMOOT_OK, _INVALID_STATE if the session has a dispatch_thread, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_dispatch(const struct folkmoot_session *session,
                                          size_t max,
                                          size_t *count_out);

/*
 Waits until every operation under way has ended and its completion has returned; without a
 dispatch_thread this thread runs them. timeout_ms below 0 is for ever.

 FOLKMOOT_OK, _OPERATION_TIMEOUT, _WOULD_DEADLOCK inside a callback of this session, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_drain(const struct folkmoot_session *session,
                                       int32_t timeout_ms);

/*
 From now on each event of the session is told to callback, where its completions are, instead of
 waiting for folkmoot_events_next. NULL takes it back. context goes along; it must live until the
 session is freed or another callback is set and the one that runs has returned.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_on_event(const struct folkmoot_session *session,
                                          folkmoot_event_callback callback,
                                          void *context);

/*
 Makes a znode.

 data      data_len bytes, or NULL (and 0) for null data, which is kept apart from empty
 mode      FOLKMOOT_PERSISTENT and so on
 options   ACL and TTL; may be NULL
 path_out  up to path_cap bytes: the whole path, with its number if sequential, and a NUL; may be
           NULL when path_cap is 0
 stat_out  may be NULL

 path_cap, if not 0, has to be at least strlen(path) + 12, whatever the mode: too small a buffer
 is found out before anything is made.
 FOLKMOOT_OK, _NODE_EXISTS, _NO_NODE (the parent), _NO_CHILDREN_FOR_EPHEMERALS, _NO_AUTH,
 _INVALID_ACL, _BAD_ARGUMENTS, _QUOTA_EXCEEDED, _BUFFER_TOO_SMALL, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_create(const struct folkmoot_session *session,
                                        const char *path,
                                        const void *data,
                                        size_t data_len,
                                        int32_t mode,
                                        const struct folkmoot_create_options *options,
                                        char *path_out,
                                        size_t path_cap,
                                        struct folkmoot_stat *stat_out);

/*
 Removes a childless znode at version, or at any (FOLKMOOT_ANY_VERSION).

 FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NOT_EMPTY, _NO_AUTH, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_delete(const struct folkmoot_session *session,
                                        const char *path,
                                        int32_t version);

/*
 The counters of a znode. With watch not 0, its next change (its creation, if there is none) is
 told as an event. stat_out may be NULL.

 FOLKMOOT_OK, _NO_NODE if there is none, _NO_AUTH, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_exists(const struct folkmoot_session *session,
                                        const char *path,
                                        int32_t watch,
                                        struct folkmoot_stat *stat_out);

/*
 Copies the data of a znode into buf. With watch not 0, its next change is told as an event.

 buf       up to buf_cap bytes; may be NULL when buf_cap is 0
 len_out   the data's whole length in bytes, -1 if it is null; written on success and on
           FOLKMOOT_BUFFER_TOO_SMALL
 stat_out  may be NULL

 FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _BUFFER_TOO_SMALL, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_get(const struct folkmoot_session *session,
                                     const char *path,
                                     int32_t watch,
                                     void *buf,
                                     size_t buf_cap,
                                     int64_t *len_out,
                                     struct folkmoot_stat *stat_out);

/*
 As folkmoot_session_get, into memory that is allocated for it: data_out is to be freed with
 folkmoot_free. A NUL, which is not counted, stands behind the data. If the data is null,
 *data_out is NULL and *len_out is -1.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_get_alloc(const struct folkmoot_session *session,
                                           const char *path,
                                           int32_t watch,
                                           char **data_out,
                                           int64_t *len_out,
                                           struct folkmoot_stat *stat_out);

/*
 Replaces the data of a znode at version, or at any (FOLKMOOT_ANY_VERSION). data NULL (and
 data_len 0) is null data. stat_out may be NULL.

 FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NO_AUTH, _QUOTA_EXCEEDED, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_set(const struct folkmoot_session *session,
                                     const char *path,
                                     const void *data,
                                     size_t data_len,
                                     int32_t version,
                                     struct folkmoot_stat *stat_out);

/*
 Names of a znode's children, in the order of their creation, to be freed with
 folkmoot_strings_free. With watch not 0, the next change of the list is told as an event.
 stat_out may be NULL.

 FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_children(const struct folkmoot_session *session,
                                          const char *path,
                                          int32_t watch,
                                          struct folkmoot_strings **names_out,
                                          struct folkmoot_stat *stat_out);

/*
 ACL of a znode, to be freed with folkmoot_acls_free. stat_out may be NULL.

 FOLKMOOT_OK, _NO_NODE, _NO_AUTH, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_get_acl(const struct folkmoot_session *session,
                                         const char *path,
                                         struct folkmoot_acls **acl_out,
                                         struct folkmoot_stat *stat_out);

/*
 Replaces the ACL of a znode whose aversion is version, or any (FOLKMOOT_ANY_VERSION). acl is
 acl_count entries, borrowed for the call. stat_out may be NULL.

 FOLKMOOT_OK, _NO_NODE, _BAD_VERSION, _NO_AUTH, _INVALID_ACL, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_set_acl(const struct folkmoot_session *session,
                                         const char *path,
                                         const struct folkmoot_acl *acl,
                                         size_t acl_count,
                                         int32_t version,
                                         struct folkmoot_stat *stat_out);

/* Waits until everything acknowledged before, to anyone, is visible here. */
FOLKMOOT_API
folkmoot_status folkmoot_session_sync(const struct folkmoot_session *session,
                                      const char *path);

/*
 Paths of this session's ephemerals that start with prefix, sorted, to be freed with
 folkmoot_strings_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_ephemerals(const struct folkmoot_session *session,
                                            const char *prefix,
                                            struct folkmoot_strings **paths_out);

/* How many descendants a znode has. */
FOLKMOOT_API
folkmoot_status folkmoot_session_count_descendants(const struct folkmoot_session *session,
                                                   const char *path,
                                                   uint64_t *count_out);

/*
 Watches until removed; told as events of the session. mode is FOLKMOOT_WATCH_PERSISTENT or
 _RECURSIVE.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_add_watch(const struct folkmoot_session *session,
                                           const char *path,
                                           int32_t mode);

/*
 Takes watches away. kind is FOLKMOOT_WATCHER_.

 FOLKMOOT_OK, _NO_WATCHER if there is none of that kind, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_remove_watches(const struct folkmoot_session *session,
                                                const char *path,
                                                int32_t kind);

/*
 Succeeds if there is such a watch. kind is FOLKMOOT_WATCHER_.

 FOLKMOOT_OK, _NO_WATCHER, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_check_watches(const struct folkmoot_session *session,
                                               const char *path,
                                               int32_t kind);

/*
 Shows an identity, such as scheme "digest" with credential "user:password".

 FOLKMOOT_OK, _AUTH_FAILED, _SESSION_EXPIRED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_add_auth(const struct folkmoot_session *session,
                                          const char *scheme,
                                          const void *credential,
                                          size_t credential_len);

/* The identities shown so far, to be freed with folkmoot_acls_free; their perms are 0. */
FOLKMOOT_API
folkmoot_status folkmoot_session_who_am_i(const struct folkmoot_session *session,
                                          struct folkmoot_acls **identities_out);

/*
 The next event of the session: of watches set by reading and by folkmoot_session_add_watch, and
 news of the session. Blocks for at most timeout_ms milliseconds: 0 not at all, below 0 for ever.

 FOLKMOOT_OK, _OPERATION_TIMEOUT if none came, _CLOSED if none will come any more, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_events_next(const struct folkmoot_session *session,
                                     struct folkmoot_event *event_out,
                                     int32_t timeout_ms);

/*
 Opens a watch with a queue of its own: everything that happens at path (and below it, if mode is
 FOLKMOOT_WATCH_RECURSIVE) from now on, until it is freed.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED, _SESSION_EXPIRED, _FORKED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_watch_open(const struct folkmoot_session *session,
                                    const char *path,
                                    int32_t mode,
                                    struct folkmoot_watch **watch_out);

/* The next event of the watch, as folkmoot_events_next. */
FOLKMOOT_API
folkmoot_status folkmoot_watch_next(const struct folkmoot_watch *watch,
                                    struct folkmoot_event *event_out,
                                    int32_t timeout_ms);

/*
 A descriptor that is readable while an event of the watch waits or none will come any more. Do
 not read, write or close it. One and the same for each call; open until the watch is freed.
 */
FOLKMOOT_API folkmoot_status folkmoot_watch_fd(const struct folkmoot_watch *watch, int *fd_out);

/* Ends the watch and frees it. No other thread may be waiting for its events. */
FOLKMOOT_API void folkmoot_watch_free(struct folkmoot_watch *watch);

/* How many strings; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_strings_count(const struct folkmoot_strings *strings);

/* String number index, from 0; NULL if there is none. Valid until the list is freed. */
FOLKMOOT_API const char *folkmoot_strings_at(const struct folkmoot_strings *strings, size_t index);

/* Frees a list that a function has given you. Not one that belongs to a folkmoot_result. */
FOLKMOOT_API void folkmoot_strings_free(struct folkmoot_strings *strings);

/* How many entries; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_acls_count(const struct folkmoot_acls *acls);

/*
 The entries, one behind the other, as folkmoot_session_set_acl takes them; NULL if there are
 none. Valid until the list is freed.
 */
FOLKMOOT_API const struct folkmoot_acl *folkmoot_acls_entries(const struct folkmoot_acls *acls);

/* Frees a list that a function has given you. Not one that belongs to a folkmoot_result. */
FOLKMOOT_API void folkmoot_acls_free(struct folkmoot_acls *acls);

/* How many results; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_results_count(const struct folkmoot_results *results);

/* The result of operation number index, from 0; NULL if there is none. Valid until the results are freed. */
FOLKMOOT_API
const struct folkmoot_result *folkmoot_results_at(const struct folkmoot_results *results,
                                                  size_t index);

/* Frees results that a function has given you. Not those that belong to a folkmoot_result. */
FOLKMOOT_API void folkmoot_results_free(struct folkmoot_results *results);

/* An empty transaction, to be freed with folkmoot_multi_free. It belongs to no session. */
FOLKMOOT_API folkmoot_status folkmoot_multi_new(struct folkmoot_multi **multi_out);

/* Adds what folkmoot_session_create does. Everything is copied. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_create(struct folkmoot_multi *multi,
                                      const char *path,
                                      const void *data,
                                      size_t data_len,
                                      int32_t mode,
                                      const struct folkmoot_create_options *options);

/* Adds what folkmoot_session_delete does. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_delete(struct folkmoot_multi *multi,
                                      const char *path,
                                      int32_t version);

/* Adds what folkmoot_session_set does. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_set(struct folkmoot_multi *multi,
                                   const char *path,
                                   const void *data,
                                   size_t data_len,
                                   int32_t version);

/* Adds what folkmoot_session_set_acl does. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_set_acl(struct folkmoot_multi *multi,
                                       const char *path,
                                       const struct folkmoot_acl *acl,
                                       size_t acl_count,
                                       int32_t version);

/* Adds: fail unless the znode is at version. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_check(struct folkmoot_multi *multi,
                                     const char *path,
                                     int32_t version);

/* Adds a read of data, for folkmoot_multi_read. */
FOLKMOOT_API folkmoot_status folkmoot_multi_get(struct folkmoot_multi *multi, const char *path);

/* Adds a read of the list of children, for folkmoot_multi_read. */
FOLKMOOT_API
folkmoot_status folkmoot_multi_children(struct folkmoot_multi *multi,
                                        const char *path);

/* Forgets what was added. */
FOLKMOOT_API folkmoot_status folkmoot_multi_clear(struct folkmoot_multi *multi);

/*
 Does all that was added, or nothing: one transaction. The status is FOLKMOOT_OK if all was done,
 else that of the operation that failed. results_out, which may be NULL, is given one result for
 each operation whenever the member has answered, also when it failed (operations before the one
 that failed are FOLKMOOT_OK, those behind it FOLKMOOT_RUNTIME_INCONSISTENCY); otherwise it is set
 to NULL. To be freed with folkmoot_results_free. The multi keeps its operations and may be committed again.
 */
FOLKMOOT_API
folkmoot_status folkmoot_multi_commit(const struct folkmoot_multi *multi,
                                      const struct folkmoot_session *session,
                                      struct folkmoot_results **results_out);

/*
 folkmoot_multi_commit without waiting: completion is told results, and the status of the
 operation that failed. The multi may be changed or freed at once.
 */
FOLKMOOT_API
folkmoot_status folkmoot_multi_commit_async(const struct folkmoot_multi *multi,
                                            const struct folkmoot_session *session,
                                            folkmoot_completion completion,
                                            void *context);

/*
 Answers the reads that were added, each by itself, all at one zxid. To be freed with
 folkmoot_results_free. A read that failed is no failure of the call: see its result.
 */
FOLKMOOT_API
folkmoot_status folkmoot_multi_read(const struct folkmoot_multi *multi,
                                    const struct folkmoot_session *session,
                                    struct folkmoot_results **results_out);

/* Frees the multi. */
FOLKMOOT_API void folkmoot_multi_free(struct folkmoot_multi *multi);

/*
 folkmoot_session_create without waiting: completion is told path and stat.
 Unless this returns FOLKMOOT_OK, completion will not be called; so with all that end in _async.
 */
FOLKMOOT_API
folkmoot_status folkmoot_session_create_async(const struct folkmoot_session *session,
                                              const char *path,
                                              const void *data,
                                              size_t data_len,
                                              int32_t mode,
                                              const struct folkmoot_create_options *options,
                                              folkmoot_completion completion,
                                              void *context);

/* folkmoot_session_delete without waiting. */
FOLKMOOT_API
folkmoot_status folkmoot_session_delete_async(const struct folkmoot_session *session,
                                              const char *path,
                                              int32_t version,
                                              folkmoot_completion completion,
                                              void *context);

/* folkmoot_session_set without waiting: completion is told stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_set_async(const struct folkmoot_session *session,
                                           const char *path,
                                           const void *data,
                                           size_t data_len,
                                           int32_t version,
                                           folkmoot_completion completion,
                                           void *context);

/* folkmoot_session_get without waiting: completion is told data, data_len and stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_get_async(const struct folkmoot_session *session,
                                           const char *path,
                                           int32_t watch,
                                           folkmoot_completion completion,
                                           void *context);

/* folkmoot_session_exists without waiting: completion is told stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_exists_async(const struct folkmoot_session *session,
                                              const char *path,
                                              int32_t watch,
                                              folkmoot_completion completion,
                                              void *context);

/* folkmoot_session_children without waiting: completion is told names and stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_children_async(const struct folkmoot_session *session,
                                                const char *path,
                                                int32_t watch,
                                                folkmoot_completion completion,
                                                void *context);

/* folkmoot_session_sync without waiting. */
FOLKMOOT_API
folkmoot_status folkmoot_session_sync_async(const struct folkmoot_session *session,
                                            const char *path,
                                            folkmoot_completion completion,
                                            void *context);

/* folkmoot_session_get_acl without waiting: completion is told acl and stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_get_acl_async(const struct folkmoot_session *session,
                                               const char *path,
                                               folkmoot_completion completion,
                                               void *context);

/* folkmoot_session_set_acl without waiting: completion is told stat. */
FOLKMOOT_API
folkmoot_status folkmoot_session_set_acl_async(const struct folkmoot_session *session,
                                               const char *path,
                                               const struct folkmoot_acl *acl,
                                               size_t acl_count,
                                               int32_t version,
                                               folkmoot_completion completion,
                                               void *context);

/* folkmoot_session_ephemerals without waiting: completion is told names, which are whole paths. */
FOLKMOOT_API
folkmoot_status folkmoot_session_ephemerals_async(const struct folkmoot_session *session,
                                                  const char *prefix,
                                                  folkmoot_completion completion,
                                                  void *context);

/* folkmoot_session_count_descendants without waiting: completion is told data_len, which is how many. */
FOLKMOOT_API
folkmoot_status folkmoot_session_count_descendants_async(const struct folkmoot_session *session,
                                                         const char *path,
                                                         folkmoot_completion completion,
                                                         void *context);

/* folkmoot_session_add_watch without waiting. The watch is set when completion is told so. */
FOLKMOOT_API
folkmoot_status folkmoot_session_add_watch_async(const struct folkmoot_session *session,
                                                 const char *path,
                                                 int32_t mode,
                                                 folkmoot_completion completion,
                                                 void *context);

/* folkmoot_session_remove_watches without waiting. */
FOLKMOOT_API
folkmoot_status folkmoot_session_remove_watches_async(const struct folkmoot_session *session,
                                                      const char *path,
                                                      int32_t kind,
                                                      folkmoot_completion completion,
                                                      void *context);

/* folkmoot_session_check_watches without waiting. */
FOLKMOOT_API
folkmoot_status folkmoot_session_check_watches_async(const struct folkmoot_session *session,
                                                     const char *path,
                                                     int32_t kind,
                                                     folkmoot_completion completion,
                                                     void *context);

/* folkmoot_session_add_auth without waiting. */
FOLKMOOT_API
folkmoot_status folkmoot_session_add_auth_async(const struct folkmoot_session *session,
                                                const char *scheme,
                                                const void *credential,
                                                size_t credential_len,
                                                folkmoot_completion completion,
                                                void *context);

/* folkmoot_session_who_am_i without waiting: completion is told acl, whose perms are 0. */
FOLKMOOT_API
folkmoot_status folkmoot_session_who_am_i_async(const struct folkmoot_session *session,
                                                folkmoot_completion completion,
                                                void *context);

/*
 The hash that rings are built on: XXH3-64 with seed 0. Frozen: the same in every version and
 language. NULL counts as no bytes.
 */
FOLKMOOT_API uint64_t folkmoot_hash(const void *key, size_t key_len);

/*
 An empty ring of positions 1..=size, where a node has points_per_weight points for each unit of
 its weight; 0 is the default of either (2^61 - 1 and 160). To be freed with folkmoot_ring_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_new(uint64_t size,
                                  uint32_t points_per_weight,
                                  struct folkmoot_ring **ring_out);

/*
 ring with node at weight (1 to 1000): added, or its weight changed. A new ring; the old one stays.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_with(const struct folkmoot_ring *ring,
                                   const char *node,
                                   uint32_t weight,
                                   struct folkmoot_ring **ring_out);

/* ring with count nodes more, in one go. weights may be NULL: each is 1. A new ring; the old one stays. */
FOLKMOOT_API
folkmoot_status folkmoot_ring_with_all(const struct folkmoot_ring *ring,
                                       const char *const *nodes,
                                       const uint32_t *weights,
                                       size_t count,
                                       struct folkmoot_ring **ring_out);

/*
 ring without node. A new ring; the old one stays.

 FOLKMOOT_OK, _BAD_ARGUMENTS when node is not part of it.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_without(const struct folkmoot_ring *ring,
                                      const char *node,
                                      struct folkmoot_ring **ring_out);

/*
 The node that owns key, which is key_len bytes; *node_out is NULL when there are no nodes.
 Valid until the ring is freed.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_locate(const struct folkmoot_ring *ring,
                                     const void *key,
                                     size_t key_len,
                                     const char **node_out);

/*
 The first max different nodes for key, the owner first; fewer if there are fewer. An order for
 replicas or fail-over.

 nodes_out  room for max pointers; they are valid until the ring is freed
 count_out  how many were written
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_locate_n(const struct folkmoot_ring *ring,
                                       const void *key,
                                       size_t key_len,
                                       size_t max,
                                       const char **nodes_out,
                                       size_t *count_out);

/* The position of key on the ring: what the ranges of folkmoot_ring_diff are made of. */
FOLKMOOT_API
folkmoot_status folkmoot_ring_position(const struct folkmoot_ring *ring,
                                       const void *key,
                                       size_t key_len,
                                       uint64_t *position_out);

/* How many nodes; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_ring_count(const struct folkmoot_ring *ring);

/*
 Node number index, from 0, in the order of the names: its name (valid until the ring is freed),
 its weight, and the fraction of all keys that it owns. Each output may be NULL.

 FOLKMOOT_OK, _BAD_ARGUMENTS.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_node(const struct folkmoot_ring *ring,
                                   size_t index,
                                   const char **node_out,
                                   uint32_t *weight_out,
                                   double *share_out);

/*
 What changes hands from before to after, in ascending ranges, to be freed with
 folkmoot_moves_free. Both rings have the same size.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ring_diff(const struct folkmoot_ring *before,
                                   const struct folkmoot_ring *after,
                                   struct folkmoot_moves **moves_out);

/* How many moves; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_moves_count(const struct folkmoot_moves *moves);

/* The moves, one behind the other; NULL if there are none. Valid until they are freed. */
FOLKMOOT_API const struct folkmoot_move *folkmoot_moves_entries(const struct folkmoot_moves *moves);

/* Frees the moves. */
FOLKMOOT_API void folkmoot_moves_free(struct folkmoot_moves *moves);

/* Frees the ring. */
FOLKMOOT_API void folkmoot_ring_free(struct folkmoot_ring *ring);

/* A tally of term without votes, over all voters, alive or not. To be freed with folkmoot_tally_free. */
FOLKMOOT_API
folkmoot_status folkmoot_tally_new(const struct folkmoot_voter *voters,
                                   size_t count,
                                   uint64_t term,
                                   struct folkmoot_tally **tally_out);

/*
 Counts a ballot and tells how the election stands: FOLKMOOT_UNDECIDED, _ELECTED (elected_out says
 whom) or _SPLIT. The same ballot again changes nothing. Both outputs may be NULL.

 FOLKMOOT_OK, _BAD_ARGUMENTS for strangers, _INVALID_STATE for another term or a second vote.
 */
FOLKMOOT_API
folkmoot_status folkmoot_tally_cast(struct folkmoot_tally *tally,
                                    uint64_t term,
                                    uint64_t voter,
                                    uint64_t candidate,
                                    int32_t *outcome_out,
                                    uint64_t *elected_out);

/* How the election stands, as folkmoot_tally_cast tells. */
FOLKMOOT_API
folkmoot_status folkmoot_tally_outcome(const struct folkmoot_tally *tally,
                                       int32_t *outcome_out,
                                       uint64_t *elected_out);

/* Starts over in a later term; the votes of the last one are gone. */
FOLKMOOT_API folkmoot_status folkmoot_tally_advance(struct folkmoot_tally *tally, uint64_t term);

/* How many votes candidate has. */
FOLKMOOT_API
folkmoot_status folkmoot_tally_votes(const struct folkmoot_tally *tally,
                                     uint64_t candidate,
                                     size_t *votes_out);

/*
 The vote to cast when the count voters of live can be heard, the caller included: the highest
 priority, of equals the lowest id.

 FOLKMOOT_OK, _INVALID_STATE when no one of them may hold office.
 */
FOLKMOOT_API
folkmoot_status folkmoot_tally_choose(const struct folkmoot_tally *tally,
                                      const uint64_t *live,
                                      size_t count,
                                      uint64_t *candidate_out);

/* Frees the tally. */
FOLKMOOT_API void folkmoot_tally_free(struct folkmoot_tally *tally);

/*
 Of a voter that has never voted. One that starts again has to repeat the last vote it cast, with
 folkmoot_last_vote_vote, before it casts another. To be freed with folkmoot_last_vote_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_last_vote_new(uint64_t voter,
                                       struct folkmoot_last_vote **last_vote_out);

/*
 Votes for candidate in term. The same vote again is no other vote.

 FOLKMOOT_OK: the ballot (term, voter, candidate) may be sent. _INVALID_STATE when it has voted for
 someone else in this term, or in a later one.
 */
FOLKMOOT_API
folkmoot_status folkmoot_last_vote_vote(struct folkmoot_last_vote *last_vote,
                                        uint64_t term,
                                        uint64_t candidate);

/*
 The last vote. *voted_out is 1 and the other two are written if there is one, else 0. These two
 may be NULL.
 */
FOLKMOOT_API
folkmoot_status folkmoot_last_vote_ballot(const struct folkmoot_last_vote *last_vote,
                                          uint64_t *term_out,
                                          uint64_t *candidate_out,
                                          int32_t *voted_out);

/* Frees it. */
FOLKMOOT_API void folkmoot_last_vote_free(struct folkmoot_last_vote *last_vote);

/*
 The number of the sequential znode name, which was asked for as prefix.

 FOLKMOOT_OK, _BAD_ARGUMENTS when it is not such a name.
 */
FOLKMOOT_API
folkmoot_status folkmoot_sequence_of(const char *name,
                                     const char *prefix,
                                     int32_t *sequence_out);

/*
 For each contender the index of the one whose znode it has to watch and wait for; -1: it holds.

 waits_out  room for count numbers
 */
FOLKMOOT_API
folkmoot_status folkmoot_waits_for(const struct folkmoot_contender *contenders,
                                   size_t count,
                                   int64_t *waits_out);

/*
 Beats every period_ms, the first at first_ms: beat n is due at first_ms + n * period_ms, however
 late the one before was. To be freed with folkmoot_schedule_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_schedule_new(uint64_t period_ms,
                                      uint64_t first_ms,
                                      struct folkmoot_schedule **schedule_out);

/* The beat to send at now_ms. *due_out is 1 and beat_out written if one is due, else 0. */
FOLKMOOT_API
folkmoot_status folkmoot_schedule_poll(struct folkmoot_schedule *schedule,
                                       uint64_t now_ms,
                                       struct folkmoot_beat *beat_out,
                                       int32_t *due_out);

/* When the next beat is due. */
FOLKMOOT_API
folkmoot_status folkmoot_schedule_next_wakeup(const struct folkmoot_schedule *schedule,
                                              uint64_t *at_ms_out);

/* Frees the schedule. */
FOLKMOOT_API void folkmoot_schedule_free(struct folkmoot_schedule *schedule);

/*
 A detector that suspects a peer after suspect_after_ms of silence and expires it after
 expire_after_ms, both counted from its last beat. To be freed with folkmoot_detector_free.
 */
FOLKMOOT_API
folkmoot_status folkmoot_detector_new(uint64_t suspect_after_ms,
                                      uint64_t expire_after_ms,
                                      struct folkmoot_detector **detector_out);

/* Expects beats of peer from now on, though none has come. Harmless for one that is known. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_watch(struct folkmoot_detector *detector,
                                        uint64_t peer,
                                        uint64_t now_ms);

/* Takes in beat seq of peer, received at now_ms. heard_out, which may be NULL, is FOLKMOOT_HEARD_. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_beat(struct folkmoot_detector *detector,
                                       uint64_t peer,
                                       uint64_t seq,
                                       uint64_t now_ms,
                                       int32_t *heard_out);

/*
 Whose time is up at now_ms, in the order in which it was.

 silences_out  room for max
 count_out     how many were written; if that is max, ask again: there may be more
 */
FOLKMOOT_API
folkmoot_status folkmoot_detector_poll(struct folkmoot_detector *detector,
                                       uint64_t now_ms,
                                       struct folkmoot_silence *silences_out,
                                       size_t max,
                                       size_t *count_out);

/* When to poll next; UINT64_MAX when no one is left to fall silent. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_next_wakeup(const struct folkmoot_detector *detector,
                                              uint64_t *at_ms_out);

/* Allows everyone pause_ms more: the observer slept so long and heard nothing. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_paused(struct folkmoot_detector *detector,
                                         uint64_t pause_ms);

/* Forgets a peer; one that is unknown does no harm. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_forget(struct folkmoot_detector *detector,
                                         uint64_t peer);

/* What is thought of a peer: 0 alive or unknown, FOLKMOOT_SUSPECT, FOLKMOOT_EXPIRED. */
FOLKMOOT_API
folkmoot_status folkmoot_detector_told(const struct folkmoot_detector *detector,
                                       uint64_t peer,
                                       int32_t *kind_out);

/* Frees the detector. */
FOLKMOOT_API void folkmoot_detector_free(struct folkmoot_detector *detector);

/* An empty table for at most limit. To be freed with folkmoot_deadlines_free. */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_new(size_t limit,
                                       struct folkmoot_deadlines **deadlines_out);

/*
 Adds id, whose time is up after timeout_ms without a touch, counted from now_ms.

 FOLKMOOT_OK, _BAD_ARGUMENTS when id is there already or timeout_ms is 0 or above 2^40 - 1,
 _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_insert(struct folkmoot_deadlines *deadlines,
                                          uint64_t id,
                                          uint64_t timeout_ms,
                                          uint64_t now_ms);

/*
 Notes a sign of life at now_ms: its whole timeout counts again.

 FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
 */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_touch(struct folkmoot_deadlines *deadlines,
                                         uint64_t id,
                                         uint64_t now_ms);

/*
 Takes id away before its time.

 FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
 */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_remove(struct folkmoot_deadlines *deadlines,
                                          uint64_t id);

/*
 Takes away those whose time is up at now_ms, in the order in which it was; of equals the lower id
 first. Never early.

 ends_out   room for max
 count_out  how many were written; if that is max, ask again: there may be more
 */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_expire(struct folkmoot_deadlines *deadlines,
                                          uint64_t now_ms,
                                          struct folkmoot_end *ends_out,
                                          size_t max,
                                          size_t *count_out);

/* When to expire next: never later than the first deadline, often sooner. UINT64_MAX when nothing is there. */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_next_wakeup(const struct folkmoot_deadlines *deadlines,
                                               uint64_t *at_ms_out);

/*
 When the time of id is up.

 FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
 */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_at(const struct folkmoot_deadlines *deadlines,
                                      uint64_t id,
                                      uint64_t *at_ms_out);

/* Gives everything its whole timeout from now_ms on: for whoever takes over from another. */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_extend_all(struct folkmoot_deadlines *deadlines,
                                              uint64_t now_ms);

/* Allows everything pause_ms more: the observer slept so long and heard nothing. */
FOLKMOOT_API
folkmoot_status folkmoot_deadlines_paused(struct folkmoot_deadlines *deadlines,
                                          uint64_t pause_ms);

/* How many are there; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_deadlines_count(const struct folkmoot_deadlines *deadlines);

/* Frees the table. */
FOLKMOOT_API void folkmoot_deadlines_free(struct folkmoot_deadlines *deadlines);

/*
 A map without nodes. options may be NULL. To be freed with folkmoot_slot_map_free.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_new(const struct folkmoot_slot_options *options,
                                      struct folkmoot_slot_map **map_out);

/*
 The map for exactly these nodes, all in one step of one epoch: who is missing leaves, who is new joins, weights and domains
 change. Of a name given twice the last holds. A new map; the old one stays.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_next(const struct folkmoot_slot_map *map,
                                       const struct folkmoot_slot_node *nodes,
                                       size_t count,
                                       struct folkmoot_slot_map **map_out);

/*
 map with node: added, or its weight and domain changed. A new map; the old one stays.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_with(const struct folkmoot_slot_map *map,
                                       const struct folkmoot_slot_node *node,
                                       struct folkmoot_slot_map **map_out);

/*
 map without the node of that name. A new map; the old one stays.

 FOLKMOOT_OK, _BAD_ARGUMENTS when it is not part of it.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_without(const struct folkmoot_slot_map *map,
                                          const void *name,
                                          size_t name_len,
                                          struct folkmoot_slot_map **map_out);

/* The number of the node that owns key; FOLKMOOT_NOBODY when there are none, or map is NULL. */
FOLKMOOT_API
uint16_t folkmoot_slot_map_locate(const struct folkmoot_slot_map *map,
                                  const void *key,
                                  size_t key_len);

/*
 The first max nodes for key: its replicas, the owner first, then the others in the order in which to try them.

 nodes_out  room for max numbers
 count_out  how many were written

 FOLKMOOT_OK, _BAD_ARGUMENTS.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_locate_n(const struct folkmoot_slot_map *map,
                                           const void *key,
                                           size_t key_len,
                                           size_t max,
                                           uint16_t *nodes_out,
                                           size_t *count_out);

/*
 The owners of count keys. key_lens may be NULL: then each key is text that ends in NUL.

 nodes_out  room for count numbers

 FOLKMOOT_OK, _BAD_ARGUMENTS; then some of nodes_out may be written.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_locate_batch(const struct folkmoot_slot_map *map,
                                               const void *const *keys,
                                               const size_t *key_lens,
                                               size_t count,
                                               uint16_t *nodes_out);

/*
 The owners of count keys that are integers: each is hashed as its eight bytes, lowest first, on every machine.

 nodes_out  room for count numbers
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_locate_integers(const struct folkmoot_slot_map *map,
                                                  const uint64_t *keys,
                                                  size_t count,
                                                  uint16_t *nodes_out);

/*
 The first node for key whose load stays within c times its fair share when it takes one more.

 loads  what each node carries now, by number, as many as there are nodes
 c      1.25 is usual; less is more even and sends more keys away from their owner

 FOLKMOOT_OK, _BAD_ARGUMENTS.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_bounded(const struct folkmoot_slot_map *map,
                                          const void *key,
                                          size_t key_len,
                                          const uint64_t *loads,
                                          size_t load_count,
                                          double c,
                                          uint16_t *node_out);

/*
 Node number, from 0, in the order of the names. What it points to is valid until the map is freed.

 FOLKMOOT_OK, _BAD_ARGUMENTS.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_node(const struct folkmoot_slot_map *map,
                                       uint16_t number,
                                       struct folkmoot_slot_node *node_out);

/* How many nodes; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_slot_map_count(const struct folkmoot_slot_map *map);

/* How many slots; 0 for NULL. */
FOLKMOOT_API uint32_t folkmoot_slot_map_slots(const struct folkmoot_slot_map *map);

/* How many changes lie behind the map; 0 for one by lot, which has no past. */
FOLKMOOT_API uint64_t folkmoot_slot_map_epoch(const struct folkmoot_slot_map *map);

/*
 What the map could do of what was asked. Each output may be NULL.

 replicas_out  how many each slot has: as many as were asked for, or as there are nodes
 level_out     replicas of one slot differ in the first so many labels of their domains; 0: they are different nodes
 capped_out    domains (at level 0 nodes) whose weight asks for more than every slot once
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_standing(const struct folkmoot_slot_map *map,
                                           uint32_t *replicas_out,
                                           uint32_t *level_out,
                                           uint32_t *capped_out);

/*
 How many slots each node holds, or is the owner of, by number. Either output may be NULL.

 loads_out, owned_out  room for as many numbers as there are nodes
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_loads(const struct folkmoot_slot_map *map,
                                        uint32_t *loads_out,
                                        uint32_t *owned_out);

/*
 128 bits that are equal for equal maps, on any machine, and for no others.

 digest_out  room for 16 bytes
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_digest(const struct folkmoot_slot_map *map,
                                         uint8_t *digest_out);

/* The map as bytes, to be stored and sent; to be freed with folkmoot_free. They hold the secret of a keyed hash. */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_to_bytes(const struct folkmoot_slot_map *map,
                                           void **bytes_out,
                                           size_t *len_out);

/*
 The map that folkmoot_slot_map_to_bytes wrote. Any bytes may be given.

 FOLKMOOT_OK, _CORRUPT, _UNKNOWN_FORMAT, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_from_bytes(const void *bytes,
                                             size_t len,
                                             struct folkmoot_slot_map **map_out);

/*
 What moves from before to after, to be freed with folkmoot_slot_plan_free. Both have the same replicas and hash keys alike.

 FOLKMOOT_OK, _BAD_ARGUMENTS.
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_map_plan(const struct folkmoot_slot_map *before,
                                       const struct folkmoot_slot_map *after,
                                       struct folkmoot_slot_plan **plan_out);

/* How many moves; 0 for NULL. */
FOLKMOOT_API size_t folkmoot_slot_plan_count(const struct folkmoot_slot_plan *plan);

/* The moves, one behind the other; NULL if there are none. Valid until the plan is freed. */
FOLKMOOT_API
const struct folkmoot_slot_move *folkmoot_slot_plan_moves(const struct folkmoot_slot_plan *plan);

/*
 How much moves. Each output may be NULL.

 moved_out     replicas of slots that someone has to take over
 least_out     the least that any change between two maps of these loads would move
 promoted_out  slots whose owner is another one that held a replica before
 whole_out     slots times replicas, what all these are of
 */
FOLKMOOT_API
folkmoot_status folkmoot_slot_plan_figures(const struct folkmoot_slot_plan *plan,
                                           uint64_t *moved_out,
                                           uint64_t *least_out,
                                           uint64_t *promoted_out,
                                           uint64_t *whole_out);

/* Jump hash: the bucket of key, 0 to buckets - 1; 0 when there are none. Buckets come and go at the end only. */
FOLKMOOT_API
uint32_t folkmoot_jump_hash(uint64_t key,
                            uint32_t buckets);

/* The slot of key in a Redis Cluster, 0 to 16383: CRC16, of the hash tag only if the key has one. */
FOLKMOOT_API uint16_t folkmoot_redis_slot(const void *key, size_t key_len);

/*
 The continuum of count servers, each named host:port, in a dialect: FOLKMOOT_KETAMA_LIBMEMCACHED and so on. Servers are known by
 their place in the list; domains are not looked at. To be freed with folkmoot_ketama_free.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_ketama_new(int32_t dialect,
                                    const struct folkmoot_slot_node *servers,
                                    size_t count,
                                    struct folkmoot_ketama **ketama_out);

/* The server of key, by its place in the list; FOLKMOOT_NOBODY when there are none. */
FOLKMOOT_API
uint16_t folkmoot_ketama_locate(const struct folkmoot_ketama *ketama,
                                const void *key,
                                size_t key_len);

/*
 The Maglev table of size places, a prime, over count nodes, as Envoy fills it; 0 is 65537. Nodes are known by their place in the
 list; domains are not looked at. To be freed with folkmoot_maglev_free.

 FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
 */
FOLKMOOT_API
folkmoot_status folkmoot_maglev_new(const struct folkmoot_slot_node *nodes,
                                    size_t count,
                                    uint32_t size,
                                    struct folkmoot_maglev **maglev_out);

/* The node of key, hashed with XXH64 and seed 0, by its place in the list; FOLKMOOT_NOBODY when there are none. */
FOLKMOOT_API
uint16_t folkmoot_maglev_locate(const struct folkmoot_maglev *maglev,
                                const void *key,
                                size_t key_len);

/* Frees the map. NULL does nothing. */
FOLKMOOT_API void folkmoot_slot_map_free(struct folkmoot_slot_map *map);

/* Frees the plan. NULL does nothing. */
FOLKMOOT_API void folkmoot_slot_plan_free(struct folkmoot_slot_plan *plan);

/* Frees the continuum. NULL does nothing. */
FOLKMOOT_API void folkmoot_ketama_free(struct folkmoot_ketama *ketama);

/* Frees the table. NULL does nothing. */
FOLKMOOT_API void folkmoot_maglev_free(struct folkmoot_maglev *maglev);

/* What option structs are set to before you set what you want. */
#define FOLKMOOT_SESSION_OPTIONS_INIT { sizeof(folkmoot_session_options), 0, 0, 0, 0 }
#define FOLKMOOT_CREATE_OPTIONS_INIT { sizeof(folkmoot_create_options), NULL, 0, 0 }

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FOLKMOOT_H */
