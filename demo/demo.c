/* Five workers of one group, in C: election, shared configuration, ownership of keys, silence, a crash.
 *
 *     demo DIRECTORY                 the whole scenario; its table on stdout, progress on stderr
 *     demo DIRECTORY COMMAND...      a worker is another process, joined over the listener; no crash
 *     demo crash-writer DIRECTORY    writes numbered znodes until it is killed
 *
 * demo.py and demo.cpp do the same and print the same table. The workers are threads, but share
 * nothing except the library: all they know of each other they read from the tree.
 *
 * C11 with POSIX threads: there, what a function returns by value lives until the expression ends.
 */
#define _POSIX_C_SOURCE 200809L
#include <folkmoot.h>

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 5, INCREMENTS = 50, KEYS = 60, ROUNDS = 5, ACKNOWLEDGED_MAX = 100000 };
enum { GUEST = 1, GUEST_WORDS_MAX = 60 }; /* the worker that is another process if there is one: it leads when the first is gone */
enum { SILENCE_MS = 1000 }; /* without a heartbeat for so long, a session ends */
enum { BEAT_MS = 200 };     /* between two heartbeats of a worker that waits */

/* A path, a name or a value: all of ours are short. */
typedef struct { char s[256]; } text;

static void progress(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr);
    fputs("[c] ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
}

static void check(int fact, const char *what) {
    if (!fact) {
        progress("not true: %s", what);
        _exit(1);
    }
}

/* For calls that have no reason to fail. */
static void ok(folkmoot_status status) {
    if (status != FOLKMOOT_OK) {
        progress("%s: %s", folkmoot_status_name(status), folkmoot_last_error());
        _exit(1);
    }
}

static text format(const char *format, ...) {
    text made;
    va_list arguments;
    va_start(arguments, format);
    check(vsnprintf(made.s, sizeof made.s, format, arguments) < (int)sizeof made.s, "the text is short");
    va_end(arguments);
    return made;
}

static text key_name(int key) { return format("key-%02d", key); }
static text value_of(int key) { return format("value-of-key-%02d", key); }
static text data_path(int key) { return format("/demo/data/key-%02d", key); }

/* ------------------------------------------------------------------------------ small helpers */

static text get(folkmoot_session *session, const char *path, folkmoot_stat *stat) {
    text data;
    int64_t length;
    /* Whatever does not fit is an error, not cut off. One byte is kept for the NUL: data has none. */
    ok(folkmoot_session_get(session, path, 0, data.s, sizeof data.s - 1, &length, stat));
    data.s[length < 0 ? 0 : length] = '\0';
    return data;
}

static folkmoot_status create(folkmoot_session *session, const char *path, const char *data, int mode) {
    return folkmoot_session_create(session, path, data, strlen(data), mode, NULL, NULL, 0, NULL);
}

/* Makes a znode unless somebody has. */
static void ensure(folkmoot_session *session, const char *path) {
    folkmoot_status status = create(session, path, "", FOLKMOOT_PERSISTENT);
    if (status != FOLKMOOT_NODE_EXISTS) ok(status);
}

static folkmoot_strings *children(folkmoot_session *session, const char *path, int watch) {
    folkmoot_strings *names;
    ok(folkmoot_session_children(session, path, watch, &names, NULL));
    return names;
}

static size_t count_children(folkmoot_session *session, const char *path, int watch) {
    folkmoot_strings *names = children(session, path, watch);
    size_t count = folkmoot_strings_count(names);
    folkmoot_strings_free(names);
    return count;
}

static int exists(folkmoot_session *session, const char *path, int watch) {
    folkmoot_status status = folkmoot_session_exists(session, path, watch, NULL);
    if (status == FOLKMOOT_NO_NODE) return 0;
    ok(status);
    return 1;
}

/* ------------------------------------------------------------------------------------ waiting */

/* Waits for the next event after a read with watch set: it comes when what was read changes. Waking
 * up on time as well, to touch the session, is what keeps it alive: its heartbeat is manual. */
static void wait_a_beat(folkmoot_session *session) {
    folkmoot_event event;
    folkmoot_status status = folkmoot_events_next(session, &event, BEAT_MS);
    if (status != FOLKMOOT_OPERATION_TIMEOUT) ok(status);
    ok(folkmoot_session_touch(session));
}

static void wait_for_children(folkmoot_session *session, const char *path, size_t count) {
    while (count_children(session, path, 1) != count) wait_a_beat(session);
}

