/* Completions: on the caller's thread, on the library's, from within each other, at the end. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"
#include <pthread.h>
#include <unistd.h>

static int seen[16];
static int seen_count;
static folkmoot_session *session;

#ifdef __cplusplus
extern "C" {
#endif
static void note(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK);
    seen[seen_count++] = *(int *)context;
}

static void got(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK && result->data_len == 1 && *(const char *)result->data == 'x' && result->stat.version == 0);
    seen[seen_count++] = *(int *)context;
}

static void created(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK && strcmp(result->path, "/q/s-0000000000") == 0);
    seen[seen_count++] = *(int *)context;
}

static void listed(void *context, const folkmoot_result *result) {
    CHECK(folkmoot_strings_count(result->names) == 1);
    seen[seen_count++] = *(int *)context;
}

static void acl_read(void *context, const folkmoot_result *result) {
    const folkmoot_acl *entries = folkmoot_acls_entries(result->acl);
    CHECK(result->status == FOLKMOOT_OK && folkmoot_acls_count(result->acl) == 1 && result->stat.aversion == 1);
    CHECK(entries[0].perms == FOLKMOOT_PERM_READ && strcmp(entries[0].scheme, "world") == 0);
    seen[seen_count++] = *(int *)context;
}

static void shown(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK && folkmoot_acls_count(result->acl) == 1);
    CHECK(strcmp(folkmoot_acls_entries(result->acl)[0].scheme, "digest") == 0);
    seen[seen_count++] = *(int *)context;
}

static void own(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK && folkmoot_strings_count(result->names) == 1);
    CHECK(strcmp(folkmoot_strings_at(result->names, 0), "/w/mine") == 0);
    seen[seen_count++] = *(int *)context;
}

static void counted(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_OK && result->data_len == 1);
    seen[seen_count++] = *(int *)context;
}

static void no_watcher(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_NO_WATCHER);
    seen[seen_count++] = *(int *)context;
}

static void refused(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_AUTH_FAILED);
    seen[seen_count++] = *(int *)context;
}

static void failed(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_NO_NODE && strlen(result->error) > 0);
    seen[seen_count++] = *(int *)context;
}

static void committed(void *context, const folkmoot_result *result) {
    CHECK(result->status == FOLKMOOT_NODE_EXISTS && folkmoot_results_count(result->results) == 1);
    seen[seen_count++] = *(int *)context;
}

/* Blocks and asks again from inside a callback; waiting for itself is refused. */
static void nested(void *context, const folkmoot_result *result) {
    int64_t len;
    char buf[4];
    (void)result;
    OK(folkmoot_session_get(session, "/q", 0, buf, sizeof buf, &len, NULL));
    OK(folkmoot_session_sync_async(session, "/", note, context));
    EXPECT(FOLKMOOT_WOULD_DEADLOCK, folkmoot_session_drain(session, -1));
}

static void frees(void *context, const folkmoot_result *result) {
    (void)result;
    folkmoot_session_free(session);
    seen[seen_count++] = *(int *)context;
}

/* Says that it is told, and returns when it is let go. */
static void lingers(void *context, const folkmoot_result *result) {
    int *ends = (int *)context;
    char byte;
    (void)result;
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(read(ends[2], &byte, 1) == 1);
}

static void *dispatches(void *context) {
    (void)context;
    OK(folkmoot_session_dispatch(session, 1, NULL));
    return NULL;
}

static void any_end(void *context, const folkmoot_result *result) {
    (void)result;
    ++*(int *)context;
}
#ifdef __cplusplus
}
#endif

