/* The C door's share of `make bench`: get and set in memory. Prints "get NS" and "set NS" for
 * figures.rs, which says how they are measured and prints the table.
 */
#define _POSIX_C_SOURCE 200809L
#include <folkmoot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHILDREN 1000
#define BATCH 500
#define BATCHES 101
#define ROUNDS 9
#define OK(call) \
    do { \
        if ((call) != FOLKMOOT_OK) { \
            fprintf(stderr, "%s: %s\n", #call, folkmoot_last_error()); \
            exit(1); \
        } \
    } while (0)

static char paths[BATCH * BATCHES][32];
static char data[100];
static folkmoot_session *session;

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void get(const char *path) {
    char buf[128];
    int64_t len;
    folkmoot_stat stat;
    OK(folkmoot_session_get(session, path, 0, buf, sizeof buf, &len, &stat));
}

static void set(const char *path) { OK(folkmoot_session_set(session, path, data, sizeof data, FOLKMOOT_ANY_VERSION, NULL)); }

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

/* The least of the rounds' medians over batches, in nanoseconds a call. */
static double measured(void (*call)(const char *)) {
    double best = 1e18, each[BATCHES];
    int round, batch, at;
    for (round = 0; round < ROUNDS; round++) {
        for (batch = 0; batch < BATCHES; batch++) {
            double start = now_ns();
            for (at = 0; at < BATCH; at++) {
                call(paths[batch * BATCH + at]);
            }
            each[batch] = (now_ns() - start) / BATCH;
        }
        qsort(each, BATCHES, sizeof *each, ascending);
        best = each[BATCHES / 2] < best ? each[BATCHES / 2] : best;
    }
    return best;
}

int main(void) {
    uint64_t chance = 1;
    int at;
    OK(folkmoot_open("memory:", &session));
    for (at = 0; at < CHILDREN; at++) {
        if (at % 100 == 0) {
            sprintf(paths[0], "/p%011d", at / 100);
            OK(folkmoot_session_create(session, paths[0], data, sizeof data, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
        }
        sprintf(paths[0], "/p%011d/c%011d", at / 100, at % 100);
        OK(folkmoot_session_create(session, paths[0], data, sizeof data, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
    }
    for (at = 0; at < BATCH * BATCHES; at++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        sprintf(paths[at], "/p%011d/c%011d", (int)((chance >> 33) % CHILDREN) / 100, (int)((chance >> 33) % CHILDREN) % 100);
    }
    printf("get %.0f\nset %.0f\n", measured(get), measured(set));
    folkmoot_session_free(session);
    return 0;
}