static void wait_for(folkmoot_session *session, const char *path) {
    while (!exists(session, path, 1)) wait_a_beat(session);
}

static void wait_until_gone(folkmoot_session *session, const char *path) {
    while (exists(session, path, 1)) wait_a_beat(session);
}

/* ------------------------------------------------------------------------------------ workers */

/* The live member with the highest priority. */
static text best_candidate(folkmoot_session *session) {
    folkmoot_strings *members = children(session, "/demo/group", 0);
    text best = {""};
    int highest = -1;
    size_t i;
    for (i = 0; i < folkmoot_strings_count(members); i++) {
        const char *member = folkmoot_strings_at(members, i);
        int priority = atoi(get(session, format("/demo/group/%s", member).s, NULL).s);
        if (priority > highest) {
            highest = priority;
            best = format("%s", member);
        }
    }
    folkmoot_strings_free(members);
    return best;
}

static int count_votes(folkmoot_session *session, const char *votes, const char *candidate, int watch) {
    folkmoot_strings *voters = children(session, votes, watch);
    int count = 0;
    size_t i;
    for (i = 0; i < folkmoot_strings_count(voters); i++)
        count += !strcmp(get(session, format("%s/%s", votes, folkmoot_strings_at(voters, i)).s, NULL).s, candidate);
    folkmoot_strings_free(voters);
    return count;
}

/* Votes for the best live candidate; stands up if more than half have voted for us. Returns the leader. */
static text elect(folkmoot_session *session, const char *name, int term) {
    text best = best_candidate(session);
    text votes = format("/demo/votes/term-%04d", term);
    ensure(session, votes.s);
    ok(create(session, format("%s/%s", votes.s, name).s, best.s, FOLKMOOT_PERSISTENT));
    if (!strcmp(best.s, name)) {
        /* More than half of all workers, dead ones too: two halves can never both have it. */
        while (count_votes(session, votes.s, name, 1) <= WORKERS / 2) wait_a_beat(session);
        /* Ephemeral: the office falls vacant by itself when its holder does. */
        ok(create(session, "/demo/leader", name, FOLKMOOT_EPHEMERAL));
    }
    wait_for(session, "/demo/leader");
    return get(session, "/demo/leader", NULL);
}

/* Adds one to the configuration. Whoever was faster makes our version stale: read again. Returns the retries. */
static int increment(folkmoot_session *session) {
    int retries;
    for (retries = 0;; retries++) {
        folkmoot_stat stat;
        text next = format("%d", atoi(get(session, "/demo/config", &stat).s) + 1);
        folkmoot_status status = folkmoot_session_set(session, "/demo/config", next.s, strlen(next.s), stat.version, NULL);
        if (status == FOLKMOOT_OK) return retries;
        if (status != FOLKMOOT_BAD_VERSION) ok(status);
    }
}

/* Tells that we have done a step, and waits until all have. */
static void done(folkmoot_session *session, const char *step, const char *name, size_t workers) {
    text steps = format("/demo/done/%s", step);
    ok(create(session, format("%s/%s", steps.s, name).s, "", FOLKMOOT_PERSISTENT));
    wait_for_children(session, steps.s, workers);
}

/* Stops touching. Waiting for events is no heartbeat: the session ends, and says so as its last event. */
static void fall_silent(folkmoot_session *session) {
    folkmoot_event event;
    do ok(folkmoot_events_next(session, &event, 10 * SILENCE_MS));
    while (event.state != FOLKMOOT_STATE_EXPIRED);
    check(folkmoot_session_exists(session, "/demo", 0, NULL) == FOLKMOOT_SESSION_EXPIRED, "an expired session is not answered");
}

/* The ring of the members that live now. */
static folkmoot_ring *ring_of_members(folkmoot_session *session) {
    folkmoot_strings *members = children(session, "/demo/group", 0);
    const char *names[WORKERS];
    folkmoot_ring *empty, *ring;
    size_t i, count = folkmoot_strings_count(members);
    check(count <= WORKERS, "there are no more members than workers");
    for (i = 0; i < count; i++) names[i] = folkmoot_strings_at(members, i);
    ok(folkmoot_ring_new(0, 0, &empty));
    ok(folkmoot_ring_with_all(empty, names, NULL, count, &ring)); /* a new ring: rings never change */
    folkmoot_ring_free(empty);
    folkmoot_strings_free(members);
    return ring;
}

