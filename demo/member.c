/* One member of an ensemble: it writes numbered znodes, and says each once a majority has it, and who leads.
 *
 *     member NAME TARGET        such as c 'ensemble:./c?id=1&peer=1=127.0.0.1:2881&peer=2=...'
 *
 * member.cpp and member.py do the same. ensemble.py starts all three, and kills the one that leads. */
#include "folkmoot.h"

#include <stdio.h>
#include <stdlib.h>

/* Ends the program unless the call ended in this status. */
static void check(folkmoot_status wanted, folkmoot_status got, const char *what) {
    if (got != wanted) {
        fprintf(stderr, "[c] %s: %s\n", what, folkmoot_last_error());
        exit(1);
    }
}

/* Makes a znode; another member may have been faster. */
static void ensure(folkmoot_session *session, const char *path) {
    folkmoot_status status = folkmoot_session_create(session, path, "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL);
    if (status != FOLKMOOT_NODE_EXISTS) check(FOLKMOOT_OK, status, path);
}

/* Tells who leads, if that has changed. */
static void tell_leader(folkmoot_member *member, int *leader) {
    folkmoot_ensemble *ensemble;
    check(FOLKMOOT_OK, folkmoot_member_ensemble(member, &ensemble), "ensemble");
    const folkmoot_ensemble_summary *about = folkmoot_ensemble_about(ensemble);
    if (about->leader != 0 && about->leader != *leader) {
        *leader = about->leader;
        printf("leads %d\n", *leader);
        fflush(stdout);
    }
    folkmoot_ensemble_free(ensemble);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const char *name = argv[1];
    folkmoot_member *member;
    check(FOLKMOOT_OK, folkmoot_member_open(argv[2], &member), "open");
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    options.timeout_ms = 3000;
    folkmoot_session *session;
    check(FOLKMOOT_OK, folkmoot_member_session(member, &options, &session), "session"); /* waits for a leader */
    ensure(session, "/demo");
    ensure(session, "/demo/live");
    ensure(session, "/demo/log");
    char path[64];
    snprintf(path, sizeof path, "/demo/live/%s", name);
    /* Gone by itself when this process is. */
    check(FOLKMOOT_OK, folkmoot_session_create(session, path, "", 0, FOLKMOOT_EPHEMERAL, NULL, NULL, 0, NULL), path);

    int leader = 0;
    for (int number = 0; folkmoot_session_exists(session, "/demo/end", 0, NULL) == FOLKMOOT_NO_NODE; number++) {
        snprintf(path, sizeof path, "/demo/log/%s-%06d", name, number);
        folkmoot_status status = folkmoot_session_create(session, path, "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL);
        if (status == FOLKMOOT_OK) {
            printf("wrote %s-%06d\n", name, number);
            fflush(stdout);
        } else if (status != FOLKMOOT_OUTCOME_UNKNOWN && status != FOLKMOOT_CONNECTION_LOSS) {
            check(FOLKMOOT_OK, status, path); /* of those two nothing is promised, and nothing is said */
        }
        tell_leader(member, &leader);
    }
    puts("done");
    fflush(stdout);
    while (getchar() != EOF) {
    } /* the others need it still: it stays until its input ends */
    folkmoot_session_free(session);
    folkmoot_member_free(member);
    return 0;
}
