/* Hashing, election and heartbeats. */
#include "check.h"

static void rings(void) {
    folkmoot_ring *empty, *three, *four, *back;
    folkmoot_moves *moves;
    const char *names[3], *first, *again, *order[5];
    uint64_t position = 0, in_moves = 0;
    uint32_t weight = 0;
    double share = 0, all = 0;
    size_t i, count, moved = 0;

    names[0] = "b";
    names[1] = "a";
    names[2] = "c";
    CHECK(folkmoot_hash("", 0) == folkmoot_hash(NULL, 0) && folkmoot_hash("x", 1) != folkmoot_hash("y", 1));
    OK(folkmoot_ring_new(0, 0, &empty));
    OK(folkmoot_ring_locate(empty, "key", 3, &first));
    CHECK(first == NULL);
    OK(folkmoot_ring_with_all(empty, names, NULL, 3, &three));
    OK(folkmoot_ring_with(three, "d", 2, &four));
    OK(folkmoot_ring_without(four, "d", &back));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_ring_without(three, "d", &back));
    CHECK(folkmoot_ring_count(three) == 3 && folkmoot_ring_count(four) == 4);
    for (i = 0; i < 4; i++) {
        OK(folkmoot_ring_node(four, i, &first, &weight, &share));
        CHECK(first[0] == (char)('a' + i) && weight == (i == 3 ? 2u : 1u));
        all += share;
    }
    CHECK(all > 0.999 && all < 1.001);
    OK(folkmoot_ring_diff(three, four, &moves));
    for (i = 0; i < 1000; i++) {
        char key[16];
        const folkmoot_move *move = folkmoot_moves_entries(moves), *end = move + folkmoot_moves_count(moves);
        sprintf(key, "key-%d", (int)i);
        OK(folkmoot_ring_locate(three, key, strlen(key), &first));
        OK(folkmoot_ring_locate(back, key, strlen(key), &again));
        CHECK(strcmp(first, again) == 0);
        OK(folkmoot_ring_locate(four, key, strlen(key), &again));
        CHECK(strcmp(first, again) == 0 || strcmp(again, "d") == 0);
        moved += strcmp(first, again) != 0;
        OK(folkmoot_ring_position(four, key, strlen(key), &position));
        for (; move < end; move++) {
            if (move->lo <= position && position <= move->hi) {
                CHECK(strcmp(move->from, first) == 0 && strcmp(move->to, again) == 0);
                in_moves++;
            }
        }
    }
    CHECK(moved > 200 && moved < 600 && in_moves == moved);
    OK(folkmoot_ring_locate_n(four, "key", 3, 5, order, &count));
    OK(folkmoot_ring_locate(four, "key", 3, &first));
    CHECK(count == 4 && strcmp(order[0], first) == 0);
    folkmoot_moves_free(moves);
    folkmoot_ring_free(empty);
    folkmoot_ring_free(three);
    folkmoot_ring_free(four);
    folkmoot_ring_free(back);
}

static void elections(void) {
    folkmoot_voter voters[3];
    folkmoot_tally *tally;
    folkmoot_contender queue[3];
    uint64_t live[2], who = 0;
    int64_t waits[3];
    int32_t outcome = -1, sequence = 0;
    size_t votes = 0;
    int i;

    for (i = 0; i < 3; i++) {
        voters[i].id = (uint64_t)(i + 1);
        voters[i].priority = (uint32_t)(10 * i);
    }
    OK(folkmoot_tally_new(voters, 3, 1, &tally));
    live[0] = 1;
    live[1] = 2;
    OK(folkmoot_tally_choose(tally, live, 2, &who));
    CHECK(who == 2);
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_tally_choose(tally, live, 1, &who));
    OK(folkmoot_tally_cast(tally, 1, 1, 2, &outcome, &who));
    CHECK(outcome == FOLKMOOT_UNDECIDED);
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_tally_cast(tally, 1, 1, 3, &outcome, &who));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_tally_cast(tally, 1, 2, 1, NULL, NULL));
    OK(folkmoot_tally_cast(tally, 1, 2, 2, &outcome, &who));
    CHECK(outcome == FOLKMOOT_ELECTED && who == 2);
    OK(folkmoot_tally_votes(tally, 2, &votes));
    CHECK(votes == 2);
    OK(folkmoot_tally_advance(tally, 2));
    OK(folkmoot_tally_outcome(tally, &outcome, &who));
    CHECK(outcome == FOLKMOOT_UNDECIDED);
    folkmoot_tally_free(tally);

    OK(folkmoot_sequence_of("n-0000000007", "n-", &sequence));
    CHECK(sequence == 7);
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_sequence_of("n-7", "n-", &sequence));
    queue[0].sequence = 9;
    queue[0].shared = 0;
    queue[1].sequence = 3;
    queue[1].shared = 1;
    queue[2].sequence = 5;
    queue[2].shared = 1;
    OK(folkmoot_waits_for(queue, 3, waits));
    CHECK(waits[0] == 2 && waits[1] == -1 && waits[2] == -1);
}

static void one_vote_a_term(void) {
    folkmoot_last_vote *last;
    uint64_t term = 0, candidate = 0;
    int32_t voted = -1;
    OK(folkmoot_last_vote_new(7, &last));
    OK(folkmoot_last_vote_ballot(last, &term, &candidate, &voted));
    CHECK(voted == 0 && term == 0);
    OK(folkmoot_last_vote_vote(last, 3, 1));
    OK(folkmoot_last_vote_vote(last, 3, 1));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_last_vote_vote(last, 3, 2));
    EXPECT(FOLKMOOT_INVALID_STATE, folkmoot_last_vote_vote(last, 2, 1));
    OK(folkmoot_last_vote_vote(last, 4, 2));
    OK(folkmoot_last_vote_ballot(last, &term, &candidate, &voted));
    CHECK(voted == 1 && term == 4 && candidate == 2);
    OK(folkmoot_last_vote_ballot(last, NULL, NULL, &voted));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_last_vote_ballot(last, &term, &candidate, NULL));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_last_vote_vote(NULL, 1, 1));
    folkmoot_last_vote_free(last);
    folkmoot_last_vote_free(NULL);
}

