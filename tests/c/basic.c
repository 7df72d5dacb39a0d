/* Every blocking operation once, and what its arguments can get wrong. */
#include "check.h"

static void reading_and_writing(folkmoot_session *s) {
    char path[64], buf[8], *copy;
    int64_t len = 0, id = 0;
    folkmoot_stat stat;
    folkmoot_strings *names;

    OK(folkmoot_session_create(s, "/a", "one", 3, FOLKMOOT_PERSISTENT, NULL, path, sizeof path, &stat));
    CHECK(strcmp(path, "/a") == 0 && stat.version == 0 && stat.data_length == 3 && stat.czxid > 0);
    EXPECT(FOLKMOOT_NODE_EXISTS, folkmoot_session_create(s, "/a", "one", 3, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    CHECK(strstr(folkmoot_last_error(), "/a") != NULL);

    OK(folkmoot_session_set(s, "/a", "two!", 4, 0, &stat));
    CHECK(stat.version == 1);
    EXPECT(FOLKMOOT_BAD_VERSION, folkmoot_session_set(s, "/a", "x", 1, 0, NULL));
    OK(folkmoot_session_get(s, "/a", 0, buf, sizeof buf, &len, &stat));
    CHECK(len == 4 && memcmp(buf, "two!", 4) == 0 && stat.version == 1);
    EXPECT(FOLKMOOT_BUFFER_TOO_SMALL, folkmoot_session_get(s, "/a", 0, buf, 3, &len, NULL));
    CHECK(len == 4);
    EXPECT(FOLKMOOT_BUFFER_TOO_SMALL, folkmoot_session_get(s, "/a", 0, NULL, 0, &len, NULL));
    OK(folkmoot_session_get_alloc(s, "/a", 0, &copy, &len, NULL));
    CHECK(len == 4 && strcmp(copy, "two!") == 0);
    folkmoot_free(copy);

    /* Null and empty are two things. */
    OK(folkmoot_session_create(s, "/null", NULL, 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    OK(folkmoot_session_create(s, "/empty", "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    OK(folkmoot_session_get(s, "/null", 0, NULL, 0, &len, NULL));
    CHECK(len == -1);
    OK(folkmoot_session_get(s, "/empty", 0, NULL, 0, &len, NULL));
    CHECK(len == 0);
    OK(folkmoot_session_get_alloc(s, "/null", 0, &copy, &len, NULL));
    CHECK(copy == NULL && len == -1);

    /* Too small a buffer for a path makes nothing. */
    EXPECT(FOLKMOOT_BUFFER_TOO_SMALL, folkmoot_session_create(s, "/a/n-", "", 0, FOLKMOOT_PERSISTENT_SEQUENTIAL, NULL, path, 10, NULL));
    OK(folkmoot_session_create(s, "/a/n-", "", 0, FOLKMOOT_EPHEMERAL_SEQUENTIAL, NULL, path, sizeof path, &stat));
    CHECK(strcmp(path, "/a/n-0000000000") == 0);
    OK(folkmoot_session_id(s, &id));
    CHECK(id != 0 && stat.ephemeral_owner == id);
    OK(folkmoot_session_children(s, "/a", 0, &names, &stat));
    CHECK(folkmoot_strings_count(names) == 1 && stat.num_children == 1);
    CHECK(strcmp(folkmoot_strings_at(names, 0), "n-0000000000") == 0 && folkmoot_strings_at(names, 1) == NULL);
    folkmoot_strings_free(names);
    OK(folkmoot_session_ephemerals(s, "/", &names));
    CHECK(folkmoot_strings_count(names) == 1 && strcmp(folkmoot_strings_at(names, 0), path) == 0);
    folkmoot_strings_free(names);
    {
        uint64_t count = 0;
        OK(folkmoot_session_count_descendants(s, "/a", &count));
        CHECK(count == 1);
    }
    OK(folkmoot_session_exists(s, "/a", 0, &stat));
    EXPECT(FOLKMOOT_NO_NODE, folkmoot_session_exists(s, "/none", 0, &stat));
    EXPECT(FOLKMOOT_NOT_EMPTY, folkmoot_session_delete(s, "/a", FOLKMOOT_ANY_VERSION));
    OK(folkmoot_session_delete(s, path, 0));
    OK(folkmoot_session_sync(s, "/"));
}

static void access_lists(folkmoot_session *s) {
    folkmoot_acls *acls;
    folkmoot_acl mine[2];
    folkmoot_stat stat;
    folkmoot_create_options options = FOLKMOOT_CREATE_OPTIONS_INIT;

    OK(folkmoot_session_add_auth(s, "digest", "owner:secret", 12));
    EXPECT(FOLKMOOT_AUTH_FAILED, folkmoot_session_add_auth(s, "nonsense", "x", 1));
    OK(folkmoot_session_who_am_i(s, &acls));
    CHECK(folkmoot_acls_count(acls) >= 1 && folkmoot_acls_entries(acls)[0].scheme != NULL);
    folkmoot_acls_free(acls);

    mine[0].perms = FOLKMOOT_PERM_ALL;
    mine[0].scheme = "auth";
    mine[0].id = "";
    mine[1].perms = FOLKMOOT_PERM_READ;
    mine[1].scheme = "world";
    mine[1].id = "anyone";
    options.acl = mine;
    options.acl_count = 2;
    OK(folkmoot_session_create(s, "/owned", "", 0, FOLKMOOT_PERSISTENT, &options, NULL, 0, NULL));
    OK(folkmoot_session_get_acl(s, "/owned", &acls, &stat));
    CHECK(folkmoot_acls_count(acls) == 2 && strcmp(folkmoot_acls_entries(acls)[0].scheme, "digest") == 0);
    OK(folkmoot_session_set_acl(s, "/owned", folkmoot_acls_entries(acls), 2, stat.aversion, &stat));
    CHECK(stat.aversion == 1);
    folkmoot_acls_free(acls);
    EXPECT(FOLKMOOT_INVALID_ACL, folkmoot_session_set_acl(s, "/owned", NULL, 0, -1, NULL));
}

static void transactions(folkmoot_session *s) {
    folkmoot_multi *multi;
    folkmoot_results *results = NULL;
    const folkmoot_result *one;

    OK(folkmoot_multi_new(&multi));
    OK(folkmoot_multi_create(multi, "/m", "x", 1, FOLKMOOT_PERSISTENT, NULL));
    OK(folkmoot_multi_set(multi, "/m", "y", 1, 0));
    OK(folkmoot_multi_check(multi, "/m", 1));
    OK(folkmoot_multi_create(multi, "/m/s-", "x", 1, FOLKMOOT_PERSISTENT_SEQUENTIAL, NULL));
    OK(folkmoot_multi_commit(multi, s, &results));
    CHECK(folkmoot_results_count(results) == 4);
    CHECK(strcmp(folkmoot_results_at(results, 3)->path, "/m/s-0000000000") == 0);
    CHECK(folkmoot_results_at(results, 1)->stat.version == 1);
    CHECK(folkmoot_results_at(results, 4) == NULL);
    folkmoot_results_free(results);
    EXPECT(FOLKMOOT_NODE_EXISTS, folkmoot_multi_commit(multi, s, NULL));

    OK(folkmoot_multi_clear(multi));
    OK(folkmoot_multi_set(multi, "/m", "z", 1, -1));
    OK(folkmoot_multi_check(multi, "/m", 9));
    OK(folkmoot_multi_delete(multi, "/m/s-0000000000", -1));
    EXPECT(FOLKMOOT_BAD_VERSION, folkmoot_multi_commit(multi, s, &results));
    CHECK(folkmoot_results_count(results) == 3);
    CHECK(folkmoot_results_at(results, 1)->status == FOLKMOOT_BAD_VERSION);
    CHECK(folkmoot_results_at(results, 2)->status == FOLKMOOT_RUNTIME_INCONSISTENCY);
    folkmoot_results_free(results);

    OK(folkmoot_multi_clear(multi));
    OK(folkmoot_multi_get(multi, "/m"));
    OK(folkmoot_multi_children(multi, "/m"));
    OK(folkmoot_multi_get(multi, "/nothing"));
    OK(folkmoot_multi_read(multi, s, &results));
    CHECK(folkmoot_results_count(results) == 3);
    one = folkmoot_results_at(results, 0);
    CHECK(one->status == FOLKMOOT_OK && one->data_len == 1 && memcmp(one->data, "y", 1) == 0);
    CHECK(folkmoot_strings_count(folkmoot_results_at(results, 1)->names) == 1);
    CHECK(folkmoot_results_at(results, 2)->status == FOLKMOOT_NO_NODE);
    folkmoot_results_free(results);
    folkmoot_multi_free(multi);
}

static void wrong_arguments(folkmoot_session *s) {
    folkmoot_session *none = NULL;
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    folkmoot_member *member;
    int64_t len = 7;

    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_open("etcd://x", &none));
    CHECK(none == NULL && strstr(folkmoot_last_error(), "etcd") != NULL);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_open(NULL, &none));
    CHECK(strstr(folkmoot_last_error(), "target is NULL") != NULL);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_open("memory:", NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_get(NULL, "/a", 0, NULL, 0, &len, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_get(s, "\xff", 0, NULL, 0, &len, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_create(s, "a", "", 0, 0, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_get(s, "/a", 0, NULL, 0, NULL, NULL));
    CHECK(len == 7);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_create(s, "/b", NULL, 3, 0, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_create(s, "/b", "", 0, 99, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_add_watch(s, "/a", 9));
    OK(folkmoot_session_member(s, &member));
    options.size = 1;
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_session(member, &options, &none));
    options.size = sizeof options;
    options.heartbeat = 5;
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_session(member, &options, &none));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_member_advance(member, 1));
    CHECK(none == NULL);
    folkmoot_member_free(member);
    folkmoot_session_free(NULL);
    folkmoot_member_free(NULL);
    folkmoot_strings_free(NULL);
    folkmoot_multi_free(NULL);
    folkmoot_free(NULL);
}

static void virtual_time(void) {
    folkmoot_member *member;
    folkmoot_session *a, *b;
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    uint32_t timeout = 0;
    int64_t before = 0, after = 0, zxid = 0;
    int32_t state = 0;
    char *words = NULL;

    OK(folkmoot_member_open("memory:?time=virtual", &member));
    OK(folkmoot_member_session(member, NULL, &a));
    options.timeout_ms = 3000;
    options.heartbeat = FOLKMOOT_HEARTBEAT_MANUAL;
    OK(folkmoot_member_session(member, &options, &b));
    OK(folkmoot_session_timeout_ms(b, &timeout));
    CHECK(timeout == 3000);
    OK(folkmoot_session_create(b, "/e", "", 0, FOLKMOOT_EPHEMERAL, NULL, NULL, 0, NULL));
    OK(folkmoot_member_now_ms(member, &before));
    OK(folkmoot_member_advance(member, 2000));
    OK(folkmoot_session_touch(b));
    OK(folkmoot_member_advance(member, 2000));
    OK(folkmoot_session_exists(a, "/e", 0, NULL));
    OK(folkmoot_member_advance(member, 4000));
    OK(folkmoot_member_now_ms(member, &after));
    CHECK(after - before == 8000);
    EXPECT(FOLKMOOT_NO_NODE, folkmoot_session_exists(a, "/e", 0, NULL));
    OK(folkmoot_session_state(b, &state));
    CHECK(state == FOLKMOOT_STATE_EXPIRED);
    EXPECT(FOLKMOOT_SESSION_EXPIRED, folkmoot_session_sync(b, "/"));
    OK(folkmoot_session_zxid(a, &zxid));
    CHECK(zxid > 0);
    OK(folkmoot_member_snapshot(member));
    OK(folkmoot_member_recovery(member, &words));
    CHECK(words == NULL);
    OK(folkmoot_session_close(a));
    OK(folkmoot_session_state(a, &state));
    CHECK(state == FOLKMOOT_STATE_CLOSED);
    OK(folkmoot_member_close(member));
    folkmoot_member_free(member);
    folkmoot_session_free(b);
    folkmoot_session_free(a);
}

/* What became of a write can be asked for by its number. */
static void outcomes(void) {
    folkmoot_member *member;
    folkmoot_session *session;
    int64_t id = 0, of = 7;
    uint64_t write = 7;
    int32_t outcome = -1;
    folkmoot_status status = 7;

    OK(folkmoot_member_open("memory:", &member));
    OK(folkmoot_member_session(member, NULL, &session));
    OK(folkmoot_session_id(session, &id));
    OK(folkmoot_session_create(session, "/a", NULL, 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_NODE_EXISTS, folkmoot_session_create(session, "/a", NULL, 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    OK(folkmoot_member_outcome(member, id, 2, &outcome, &status));
    CHECK(outcome == FOLKMOOT_OUTCOME_DONE && status == FOLKMOOT_NODE_EXISTS);
    OK(folkmoot_member_outcome(member, id, 3, &outcome, NULL));
    CHECK(outcome == FOLKMOOT_OUTCOME_PENDING);
    OK(folkmoot_session_close(session));
    folkmoot_session_free(session);
    OK(folkmoot_member_outcome(member, id, 3, &outcome, &status));
    CHECK(outcome == FOLKMOOT_OUTCOME_NEVER && status == FOLKMOOT_OK);
    OK(folkmoot_member_outcome(member, id, 1, &outcome, NULL));
    CHECK(outcome == FOLKMOOT_OUTCOME_FORGOTTEN);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_outcome(member, id, 1, NULL, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_outcome(NULL, id, 1, &outcome, NULL));
    OK(folkmoot_last_write(&of, &write));
    CHECK(of == 0 && write == 0);
    folkmoot_member_free(member);
}

int main(void) {
    folkmoot_session *s;
    CHECK(strcmp(folkmoot_version(), FOLKMOOT_VERSION) == 0);
    CHECK(folkmoot_abi_version() >= FOLKMOOT_ABI_VERSION);
    CHECK(strcmp(folkmoot_status_name(FOLKMOOT_NO_NODE), "NoNode") == 0);
    CHECK(strcmp(folkmoot_status_name(12345), "Unknown") == 0);
    OK(folkmoot_open("memory:", &s));
    reading_and_writing(s);
    access_lists(s);
    transactions(s);
    wrong_arguments(s);
    folkmoot_session_free(s);
    virtual_time();
    outcomes();
    return 0;
}