static text owner_on(const folkmoot_ring *ring, int key) {
    text name = key_name(key);
    const char *owner;
    ok(folkmoot_ring_locate(ring, name.s, strlen(name.s), &owner));
    check(owner != NULL, "the ring is not empty");
    return format("%s", owner);
}

/* Splits "owner value" as it stands in a key's znode. */
static text read_key(folkmoot_session *session, int key, text *value_out, folkmoot_stat *stat_out) {
    text owner;
    check(sscanf(get(session, data_path(key).s, stat_out).s, "%255s %255s", owner.s, value_out->s) == 2, "a key has owner and value");
    return owner;
}

/* Writes as ours the keys of the one that has gone which are ours now. */
static void take_over(folkmoot_session *session, const char *name, const folkmoot_ring *before, const char *gone) {
    folkmoot_ring *after = ring_of_members(session), *without;
    int key;
    ok(folkmoot_ring_without(before, gone, &without));
    for (key = 0; key < KEYS; key++) {
        check(!strcmp(owner_on(after, key).s, owner_on(without, key).s), "the ring of the live is the old one without the silent one");
        if (!strcmp(owner_on(before, key).s, gone) && !strcmp(owner_on(after, key).s, name)) {
            folkmoot_stat stat;
            text value, owner = read_key(session, key, &value, &stat), data;
            check(!strcmp(owner.s, gone) && !strcmp(value.s, value_of(key).s), "a key is as its old owner left it");
            data = format("%s %s", name, value.s);
            ok(folkmoot_session_set(session, data_path(key).s, data.s, strlen(data.s), stat.version, NULL));
        }
    }
    folkmoot_ring_free(without);
    folkmoot_ring_free(after);
}

typedef struct {
    folkmoot_member *member;
    text name;
    int priority;
    char *const *guest; /* the command of the process that is this worker, ended by NULL; NULL for a thread */
} worker;

static void *work(void *argument) {
    const worker *self = argument;
    const char *name = self->name.s;
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    folkmoot_session *session;
    folkmoot_ring *ring;
    text leader;
    int i, retries = 0;

    options.timeout_ms = SILENCE_MS;
    options.heartbeat = FOLKMOOT_HEARTBEAT_MANUAL;
    ok(folkmoot_member_session(self->member, &options, &session));
    ok(create(session, format("/demo/group/%s", name).s, format("%d", self->priority).s, FOLKMOOT_EPHEMERAL));
    wait_for_children(session, "/demo/group", WORKERS);
    leader = elect(session, name, 1);
    done(session, "election-1", name, WORKERS);

    for (i = 0; i < INCREMENTS; i++) retries += increment(session);
    progress("%s: %d increments, %d retries", name, INCREMENTS, retries);
    done(session, "config", name, WORKERS);

    ring = ring_of_members(session);
    for (i = 0; i < KEYS; i++)
        if (!strcmp(owner_on(ring, i).s, name))
            ok(create(session, data_path(i).s, format("%s %s", name, value_of(i).s).s, FOLKMOOT_PERSISTENT));
    done(session, "keys", name, WORKERS);

    wait_for(session, "/demo/silence");
    if (!strcmp(leader.s, name)) {
        progress("%s falls silent", name);
        fall_silent(session);
    } else {
        /* Not until /demo/leader is gone: the faster may have elected the next one by the time we look. */
        wait_until_gone(session, format("/demo/group/%s", leader.s).s);
        elect(session, name, 2);
        take_over(session, name, ring, leader.s);
        done(session, "takeover", name, WORKERS - 1);
        /* The organizer looks at us before we leave. */
        wait_for(session, "/demo/end");
    }
    folkmoot_ring_free(ring);
    folkmoot_session_free(session);
    return NULL;
}

/* For a program in C++ that has workers in C too. */
void demo_c_work(folkmoot_member *member, const char *name, int priority);
void demo_c_work(folkmoot_member *member, const char *name, int priority) {
    worker self = {member, format("%s", name), priority, NULL};
    work(&self);
}

/* Lets a process that knows nothing but our address be a worker: COMMAND HOST:PORT NAME PRIORITY. */
static void *invite(void *argument) {
    extern char **environ;
    const worker *self = argument;
    char *words[GUEST_WORDS_MAX + 4];
    text address, name = self->name, priority = format("%d", self->priority);
    uint16_t port;
    pid_t child;
    int count, status;
    for (count = 0; self->guest[count]; count++) {
        check(count < GUEST_WORDS_MAX, "the command is short");
        words[count] = self->guest[count];
    }
    ok(folkmoot_member_listen(self->member, "127.0.0.1:0", NULL, &port));
    address = format("127.0.0.1:%d", port);
    words[count++] = address.s;
    words[count++] = name.s;
    words[count++] = priority.s;
    words[count] = NULL;
    check(posix_spawnp(&child, words[0], NULL, NULL, words, environ) == 0, "the guest's process starts");
    check(waitpid(child, &status, 0) == child && status == 0, "the guest has found all as it should be");
    return NULL;
}