static void deadlines(void) {
    folkmoot_deadlines *table;
    folkmoot_end ends[2];
    uint64_t at = 0;
    size_t count = 0;
    OK(folkmoot_deadlines_new(3, &table));
    OK(folkmoot_deadlines_next_wakeup(table, &at));
    CHECK(at == UINT64_MAX && folkmoot_deadlines_count(table) == 0 && folkmoot_deadlines_count(NULL) == 0);
    OK(folkmoot_deadlines_insert(table, 1, 100, 0));
    OK(folkmoot_deadlines_insert(table, 2, 100, 0));
    OK(folkmoot_deadlines_insert(table, 3, 200, 0));
    EXPECT(FOLKMOOT_LIMIT_EXCEEDED, folkmoot_deadlines_insert(table, 4, 100, 0));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_deadlines_insert(table, 3, 100, 0));
    OK(folkmoot_deadlines_touch(table, 3, 50));
    OK(folkmoot_deadlines_at(table, 3, &at));
    CHECK(at == 250);
    OK(folkmoot_deadlines_next_wakeup(table, &at));
    CHECK(at <= 100);
    OK(folkmoot_deadlines_expire(table, 99, ends, 2, &count));
    CHECK(count == 0);
    OK(folkmoot_deadlines_expire(table, 100, ends, 1, &count));
    CHECK(count == 1 && ends[0].id == 1 && ends[0].at_ms == 100);
    OK(folkmoot_deadlines_next_wakeup(table, &at));
    CHECK(at == 0); /* there is more */
    OK(folkmoot_deadlines_expire(table, 100, ends, 2, &count));
    CHECK(count == 1 && ends[0].id == 2);
    EXPECT(FOLKMOOT_UNKNOWN_SESSION, folkmoot_deadlines_touch(table, 1, 100));
    EXPECT(FOLKMOOT_UNKNOWN_SESSION, folkmoot_deadlines_at(table, 1, &at));
    OK(folkmoot_deadlines_paused(table, 50));
    OK(folkmoot_deadlines_at(table, 3, &at));
    CHECK(at == 300);
    OK(folkmoot_deadlines_extend_all(table, 150));
    OK(folkmoot_deadlines_at(table, 3, &at));
    CHECK(at == 350 && folkmoot_deadlines_count(table) == 1);
    OK(folkmoot_deadlines_remove(table, 3));
    EXPECT(FOLKMOOT_UNKNOWN_SESSION, folkmoot_deadlines_remove(table, 3));
    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_deadlines_expire(table, 1, NULL, 2, &count));
    folkmoot_deadlines_free(table);
    folkmoot_deadlines_free(NULL);
}

static void heartbeats(void) {
    folkmoot_schedule *schedule;
    folkmoot_detector *detector;
    folkmoot_beat beat;
    folkmoot_silence silences[2];
    uint64_t at = 0;
    int32_t due = -1, heard = -1, kind = -1;
    size_t count = 0;

    OK(folkmoot_schedule_new(100, 50, &schedule));
    OK(folkmoot_schedule_poll(schedule, 49, &beat, &due));
    CHECK(due == 0);
    OK(folkmoot_schedule_poll(schedule, 260, &beat, &due));
    CHECK(due == 1 && beat.seq == 2 && beat.scheduled_ms == 250 && beat.missed == 2);
    OK(folkmoot_schedule_next_wakeup(schedule, &at));
    CHECK(at == 350);
    folkmoot_schedule_free(schedule);

    EXPECT(FOLKMOOT_BAD_ARGUMENTS, folkmoot_detector_new(5, 4, &detector));
    OK(folkmoot_detector_new(100, 300, &detector));
    OK(folkmoot_detector_beat(detector, 1, 1, 0, &heard));
    CHECK(heard == FOLKMOOT_HEARD_NEW);
    OK(folkmoot_detector_watch(detector, 2, 0));
    OK(folkmoot_detector_beat(detector, 1, 1, 50, &heard));
    CHECK(heard == FOLKMOOT_HEARD_STALE);
    OK(folkmoot_detector_poll(detector, 100, silences, 1, &count));
    CHECK(count == 1 && silences[0].peer == 1 && silences[0].kind == FOLKMOOT_SUSPECT && silences[0].at_ms == 100);
    OK(folkmoot_detector_poll(detector, 100, silences, 2, &count));
    CHECK(count == 1 && silences[0].peer == 2);
    OK(folkmoot_detector_beat(detector, 1, 2, 150, &heard));
    CHECK(heard == FOLKMOOT_HEARD_RESTORED);
    OK(folkmoot_detector_poll(detector, 300, silences, 2, &count));
    OK(folkmoot_detector_told(detector, 2, &kind));
    CHECK(kind == FOLKMOOT_EXPIRED);
    OK(folkmoot_detector_next_wakeup(detector, &at));
    CHECK(at <= 450);
    OK(folkmoot_detector_paused(detector, 10));
    OK(folkmoot_detector_forget(detector, 1));
    OK(folkmoot_detector_forget(detector, 2));
    OK(folkmoot_detector_next_wakeup(detector, &at));
    CHECK(at == UINT64_MAX || at > 0);
    folkmoot_detector_free(detector);
}

int main(void) {
    rings();
    elections();
    one_vote_a_term();
    heartbeats();
    deadlines();
    return 0;
}
