/* Runs a behaviour script (tests/data, the language is in tests/recorder/README.md) through the C
 * door and writes it again with the results it got: no difference, no fault.
 *     script FILE
 */
#include "check.h"

#define LINE_MAX_ 65536
#define SESSIONS_MAX_ 32
#define WORDS_MAX_ 16
#define ENTRIES_MAX_ 64

static folkmoot_member *member;
static struct {
    char name[32];
    folkmoot_session *session;
    int64_t id;
    int open;
} sessions[SESSIONS_MAX_];
static int session_count;
static int64_t base;

/* --- tokens ------------------------------------------------------------------------------------ */

static int hex(char c) { return c <= '9' ? c - '0' : c - 'A' + 10; }

/* The bytes of a token, with a NUL behind; `from` and `to` may be the same. */
static size_t unescape(const char *from, char *to) {
    size_t n = 0;
    if (strcmp(from, "\"\"") == 0) {
        *to = 0;
        return 0;
    }
    while (*from) {
        if (*from == '%') {
            to[n++] = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 3;
        } else {
            to[n++] = *from++;
        }
    }
    to[n] = 0;
    return n;
}

static void show_bytes(const char *raw, size_t len, int comma) {
    size_t i;
    if (len == 0) {
        printf("\"\"");
    } else if (len == 4 && memcmp(raw, "null", 4) == 0) {
        printf("%%6Eull");
    } else {
        for (i = 0; i < len; i++) {
            unsigned char b = (unsigned char)raw[i];
            if (b > 0x20 && b < 0x7f && b != '%' && b != '"' && !(comma && b == ',')) {
                putchar(b);
            } else {
                printf("%%%02X", b);
            }
        }
    }
}

static void show(const char *text) { show_bytes(text, strlen(text), 0); }

static const char letters[] = "cdrwa";
static const uint32_t bits[] = {4, 8, 1, 2, 16};

/* Takes the token of an ACL apart, in place. The result is never NULL: an empty list is one. */
static const folkmoot_acl *acl_of(char *token, size_t *count) {
    static folkmoot_acl entries[ENTRIES_MAX_];
    char *entry = token, *end, *colon, *letter;
    *count = 0;
    if (strcmp(token, "null") == 0 || strcmp(token, "\"\"") == 0) {
        return entries;
    }
    while (entry) {
        folkmoot_acl *one = &entries[(*count)++];
        CHECK(*count < ENTRIES_MAX_);
        end = strchr(entry, ',');
        if (end) {
            *end++ = 0;
        }
        colon = strrchr(entry, ':');
        one->perms = 0;
        for (letter = colon + 1; *letter; letter++) {
            one->perms |= bits[strchr(letters, *letter) - letters];
        }
        *colon = 0;
        colon = strchr(entry, ':');
        *colon = 0;
        unescape(entry, entry);
        unescape(colon + 1, colon + 1);
        one->scheme = entry;
        one->id = colon + 1;
        entry = end;
    }
    return entries;
}