/* ---------------------------------------------------------------------------------- organizer */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void print_members(folkmoot_session *session) {
    folkmoot_strings *members = children(session, "/demo/group", 0);
    const char *sorted[WORKERS];
    size_t i, count = folkmoot_strings_count(members);
    check(count <= WORKERS, "there are no more members than workers");
    for (i = 0; i < count; i++) sorted[i] = folkmoot_strings_at(members, i);
    qsort(sorted, count, sizeof *sorted, by_name);
    printf("members:");
    for (i = 0; i < count; i++) printf(" %s", sorted[i]);
    printf("\n");
    folkmoot_strings_free(members);
}

/* One line on an election: who leads, by how many votes. */
static text standing(folkmoot_session *session, int term) {
    text leader = get(session, "/demo/leader", NULL);
    int count = count_votes(session, format("/demo/votes/term-%04d", term).s, leader.s, 0);
    check(count > WORKERS / 2, "the leader has a majority");
    printf("term %d: %s leads by %d of %d votes\n", term, leader.s, count, WORKERS);
    return leader;
}

/* Who has written each key, checked against the ring. */
static void read_owners(folkmoot_session *session, const folkmoot_ring *ring, text owners[KEYS], folkmoot_stat stats[KEYS]) {
    int key;
    for (key = 0; key < KEYS; key++) {
        text value;
        owners[key] = read_key(session, key, &value, &stats[key]);
        check(!strcmp(owners[key].s, owner_on(ring, key).s), "a key has the owner that the ring computes");
        check(!strcmp(value.s, value_of(key).s), "a key has its value");
    }
}

