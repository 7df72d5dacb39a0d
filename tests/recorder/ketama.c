/* Records where libmemcached puts keys, for tests/data/hashing/ketama.txt.
 *
 *     apt-get install libmemcached-dev
 *     cc -O2 tests/recorder/ketama.c -lmemcached -lhashkit -o ketama && ./ketama >tests/data/hashing/ketama.txt
 *
 * A line says: dialect, servers, keys, and the FNV-1a of the servers' numbers, each as two bytes, lowest first. Server i is
 * 10.1.(i / 250).(i % 250), at port 11211 when i is a multiple of 3 and at 11311 otherwise; its weight is 1, or 1 + i % 5 in
 * "weighted-5". Key k is "key:k", and "key:k\303\251" when k is a multiple of 16. libmemcached ends the process beyond 100 servers in all but the weighted dialects.
 */
#include <libmemcached/memcached.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(memcached_st *client, memcached_behavior_t behavior, uint64_t value) {
    if (memcached_behavior_set(client, behavior, value) != MEMCACHED_SUCCESS) {
        fprintf(stderr, "behavior %d is refused\n", (int)behavior);
        exit(1);
    }
}

static void record(const char *dialect, unsigned servers, unsigned keys) {
    memcached_st *client = memcached_create(NULL);
    uint64_t digest = 0xcbf29ce484222325u;
    unsigned i;
    if (strcmp(dialect, "libmemcached") == 0) {
        set(client, MEMCACHED_BEHAVIOR_KETAMA, 1);
    } else if (strcmp(dialect, "libmemcached-md5") == 0) {
        set(client, MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_MD5);
        set(client, MEMCACHED_BEHAVIOR_KETAMA, 1);
    } else if (strcmp(dialect, "spy") == 0) {
        set(client, MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_MD5);
        set(client, MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA_SPY);
    } else {
        set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    }
    for (i = 0; i < servers; i++) {
        char host[32];
        sprintf(host, "10.1.%u.%u", i / 250, i % 250);
        memcached_server_add_with_weight(client, host, i % 3 == 0 ? 11211 : 11311, strcmp(dialect, "weighted-5") == 0 ? 1 + i % 5 : 1);
    }
    for (i = 0; i < keys; i++) {
        char key[32];
        int len = sprintf(key, i % 16 == 0 ? "key:%u\303\251" : "key:%u", i);
        uint32_t owner = memcached_generate_hash(client, key, (size_t)len);
        digest = (digest ^ (owner & 0xff)) * 0x100000001b3u;
        digest = (digest ^ (owner >> 8 & 0xff)) * 0x100000001b3u;
    }
    printf("%s %u %u %016llx\n", dialect, servers, keys, (unsigned long long)digest);
    memcached_free(client);
}

int main(int argc, char **argv) {
    static const char *const dialects[] = {"libmemcached", "libmemcached-md5", "weighted", "weighted-5", "spy"};
    unsigned d, servers;
    unsigned keys = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
    printf("# dialect servers keys fnv1a; libmemcached %s\n", memcached_lib_version());
    for (d = 0; d < 5; d++)
        for (servers = 1; servers <= 100; servers++) record(dialects[d], servers, keys);
    return 0;
}
