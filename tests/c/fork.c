/* A child of fork: handles answer FORKED and never hang, freeing them does nothing, new ones work. One forked inside a
 * callback is told nothing more. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include <signal.h>
#include "check.h"
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(folkmoot_session *s, folkmoot_member *m, folkmoot_watch *w) {
    folkmoot_session *mine;
    folkmoot_event event;
    int64_t number = 0;
    int fd = -1;
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_create(s, "/c", "", 0, 0, NULL, NULL, 0, NULL));
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_get(s, "/a", 0, NULL, 0, &number, NULL));
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_zxid(s, &number));
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_close(s));
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_fd(s, &fd));
    EXPECT(FOLKMOOT_FORKED, folkmoot_session_drain(s, -1));
    EXPECT(FOLKMOOT_FORKED, folkmoot_events_next(s, &event, -1));
    EXPECT(FOLKMOOT_FORKED, folkmoot_watch_next(w, &event, -1));
    EXPECT(FOLKMOOT_FORKED, folkmoot_member_close(m));
    EXPECT(FOLKMOOT_FORKED, folkmoot_member_session(m, NULL, &mine));
    folkmoot_watch_free(w);
    folkmoot_session_free(s);
    folkmoot_member_free(m);
    OK(folkmoot_open("memory:", &mine));
    OK(folkmoot_session_create(mine, "/mine", "", 0, 0, NULL, NULL, 0, NULL));
    folkmoot_session_free(mine);
    _exit(0);
}

static int in_child;
static pid_t forked;

#ifdef __cplusplus
extern "C" {
#endif
static void forks(void *context, const folkmoot_result *result) {
    (void)context;
    (void)result;
    forked = fork();
    CHECK(forked >= 0);
    if (forked == 0) {
        in_child = 1;
        KILLED_IF_IT_HANGS();
    }
}

static void not_in_child(void *context, const folkmoot_result *result) {
    (void)result;
    if (in_child) {
        _exit(7);
    }
    ++*(int *)context;
}
#ifdef __cplusplus
}
#endif

static void child_ended(void) {
    int status = -1;
    CHECK(waitpid(forked, &status, 0) == forked);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The callback returns in the child too: on the caller's thread, on the library's (which ends there), within free. */
static void inside_callbacks(folkmoot_member *m) {
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    folkmoot_session *s;
    folkmoot_status status;
    int told = 0;

    OK(folkmoot_member_session(m, NULL, &s));
    OK(folkmoot_session_sync_async(s, "/", forks, NULL));
    OK(folkmoot_session_sync_async(s, "/", not_in_child, &told));
    status = folkmoot_session_drain(s, -1);
    if (in_child) {
        _exit(status == FOLKMOOT_FORKED ? 0 : 8);
    }
    CHECK(status == FOLKMOOT_OK && told == 1);
    child_ended();
    OK(folkmoot_session_sync_async(s, "/", forks, NULL));
    OK(folkmoot_session_sync_async(s, "/", not_in_child, &told));
    folkmoot_session_free(s);
    if (in_child) {
        _exit(0);
    }
    CHECK(told == 2);
    child_ended();

    options.dispatch_thread = 1;
    OK(folkmoot_member_session(m, &options, &s));
    OK(folkmoot_session_sync_async(s, "/", forks, NULL));
    OK(folkmoot_session_sync_async(s, "/", not_in_child, &told));
    OK(folkmoot_session_drain(s, -1));
    CHECK(told == 3);
    child_ended();
    folkmoot_session_free(s);
}

int main(int argc, char **argv) {
    folkmoot_session *s;
    folkmoot_member *m;
    folkmoot_watch *w;
    folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
    int status = 0, fd = -1;
    pid_t pid;

    OK(folkmoot_member_open(argc > 1 ? argv[1] : "memory:", &m));
    options.dispatch_thread = 1;
    OK(folkmoot_member_session(m, &options, &s));
    OK(folkmoot_session_create(s, "/a", "", 0, 0, NULL, NULL, 0, NULL));
    OK(folkmoot_watch_open(s, "/a", FOLKMOOT_WATCH_PERSISTENT, &w));
    OK(folkmoot_session_fd(s, &fd));
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(20); /* a child that hangs is killed, and the parent sees it */
        child(s, m, w);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(folkmoot_session_set(s, "/a", "still here", 10, -1, NULL));
    EXPECT(FOLKMOOT_NO_NODE, folkmoot_session_exists(s, "/c", 0, NULL));
    folkmoot_watch_free(w);
    folkmoot_session_free(s);
    inside_callbacks(m);
    folkmoot_member_free(m);
    return 0;
}