/* The operations about ACLs, watches, identities and whole subtrees. */
static void others(void) {
    static int n[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    folkmoot_acl readers;
    folkmoot_event event;
    int i;
    readers.perms = FOLKMOOT_PERM_READ;
    readers.scheme = "world";
    readers.id = "anyone";
    seen_count = 0;
    OK(folkmoot_session_create_async(session, "/w", "", 0, FOLKMOOT_PERSISTENT, NULL, note, &n[0]));
    OK(folkmoot_session_add_watch_async(session, "/w", FOLKMOOT_WATCH_RECURSIVE, note, &n[1]));
    OK(folkmoot_session_create_async(session, "/w/mine", "", 0, FOLKMOOT_EPHEMERAL, NULL, note, &n[2]));
    OK(folkmoot_session_check_watches_async(session, "/w", FOLKMOOT_WATCHER_RECURSIVE, note, &n[3]));
    OK(folkmoot_session_ephemerals_async(session, "/w", own, &n[4]));
    OK(folkmoot_session_count_descendants_async(session, "/w", counted, &n[5]));
    OK(folkmoot_session_remove_watches_async(session, "/w", FOLKMOOT_WATCHER_ANY, note, &n[6]));
    OK(folkmoot_session_remove_watches_async(session, "/w", FOLKMOOT_WATCHER_ANY, no_watcher, &n[7]));
    OK(folkmoot_session_add_auth_async(session, "digest", "owner:secret", 12, note, &n[8]));
    OK(folkmoot_session_add_auth_async(session, "no-such-scheme", NULL, 0, refused, &n[9]));
    OK(folkmoot_session_who_am_i_async(session, shown, &n[10]));
    OK(folkmoot_session_set_acl_async(session, "/w", &readers, 1, 0, note, &n[11]));
    OK(folkmoot_session_get_acl_async(session, "/w", acl_read, &n[12]));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_add_watch_async(session, "/w", 7, note, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_remove_watches_async(session, "/w", 0, note, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_set_acl_async(session, "/w", NULL, 1, 0, note, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_add_auth_async(session, "digest", NULL, 3, note, NULL));
    OK(folkmoot_session_drain(session, 10000));
    CHECK(seen_count == 13);
    for (i = 0; i < 13; i++) {
        CHECK(seen[i] == i);
    }
    OK(folkmoot_events_next(session, &event, 10000));
    CHECK(event.kind == FOLKMOOT_EVENT_CREATED && strcmp(event.path, "/w/mine") == 0);
    EXPECT(FOLKMOOT_OPERATION_TIMEOUT, folkmoot_events_next(session, &event, 0));
}

/* Draining waits no longer than it is told to, also while another thread is in a callback. */
static void drained_beside_another(void) {
    int ends[4];
    char byte;
    pthread_t other;
    CHECK(pipe(ends) == 0 && pipe(ends + 2) == 0);
    OK(folkmoot_session_sync_async(session, "/", lingers, ends));
    CHECK(pthread_create(&other, NULL, dispatches, NULL) == 0);
    CHECK(read(ends[0], &byte, 1) == 1);
    EXPECT(FOLKMOOT_OPERATION_TIMEOUT, folkmoot_session_drain(session, 10));
    CHECK(write(ends[3], "x", 1) == 1);
    CHECK(pthread_join(other, NULL) == 0);
    OK(folkmoot_session_drain(session, -1));
}

int main(void) {
    static int n[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    folkmoot_multi *multi;
    folkmoot_member *member;
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    size_t count;
    int i, ends = 0;

    OK(folkmoot_open("memory:", &session));
    OK(folkmoot_multi_new(&multi));
    OK(folkmoot_multi_create(multi, "/q", "", 0, 0, NULL));
    OK(folkmoot_session_create_async(session, "/q", "x", 1, FOLKMOOT_PERSISTENT, NULL, note, &n[0]));
    OK(folkmoot_session_get_async(session, "/q", 0, got, &n[1]));
    OK(folkmoot_session_create_async(session, "/q/s-", NULL, 0, FOLKMOOT_PERSISTENT_SEQUENTIAL, NULL, created, &n[2]));
    OK(folkmoot_session_children_async(session, "/q", 0, listed, &n[3]));
    OK(folkmoot_session_exists_async(session, "/none", 0, failed, &n[4]));
    OK(folkmoot_session_set_async(session, "/q/s-0000000000", "y", 1, 0, note, &n[5]));
    OK(folkmoot_session_delete_async(session, "/q/s-0000000000", 1, note, &n[6]));
    OK(folkmoot_session_sync_async(session, "/", note, &n[7]));
    OK(folkmoot_multi_commit_async(multi, session, committed, &n[8]));
    folkmoot_multi_free(multi);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_sync_async(session, "/", NULL, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_sync_async(session, NULL, note, NULL));
    CHECK(seen_count == 0); /* nothing runs until asked to */
    OK(folkmoot_session_drain(session, 10000));
    CHECK(seen_count == 9);
    for (i = 0; i < 9; i++) {
        CHECK(seen[i] == i);
    }

    seen_count = 0;
    OK(folkmoot_session_sync_async(session, "/", nested, &n[3]));
    OK(folkmoot_session_drain(session, 10000));
    CHECK(seen_count == 1 && seen[0] == 3);
    OK(folkmoot_session_dispatch(session, 0, &count));
    CHECK(count == 0);

    others();
    drained_beside_another();

    /* The same on a thread of the library's. */
    OK(folkmoot_session_member(session, &member));
    folkmoot_session_free(session);
    options.dispatch_thread = 1;
    OK(folkmoot_member_session(member, &options, &session));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_session_dispatch(session, 0, &count));
    seen_count = 0;
    OK(folkmoot_session_get_async(session, "/q", 0, got, &n[1]));
    OK(folkmoot_session_sync_async(session, "/", nested, &n[2]));
    OK(folkmoot_session_drain(session, 10000));
    CHECK(seen_count == 2 && seen[0] == 1 && seen[1] == 2);

    /* Freed with one under way; then from its own callback. */
    seen_count = 0;
    OK(folkmoot_session_sync_async(session, "/", any_end, &ends));
    folkmoot_session_free(session);
    CHECK(ends == 1);
    OK(folkmoot_member_session(member, NULL, &session));
    OK(folkmoot_session_sync_async(session, "/", frees, &n[1]));
    OK(folkmoot_session_sync_async(session, "/", any_end, &ends));
    OK(folkmoot_session_dispatch(session, 0, NULL));
    CHECK(seen_count == 1 && ends == 2);

    /* What was not dispatched is told by free. */
    OK(folkmoot_member_session(member, NULL, &session));
    for (i = 0; i < 100; i++) {
        OK(folkmoot_session_set_async(session, "/q", "z", 1, -1, any_end, &ends));
    }
    folkmoot_session_free(session);
    CHECK(ends == 102);
    folkmoot_member_free(member);
    return 0;
}
