// The C++ door, with exceptions.
#include "folkmoot.hpp"
#include "check.h"

int main() {
    int lines = 0;
    folkmoot::set_log_callback(FOLKMOOT_LOG_WARNING, [&](int32_t, const std::string &, const std::string &) { lines++; });
    folkmoot::Session session = folkmoot::open("memory:");
    folkmoot::Created made = session.create("/a", "one");
    CHECK(made.path == "/a" && made.stat.version == 0);
    CHECK(session.create("/a/n-", folkmoot::Data(), FOLKMOOT_EPHEMERAL_SEQUENTIAL).path == "/a/n-0000000000");
    CHECK(session.get("/a/n-0000000000").data.is_null());
    CHECK(session.set("/a", std::string("t\0wo", 4), 0).version == 1);
    CHECK(session.get("/a").data == folkmoot::Data(std::string("t\0wo", 4)));
    CHECK(session.children("/a").names == std::vector<std::string>(1, "n-0000000000"));
    CHECK(session.exists("/a") && !session.exists("/none", true));
    try {
        session.set("/a", "x", 7);
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_BAD_VERSION && std::strstr(error.what(), "BadVersion"));
    }
    session.create("/none");
    folkmoot::Event event = session.next_event(1000);
    CHECK(event && event.kind == FOLKMOOT_EVENT_CREATED && event.path == "/none");
    CHECK(!session.next_event(0));

    folkmoot::Multi multi;
    multi.check("/a", 1).set("/a", "three").create("/m/none");
    try {
        session.commit(multi);
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_NO_NODE);
    }
    CHECK(session.commit(folkmoot::Multi().check("/a", 1).create("/m").create("/m/s-", "", FOLKMOOT_PERSISTENT_SEQUENTIAL))[2].path == "/m/s-0000000000");
    CHECK(session.read(folkmoot::Multi().get("/a").children("/m"))[1].names.size() == 1);

    int done = 0;
    session.get_async("/a", false, [&](const folkmoot::Outcome &outcome) { done += outcome.data.size() == 4; });
    session.exists_async("/nope", false, [&](const folkmoot::Outcome &outcome) { done += outcome.status == FOLKMOOT_NO_NODE; });
    session.drain();
    CHECK(done == 2);
    try {
        session.sync_async("/", folkmoot::Completion());
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_BAD_ARGUMENTS);
    }
    try {
        session.commit_async(folkmoot::Multi().create("/not-added", "", 99).remove("/a"), [&](const folkmoot::Outcome &) { CHECK(!"committed"); });
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_BAD_ARGUMENTS);
    }
    session.drain();

    session.add_auth("digest", "u:p");
    session.get_acl_async("/a", [&](const folkmoot::Outcome &outcome) { done += outcome.acl.at(0).id == "anyone"; });
    session.set_acl_async("/a", {{FOLKMOOT_PERM_ALL, "world", "anyone"}}, 0, [&](const folkmoot::Outcome &outcome) { done += outcome.stat.aversion; });
    session.ephemerals_async("/", [&](const folkmoot::Outcome &outcome) { done += outcome.names.size() == 1; });
    session.count_descendants_async("/a", [&](const folkmoot::Outcome &outcome) { done += outcome.count == 1; });
    session.add_watch_async("/m", FOLKMOOT_WATCH_PERSISTENT, [&](const folkmoot::Outcome &outcome) { done += outcome.status == 0; });
    session.check_watches_async("/m", FOLKMOOT_WATCHER_PERSISTENT, [&](const folkmoot::Outcome &outcome) { done += outcome.status == 0; });
    session.remove_watches_async("/m", FOLKMOOT_WATCHER_ANY, [&](const folkmoot::Outcome &outcome) { done += outcome.status == 0; });
    session.add_auth_async("digest", "v:q", [&](const folkmoot::Outcome &outcome) { done += outcome.status == 0; });
    session.who_am_i_async([&](const folkmoot::Outcome &outcome) { done += outcome.acl.size() == 2; });
    session.drain();
    CHECK(done == 11);
    session.create("/acl", "", FOLKMOOT_PERSISTENT, {{FOLKMOOT_PERM_ALL, "auth", ""}});
    CHECK(session.get_acl("/acl").acl.at(0).scheme == "digest");

    folkmoot::Member member = session.member();
    folkmoot::SessionOptions options;
    options.dispatch_thread = true;
    folkmoot::Session other = member.session(options);
    folkmoot::Watch watch = other.watch("/a", FOLKMOOT_WATCH_RECURSIVE);
    session.remove("/a/n-0000000000");
    CHECK(watch.next(1000).kind == FOLKMOOT_EVENT_DELETED);
    session = folkmoot::Session(); // freed here
    CHECK(other.exists("/a"));

    folkmoot::SlotMap slots = folkmoot::SlotMap::make().next({"a", "b", folkmoot::SlotNode("c", 2, "zone-1")});
    folkmoot::SlotMap grown = slots.with("d");
    CHECK(slots.size() == 3 && grown.size() == 4 && grown.epoch() == 2 && grown.name(3) == "d" && grown.name(4).empty());
    folkmoot::SlotPlan slot_plan = slots.plan(grown);
    CHECK(slot_plan.moved_slots == slot_plan.least_slots && slot_plan.whole_slots == 16384 && !slot_plan.moves.empty());
    CHECK(grown.locate_n("key", 9).size() == 4 && grown.locate_n("key", 1)[0] == grown.locate("key"));
    CHECK(folkmoot::SlotMap::from_bytes(grown.to_bytes()).digest() == grown.digest() && slots.digest() != grown.digest());
    CHECK(folkmoot::SlotMap().locate("key") == FOLKMOOT_NOBODY);

    folkmoot::Ring ring = folkmoot::Ring::make().with_all({"a", "b", "c"});
    folkmoot::Ring more = ring.with("d");
    CHECK(ring.size() == 3 && more.size() == 4 && !ring.diff(more).empty());
    CHECK(more.locate_n("key", 2).at(0) == more.locate("key") && more.locate_n("key", SIZE_MAX).size() == 4);
    folkmoot::Tally tally = folkmoot::Tally::make({{1, 10}, {2, 20}, {3, 0}}, 1);
    CHECK(tally.choose({1, 2, 3}) == 2 && tally.cast(1, 1, 2).outcome == FOLKMOOT_UNDECIDED);
    CHECK(tally.cast(1, 3, 2).elected == 2 && tally.outcome().outcome == FOLKMOOT_ELECTED && tally.votes(2) == 2);
    tally.advance(2);
    CHECK(tally.outcome().outcome == FOLKMOOT_UNDECIDED);
    folkmoot::LastVote last = folkmoot::LastVote::make(1);
    last.vote(1, 2);
    try {
        last.vote(1, 3);
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_INVALID_STATE);
    }
    try {
        folkmoot::Tally::make({}, 1);
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_BAD_ARGUMENTS);
    }

    folkmoot::Schedule schedule = folkmoot::Schedule::make(100, 50);
    folkmoot_beat beat;
    CHECK(!schedule.poll(49) && schedule.poll(160, &beat) && beat.seq == 1 && schedule.next_wakeup() == 250);
    folkmoot::Detector detector = folkmoot::Detector::make(100, 300);
    for (uint64_t peer = 0; peer < 40; peer++) detector.watch(peer, 0);
    CHECK(detector.beat(7, 1, 50) == FOLKMOOT_HEARD_FRESH && detector.poll(100).size() == 39);
    CHECK(detector.told(7) == 0 && detector.told(8) == FOLKMOOT_SUSPECT && detector.next_wakeup() <= 150);
    detector.forget(8);
    detector.paused(10);
    CHECK(detector.told(8) == 0);
    folkmoot::Deadlines deadlines = folkmoot::Deadlines::make(100);
    for (uint64_t id = 0; id < 40; id++) deadlines.insert(id, 100 + id, 0);
    deadlines.touch(0, 60);
    deadlines.remove(1);
    CHECK(deadlines.expire(139).size() == 38 && deadlines.size() == 1 && deadlines.next_wakeup() <= 160);

    folkmoot::Member listening = folkmoot::Member::open("memory:");
    CHECK(listening.listen("127.0.0.1:0") != 0 && listening.listen("127.0.0.1:0", "tickTime=500") != 0);

    folkmoot::set_log_callback(0, nullptr);
    CHECK(lines == 0);
    return 0;
}
