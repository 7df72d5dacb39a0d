// Five workers of one group, in C++: election, shared configuration, ownership of keys, silence, a crash.
//
//     demo DIRECTORY                 the whole scenario; its table on stdout, progress on stderr
//     demo DIRECTORY COMMAND...      a worker is another process, joined over the listener; no crash
//     demo crash-writer DIRECTORY    writes numbered znodes until it is killed
//
// demo.py and demo.c do the same and print the same table. The workers are threads, but share
// nothing except the library: all they know of each other they read from the tree.
#include <folkmoot.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using std::string;
using folkmoot::Ring;
using folkmoot::Session;

#ifdef WITH_C_WORKERS
// From demo.c: the same worker, in C.
extern "C" void demo_c_work(folkmoot_member* member, const char* name, int priority);
#endif

namespace {

const int workers = 5, increments = 50, keys = 60, rounds = 5;
const int guest_worker = 1;  // another process, if there is one: it leads when the first is gone
const int silence_ms = 1000; // without a heartbeat for so long, a session ends
const int beat_ms = 200;     // between two heartbeats of a worker that waits

void progress(const string& text) { std::cerr << "[cpp] " + text + "\n"; }

void check(bool fact, const char* what) {
    if (!fact) throw std::logic_error(string("not true: ") + what);
}

string number(const char* format, int value) {
    char made[64];
    std::snprintf(made, sizeof made, format, value);
    return made;
}

string key_name(int key) { return number("key-%02d", key); }
string value_of(int key) { return "value-of-" + key_name(key); }
string data_path(int key) { return "/demo/data/" + key_name(key); }

string get(Session& session, const string& path) { return session.get(path).data.bytes(); }

// Makes a znode unless somebody has.
void ensure(Session& session, const string& path) {
    try {
        session.create(path);
    } catch (const folkmoot::Error& error) {
        if (error.status() != FOLKMOOT_NODE_EXISTS) throw;
    }
}

// The ring of the members that live now.
Ring ring_of_members(Session& session) { return Ring::make().with_all(session.children("/demo/group").names); }

// ------------------------------------------------------------------------------------ waiting

// Waits until looks_right(), which reads with a watch: the watch wakes us when what it read changes.
// Waking up on time as well, to touch the session, is what keeps it alive: its heartbeat is manual.
void wait_until(Session& session, const std::function<bool()>& looks_right) {
    while (!looks_right()) {
        session.next_event(beat_ms);
        session.touch();
    }
}

void wait_for_children(Session& session, const string& path, size_t count) {
    wait_until(session, [&] { return session.children(path, true).names.size() == count; });
}

void wait_for(Session& session, const string& path) {
    wait_until(session, [&] { return session.exists(path, true); });
}

// ------------------------------------------------------------------------------------ workers

// The live member with the highest priority.
string best_candidate(Session& session) {
    string best;
    int highest = -1;
    for (const string& member : session.children("/demo/group").names) {
        const int priority = std::stoi(get(session, "/demo/group/" + member));
        if (priority > highest) {
            highest = priority;
            best = member;
        }
    }
    return best;
}

int count_votes(Session& session, const string& votes, const string& candidate, bool watch = false) {
    int count = 0;
    for (const string& voter : session.children(votes, watch).names) count += get(session, votes + "/" + voter) == candidate;
    return count;
}

// Votes for the best live candidate; stands up if more than half have voted for us. Returns the leader.
string elect(Session& session, const string& name, int term) {
    const string best = best_candidate(session);
    const string votes = number("/demo/votes/term-%04d", term);
    ensure(session, votes);
    session.create(votes + "/" + name, best);
    if (best == name) {
        // More than half of all workers, dead ones too: two halves can never both have it.
        wait_until(session, [&] { return count_votes(session, votes, name, true) > workers / 2; });
        // Ephemeral: the office falls vacant by itself when its holder does.
        session.create("/demo/leader", name, FOLKMOOT_EPHEMERAL);
    }
    wait_for(session, "/demo/leader");
    return get(session, "/demo/leader");
}

// Adds one to the configuration. Whoever was faster makes our version stale: read again. Returns the retries.
int increment(Session& session) {
    for (int retries = 0;; retries++) {
        const folkmoot::Contents config = session.get("/demo/config");
        try {
            session.set("/demo/config", std::to_string(std::stoi(config.data.bytes()) + 1), config.stat.version);
            return retries;
        } catch (const folkmoot::Error& error) {
            if (error.status() != FOLKMOOT_BAD_VERSION) throw;
        }
    }
}

// Tells that we have done a step, and waits until all have.
void done(Session& session, const string& step, const string& name, size_t count) {
    session.create("/demo/done/" + step + "/" + name);
    wait_for_children(session, "/demo/done/" + step, count);
}

// Stops touching. Waiting for events is no heartbeat: the session ends, and says so as its last event.
void fall_silent(Session& session) {
    folkmoot::Event event;
    do {
        event = session.next_event(10 * silence_ms);
        check(event.kind != 0, "the silent session ends");
    } while (event.state != FOLKMOOT_STATE_EXPIRED);
    try {
        session.exists("/demo");
    } catch (const folkmoot::Error& error) {
        if (error.status() == FOLKMOOT_SESSION_EXPIRED) return;
        throw;
    }
    check(false, "an expired session is not answered");
}

// What a key's znode says: who wrote it, and its value.
struct Entry {
    string owner, value;
    int version;
};

Entry read_key(Session& session, int key) {
    const folkmoot::Contents node = session.get(data_path(key));
    Entry entry;
    std::istringstream words(node.data.bytes());
    words >> entry.owner >> entry.value;
    entry.version = node.stat.version;
    return entry;
}

// Writes as ours the keys of the one that has gone which are ours now.
void take_over(Session& session, const string& name, const Ring& before, const string& gone) {
    const Ring after = ring_of_members(session), without = before.without(gone);
    for (int key = 0; key < keys; key++) {
        check(after.locate(key_name(key)) == without.locate(key_name(key)), "the ring of the live is the old one without the silent one");
        if (before.locate(key_name(key)) != gone || after.locate(key_name(key)) != name) continue;
        const Entry entry = read_key(session, key);
        check(entry.owner == gone && entry.value == value_of(key), "a key is as its old owner left it");
        session.set(data_path(key), name + " " + entry.value, entry.version);
    }
}

void work(folkmoot::Member& member, const string& name, int priority) {
    folkmoot::SessionOptions options;
    options.timeout_ms = silence_ms;
    options.manual_heartbeat = true;
    Session session = member.session(options);
    session.create("/demo/group/" + name, std::to_string(priority), FOLKMOOT_EPHEMERAL);
    wait_for_children(session, "/demo/group", workers);
    const string leader = elect(session, name, 1);
    done(session, "election-1", name, workers);

    int retries = 0;
    for (int i = 0; i < increments; i++) retries += increment(session);
    progress(name + ": " + std::to_string(increments) + " increments, " + std::to_string(retries) + " retries");
    done(session, "config", name, workers);

    const Ring ring = ring_of_members(session);
    for (int key = 0; key < keys; key++)
        if (ring.locate(key_name(key)) == name) session.create(data_path(key), name + " " + value_of(key));
    done(session, "keys", name, workers);

    wait_for(session, "/demo/silence");
    if (leader == name) {
        progress(name + " falls silent");
        fall_silent(session);
        return;
    }
    // Not until /demo/leader is gone: the faster may have elected the next one by the time we look.
    wait_until(session, [&] { return !session.exists("/demo/group/" + leader, true); });
    elect(session, name, 2);
    take_over(session, name, ring, leader);
    done(session, "takeover", name, workers - 1);
    // The organizer looks at us before we leave.
    wait_for(session, "/demo/end");
}

// ---------------------------------------------------------------------------------- organizer

void print_members(Session& session) {
    std::vector<string> members = session.children("/demo/group").names;
    std::sort(members.begin(), members.end());
    std::cout << "members:";
    for (const string& member : members) std::cout << " " << member;
    std::cout << "\n";
}

// One line on an election: who leads, by how many votes.
string standing(Session& session, int term) {
    const string leader = get(session, "/demo/leader");
    const int count = count_votes(session, number("/demo/votes/term-%04d", term), leader);
    check(count > workers / 2, "the leader has a majority");
    std::cout << "term " << term << ": " << leader << " leads by " << count << " of " << workers << " votes\n";
    return leader;
}

// Who has written each key, checked against the ring.
std::vector<Entry> read_keys(Session& session, const Ring& ring) {
    std::vector<Entry> entries;
    for (int key = 0; key < keys; key++) {
        entries.push_back(read_key(session, key));
        check(entries[key].owner == ring.locate(key_name(key)), "a key has the owner that the ring computes");
        check(entries[key].value == value_of(key), "a key has its value");
    }
    return entries;
}

// Follows what the workers do, checks it and prints it.
void organize(Session& session) {
    wait_for_children(session, "/demo/done/election-1", workers);
    print_members(session);
    const string leader = standing(session, 1);

    wait_for_children(session, "/demo/done/config", workers);
    const folkmoot::Contents config = session.get("/demo/config");
    const int value = std::stoi(config.data.bytes());
    check(value == workers * increments && config.stat.version == value, "no increment was lost");
    std::cout << "config: " << workers << " x " << increments << " increments, value " << value << ", version " << config.stat.version << "\n";

    wait_for_children(session, "/demo/done/keys", workers);
    const Ring ring = ring_of_members(session);
    const std::vector<Entry> before = read_keys(session, ring);
    std::cout << "BEFORE\nkey     owner\n";
    for (int key = 0; key < keys; key++) std::cout << key_name(key) << "   " << before[key].owner << "\n";

    session.create("/demo/silence");
    wait_for_children(session, "/demo/done/takeover", workers - 1);
    check(!session.exists("/demo/group/" + leader), "the silent one has gone");
    check(session.children("/demo/group").names.size() == workers - 1, "only the silent one has gone");
    print_members(session);
    standing(session, 2);
    // What the live compute is what the old ring without the silent one says.
    const std::vector<Entry> after = read_keys(session, ring.without(leader));
    std::cout << "AFTER\nkey     before    after     value\n";
    int moves = 0;
    for (int key = 0; key < keys; key++) {
        const bool moved = before[key].owner != after[key].owner;
        check(moved == (before[key].owner == leader), "a key moves if it was the silent one's, and only then");
        check(after[key].version == moved, "a key is written again only if it moves");
        std::cout << key_name(key) << "   " << before[key].owner << "  " << after[key].owner << "  " << after[key].value
                  << (moved ? " moved\n" : " stays\n");
        moves += moved;
    }
    std::cout << "moved: " << moves << " of " << keys << " keys\n";

    session.create("/demo/end");
}

// Runs a part of the scenario. If it fails, the others would wait for ever: the program ends.
void guarded(const string& name, const std::function<void()>& part) {
    try {
        part();
    } catch (const std::exception& error) {
        progress(name + ": " + error.what());
        _exit(1);
    }
}

// Lets a process that knows nothing but our address be a worker: COMMAND HOST:PORT NAME PRIORITY.
void invite(folkmoot::Member& member, std::vector<string> command, const string& name, int priority) {
    const int port = member.listen("127.0.0.1:0");
    for (const string& word : {"127.0.0.1:" + std::to_string(port), name, std::to_string(priority)}) command.push_back(word);
    std::vector<char*> words;
    for (string& word : command) words.push_back(&word[0]);
    words.push_back(nullptr);
    pid_t child;
    check(posix_spawnp(&child, words[0], nullptr, nullptr, words.data(), environ) == 0, "the guest's process starts");
    int status = 0;
    check(waitpid(child, &status, 0) == child && status == 0, "the guest has found all as it should be");
}

// With a guest, the command of the process that is one of the workers.
void scenario(const string& directory, const std::vector<string>& guest = {}) {
    folkmoot::Member member = folkmoot::Member::open("file:" + directory);
    Session session = member.session();
    for (const char* path : {"", "/group", "/votes", "/data", "/done", "/done/election-1", "/done/config", "/done/keys", "/done/takeover"})
        ensure(session, string("/demo") + path);
    session.create("/demo/config", "0");

    std::vector<std::thread> threads;
    for (int i = 0; i < workers; i++) {
        const string name = number("worker-%d", i + 1);
        const bool invited = i == guest_worker && !guest.empty();
        threads.emplace_back([&member, &guest, name, i, invited] {
            guarded(name, [&] {
                if (invited) return invite(member, guest, name, workers - i);
#ifdef WITH_C_WORKERS
                if (i % 4 == 0) return demo_c_work(member.handle(), name.c_str(), workers - i);
#endif
                work(member, name, workers - i);
            });
        });
    }
    guarded("organizer", [&] { organize(session); });
    for (std::thread& thread : threads) thread.join();
}

// -------------------------------------------------------------------------------------- crash

string crash_path(int n) { return number("/demo/crash/n-%08d", n); }

// Writes numbered znodes, and says each number once its write is acknowledged, until killed.
void crash_writer(const string& directory) {
    Session session = folkmoot::open("file:" + directory);
    ensure(session, "/demo");
    ensure(session, "/demo/crash");
    for (int n = static_cast<int>(session.children("/demo/crash").names.size());; n++) {
        session.create(crash_path(n), std::to_string(n));
        std::cout << n << std::endl;
    }
}

// Starts this program again as a writer; what it prints can be read from output.
pid_t start_writer(const string& program, const string& directory, FILE*& output) {
    int ends[2];
    check(pipe(ends) == 0, "a pipe opens");
    const pid_t child = fork();
    check(child >= 0, "a process starts");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(program.c_str(), program.c_str(), "crash-writer", directory.c_str(), static_cast<char*>(nullptr));
        _exit(127);
    }
    close(ends[1]);
    output = fdopen(ends[0], "r");
    return child;
}

