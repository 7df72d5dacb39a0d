/* folkmoot.h: coordination that lives in your process, for C89 and later, and C++98 and later.
 * Written from ffi/src by ffi/tests/header.rs; do not edit.
 *
 * Conventions. A function's own comment tells only what differs.
 *
 * Results    Functions return a folkmoot_status: FOLKMOOT_OK (0) or a negative number. A program acts
 *            on the number; folkmoot_last_error() has the words, for this thread. Outputs come last
 *            in the list of parameters, end in _out and are written on success only.
 *            Every function may answer FOLKMOOT_BAD_ARGUMENTS (NULL, text that is not UTF-8, an
 *            unknown number: the words name the parameter), FOLKMOOT_CLOSED, FOLKMOOT_FORKED and
 *            FOLKMOOT_PANIC (a bug of ours, caught). Outputs that may be NULL say so.
 * Text       const char * is UTF-8 that ends in NUL. Data is a pointer and a length; NULL with
 *            length 0 is null data, any other pointer with length 0 is empty data. What is passed
 *            in is borrowed until the function returns and copied if it is needed longer.
 * Ownership  What a function gives through a pointer to a pointer is yours and is freed with the
 *            function its comment names. Freeing NULL does nothing. A handle may not be in use by
 *            another thread while it is freed; handles may be freed in any order.
 * Threads    Members, sessions and watches may be used by any threads at once. A multi belongs to
 *            one thread at a time.
 * Waiting    Functions block until they are answered, but for those that end in _async. Callbacks
 *            run inside folkmoot_session_dispatch and _drain on the thread that calls them, or, if
 *            the session was opened with dispatch_thread, on one thread of the library's. A callback
 *            may call any function, also blocking ones; only folkmoot_session_drain of its own
 *            session answers FOLKMOOT_WOULD_DEADLOCK there. It must not throw or longjmp.
 * fork       In a child, handles of the parent answer FOLKMOOT_FORKED and freeing them does nothing
 *            (their memory stays): open new ones.
 * Process    The library installs no signal handler, reads no environment variable and writes
 *            nothing to stdout or stderr: what it has to say goes to folkmoot_set_log_callback. Its
 *            threads are named fm-* and have all signals blocked.
 * Growth     Option structs begin with their size; fields are added at the end. Numbers are never
 *            used again. Functions are not taken away within one soname.
 */
#ifndef FOLKMOOT_H
#define FOLKMOOT_H

#include <stddef.h>
#include <stdint.h>

#ifndef FOLKMOOT_API
#if defined(__GNUC__)
#define FOLKMOOT_API __attribute__((visibility("default")))
#else
#define FOLKMOOT_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

@VERSION@
/* Statuses. */

/* It worked. */
#define FOLKMOOT_OK 0
@STATUSES@
