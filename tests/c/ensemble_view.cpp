// What a member knows of its ensemble, through the C++ door: ensemble_view DIRECTORY.
#include "folkmoot.hpp"
#include "check.h"

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

static std::string free_port() {
    sockaddr_in at = sockaddr_in();
    socklen_t len = sizeof at;
    const int stream = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(stream, reinterpret_cast<sockaddr *>(&at), sizeof at) == 0);
    CHECK(getsockname(stream, reinterpret_cast<sockaddr *>(&at), &len) == 0);
    close(stream);
    return std::to_string(ntohs(at.sin_port));
}

static void until(const std::function<bool()> &holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
        CHECK(std::chrono::steady_clock::now() < end);
        std::this_thread::yield();
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    try {
        folkmoot::Member::open("memory:").ensemble();
        CHECK(!"thrown");
    } catch (const folkmoot::Error &error) {
        CHECK(error.status() == FOLKMOOT_INVALID_STATE);
    }
    std::string peers;
    for (int id = 1; id <= 3; id++) peers += "&peer=" + std::to_string(id) + "=127.0.0.1:" + free_port();
    std::vector<folkmoot::Member> members;
    for (int id = 1; id <= 3; id++) {
        const std::string number = std::to_string(id);
        members.push_back(folkmoot::Member::open(std::string("ensemble:") + argv[1] + "/" + number + "?id=" + number + "&priority=" + number + peers));
    }
    until([&] { return members[0].ensemble().leader == 3 && members[2].ensemble().leader == 3; });
    until([&] {
        bool all_heard = true;
        for (const folkmoot::EnsembleMember &one : members[2].ensemble().members) all_heard = all_heard && one.silent_ms >= 0 && !one.suspected;
        return all_heard;
    });
    const folkmoot::Ensemble seen = members[2].ensemble();
    CHECK(seen.id == 3 && seen.term > 0 && seen.members.size() == 3);
    CHECK(seen.members[2].is_self && seen.members[2].role == FOLKMOOT_ROLE_LEADER && seen.members[2].priority == 3);
    CHECK(!seen.members[0].is_self && seen.members[0].role == FOLKMOOT_ROLE_FOLLOWER);
    members[2].transfer();
    until([&] { return members[0].ensemble().leader == 2; });
    members[2].close();
    until([&] { return members[0].ensemble().members[2].suspected; });
    CHECK(!members[0].ensemble().members[1].suspected);
    return 0;
}