static void show_acl(const folkmoot_acls *acl) {
    const folkmoot_acl *one = folkmoot_acls_entries(acl);
    size_t i, k;
    if (folkmoot_acls_count(acl) == 0) {
        printf("\"\"");
    }
    for (i = 0; i < folkmoot_acls_count(acl); i++, one++) {
        printf("%s%s:", i ? "," : "", one->scheme);
        if (*one->id) {
            show_bytes(one->id, strlen(one->id), 1);
        }
        putchar(':');
        for (k = 0; k < 5; k++) {
            if (one->perms & bits[k]) {
                putchar(letters[k]);
            }
        }
    }
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void show_sorted(const char **names, size_t count) {
    size_t i;
    qsort(names, count, sizeof *names, by_bytes);
    putchar('[');
    for (i = 0; i < count; i++) {
        printf("%s", i ? " " : "");
        show(names[i]);
    }
    putchar(']');
}

static void show_names(const folkmoot_strings *list) {
    size_t i, count = folkmoot_strings_count(list);
    const char **names = (const char **)malloc((count + 1) * sizeof *names);
    CHECK(names != NULL);
    for (i = 0; i < count; i++) {
        names[i] = folkmoot_strings_at(list, i);
    }
    show_sorted(names, count);
    free(names);
}

static void show_zxid(int64_t zxid) {
    if (zxid == 0 || zxid < base) {
        printf("old");
    } else {
        printf("z%ld", (long)(zxid - base));
    }
}

static void show_stat(const folkmoot_stat *s) {
    const char *owner = s->ephemeral_owner ? "?" : "-";
    int i;
    for (i = 0; i < session_count; i++) {
        if (sessions[i].id == s->ephemeral_owner) {
            owner = sessions[i].name;
        }
    }
    printf(" version=%d cversion=%d aversion=%d owner=%s len=%d children=%d czxid=", s->version, s->cversion, s->aversion, owner,
           s->data_length, s->num_children);
    show_zxid(s->czxid);
    printf(" mzxid=");
    show_zxid(s->mzxid);
    printf(" pzxid=");
    show_zxid(s->pzxid);
}

/* --- commands ---------------------------------------------------------------------------------- */

struct command {
    const char *session;
    char *words[WORDS_MAX_];
    int count;
    int32_t version;
    int32_t mode;
    int64_t ttl;
    char *acl;
};

static int32_t index_of(const char *word, const char *const *names) {
    int32_t i;
    for (i = 0; names[i]; i++) {
        if (strcmp(names[i], word) == 0) {
            return i;
        }
    }
    fprintf(stderr, "no such word: %s\n", word);
    exit(2);
}

static const char *const modes[] = {"persistent", "ephemeral", "sequential", "ephemeral_sequential", "container", "ttl", "ttl_sequential", NULL};
static const char *const kinds[] = {"", "children", "data", "any", "persistent", "recursive", NULL};

static void parse(char *line, struct command *c) {
    char *word = strtok(line, " ");
    memset(c, 0, sizeof *c);
    c->session = "a";
    c->version = -1;
    for (; word; word = strtok(NULL, " ")) {
        if (*word == '@' && c->count == 0) {
            c->session = word + 1;
        } else if (strncmp(word, "version=", 8) == 0) {
            c->version = (int32_t)strtol(word + 8, NULL, 10);
        } else if (strncmp(word, "mode=", 5) == 0) {
            c->mode = index_of(word + 5, modes);
        } else if (strncmp(word, "ttl=", 4) == 0) {
            c->ttl = strtol(word + 4, NULL, 10);
        } else if (strncmp(word, "acl=", 4) == 0) {
            c->acl = word + 4;
        } else {
            CHECK(c->count < WORDS_MAX_);
            c->words[c->count++] = word;
        }
    }
}

static int is(const struct command *c, const char *verb) { return strcmp(c->words[0], verb) == 0; }

/* Data of word 2, in place. */
static const char *data_of(struct command *c, size_t *len) {
    *len = 0;
    if (strcmp(c->words[2], "null") == 0) {
        return NULL;
    }
    *len = unescape(c->words[2], c->words[2]);
    return c->words[2];
}

static void options_of(struct command *c, folkmoot_create_options *options) {
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->ttl_ms = c->ttl;
    if (c->acl) {
        options->acl = acl_of(c->acl, &options->acl_count);
    }
}

static void refused(folkmoot_status status) { printf("%s\n", folkmoot_status_name(status)); }

static void open_session(const char *name) {
    int i = session_count++;
    CHECK(i < SESSIONS_MAX_ && strlen(name) < sizeof sessions[i].name);
    strcpy(sessions[i].name, name);
    OK(folkmoot_member_session(member, NULL, &sessions[i].session));
    OK(folkmoot_session_id(sessions[i].session, &sessions[i].id));
    sessions[i].open = 1;
}

static int find(const char *name) {
    int i;
    for (i = session_count - 1; i >= 0; i--) {
        if (strcmp(sessions[i].name, name) == 0) {
            return i;
        }
    }
    fprintf(stderr, "no such session: %s\n", name);
    exit(2);
}

static void run_events(folkmoot_session *s) {
    folkmoot_event event;
    int none = 1;
    while (folkmoot_events_next(s, &event, 0) == FOLKMOOT_OK) {
        if (event.kind != FOLKMOOT_EVENT_SESSION) {
            printf("%s ", event.kind == FOLKMOOT_EVENT_CREATED        ? "Created"
                          : event.kind == FOLKMOOT_EVENT_DELETED      ? "Deleted"
                          : event.kind == FOLKMOOT_EVENT_DATA_CHANGED ? "DataChanged"
                                                                      : "ChildrenChanged");
            show(event.path);
            putchar(' ');
            show_zxid(event.zxid);
            putchar('\n');
            none = 0;
        }
    }
    if (none) {
        printf("none\n");
    }
}

static void run_many(folkmoot_session *s, const char *verb, struct command *parts, int count) {
    folkmoot_multi *multi;
    folkmoot_results *results = NULL;
    folkmoot_create_options options;
    folkmoot_status status;
    size_t len, entries;
    int i;
    OK(folkmoot_multi_new(&multi));
    for (i = 0; i < count; i++) {
        struct command *c = &parts[i];
        char *path = c->words[1];
        unescape(path, path);
        if (is(c, "create") || is(c, "create2")) {
            const char *data = data_of(c, &len);
            options_of(c, &options);
            OK(folkmoot_multi_create(multi, path, data, len, c->mode, &options));
        } else if (is(c, "delete")) {
            OK(folkmoot_multi_delete(multi, path, c->version));
        } else if (is(c, "set")) {
            const char *data = data_of(c, &len);
            OK(folkmoot_multi_set(multi, path, data, len, c->version));
        } else if (is(c, "setacl")) {
            const folkmoot_acl *acl = acl_of(c->words[2], &entries);
            OK(folkmoot_multi_set_acl(multi, path, acl, entries, c->version));
        } else if (is(c, "check")) {
            OK(folkmoot_multi_check(multi, path, c->version));
        } else if (is(c, "get")) {
            OK(folkmoot_multi_get(multi, path));
        } else if (is(c, "children")) {
            OK(folkmoot_multi_children(multi, path));
        } else {
            fprintf(stderr, "not in a multi: %s\n", c->words[0]);
            exit(2);
        }
    }
    status = strcmp(verb, "multi") == 0 ? folkmoot_multi_commit(multi, s, &results) : folkmoot_multi_read(multi, s, &results);
    if (results == NULL) {
        refused(status);
    } else if (folkmoot_results_count(results) == 0) {
        printf("none\n");
    }
    for (i = 0; i < (int)folkmoot_results_count(results); i++) {
        const folkmoot_result *r = folkmoot_results_at(results, (size_t)i);
        struct command *c = &parts[i];
        if (r->status != FOLKMOOT_OK) {
            refused(r->status);
            continue;
        }
        printf("ok");
        if (status == FOLKMOOT_OK) {
            if (r->path) {
                putchar(' ');
                show(r->path);
                if (is(c, "create2") || c->mode >= FOLKMOOT_CONTAINER) {
                    show_stat(&r->stat);
                }
            } else if (is(c, "get")) {
                putchar(' ');
                if (r->data_len < 0) {
                    printf("null");
                } else {
                    show_bytes((const char *)r->data, (size_t)r->data_len, 0);
                }
                show_stat(&r->stat);
            } else if (is(c, "children")) {
                putchar(' ');
                show_names(r->names);
            } else if (is(c, "set") || is(c, "setacl")) {
                show_stat(&r->stat);
            }
        }
        putchar('\n');
    }
    folkmoot_results_free(results);
    folkmoot_multi_free(multi);
}

static void run(struct command *c, struct command *parts, int count) {
    folkmoot_session *s;
    folkmoot_status status = FOLKMOOT_OK;
    folkmoot_stat stat;
    folkmoot_create_options options;
    static char made[LINE_MAX_];
    char *path = c->count > 1 ? c->words[1] : NULL;
    int watch = c->count > 2 && strcmp(c->words[2], "watch") == 0;
    size_t len = 0;

    if (is(c, "open")) {
        open_session(path);
        printf("ok\n");
        return;
    }
    if (is(c, "close")) {
        int i = find(path);
        status = folkmoot_session_close(sessions[i].session);
        printf("%s\n", status == FOLKMOOT_OK ? "ok" : folkmoot_status_name(status));
        return;
    }
    s = sessions[find(c->session)].session;
    if (is(c, "events")) {
        run_events(s);
        return;
    }
    if (is(c, "multi") || is(c, "multiread")) {
        run_many(s, c->words[0], parts, count);
        return;
    }
    if (path && unescape(path, path) != strlen(path) && !is(c, "get") && !is(c, "children") && !is(c, "getacl")) {
        /* No C string holds a NUL, so this door cannot be asked: that is for its caller to refuse. A
         * write that was refused takes a transaction number; any other wrong path takes it here.
         * (Reading does not check paths: what stands before the NUL is not there either.) */
        if (!is(c, "exists")) {
            EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_session_create(s, "wrong", "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, NULL));
        }
        printf("BadArguments\n");
        return;
    }
    if (is(c, "create") || is(c, "create2")) {
        const char *data = data_of(c, &len);
        options_of(c, &options);
        status = folkmoot_session_create(s, path, data, len, c->mode, &options, made, sizeof made, &stat);
        if (status == FOLKMOOT_OK) {
            printf("ok ");
            show(made);
            if (is(c, "create2")) {
                show_stat(&stat);
            }
        }
    } else if (is(c, "get")) {
        char *data;
        int64_t length;
        status = folkmoot_session_get_alloc(s, path, watch, &data, &length, &stat);
        if (status == FOLKMOOT_OK) {
            printf("ok ");
            if (data == NULL) {
                printf("null");
            } else {
                show_bytes(data, (size_t)length, 0);
            }
            folkmoot_free(data);
            show_stat(&stat);
        }
    } else if (is(c, "exists") || is(c, "set") || is(c, "setacl")) {
        if (is(c, "exists")) {
            status = folkmoot_session_exists(s, path, watch, &stat);
        } else if (is(c, "set")) {
            const char *data = data_of(c, &len);
            status = folkmoot_session_set(s, path, data, len, c->version, &stat);
        } else {
            const folkmoot_acl *acl = acl_of(c->words[2], &len);
            status = folkmoot_session_set_acl(s, path, acl, len, c->version, &stat);
        }
        if (status == FOLKMOOT_OK) {
            printf("ok");
            show_stat(&stat);
        }
    } else if (is(c, "children") || is(c, "ephemerals")) {
        folkmoot_strings *names;
        status = is(c, "children") ? folkmoot_session_children(s, path, watch, &names, &stat) : folkmoot_session_ephemerals(s, path, &names);
        if (status == FOLKMOOT_OK) {
            printf("ok ");
            show_names(names);
            folkmoot_strings_free(names);
            if (is(c, "children")) {
                show_stat(&stat);
            }
        }
    } else if (is(c, "getacl")) {
        folkmoot_acls *acl;
        status = folkmoot_session_get_acl(s, path, &acl, &stat);
        if (status == FOLKMOOT_OK) {
            printf("ok ");
            show_acl(acl);
            folkmoot_acls_free(acl);
            show_stat(&stat);
        }
    } else if (is(c, "whoami")) {
        folkmoot_acls *list;
        static char names[ENTRIES_MAX_][256];
        const char *pointers[ENTRIES_MAX_];
        size_t i, n = 0;
        status = folkmoot_session_who_am_i(s, &list);
        if (status == FOLKMOOT_OK) {
            for (i = 0; i < folkmoot_acls_count(list) && n < ENTRIES_MAX_; i++) {
                const folkmoot_acl *one = &folkmoot_acls_entries(list)[i];
                if (strcmp(one->scheme, "ip") != 0) {
                    sprintf(names[n], "%.100s:%.*s", one->scheme, (int)strcspn(one->id, ":"), one->id);
                    pointers[n] = names[n];
                    n++;
                }
            }
            printf("ok ");
            show_sorted(pointers, n);
            folkmoot_acls_free(list);
        }
    } else if (is(c, "count")) {
        uint64_t number;
        status = folkmoot_session_count_descendants(s, path, &number);
        if (status == FOLKMOOT_OK) {
            printf("ok %lu", (unsigned long)number);
        }
    } else {
        if (is(c, "delete")) {
            status = folkmoot_session_delete(s, path, c->version);
        } else if (is(c, "sync")) {
            status = folkmoot_session_sync(s, path);
        } else if (is(c, "auth")) {
            len = unescape(c->words[2], c->words[2]);
            status = folkmoot_session_add_auth(s, path, c->words[2], len);
        } else if (is(c, "addwatch")) {
            status = folkmoot_session_add_watch(s, path, index_of(c->words[2], kinds) - 4);
        } else if (is(c, "removewatch")) {
            status = folkmoot_session_remove_watches(s, path, index_of(c->words[2], kinds));
        } else if (is(c, "checkwatch")) {
            status = folkmoot_session_check_watches(s, path, index_of(c->words[2], kinds));
        } else {
            fprintf(stderr, "no such command: %s\n", c->words[0]);
            exit(2);
        }
        if (status == FOLKMOOT_OK) {
            printf("ok");
        }
    }
    if (status == FOLKMOOT_OK) {
        putchar('\n');
    } else {
        refused(status);
    }
}

/* --- the file ---------------------------------------------------------------------------------- */

#define BLOCK_MAX_ 512
static char *block[BLOCK_MAX_];
static int block_count;

static void run_block(void) {
    static struct command commands[BLOCK_MAX_];
    int i, k;
    for (i = 0; i < block_count; i = k) {
        struct command *c = &commands[i];
        parse(block[i], c);
        for (k = i + 1; k < block_count && strncmp(block[k], "  ", 2) == 0; k++) {
            parse(block[k], &commands[k]);
        }
        run(c, &commands[i + 1], k - i - 1);
    }
    for (i = 0; i < block_count; i++) {
        free(block[i]);
    }
    block_count = 0;
}

int main(int argc, char **argv) {
    static char line[LINE_MAX_];
    char target[512] = "memory:";
    folkmoot_stat stat;
    int in_results = 0, i;
    FILE *file;

    CHECK(argc == 2);
    file = fopen(argv[1], "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "# option ", 9) == 0) {
            strcat(target, strchr(target, '?') ? "&" : "?");
            strcat(target, strcmp(line + 9, "enforceQuota") == 0 ? "quota=enforced" : line + 9);
        }
    }
    OK(folkmoot_member_open(target, &member));
    open_session("a");
    OK(folkmoot_session_create(sessions[0].session, "/base", "", 0, FOLKMOOT_PERSISTENT, NULL, NULL, 0, &stat));
    base = stat.czxid;
    OK(folkmoot_session_delete(sessions[0].session, "/base", -1));

    rewind(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 0) {
            in_results = 0;
            printf("\n");
        } else if (!in_results) {
            printf("%s\n", line);
            if (strcmp(line, "----") == 0) {
                run_block();
                in_results = 1;
            } else if (line[0] != '#') {
                CHECK(block_count < BLOCK_MAX_);
                block[block_count] = (char *)malloc(strlen(line) + 1);
                CHECK(block[block_count] != NULL);
                strcpy(block[block_count++], line);
            }
        }
    }
    fclose(file);
    for (i = 0; i < session_count; i++) {
        folkmoot_session_free(sessions[i].session);
    }
    folkmoot_member_free(member);
    return 0;
}