// Kills a writer in the middle of its work, several times, and looks for all it was promised.
void crash(const string& program, const string& directory) {
    std::vector<int> acknowledged;
    for (int round = 1; round <= rounds; round++) {
        FILE* output = nullptr;
        const size_t wanted = acknowledged.size() + 20 + 30 * round;
        const pid_t writer = start_writer(program, directory, output);
        // What it still said between our signal and its death counts too; a line without an end was not said.
        char line[32];
        while (std::fgets(line, sizeof line, output) && string(line).back() == '\n') {
            acknowledged.push_back(std::atoi(line));
            if (acknowledged.size() == wanted) kill(writer, SIGKILL);
        }
        std::fclose(output);
        int status = 0;
        check(waitpid(writer, &status, 0) == writer && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
              "the writer was killed, and did not fail by itself");

        Session session = folkmoot::open("file:" + directory);
        for (int n : acknowledged) check(std::stoi(get(session, crash_path(n))) == n, "a znode has its number");
        const size_t there = session.children("/demo/crash").names.size();
        // One write may have been made and not said, in each round.
        check(acknowledged.size() <= there && there <= acknowledged.size() + round, "nothing is there that nobody wrote");
        progress("crash " + std::to_string(round) + ": " + std::to_string(acknowledged.size()) + " acknowledged, " + std::to_string(there) + " there");
    }
    std::cout << "crash: " << rounds << " rounds, nothing acknowledged was missing\n";
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 3 && string(argv[1]) == "crash-writer") {
            crash_writer(argv[2]);
        } else if (argc == 2) {
            // Fresh directories: the library makes them.
            scenario(string(argv[1]) + "/scenario");
            std::cout.flush(); // a fork copies what is not printed yet
            crash(argv[0], string(argv[1]) + "/crash");
        } else if (argc > 2) {
            scenario(string(argv[1]) + "/scenario", std::vector<string>(argv + 2, argv + argc));
        } else {
            std::cerr << "usage: " << argv[0] << " DIRECTORY [COMMAND...] | crash-writer DIRECTORY\n";
            return 2;
        }
    } catch (const std::exception& error) {
        progress(error.what());
        return 1;
    }
}
