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

    session.add_auth("digest", "u:p");
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

    folkmoot::Ring ring = folkmoot::Ring::make().with_all({"a", "b", "c"});
    folkmoot::Ring more = ring.with("d");
    CHECK(ring.size() == 3 && more.size() == 4 && !ring.diff(more).empty());
    CHECK(more.locate_n("key", 2).at(0) == more.locate("key"));
    folkmoot::set_log_callback(0, nullptr);
    CHECK(lines == 0);
    return 0;
}
