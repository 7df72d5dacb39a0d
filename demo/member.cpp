// One member of an ensemble: it writes numbered znodes, and says each once a majority has it, and who leads.
//
//     member NAME TARGET        such as cpp 'ensemble:./cpp?id=2&peer=1=127.0.0.1:2881&peer=2=...'
//
// member.c and member.py do the same. ensemble.py starts all three, and kills the one that leads.
#include "folkmoot.hpp"

#include <cstdio>
#include <iostream>

// Makes a znode; another member may have been faster.
static void ensure(folkmoot::Session &session, const std::string &path) {
    try {
        session.create(path);
    } catch (const folkmoot::Error &error) {
        if (error.status() != FOLKMOOT_NODE_EXISTS) throw;
    }
}

static void run(const std::string &name, const std::string &target) {
    folkmoot::Member member = folkmoot::Member::open(target);
    folkmoot::SessionOptions options;
    options.timeout_ms = 3000;
    folkmoot::Session session = member.session(options); // waits for a leader
    for (const char *path : {"/demo", "/demo/live", "/demo/log"}) ensure(session, path);
    session.create("/demo/live/" + name, "", FOLKMOOT_EPHEMERAL); // gone by itself when this process is

    int leader = 0;
    for (int number = 0; !session.exists("/demo/end"); number++) {
        char digits[16];
        std::snprintf(digits, sizeof digits, "%06d", number);
        const std::string written = name + "-" + digits;
        try {
            session.create("/demo/log/" + written);
            std::cout << "wrote " << written << std::endl;
        } catch (const folkmoot::Error &error) {
            // Of these two nothing is promised, and nothing is said.
            if (error.status() != FOLKMOOT_OUTCOME_UNKNOWN && error.status() != FOLKMOOT_CONNECTION_LOSS) throw;
        }
        const folkmoot::Ensemble ensemble = member.ensemble();
        if (ensemble.leader != 0 && ensemble.leader != leader) {
            leader = ensemble.leader;
            std::cout << "leads " << leader << std::endl;
        }
    }
    std::cout << "done" << std::endl;
    while (std::cin.get() != std::char_traits<char>::eof()) {
    } // the others need it still: it stays until its input ends
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    try {
        run(argv[1], argv[2]);
    } catch (const folkmoot::Error &error) {
        std::cerr << "[c++] " << error.what() << std::endl;
        return 1;
    }
    return 0;
}
