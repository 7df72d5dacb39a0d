/* Slot maps against the histories in tests/data/hashing/slots.txt, and what finds keys where other programs put them.
 * Run where the repository is, or with HASHING_DATA as its tests/data/hashing. */
#include "check.h"
#include <stdlib.h>

#define KEYS 10000

static folkmoot_slot_node node_of(const char *name, uint32_t weight, const char *domain) {
    folkmoot_slot_node node;
    node.name = name;
    node.name_len = strlen(name);
    node.weight = weight;
    node.domain = domain;
    node.domain_len = domain ? strlen(domain) : 0;
    return node;
}

/* The FNV-1a of the owners of 10,000 keys, asked one by one and all at once. */
static uint64_t owners(const folkmoot_slot_map *map) {
    static char keys[KEYS][16];
    static const void *list[KEYS];
    static uint16_t batch[KEYS];
    uint64_t digest = ((uint64_t)0xcbf29ce4u << 32) | 0x84222325u, prime = ((uint64_t)0x100u << 32) | 0x1b3u;
    int i;
    for (i = 0; i < KEYS; i++) {
        sprintf(keys[i], "key:%d", i);
        list[i] = keys[i];
    }
    OK(folkmoot_slot_map_locate_batch(map, list, NULL, KEYS, batch));
    for (i = 0; i < KEYS; i++) {
        CHECK(batch[i] == folkmoot_slot_map_locate(map, keys[i], strlen(keys[i])));
        digest = (digest ^ (batch[i] & 0xff)) * prime;
        digest = (digest ^ (batch[i] >> 8)) * prime;
    }
    return digest;
}

static void replace(folkmoot_slot_map **map, folkmoot_slot_map *by) {
    folkmoot_slot_map_free(*map);
    *map = by;
}

static void histories(const char *path) {
    FILE *file = fopen(path, "r");
    folkmoot_slot_map *map = NULL, *after;
    char line[512], words[7][128];
    int checks = 0;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) {
        int count = sscanf(line, "%127s %127s %127s %127s %127s %127s %127s", words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
        if (line[0] == '#') continue;
        if (strcmp(words[0], "map") == 0 && count == 7) {
            folkmoot_slot_options options;
            memset(&options, 0, sizeof options);
            options.size = sizeof options;
            if (words[2][0] != '-') options.slots = (uint32_t)atoi(words[2]);
            options.replicas = (uint32_t)atoi(words[3]);
            options.filler = strcmp(words[1], "coordinated") == 0 ? FOLKMOOT_COORDINATED : FOLKMOOT_RENDEZVOUS;
            options.spread = strcmp(words[4], "balance") == 0 ? FOLKMOOT_SPREAD_BALANCE : FOLKMOOT_SPREAD_DOMAINS;
            if (words[5][0] != '-') options.cap_percent_and_one = (uint32_t)atoi(words[5]) + 1;
            if (strcmp(words[6], "-") != 0) {
                options.keyed = 1;
                memcpy(options.secret, words[6], 16);
            }
            OK(folkmoot_slot_map_new(&options, &after));
            replace(&map, after);
        } else if (strcmp(words[0], "with") == 0 && count == 4) {
            folkmoot_slot_node node = node_of(words[1], (uint32_t)atoi(words[2]), strcmp(words[3], "-") == 0 ? NULL : words[3]);
            OK(folkmoot_slot_map_with(map, &node, &after));
            replace(&map, after);
        } else if (strcmp(words[0], "without") == 0 && count == 2) {
            OK(folkmoot_slot_map_without(map, words[1], strlen(words[1]), &after));
            replace(&map, after);
        } else {
            char is[128];
            unsigned char digest[16];
            uint64_t fnv = owners(map);
            void *bytes;
            size_t len, at;
            CHECK(strcmp(words[0], "is") == 0 && count == 4);
            OK(folkmoot_slot_map_digest(map, digest));
            for (at = 0; at < 16; at++) sprintf(is + 2 * at, "%02x", digest[at]);
            CHECK(strcmp(is, words[2]) == 0);
            sprintf(is, "%08lx%08lx", (unsigned long)(fnv >> 32), (unsigned long)(fnv & 0xffffffffu));
            CHECK(strcmp(is, words[3]) == 0);
            CHECK(folkmoot_slot_map_epoch(map) == (uint64_t)atoi(words[1]));
            OK(folkmoot_slot_map_to_bytes(map, &bytes, &len));
            OK(folkmoot_slot_map_from_bytes(bytes, len, &after));
            EXPECT(FOLKMOOT_CORRUPT, folkmoot_slot_map_from_bytes(bytes, len - 1, &after));
            folkmoot_free(bytes);
            replace(&map, after);
            checks++;
        }
    }
    fclose(file);
    folkmoot_slot_map_free(map);
    CHECK(checks >= 140);
}

