/* What the test programs share. */
#ifndef CHECK_H
#define CHECK_H
#include "folkmoot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stops the program unless the condition holds. */
#define CHECK(condition)                                                                                  \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, folkmoot_last_error()); \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

/* Stops the program unless the call ends in this status. */
#define EXPECT(status, call)                                                                              \
    do {                                                                                                  \
        folkmoot_status got_ = (call);                                                                    \
        if (got_ != (status)) {                                                                           \
            fprintf(stderr, "%s:%d: %s is %s (%s), not %s\n", __FILE__, __LINE__, #call,                  \
                    folkmoot_status_name(got_), folkmoot_last_error(), folkmoot_status_name(status));     \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

#define OK(call) EXPECT(FOLKMOOT_OK, call)

#ifdef SIGALRM
/* In a child that a thread of the library's has forked: one that hangs is killed, though all signals are blocked there. */
#define KILLED_IF_IT_HANGS()                                                                              \
    do {                                                                                                  \
        sigset_t alarm_;                                                                                  \
        sigemptyset(&alarm_);                                                                             \
        sigaddset(&alarm_, SIGALRM);                                                                      \
        sigprocmask(SIG_UNBLOCK, &alarm_, NULL);                                                          \
        alarm(20);                                                                                        \
    } while (0)
#endif
#endif
