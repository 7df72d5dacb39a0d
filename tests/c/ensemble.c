/* What a member knows of its ensemble, and handing leadership over. Only what C89 and C++98 have, and sockets.
 *   ensemble DIRECTORY */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds */

/* A port of this machine that nobody has. */
static int free_port(void) {
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(stream >= 0);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(stream, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(stream, (struct sockaddr *)&at, &len) == 0);
    close(stream);
    return ntohs(at.sin_port);
}

/* Whether the view is of three members, led by leader, with that one of them silent (0 for none). */
static int looks(const folkmoot_member *member, int leader, int silent) {
    folkmoot_ensemble *ensemble;
    const folkmoot_ensemble_summary *about;
    size_t i;
    int as_expected;
    OK(folkmoot_member_ensemble(member, &ensemble));
    about = folkmoot_ensemble_about(ensemble);
    CHECK(about->size == sizeof *about);
    CHECK(folkmoot_ensemble_count(ensemble) == 3 && folkmoot_ensemble_at(ensemble, 3) == NULL);
    as_expected = about->leader == leader && about->term > 0;
    for (i = 0; i < 3; i++) {
        const folkmoot_ensemble_member *one = folkmoot_ensemble_at(ensemble, i);
        CHECK(one->size == sizeof *one && one->id == (int32_t)i + 1);
        CHECK(one->is_self == (one->id == about->id));
        if (one->is_self) {
            CHECK(one->silent_ms == 0 && !one->suspected && one->matched >= 0);
        }
        as_expected = as_expected && one->priority == 10 * one->id;
        as_expected = as_expected && one->role == (one->id == leader ? FOLKMOOT_ROLE_LEADER : FOLKMOOT_ROLE_FOLLOWER);
        as_expected = as_expected && (one->suspected != 0) == (one->id == silent) && one->silent_ms >= 0;
        as_expected = as_expected && (about->id != leader || one->id == silent || one->matched >= 0);
    }
    folkmoot_ensemble_free(ensemble);
    return as_expected;
}

static void until_looks(const folkmoot_member *member, int leader, int silent) {
    time_t end = time(NULL) + PATIENCE;
    while (!looks(member, leader, silent)) {
        struct timeval moment;
        moment.tv_sec = 0;
        moment.tv_usec = 10000;
        CHECK(time(NULL) < end);
        select(0, NULL, NULL, NULL, &moment);
    }
}

int main(int argc, char **argv) {
    folkmoot_member *members[3], *alone;
    folkmoot_session *session;
    folkmoot_ensemble *none = NULL;
    char target[1024];
    int ports[3], i;
    CHECK(argc == 2);

    OK(folkmoot_member_open("memory:", &alone));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_member_ensemble(alone, &none));
    CHECK(none == NULL && strstr(folkmoot_last_error(), "alone") != NULL);
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_member_transfer(alone, 0));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_ensemble(alone, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_transfer(NULL, 0));
    CHECK(folkmoot_ensemble_about(NULL) == NULL && folkmoot_ensemble_count(NULL) == 0 && folkmoot_ensemble_at(NULL, 0) == NULL);
    folkmoot_ensemble_free(NULL);
    folkmoot_member_free(alone);

    for (i = 0; i < 3; i++) {
        ports[i] = free_port();
    }
    for (i = 0; i < 3; i++) {
        sprintf(target, "ensemble:%.800s/%d?id=%d&priority=%d&peer=1=127.0.0.1:%d&peer=2=127.0.0.1:%d&peer=3=127.0.0.1:%d", argv[1], i + 1, i + 1,
                10 * (i + 1), ports[0], ports[1], ports[2]);
        OK(folkmoot_member_open(target, &members[i]));
    }
    for (i = 0; i < 3; i++) {
        until_looks(members[i], 3, 0);
    }
    OK(folkmoot_member_session(members[0], NULL, &session));
    OK(folkmoot_session_create(session, "/a", "1", 1, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_member_transfer(members[0], 1));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_transfer(members[2], 9));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_member_transfer(members[2], 300));
    OK(folkmoot_member_transfer(members[2], 2));
    until_looks(members[0], 2, 0);

    OK(folkmoot_member_close(members[2]));
    EXPECT(FOLKMOOT_CLOSED, folkmoot_member_transfer(members[2], 0));
    until_looks(members[0], 2, 3);
    until_looks(members[1], 2, 3);
    OK(folkmoot_session_set(session, "/a", "2", 1, FOLKMOOT_ANY_VERSION, NULL));
    folkmoot_session_free(session);
    for (i = 0; i < 3; i++) {
        folkmoot_member_free(members[i]);
    }
    return 0;
}