/* With a guest, the command of the process that is one of the workers; NULL if there is none. */
static void scenario(const char *directory, char *const *guest) {
    static const char *const paths[] = {"/demo", "/demo/group", "/demo/votes", "/demo/data", "/demo/done",
        "/demo/done/election-1", "/demo/done/config", "/demo/done/keys", "/demo/done/takeover"};
    static text before[KEYS], after[KEYS];
    static folkmoot_stat stats[KEYS];
    folkmoot_member *member;
    folkmoot_session *session;
    folkmoot_ring *ring, *ring_after;
    folkmoot_stat stat;
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    text leader;
    int i, value, moves = 0;
    size_t at;

    ok(folkmoot_member_open(format("file:%s", directory).s, &member));
    ok(folkmoot_member_session(member, NULL, &session));
    for (at = 0; at < sizeof paths / sizeof *paths; at++) ensure(session, paths[at]);
    ok(create(session, "/demo/config", "0", FOLKMOOT_PERSISTENT));

    for (i = 0; i < WORKERS; i++) {
        workers[i].member = member;
        workers[i].name = format("worker-%d", i + 1);
        workers[i].priority = WORKERS - i;
        workers[i].guest = i == GUEST ? guest : NULL;
        check(pthread_create(&threads[i], NULL, workers[i].guest ? invite : work, &workers[i]) == 0, "a thread starts");
    }

    wait_for_children(session, "/demo/done/election-1", WORKERS);
    print_members(session);
    leader = standing(session, 1);

    wait_for_children(session, "/demo/done/config", WORKERS);
    value = atoi(get(session, "/demo/config", &stat).s);
    check(value == WORKERS * INCREMENTS && stat.version == value, "no increment was lost");
    printf("config: %d x %d increments, value %d, version %d\n", WORKERS, INCREMENTS, value, (int)stat.version);

    wait_for_children(session, "/demo/done/keys", WORKERS);
    ring = ring_of_members(session);
    read_owners(session, ring, before, stats);
    printf("BEFORE\nkey     owner\n");
    for (i = 0; i < KEYS; i++) printf("%s   %s\n", key_name(i).s, before[i].s);

    ok(create(session, "/demo/silence", "", FOLKMOOT_PERSISTENT));
    wait_for_children(session, "/demo/done/takeover", WORKERS - 1);
    check(!exists(session, format("/demo/group/%s", leader.s).s, 0), "the silent one has gone");
    check(count_children(session, "/demo/group", 0) == WORKERS - 1, "only the silent one has gone");
    print_members(session);
    standing(session, 2);
    /* What the live have computed is what the old ring without the silent one says. */
    ok(folkmoot_ring_without(ring, leader.s, &ring_after));
    read_owners(session, ring_after, after, stats);
    printf("AFTER\nkey     before    after     value\n");
    for (i = 0; i < KEYS; i++) {
        int moved = strcmp(before[i].s, after[i].s) != 0;
        check(moved == !strcmp(before[i].s, leader.s), "a key moves if it was the silent one's, and only then");
        check(stats[i].version == moved, "a key is written again only if it moves");
        printf("%s   %s  %s  %s %s\n", key_name(i).s, before[i].s, after[i].s, value_of(i).s, moved ? "moved" : "stays");
        moves += moved;
    }
    printf("moved: %d of %d keys\n", moves, KEYS);

    ok(create(session, "/demo/end", "", FOLKMOOT_PERSISTENT));
    for (i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
    folkmoot_ring_free(ring_after);
    folkmoot_ring_free(ring);
    folkmoot_session_free(session);
    ok(folkmoot_member_close(member));
    folkmoot_member_free(member);
}

/* -------------------------------------------------------------------------------------- crash */

static text crash_path(int number) { return format("/demo/crash/n-%08d", number); }

/* Writes numbered znodes, and says each number once its write is acknowledged, until killed. */
static void crash_writer(const char *directory) {
    folkmoot_session *session;
    int number;
    ok(folkmoot_open(format("file:%s", directory).s, &session));
    ensure(session, "/demo");
    ensure(session, "/demo/crash");
    for (number = (int)count_children(session, "/demo/crash", 0);; number++) {
        ok(create(session, crash_path(number).s, format("%d", number).s, FOLKMOOT_PERSISTENT));
        printf("%d\n", number);
        fflush(stdout);
    }
}

/* Starts this program again as a writer; what it prints can be read from *output. */
static pid_t start_writer(const char *program, const char *directory, FILE **output) {
    int ends[2];
    pid_t child;
    check(pipe(ends) == 0, "a pipe opens");
    child = fork();
    check(child >= 0, "a process starts");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(program, program, "crash-writer", directory, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = fdopen(ends[0], "r");
    return child;
}

/* Kills a writer in the middle of its work, several times, and looks for all it was promised. */
static void crash(const char *program, const char *directory) {
    static int acknowledged[ACKNOWLEDGED_MAX];
    int count = 0, round, i, status;
    for (round = 1; round <= ROUNDS; round++) {
        FILE *output;
        char line[32];
        folkmoot_session *session;
        int there, wanted = count + 20 + 30 * round;
        pid_t writer = start_writer(program, directory, &output);
        /* What it still said between our signal and its death counts too; a line without an end was not said. */
        while (fgets(line, sizeof line, output) && strchr(line, '\n')) {
            check(count < ACKNOWLEDGED_MAX, "the writer is killed in time");
            acknowledged[count++] = atoi(line);
            if (count == wanted) kill(writer, SIGKILL);
        }
        fclose(output);
        check(waitpid(writer, &status, 0) == writer && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
            "the writer was killed, and did not fail by itself");

        ok(folkmoot_open(format("file:%s", directory).s, &session));
        for (i = 0; i < count; i++)
            check(atoi(get(session, crash_path(acknowledged[i]).s, NULL).s) == acknowledged[i], "a znode has its number");
        there = (int)count_children(session, "/demo/crash", 0);
        /* One write may have been made and not said, in each round. */
        check(count <= there && there <= count + round, "nothing is there that nobody wrote");
        folkmoot_session_free(session);
        progress("crash %d: %d acknowledged, %d there", round, count, there);
    }
    printf("crash: %d rounds, nothing acknowledged was missing\n", ROUNDS);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "crash-writer")) {
        crash_writer(argv[2]);
    } else if (argc == 2) {
        /* Fresh directories: the library makes them. */
        scenario(format("%s/scenario", argv[1]).s, NULL);
        fflush(stdout); /* a fork copies what is not printed yet */
        crash(argv[0], format("%s/crash", argv[1]).s);
    } else if (argc > 2) {
        scenario(format("%s/scenario", argv[1]).s, argv + 2);
    } else {
        fprintf(stderr, "usage: %s DIRECTORY [COMMAND...] | crash-writer DIRECTORY\n", argv[0]);
        return 2;
    }
    return 0;
}