static void changes(void) {
    folkmoot_slot_options options;
    folkmoot_slot_node nodes[3], one;
    folkmoot_slot_map *empty, *three, *four, *map;
    folkmoot_slot_plan *plan;
    const folkmoot_slot_move *move;
    uint64_t moved, least, promoted, whole, loads[3], integers[2], counted = 0;
    uint32_t held[4], owned[4], replicas, level, capped;
    uint16_t line[8], pair[2], who;
    size_t count, i;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.replicas = 2;
    options.slots = 1024;
    nodes[0] = node_of("b", 1, "zone-1/rack-1");
    nodes[1] = node_of("a", 1, "zone-2/rack-1");
    nodes[2] = node_of("c", 2, "zone-3/rack-1");
    OK(folkmoot_slot_map_new(&options, &empty));
    CHECK(folkmoot_slot_map_locate(empty, "key", 3) == FOLKMOOT_NOBODY && folkmoot_slot_map_locate(NULL, "key", 3) == FOLKMOOT_NOBODY);
    OK(folkmoot_slot_map_next(empty, nodes, 3, &three));
    one = node_of("d\0d", 1, NULL);
    one.name_len = 3;
    OK(folkmoot_slot_map_with(three, &one, &four));
    CHECK(folkmoot_slot_map_count(three) == 3 && folkmoot_slot_map_count(four) == 4 && folkmoot_slot_map_slots(four) == 1024);
    CHECK(folkmoot_slot_map_epoch(three) == 1 && folkmoot_slot_map_epoch(four) == 2);
    OK(folkmoot_slot_map_node(four, 3, &one));
    CHECK(one.name_len == 3 && memcmp(one.name, "d\0d", 3) == 0 && one.weight == 1 && one.domain_len == 0);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_slot_map_node(four, 4, &one));
    OK(folkmoot_slot_map_standing(three, &replicas, &level, &capped));
    CHECK(replicas == 2 && level == 1 && capped == 0);
    OK(folkmoot_slot_map_loads(three, held, owned));
    CHECK(held[0] == 512 && held[1] == 512 && held[2] == 1024 && owned[2] == 512 && owned[0] == 256);
    OK(folkmoot_slot_map_plan(three, four, &plan));
    OK(folkmoot_slot_plan_figures(plan, &moved, &least, &promoted, &whole));
    move = folkmoot_slot_plan_moves(plan);
    for (i = 0; i < folkmoot_slot_plan_count(plan); i++) {
        CHECK(move[i].slot_lo <= move[i].slot_hi && move[i].hash_lo < move[i].hash_hi);
        counted += move[i].slot_hi - move[i].slot_lo + 1;
    }
    CHECK(counted == moved && moved >= least && least == 409 && whole == 2048);
    OK(folkmoot_slot_map_locate_n(four, "key", 3, 8, line, &count));
    CHECK(count == 4 && line[0] == folkmoot_slot_map_locate(four, "key", 3));
    loads[0] = loads[1] = loads[2] = 10;
    loads[line[0] < 3 ? line[0] : 0] = 1000000;
    OK(folkmoot_slot_map_bounded(three, "key", 3, loads, 3, 1.25, &who));
    CHECK(who < 3 && loads[who] == 10);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_slot_map_bounded(three, "key", 3, loads, 3, 0.5, &who));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_slot_map_bounded(three, "key", 3, loads, 2, 1.25, &who));
    integers[0] = 7;
    integers[1] = 258;
    OK(folkmoot_slot_map_locate_integers(four, integers, 2, pair));
    CHECK(pair[1] == folkmoot_slot_map_locate(four, "\2\1\0\0\0\0\0\0", 8));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_slot_map_without(three, "d", 1, &map));
    EXPECT(FOLKMOOT_CORRUPT, folkmoot_slot_map_from_bytes("FMSM", 4, &map));
    options.slots = 1000;
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_slot_map_new(&options, &map));
    options.slots = 1u << 21;
    EXPECT(FOLKMOOT_LIMIT_EXCEEDED, folkmoot_slot_map_new(&options, &map));
    folkmoot_slot_plan_free(plan);
    folkmoot_slot_map_free(empty);
    folkmoot_slot_map_free(three);
    folkmoot_slot_map_free(four);
}

static void others(void) {
    folkmoot_slot_node nodes[2];
    folkmoot_ketama *ketama;
    folkmoot_maglev *maglev;
    nodes[0] = node_of("10.0.0.1:11211", 1, NULL);
    nodes[1] = node_of("10.0.0.2:11211", 1, NULL);
    CHECK(folkmoot_redis_slot("foo", 3) == 12182 && folkmoot_redis_slot("{foo}bar", 8) == 12182);
    CHECK(folkmoot_jump_hash(7, 1) == 0 && folkmoot_jump_hash(7, 100) < 100);
    OK(folkmoot_ketama_new(FOLKMOOT_KETAMA_WEIGHTED, nodes, 2, &ketama));
    CHECK(folkmoot_ketama_locate(ketama, "key", 3) < 2);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_ketama_new(9, nodes, 2, &ketama));
    OK(folkmoot_maglev_new(nodes, 2, 0, &maglev));
    CHECK(folkmoot_maglev_locate(maglev, "key", 3) < 2);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_maglev_new(nodes, 2, 100, &maglev));
    folkmoot_ketama_free(ketama);
    folkmoot_maglev_free(maglev);
    folkmoot_maglev_free(NULL);
}

int main(void) {
    const char *data = getenv("HASHING_DATA");
    char path[4096];
    sprintf(path, "%.4000s/slots.txt", data ? data : "tests/data/hashing");
    histories(path);
    changes();
    others();
    return 0;
}
