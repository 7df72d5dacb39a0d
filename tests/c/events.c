/* Events: fetched, by descriptor, by a watch's own queue, by callback. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"
#include <poll.h>

static int readable(int fd) {
    struct pollfd one;
    one.fd = fd;
    one.events = POLLIN;
    return poll(&one, 1, 0) == 1;
}

static int told;
#ifdef __cplusplus
extern "C" {
#endif
static void on_event(void *context, const folkmoot_event *event) {
    CHECK(context == (void *)&told && event->kind == FOLKMOOT_EVENT_DATA_CHANGED && strcmp(event->path, "/p") == 0);
    told++;
}
#ifdef __cplusplus
}
#endif

int main(void) {
    folkmoot_session *s;
    folkmoot_watch *watch;
    folkmoot_event event;
    folkmoot_stat stat;
    int fd = -1, watch_fd = -1;
    size_t count = 0;

    OK(folkmoot_open("memory:", &s));
    OK(folkmoot_session_fd(s, &fd));
    while (folkmoot_events_next(s, &event, 0) == FOLKMOOT_OK) {
        CHECK(event.kind == FOLKMOOT_EVENT_SESSION);
    }
    CHECK(!readable(fd));
    EXPECT(FOLKMOOT_OPERATION_TIMEOUT, folkmoot_events_next(s, &event, 10));

    EXPECT(FOLKMOOT_NO_NODE, folkmoot_session_exists(s, "/p", 1, NULL));
    OK(folkmoot_session_create(s, "/p", "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, &stat));
    CHECK(readable(fd));
    OK(folkmoot_events_next(s, &event, -1));
    CHECK(event.kind == FOLKMOOT_EVENT_CREATED && strcmp(event.path, "/p") == 0 && event.zxid == stat.czxid);
    CHECK(event.state == FOLKMOOT_STATE_CONNECTED);
    CHECK(!readable(fd));

    OK(folkmoot_watch_open(s, "/p", FOLKMOOT_WATCH_RECURSIVE, &watch));
    OK(folkmoot_watch_fd(watch, &watch_fd));
    CHECK(watch_fd != fd && !readable(watch_fd));
    OK(folkmoot_session_create(s, "/p/q", "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    OK(folkmoot_session_delete(s, "/p/q", -1));
    CHECK(readable(watch_fd) && !readable(fd));
    OK(folkmoot_watch_next(watch, &event, 1000));
    CHECK(event.kind == FOLKMOOT_EVENT_CREATED && strcmp(event.path, "/p/q") == 0 && readable(watch_fd));
    OK(folkmoot_watch_next(watch, &event, 1000));
    CHECK(event.kind == FOLKMOOT_EVENT_DELETED && !readable(watch_fd));
    folkmoot_watch_free(watch);

    OK(folkmoot_session_add_watch(s, "/p", FOLKMOOT_WATCH_PERSISTENT));
    OK(folkmoot_session_check_watches(s, "/p", FOLKMOOT_WATCHER_PERSISTENT));
    OK(folkmoot_session_set(s, "/p", "1", 1, -1, NULL));
    OK(folkmoot_session_set(s, "/p", "2", 1, -1, NULL));
    OK(folkmoot_session_on_event(s, on_event, &told));
    OK(folkmoot_session_dispatch(s, 1, &count));
    CHECK(count == 1 && told == 1 && readable(fd));
    OK(folkmoot_session_dispatch(s, 0, &count));
    CHECK(count == 1 && told == 2 && !readable(fd));
    OK(folkmoot_session_remove_watches(s, "/p", FOLKMOOT_WATCHER_ANY));
    EXPECT(FOLKMOOT_NO_WATCHER, folkmoot_session_remove_watches(s, "/p", FOLKMOOT_WATCHER_ANY));
    OK(folkmoot_session_on_event(s, NULL, NULL));

    OK(folkmoot_session_close(s));
    CHECK(readable(fd));
    while (folkmoot_events_next(s, &event, 1000) == FOLKMOOT_OK) {
        CHECK(event.kind == FOLKMOOT_EVENT_SESSION);
    }
    EXPECT(FOLKMOOT_CLOSED, folkmoot_events_next(s, &event, -1));
    folkmoot_session_free(s);
    return 0;
}
