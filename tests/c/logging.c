/* What the library says reaches the host's callback: here, that the end of a log was cut. A child forked inside it hears nothing.
 *   logging DIRECTORY
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#include <signal.h>
#include "check.h"
#include <dirent.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct told {
    int lines, cut;
    char target[64];
};

#ifdef __cplusplus
extern "C" {
#endif
static void tell(void *context, int32_t level, const char *target, const char *text) {
    struct told *told = (struct told *)context;
    told->lines++;
    if (level == FOLKMOOT_LOG_WARNING && strstr(text, "cut") != NULL && strstr(text, "log-") != NULL) {
        folkmoot_session *own;
        told->cut++;
        strncpy(told->target, target, sizeof told->target - 1);
        /* Any function may be called here. */
        OK(folkmoot_open("memory:", &own));
        folkmoot_session_free(own);
    }
}

static void tell_forking(void *context, int32_t level, const char *target, const char *text) {
    pid_t *child = (pid_t *)context;
    (void)level;
    (void)target;
    (void)text;
    if (*child == 0) {
        *child = fork();
        CHECK(*child >= 0);
        if (*child == 0) {
            *child = -1; /* a second line would be told to the parent's callback in the child */
            KILLED_IF_IT_HANGS();
        }
    } else if (*child == -1) {
        _exit(7);
    }
}

static void tell_once(void *context, int32_t level, const char *target, const char *text) {
    int *pipe_end = (int *)context;
    (void)level;
    (void)target;
    (void)text;
    OK(folkmoot_set_log_callback(FOLKMOOT_LOG_TRACE, NULL, NULL));
    CHECK(write(*pipe_end, "x", 1) == 1);
}
#ifdef __cplusplus
}
#endif

/* In a child that ends as if killed, a write of several sectors; then one of them is lost. */
static void tear(const char *directory) {
    char path[1024], *bytes;
    struct dirent *entry;
    DIR *listing;
    long size, at, last = -1;
    int status = -1, torn = 0;
    FILE *file;
    pid_t pid = fork();
    if (pid == 0) {
        static char data[4000];
        folkmoot_session *s;
        memset(data, 'z', sizeof data);
        OK(folkmoot_open(directory, &s));
        OK(folkmoot_session_create(s, "/a", data, sizeof data, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    listing = opendir(directory);
    CHECK(listing != NULL);
    while (!torn && (entry = readdir(listing)) != NULL) {
        if (strncmp(entry->d_name, "log-", 4) != 0) {
            continue;
        }
        sprintf(path, "%s/%s", directory, entry->d_name);
        file = fopen(path, "r+b");
        CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
        size = ftell(file);
        bytes = (char *)malloc((size_t)size);
        CHECK(bytes != NULL && fseek(file, 0, SEEK_SET) == 0 && fread(bytes, 1, (size_t)size, file) == (size_t)size);
        for (at = 0; at < size; at++) {
            if (bytes[at] == 'z' && bytes[at ? at - 1 : 0] == 'z') {
                last = at / 512;
                torn = 1;
            }
        }
        if (torn) {
            static const char nothing[512] = {0};
            CHECK(fseek(file, last * 512, SEEK_SET) == 0 && fwrite(nothing, 1, sizeof nothing, file) == sizeof nothing);
        }
        free(bytes);
        CHECK(fclose(file) == 0);
    }
    closedir(listing);
    CHECK(torn);
}

int main(int argc, char **argv) {
    char first[900], second[900], third[900], byte;
    folkmoot_session *s;
    struct told told;
    int ends[2], status = -1;
    pid_t child = 0;

    CHECK(argc == 2);
    sprintf(first, "%s/first", argv[1]);
    sprintf(second, "%s/second", argv[1]);
    tear(first);
    tear(second);
    sprintf(third, "%s/third", argv[1]);
    tear(third);
    memset(&told, 0, sizeof told);
    OK(folkmoot_set_log_callback(FOLKMOOT_LOG_ERROR, tell, &told));
    OK(folkmoot_set_log_callback(FOLKMOOT_LOG_WARNING, tell, &told));
    OK(folkmoot_open(first, &s));
    folkmoot_session_free(s);
    OK(folkmoot_set_log_callback(0, NULL, NULL));
    /* Taking it back has waited for what was said before. */
    CHECK(told.cut > 0 && told.lines >= told.cut && strncmp(told.target, "folkmoot::", 10) == 0);

    /* Replaced from inside; the second line is not told. */
    CHECK(pipe(ends) == 0);
    OK(folkmoot_set_log_callback(FOLKMOOT_LOG_TRACE, tell_once, &ends[1]));
    OK(folkmoot_open(second, &s));
    folkmoot_session_free(s);
    CHECK(read(ends[0], &byte, 1) == 1);
    OK(folkmoot_set_log_callback(0, NULL, NULL));

    /* In the child the telling thread is the only one: it ends, and the child with it. */
    OK(folkmoot_set_log_callback(FOLKMOOT_LOG_WARNING, tell_forking, &child));
    OK(folkmoot_open(third, &s));
    folkmoot_session_free(s);
    OK(folkmoot_set_log_callback(0, NULL, NULL));
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
