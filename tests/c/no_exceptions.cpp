// The C++ door, without exceptions (and compiled with -fno-exceptions).
#define FOLKMOOT_NO_EXCEPTIONS
#include "folkmoot.hpp"
#include "check.h"

int main() {
    folkmoot::Result<folkmoot::Session> opened = folkmoot::open("memory:");
    CHECK(opened.ok());
    folkmoot::Session session = std::move(opened.value());
    CHECK(session.create("/a", "one").ok());
    folkmoot::Result<folkmoot::Created> again = session.create("/a", "one");
    CHECK(!again && again.status() == FOLKMOOT_NODE_EXISTS && again.text().find("/a") != std::string::npos);
    CHECK(session.get("/a")->data.bytes() == "one");
    CHECK(*session.exists("/none") == false);
    CHECK(session.commit(folkmoot::Multi().check("/a", 3)).status() == FOLKMOOT_BAD_VERSION);
    CHECK(session.remove("/a").ok() && session.close().ok());
    CHECK(folkmoot::open("etcd:x").status() == FOLKMOOT_BAD_ARGUMENTS);
    CHECK(folkmoot::Ring::make()->locate("key")->empty());
    CHECK(folkmoot::set_log_callback(0, nullptr).ok());
    return 0;
}
