/* folkmoot.hpp: the C++ door, C++11 and later, over folkmoot.h. Header only: link libfolkmoot.
 *
 * Handles are objects that free themselves and can be moved, not copied. Failures are thrown as
 * folkmoot::Error; with FOLKMOOT_NO_EXCEPTIONS defined nothing is thrown: every operation returns a
 * folkmoot::Result<T>, which is either a value or a status with its words. (Without it,
 * operations return the T.)
 *
 *     folkmoot::Session session = folkmoot::open("memory:");
 *     session.create("/a", "data");
 *     folkmoot::Contents a = session.get("/a");        // a.data, a.stat.version
 *
 * Conventions of threads, fork and lifetimes are those at the head of folkmoot.h. No exception
 * crosses a C frame: completions given as std::function must not throw (std::terminate is called).
 */
#ifndef FOLKMOOT_HPP
#define FOLKMOOT_HPP

#include "folkmoot.h"

#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>
#ifndef FOLKMOOT_NO_EXCEPTIONS
#include <stdexcept>
#endif

namespace folkmoot {

using Stat = folkmoot_stat;

/* A status and its words. */
struct Failure {
    folkmoot_status status;
    std::string text;
};

#ifndef FOLKMOOT_NO_EXCEPTIONS
/* Why an operation failed. A program acts on status(), a person reads what(). */
class Error : public std::runtime_error {
public:
    Error(folkmoot_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    folkmoot_status status() const noexcept { return status_; }

private:
    folkmoot_status status_;
};

template <class T> using Result = T;
#else
/* A value, or why there is none. */
template <class T> class Result {
public:
    Result(T value) : value_(std::move(value)), failure_{FOLKMOOT_OK, std::string()} {}
    Result(Failure failure) : value_(), failure_(std::move(failure)) {}
    bool ok() const noexcept { return failure_.status == FOLKMOOT_OK; }
    explicit operator bool() const noexcept { return ok(); }
    folkmoot_status status() const noexcept { return failure_.status; }
    const std::string &text() const noexcept { return failure_.text; }
    T &value() noexcept { return value_; }
    T &operator*() noexcept { return value_; }
    T *operator->() noexcept { return &value_; }

private:
    T value_;
    Failure failure_;
};

template <> class Result<void> {
public:
    Result() : failure_{FOLKMOOT_OK, std::string()} {}
    Result(Failure failure) : failure_(std::move(failure)) {}
    bool ok() const noexcept { return failure_.status == FOLKMOOT_OK; }
    explicit operator bool() const noexcept { return ok(); }
    folkmoot_status status() const noexcept { return failure_.status; }
    const std::string &text() const noexcept { return failure_.text; }

private:
    Failure failure_;
};
#endif

namespace detail {
inline Failure failure(folkmoot_status status) { return Failure{status, folkmoot_last_error()}; }

#ifndef FOLKMOOT_NO_EXCEPTIONS
#define FOLKMOOT_REFUSE(status, text) throw ::folkmoot::Error(status, text)
#else
#define FOLKMOOT_REFUSE(status, text) return ::folkmoot::Failure{status, text}
#endif
#define FOLKMOOT_FAIL(status) FOLKMOOT_REFUSE(status, folkmoot_last_error())
#define FOLKMOOT_TRY(call)                                                                         \
    do {                                                                                           \
        const folkmoot_status status_ = (call);                                                    \
        if (status_ != FOLKMOOT_OK) FOLKMOOT_FAIL(status_);                                        \
    } while (0)
#ifndef FOLKMOOT_NO_EXCEPTIONS
#define FOLKMOOT_DONE return
#else
#define FOLKMOOT_DONE return ::folkmoot::Result<void>()
#endif

template <class T, void (*Free)(T *)> struct Deleter {
    void operator()(T *handle) const noexcept { Free(handle); }
};
template <class T, void (*Free)(T *)> using Handle = std::unique_ptr<T, Deleter<T, Free>>;

inline std::vector<std::string> strings(const folkmoot_strings *list) {
    std::vector<std::string> out;
    for (size_t i = 0; i < folkmoot_strings_count(list); i++) out.push_back(folkmoot_strings_at(list, i));
    return out;
}
} // namespace detail

/* Data of a znode, null kept apart from empty. */
class Data {
public:
    Data() : null_(true) {}
    Data(std::string bytes) : bytes_(std::move(bytes)), null_(false) {}
    Data(const char *text) : bytes_(text ? text : ""), null_(text == nullptr) {}
    bool is_null() const noexcept { return null_; }
    const std::string &bytes() const noexcept { return bytes_; }
    const void *pointer() const noexcept { return null_ ? nullptr : bytes_.data(); }
    size_t size() const noexcept { return bytes_.size(); }
    bool operator==(const Data &other) const { return null_ == other.null_ && bytes_ == other.bytes_; }
    bool operator!=(const Data &other) const { return !(*this == other); }

private:
    std::string bytes_;
    bool null_;
};

struct Contents {
    Data data;
    Stat stat;
};

struct Created {
    std::string path;
    Stat stat;
};

struct Children {
    std::vector<std::string> names;
    Stat stat;
};

/* One entry of an ACL, or an identity. */
struct Acl {
    uint32_t perms;
    std::string scheme;
    std::string id;
};

namespace detail {
/* Entries that point into `acl`. */
inline std::vector<folkmoot_acl> entries(const std::vector<Acl> &acl) {
    std::vector<folkmoot_acl> out;
    for (const Acl &one : acl) out.push_back(folkmoot_acl{one.perms, one.scheme.c_str(), one.id.c_str()});
    return out;
}
inline std::vector<Acl> acl(const folkmoot_acls *list) {
    std::vector<Acl> out;
    const folkmoot_acl *all = folkmoot_acls_entries(list);
    for (size_t i = 0; i < folkmoot_acls_count(list); i++) out.push_back(Acl{all[i].perms, all[i].scheme, all[i].id});
    return out;
}
} // namespace detail

struct AclOf {
    std::vector<Acl> acl;
    Stat stat;
};

struct Event {
    int32_t kind;  /* FOLKMOOT_EVENT_; 0: none came in time; FOLKMOOT_EVENT_OVER: none will come */
    int32_t state; /* FOLKMOOT_STATE_ */
    std::string path;
    int64_t zxid;
    explicit operator bool() const noexcept { return kind != 0 && kind != -1000; }
};
#define FOLKMOOT_EVENT_OVER (-1000)

/* How an operation ended: copied, so that it may be kept. */
struct Outcome {
    folkmoot_status status;
    std::string error;
    std::string path;
    Data data;
    Stat stat;
    int64_t count; /* count_descendants */
    std::vector<std::string> names;
    std::vector<Acl> acl;
    std::vector<Outcome> results;

    static Outcome of(const folkmoot_result &r) {
        Outcome out;
        out.status = r.status;
        out.error = r.error ? r.error : "";
        out.path = r.path ? r.path : "";
        if (r.data) out.data = Data(std::string(static_cast<const char *>(r.data), static_cast<size_t>(r.data_len)));
        out.stat = r.stat;
        out.count = r.data_len;
        out.names = detail::strings(r.names);
        out.acl = detail::acl(r.acl);
        for (size_t i = 0; i < folkmoot_results_count(r.results); i++) out.results.push_back(of(*folkmoot_results_at(r.results, i)));
        return out;
    }
};

using Completion = std::function<void(const Outcome &)>;

namespace detail {
/* The C callback behind a std::function, which it frees. */
extern "C" inline void folkmoot_hpp_complete(void *context, const folkmoot_result *result) noexcept {
    std::unique_ptr<Completion> done(static_cast<Completion *>(context));
    (*done)(Outcome::of(*result));
}

inline Event event(const folkmoot_event &e) { return Event{e.kind, e.state, e.path, e.zxid}; }
inline Event no_event(folkmoot_status status) { return Event{status == FOLKMOOT_CLOSED ? FOLKMOOT_EVENT_OVER : 0, 0, std::string(), 0}; }


struct CreateArguments {
    std::vector<folkmoot_acl> entries;
    folkmoot_create_options options;
    CreateArguments(const std::vector<Acl> &acl, int64_t ttl_ms) : entries(detail::entries(acl)) {
        options.size = sizeof options;
        options.acl = entries.empty() ? nullptr : entries.data();
        options.acl_count = entries.size();
        options.ttl_ms = ttl_ms;
    }
};
} // namespace detail

/* A transaction being put together. */
class Multi {
public:
    Multi() {
        folkmoot_multi *handle = nullptr;
        folkmoot_multi_new(&handle);
        handle_.reset(handle);
    }
    /* Each adds an operation. What cannot be added is told by the commit. */
    Multi &create(const std::string &path, const Data &data = Data(""), int32_t mode = FOLKMOOT_PERSISTENT,
                  const std::vector<Acl> &acl = std::vector<Acl>(), int64_t ttl_ms = 0) {
        detail::CreateArguments arguments(acl, ttl_ms);
        return added(folkmoot_multi_create(handle_.get(), path.c_str(), data.pointer(), data.size(), mode, &arguments.options));
    }
    Multi &remove(const std::string &path, int32_t version = FOLKMOOT_ANY_VERSION) {
        return added(folkmoot_multi_delete(handle_.get(), path.c_str(), version));
    }
    Multi &set(const std::string &path, const Data &data, int32_t version = FOLKMOOT_ANY_VERSION) {
        return added(folkmoot_multi_set(handle_.get(), path.c_str(), data.pointer(), data.size(), version));
    }
    Multi &check(const std::string &path, int32_t version) { return added(folkmoot_multi_check(handle_.get(), path.c_str(), version)); }
    Multi &get(const std::string &path) { return added(folkmoot_multi_get(handle_.get(), path.c_str())); }
    Multi &children(const std::string &path) { return added(folkmoot_multi_children(handle_.get(), path.c_str())); }
    const folkmoot_multi *handle() const noexcept { return handle_.get(); }
    const Failure &failure() const noexcept { return failure_; }

private:
    Multi &added(folkmoot_status status) {
        if (status != FOLKMOOT_OK && failure_.status == FOLKMOOT_OK) failure_ = detail::failure(status);
        return *this;
    }
    detail::Handle<folkmoot_multi, folkmoot_multi_free> handle_;
    Failure failure_ = Failure{FOLKMOOT_OK, std::string()};
};

/* A watch with a queue of its own. */
class Watch {
public:
    Watch() = default;
    explicit Watch(folkmoot_watch *handle) : handle_(handle) {}
    /* The next event; false as a bool when none came in time or none will come. */
    Result<Event> next(int32_t timeout_ms = -1) {
        folkmoot_event e;
        const folkmoot_status status = folkmoot_watch_next(handle_.get(), &e, timeout_ms);
        if (status == FOLKMOOT_OPERATION_TIMEOUT || status == FOLKMOOT_CLOSED) return detail::no_event(status);
        FOLKMOOT_TRY(status);
        return detail::event(e);
    }
    Result<int> fd() {
        int out = -1;
        FOLKMOOT_TRY(folkmoot_watch_fd(handle_.get(), &out));
        return out;
    }
    folkmoot_watch *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_watch, folkmoot_watch_free> handle_;
};

/* A member of an ensemble, as another one or itself sees it: the fields of folkmoot_ensemble_member. */
struct EnsembleMember {
    int32_t id;
    int32_t priority;
    int32_t role;      /* FOLKMOOT_ROLE_ */
    int64_t silent_ms; /* since it was heard: 0 for the one that was asked, -1 if never */
    bool suspected;
    bool linked;
    bool is_self;
    int64_t matched; /* the last entry it is known to have; -1 if unknown */
};

struct Ensemble {
    int32_t id;     /* the member that was asked */
    int32_t leader; /* 0: nobody leads */
    uint64_t term;
    uint64_t committed;
    uint64_t applied;
    std::vector<EnsembleMember> members; /* by id */
};

namespace detail {
inline Ensemble ensemble(const folkmoot_ensemble *got) {
    const folkmoot_ensemble_summary *all = folkmoot_ensemble_about(got);
    Ensemble out = {all->id, all->leader, all->term, all->committed, all->applied, std::vector<EnsembleMember>()};
    for (size_t i = 0; i < folkmoot_ensemble_count(got); i++) {
        const folkmoot_ensemble_member *m = folkmoot_ensemble_at(got, i);
        out.members.push_back(EnsembleMember{m->id, m->priority, m->role, m->silent_ms, m->suspected != 0, m->linked != 0, m->is_self != 0, m->matched});
    }
    return out;
}
} // namespace detail

class Member;

/* A session: the operations of folkmoot.h. */
class Session {
public:
    Session() = default;
    explicit Session(folkmoot_session *handle) : handle_(handle) {}

    Result<Created> create(const std::string &path, const Data &data = Data(""), int32_t mode = FOLKMOOT_PERSISTENT,
                           const std::vector<Acl> &acl = std::vector<Acl>(), int64_t ttl_ms = 0) {
        detail::CreateArguments arguments(acl, ttl_ms);
        std::vector<char> out(path.size() + 16);
        Created made = Created();
        FOLKMOOT_TRY(folkmoot_session_create(handle_.get(), path.c_str(), data.pointer(), data.size(), mode, &arguments.options, out.data(),
                                             out.size(), &made.stat));
        made.path = out.data();
        return made;
    }
    Result<void> remove(const std::string &path, int32_t version = FOLKMOOT_ANY_VERSION) {
        FOLKMOOT_TRY(folkmoot_session_delete(handle_.get(), path.c_str(), version));
        FOLKMOOT_DONE;
    }
    /* Whether there is a znode; its counters go to `stat`. */
    Result<bool> exists(const std::string &path, bool watch = false, Stat *stat = nullptr) {
        const folkmoot_status status = folkmoot_session_exists(handle_.get(), path.c_str(), watch, stat);
        if (status == FOLKMOOT_NO_NODE) return false;
        FOLKMOOT_TRY(status);
        return true;
    }
    Result<Contents> get(const std::string &path, bool watch = false) {
        char *data = nullptr;
        int64_t len = 0;
        Contents out = Contents();
        FOLKMOOT_TRY(folkmoot_session_get_alloc(handle_.get(), path.c_str(), watch, &data, &len, &out.stat));
        std::unique_ptr<char, void (*)(void *)> owned(data, folkmoot_free);
        if (data) out.data = Data(std::string(data, static_cast<size_t>(len)));
        return out;
    }
    Result<Stat> set(const std::string &path, const Data &data, int32_t version = FOLKMOOT_ANY_VERSION) {
        Stat out = Stat();
        FOLKMOOT_TRY(folkmoot_session_set(handle_.get(), path.c_str(), data.pointer(), data.size(), version, &out));
        return out;
    }
    Result<Children> children(const std::string &path, bool watch = false) {
        folkmoot_strings *names = nullptr;
        Children out = Children();
        FOLKMOOT_TRY(folkmoot_session_children(handle_.get(), path.c_str(), watch, &names, &out.stat));
        detail::Handle<folkmoot_strings, folkmoot_strings_free> owned(names);
        out.names = detail::strings(names);
        return out;
    }
    Result<AclOf> get_acl(const std::string &path) {
        folkmoot_acls *list = nullptr;
        AclOf out = AclOf();
        FOLKMOOT_TRY(folkmoot_session_get_acl(handle_.get(), path.c_str(), &list, &out.stat));
        detail::Handle<folkmoot_acls, folkmoot_acls_free> owned(list);
        out.acl = detail::acl(list);
        return out;
    }
    Result<Stat> set_acl(const std::string &path, const std::vector<Acl> &acl, int32_t version = FOLKMOOT_ANY_VERSION) {
        Stat out = Stat();
        const std::vector<folkmoot_acl> entries = detail::entries(acl);
        FOLKMOOT_TRY(folkmoot_session_set_acl(handle_.get(), path.c_str(), entries.data(), entries.size(), version, &out));
        return out;
    }
    /* One result for each operation. A transaction that failed is a failure here; with its results, use folkmoot_multi_commit. */
    Result<std::vector<Outcome>> commit(const Multi &multi) { return answered(multi, folkmoot_multi_commit); }
    Result<std::vector<Outcome>> read(const Multi &multi) { return answered(multi, folkmoot_multi_read); }
    Result<void> sync(const std::string &path = "/") {
        FOLKMOOT_TRY(folkmoot_session_sync(handle_.get(), path.c_str()));
        FOLKMOOT_DONE;
    }
    Result<std::vector<std::string>> ephemerals(const std::string &prefix = "/") {
        folkmoot_strings *paths = nullptr;
        FOLKMOOT_TRY(folkmoot_session_ephemerals(handle_.get(), prefix.c_str(), &paths));
        detail::Handle<folkmoot_strings, folkmoot_strings_free> owned(paths);
        return detail::strings(paths);
    }
    Result<uint64_t> count_descendants(const std::string &path) {
        uint64_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_count_descendants(handle_.get(), path.c_str(), &out));
        return out;
    }
    Result<void> add_watch(const std::string &path, int32_t mode = FOLKMOOT_WATCH_PERSISTENT) {
        FOLKMOOT_TRY(folkmoot_session_add_watch(handle_.get(), path.c_str(), mode));
        FOLKMOOT_DONE;
    }
    Result<void> remove_watches(const std::string &path, int32_t kind = FOLKMOOT_WATCHER_ANY) {
        FOLKMOOT_TRY(folkmoot_session_remove_watches(handle_.get(), path.c_str(), kind));
        FOLKMOOT_DONE;
    }
    Result<void> add_auth(const std::string &scheme, const std::string &credential) {
        FOLKMOOT_TRY(folkmoot_session_add_auth(handle_.get(), scheme.c_str(), credential.data(), credential.size()));
        FOLKMOOT_DONE;
    }
    Result<std::vector<Acl>> who_am_i() {
        folkmoot_acls *list = nullptr;
        FOLKMOOT_TRY(folkmoot_session_who_am_i(handle_.get(), &list));
        detail::Handle<folkmoot_acls, folkmoot_acls_free> owned(list);
        return detail::acl(list);
    }
    Result<Watch> watch(const std::string &path, int32_t mode = FOLKMOOT_WATCH_PERSISTENT) {
        folkmoot_watch *out = nullptr;
        FOLKMOOT_TRY(folkmoot_watch_open(handle_.get(), path.c_str(), mode, &out));
        return Watch(out);
    }
    /* The next event; false as a bool when none came in time or none will come. */
    Result<Event> next_event(int32_t timeout_ms = -1) {
        folkmoot_event e;
        const folkmoot_status status = folkmoot_events_next(handle_.get(), &e, timeout_ms);
        if (status == FOLKMOOT_OPERATION_TIMEOUT || status == FOLKMOOT_CLOSED) return detail::no_event(status);
        FOLKMOOT_TRY(status);
        return detail::event(e);
    }
    Result<int> fd() {
        int out = -1;
        FOLKMOOT_TRY(folkmoot_session_fd(handle_.get(), &out));
        return out;
    }
    Result<size_t> dispatch(size_t max = 0) {
        size_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_dispatch(handle_.get(), max, &out));
        return out;
    }
    Result<void> drain(int32_t timeout_ms = -1) {
        FOLKMOOT_TRY(folkmoot_session_drain(handle_.get(), timeout_ms));
        FOLKMOOT_DONE;
    }

    /* Without waiting: `done` is called in dispatch or drain, or on the library's thread. */
    Result<void> create_async(const std::string &path, const Data &data, int32_t mode, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_create_async(handle_.get(), path.c_str(), data.pointer(), data.size(), mode, nullptr, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> remove_async(const std::string &path, int32_t version, Completion done) {
        return started(done, [&](void *c) { return folkmoot_session_delete_async(handle_.get(), path.c_str(), version, detail::folkmoot_hpp_complete, c); });
    }
    Result<void> set_async(const std::string &path, const Data &data, int32_t version, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_set_async(handle_.get(), path.c_str(), data.pointer(), data.size(), version, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> get_async(const std::string &path, bool watch, Completion done) {
        return started(done, [&](void *c) { return folkmoot_session_get_async(handle_.get(), path.c_str(), watch, detail::folkmoot_hpp_complete, c); });
    }
    Result<void> exists_async(const std::string &path, bool watch, Completion done) {
        return started(done, [&](void *c) { return folkmoot_session_exists_async(handle_.get(), path.c_str(), watch, detail::folkmoot_hpp_complete, c); });
    }
    Result<void> children_async(const std::string &path, bool watch, Completion done) {
        return started(done, [&](void *c) { return folkmoot_session_children_async(handle_.get(), path.c_str(), watch, detail::folkmoot_hpp_complete, c); });
    }
    Result<void> sync_async(const std::string &path, Completion done) {
        return started(done, [&](void *c) { return folkmoot_session_sync_async(handle_.get(), path.c_str(), detail::folkmoot_hpp_complete, c); });
    }
    Result<void> commit_async(const Multi &multi, Completion done) {
        if (multi.failure().status != FOLKMOOT_OK) FOLKMOOT_REFUSE(multi.failure().status, multi.failure().text);
        return started(done, [&](void *c) { return folkmoot_multi_commit_async(multi.handle(), handle_.get(), detail::folkmoot_hpp_complete, c); });
    }
    Result<void> get_acl_async(const std::string &path, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_get_acl_async(handle_.get(), path.c_str(), detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> set_acl_async(const std::string &path, const std::vector<Acl> &acl, int32_t version, Completion done) {
        const std::vector<folkmoot_acl> entries = detail::entries(acl);
        return started(done, [&](void *c) {
            return folkmoot_session_set_acl_async(handle_.get(), path.c_str(), entries.data(), entries.size(), version, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> ephemerals_async(const std::string &prefix, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_ephemerals_async(handle_.get(), prefix.c_str(), detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> count_descendants_async(const std::string &path, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_count_descendants_async(handle_.get(), path.c_str(), detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> add_watch_async(const std::string &path, int32_t mode, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_add_watch_async(handle_.get(), path.c_str(), mode, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> remove_watches_async(const std::string &path, int32_t kind, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_remove_watches_async(handle_.get(), path.c_str(), kind, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> check_watches_async(const std::string &path, int32_t kind, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_check_watches_async(handle_.get(), path.c_str(), kind, detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> add_auth_async(const std::string &scheme, const std::string &credential, Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_add_auth_async(handle_.get(), scheme.c_str(), credential.data(), credential.size(), detail::folkmoot_hpp_complete, c);
        });
    }
    Result<void> who_am_i_async(Completion done) {
        return started(done, [&](void *c) {
            return folkmoot_session_who_am_i_async(handle_.get(), detail::folkmoot_hpp_complete, c);
        });
    }

    Result<int64_t> id() {
        int64_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_id(handle_.get(), &out));
        return out;
    }
    Result<uint32_t> timeout_ms() {
        uint32_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_timeout_ms(handle_.get(), &out));
        return out;
    }
    Result<int32_t> state() {
        int32_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_state(handle_.get(), &out));
        return out;
    }
    Result<int64_t> zxid() {
        int64_t out = 0;
        FOLKMOOT_TRY(folkmoot_session_zxid(handle_.get(), &out));
        return out;
    }
    Result<void> touch() {
        FOLKMOOT_TRY(folkmoot_session_touch(handle_.get()));
        FOLKMOOT_DONE;
    }
    inline Result<Member> member();
    /* Closes it now; the destructor does otherwise. */
    Result<void> close() {
        FOLKMOOT_TRY(folkmoot_session_close(handle_.get()));
        FOLKMOOT_DONE;
    }
    folkmoot_session *handle() const noexcept { return handle_.get(); }

private:
    template <class Call> Result<std::vector<Outcome>> answered(const Multi &multi, Call call) {
        if (multi.failure().status != FOLKMOOT_OK) FOLKMOOT_REFUSE(multi.failure().status, multi.failure().text);
        folkmoot_results *results = nullptr;
        const folkmoot_status status = call(multi.handle(), handle_.get(), &results);
        detail::Handle<folkmoot_results, folkmoot_results_free> owned(results);
        FOLKMOOT_TRY(status);
        std::vector<Outcome> out;
        for (size_t i = 0; i < folkmoot_results_count(results); i++) out.push_back(Outcome::of(*folkmoot_results_at(results, i)));
        return out;
    }
    template <class Start> Result<void> started(Completion &done, Start start) {
        if (!done) FOLKMOOT_REFUSE(FOLKMOOT_BAD_ARGUMENTS, "done is empty");
        std::unique_ptr<Completion> context(new Completion(std::move(done)));
        FOLKMOOT_TRY(start(context.get()));
        context.release();
        FOLKMOOT_DONE;
    }
    detail::Handle<folkmoot_session, folkmoot_session_free> handle_;
};

struct SessionOptions {
    uint32_t timeout_ms = 0;
    bool manual_heartbeat = false;
    bool superuser = false;
    bool dispatch_thread = false;
};

/* A member without a session. */
class Member {
public:
    Member() = default;
    explicit Member(folkmoot_member *handle) : handle_(handle) {}
    static Result<Member> open(const std::string &target) {
        folkmoot_member *out = nullptr;
        FOLKMOOT_TRY(folkmoot_member_open(target.c_str(), &out));
        return Member(out);
    }
    Result<Session> session(const SessionOptions &asked = SessionOptions()) {
        folkmoot_session_options options = FOLKMOOT_SESSION_OPTIONS_INIT;
        options.timeout_ms = asked.timeout_ms;
        options.heartbeat = asked.manual_heartbeat ? FOLKMOOT_HEARTBEAT_MANUAL : FOLKMOOT_HEARTBEAT_AUTO;
        options.superuser = asked.superuser;
        options.dispatch_thread = asked.dispatch_thread;
        folkmoot_session *out = nullptr;
        FOLKMOOT_TRY(folkmoot_member_session(handle_.get(), &options, &out));
        return Session(out);
    }
    /* Listens for ZooKeeper's clients; the port. settings: lines in the syntax of zoo.cfg, or NULL. */
    Result<uint16_t> listen(const std::string &address, const char *settings = 0) {
        uint16_t out = 0;
        FOLKMOOT_TRY(folkmoot_member_listen(handle_.get(), address.c_str(), settings, &out));
        return out;
    }
    /* What became of a write whose answer did not arrive: FOLKMOOT_OUTCOME_, and its status if it is done. */
    Result<std::pair<int32_t, folkmoot_status>> outcome(int64_t session, uint64_t write) {
        std::pair<int32_t, folkmoot_status> out(0, FOLKMOOT_OK);
        FOLKMOOT_TRY(folkmoot_member_outcome(handle_.get(), session, write, &out.first, &out.second));
        return out;
    }
    /* What the member knows of its ensemble; FOLKMOOT_INVALID_STATE if it is one alone. */
    Result<Ensemble> ensemble() {
        folkmoot_ensemble *got = nullptr;
        FOLKMOOT_TRY(folkmoot_member_ensemble(handle_.get(), &got));
        detail::Handle<folkmoot_ensemble, folkmoot_ensemble_free> owned(got);
        return detail::ensemble(got);
    }
    /* Hands leadership to a voter, or to the one that fits best; returns when this member leads no more. */
    Result<void> transfer(int32_t to = 0) {
        FOLKMOOT_TRY(folkmoot_member_transfer(handle_.get(), to));
        FOLKMOOT_DONE;
    }
    Result<void> advance(uint64_t ms) {
        FOLKMOOT_TRY(folkmoot_member_advance(handle_.get(), ms));
        FOLKMOOT_DONE;
    }
    Result<int64_t> now_ms() {
        int64_t out = 0;
        FOLKMOOT_TRY(folkmoot_member_now_ms(handle_.get(), &out));
        return out;
    }
    Result<void> snapshot() {
        FOLKMOOT_TRY(folkmoot_member_snapshot(handle_.get()));
        FOLKMOOT_DONE;
    }
    /* What opening had to cut from the log's end; empty if nothing. */
    Result<std::string> recovery() {
        char *text = nullptr;
        FOLKMOOT_TRY(folkmoot_member_recovery(handle_.get(), &text));
        std::unique_ptr<char, void (*)(void *)> owned(text, folkmoot_free);
        return std::string(text ? text : "");
    }
    Result<void> close() {
        FOLKMOOT_TRY(folkmoot_member_close(handle_.get()));
        FOLKMOOT_DONE;
    }
    folkmoot_member *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_member, folkmoot_member_free> handle_;
};

inline Result<Member> Session::member() {
    folkmoot_member *out = nullptr;
    FOLKMOOT_TRY(folkmoot_session_member(handle_.get(), &out));
    return Member(out);
}

/* Told each line of the library's: FOLKMOOT_LOG_, who speaks, and what. Must not throw. */
using LogCallback = std::function<void(int32_t level, const std::string &target, const std::string &text)>;

namespace detail {
extern "C" inline void folkmoot_hpp_log(void *context, int32_t level, const char *target, const char *text) noexcept {
    (*static_cast<LogCallback *>(context))(level, target, text);
}
} // namespace detail

/* folkmoot_set_log_callback; an empty callback takes it back. Not to be called from inside one. */
inline Result<void> set_log_callback(int32_t min_level, LogCallback callback) {
    static std::mutex mutex;
    static LogCallback *kept = nullptr; /* never destroyed by the end of the program, which a line may outlive */
    std::lock_guard<std::mutex> guard(mutex);
    std::unique_ptr<LogCallback> next(callback ? new LogCallback(std::move(callback)) : nullptr);
    FOLKMOOT_TRY(folkmoot_set_log_callback(min_level, next ? detail::folkmoot_hpp_log : nullptr, next.get()));
    std::unique_ptr<LogCallback> before(kept);
    kept = next.release();
    FOLKMOOT_DONE;
}

/* A session on the ground that `target` names. */
inline Result<Session> open(const std::string &target) {
    folkmoot_session *out = nullptr;
    FOLKMOOT_TRY(folkmoot_open(target.c_str(), &out));
    return Session(out);
}

/* A range of positions that changes hands; an empty name is no node. */
struct Move {
    uint64_t lo, hi;
    std::string from, to;
};

/* A hash ring. Immutable: with and without give a new one. */
class Ring {
public:
    Ring() = default;
    explicit Ring(folkmoot_ring *handle) : handle_(handle) {}
    static Result<Ring> make(uint64_t size = 0, uint32_t points_per_weight = 0) {
        folkmoot_ring *out = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_new(size, points_per_weight, &out));
        return Ring(out);
    }
    Result<Ring> with(const std::string &node, uint32_t weight = 1) const {
        folkmoot_ring *out = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_with(handle_.get(), node.c_str(), weight, &out));
        return Ring(out);
    }
    Result<Ring> with_all(const std::vector<std::string> &nodes) const {
        std::vector<const char *> names;
        for (const std::string &node : nodes) names.push_back(node.c_str());
        folkmoot_ring *out = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_with_all(handle_.get(), names.data(), nullptr, names.size(), &out));
        return Ring(out);
    }
    Result<Ring> without(const std::string &node) const {
        folkmoot_ring *out = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_without(handle_.get(), node.c_str(), &out));
        return Ring(out);
    }
    /* The owner of `key`; "" when there are no nodes. */
    Result<std::string> locate(const std::string &key) const {
        const char *out = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_locate(handle_.get(), key.data(), key.size(), &out));
        return std::string(out ? out : "");
    }
    Result<std::vector<std::string>> locate_n(const std::string &key, size_t max) const {
        if (max > size()) max = size();
        std::vector<const char *> names(max);
        size_t count = 0;
        FOLKMOOT_TRY(folkmoot_ring_locate_n(handle_.get(), key.data(), key.size(), max, names.data(), &count));
        return std::vector<std::string>(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count));
    }
    Result<std::vector<Move>> diff(const Ring &after) const {
        folkmoot_moves *moves = nullptr;
        FOLKMOOT_TRY(folkmoot_ring_diff(handle_.get(), after.handle_.get(), &moves));
        detail::Handle<folkmoot_moves, folkmoot_moves_free> owned(moves);
        std::vector<Move> out;
        const folkmoot_move *all = folkmoot_moves_entries(moves);
        for (size_t i = 0; i < folkmoot_moves_count(moves); i++)
            out.push_back(Move{all[i].lo, all[i].hi, all[i].from ? all[i].from : "", all[i].to ? all[i].to : ""});
        return out;
    }
    size_t size() const noexcept { return folkmoot_ring_count(handle_.get()); }
    folkmoot_ring *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_ring, folkmoot_ring_free> handle_;
};

/* One node of a slot map: any bytes, its weight, and what it fails together with, widest first, as zone/rack/host. */
struct SlotNode {
    std::string name;
    uint32_t weight;
    std::string domain;
    SlotNode(const std::string &name_, uint32_t weight_ = 1, const std::string &domain_ = std::string())
        : name(name_), weight(weight_), domain(domain_) {}
    SlotNode(const char *name_) : name(name_), weight(1) {}
    folkmoot_slot_node borrowed() const {
        return folkmoot_slot_node{name.data(), name.size(), weight, domain.data(), domain.size()};
    }
};

/* What moves between two slot maps: numbers in `from` are of the map before, in `to` of the map after. */
struct SlotPlan {
    std::vector<folkmoot_slot_move> moves;
    uint64_t moved_slots, least_slots, promoted_slots, whole_slots;
};

/* Which nodes own a key. Immutable: with, without and next give a new one. Nodes are known by their numbers, in the order of the names. */
class SlotMap {
public:
    SlotMap() = default;
    explicit SlotMap(folkmoot_slot_map *handle) : handle_(handle) {}
    static Result<SlotMap> make(const folkmoot_slot_options *options = nullptr) {
        folkmoot_slot_map *out = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_new(options, &out));
        return SlotMap(out);
    }
    static Result<SlotMap> from_bytes(const std::string &bytes) {
        folkmoot_slot_map *out = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_from_bytes(bytes.data(), bytes.size(), &out));
        return SlotMap(out);
    }
    Result<SlotMap> next(const std::vector<SlotNode> &nodes) const {
        std::vector<folkmoot_slot_node> all;
        for (const SlotNode &node : nodes) all.push_back(node.borrowed());
        folkmoot_slot_map *out = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_next(handle_.get(), all.data(), all.size(), &out));
        return SlotMap(out);
    }
    Result<SlotMap> with(const SlotNode &node) const {
        const folkmoot_slot_node one = node.borrowed();
        folkmoot_slot_map *out = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_with(handle_.get(), &one, &out));
        return SlotMap(out);
    }
    Result<SlotMap> without(const std::string &name) const {
        folkmoot_slot_map *out = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_without(handle_.get(), name.data(), name.size(), &out));
        return SlotMap(out);
    }
    /* The number of the owner; FOLKMOOT_NOBODY when there are no nodes. */
    uint16_t locate(const std::string &key) const noexcept { return folkmoot_slot_map_locate(handle_.get(), key.data(), key.size()); }
    Result<std::vector<uint16_t>> locate_n(const std::string &key, size_t max) const {
        std::vector<uint16_t> out(max < size() ? max : size());
        size_t count = 0;
        FOLKMOOT_TRY(folkmoot_slot_map_locate_n(handle_.get(), key.data(), key.size(), out.size(), out.data(), &count));
        out.resize(count);
        return out;
    }
    /* The name of a number; "" for one that is none. */
    std::string name(uint16_t number) const {
        folkmoot_slot_node node = folkmoot_slot_node();
        if (folkmoot_slot_map_node(handle_.get(), number, &node) != FOLKMOOT_OK) return std::string();
        return std::string(static_cast<const char *>(node.name), node.name_len);
    }
    Result<SlotPlan> plan(const SlotMap &after) const {
        folkmoot_slot_plan *plan = nullptr;
        FOLKMOOT_TRY(folkmoot_slot_map_plan(handle_.get(), after.handle_.get(), &plan));
        detail::Handle<folkmoot_slot_plan, folkmoot_slot_plan_free> owned(plan);
        SlotPlan out = SlotPlan();
        const folkmoot_slot_move *moves = folkmoot_slot_plan_moves(plan);
        if (moves) out.moves.assign(moves, moves + folkmoot_slot_plan_count(plan));
        FOLKMOOT_TRY(folkmoot_slot_plan_figures(plan, &out.moved_slots, &out.least_slots, &out.promoted_slots, &out.whole_slots));
        return out;
    }
    Result<std::string> to_bytes() const {
        void *bytes = nullptr;
        size_t len = 0;
        FOLKMOOT_TRY(folkmoot_slot_map_to_bytes(handle_.get(), &bytes, &len));
        std::string out(static_cast<const char *>(bytes), len);
        folkmoot_free(bytes);
        return out;
    }
    /* 16 bytes, equal for equal maps. */
    Result<std::string> digest() const {
        unsigned char out[16];
        FOLKMOOT_TRY(folkmoot_slot_map_digest(handle_.get(), out));
        return std::string(reinterpret_cast<const char *>(out), sizeof out);
    }
    size_t size() const noexcept { return folkmoot_slot_map_count(handle_.get()); }
    uint64_t epoch() const noexcept { return folkmoot_slot_map_epoch(handle_.get()); }
    folkmoot_slot_map *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_slot_map, folkmoot_slot_map_free> handle_;
};

/* How an election stands: FOLKMOOT_UNDECIDED, _ELECTED (then `elected` is who) or _SPLIT. */
struct Standing {
    int32_t outcome;
    uint64_t elected;
};

/* The votes of one term. One thread at a time. */
class Tally {
public:
    Tally() = default;
    explicit Tally(folkmoot_tally *handle) : handle_(handle) {}
    static Result<Tally> make(const std::vector<folkmoot_voter> &voters, uint64_t term) {
        folkmoot_tally *out = nullptr;
        const folkmoot_voter none = folkmoot_voter();
        FOLKMOOT_TRY(folkmoot_tally_new(voters.empty() ? &none : voters.data(), voters.size(), term, &out));
        return Tally(out);
    }
    Result<Standing> cast(uint64_t term, uint64_t voter, uint64_t candidate) {
        Standing out = Standing();
        FOLKMOOT_TRY(folkmoot_tally_cast(handle_.get(), term, voter, candidate, &out.outcome, &out.elected));
        return out;
    }
    Result<Standing> outcome() const {
        Standing out = Standing();
        FOLKMOOT_TRY(folkmoot_tally_outcome(handle_.get(), &out.outcome, &out.elected));
        return out;
    }
    Result<void> advance(uint64_t term) {
        FOLKMOOT_TRY(folkmoot_tally_advance(handle_.get(), term));
        FOLKMOOT_DONE;
    }
    Result<size_t> votes(uint64_t candidate) const {
        size_t out = 0;
        FOLKMOOT_TRY(folkmoot_tally_votes(handle_.get(), candidate, &out));
        return out;
    }
    /* Whom to vote for when `live` can be heard, the caller included. */
    Result<uint64_t> choose(const std::vector<uint64_t> &live) const {
        uint64_t out = 0;
        FOLKMOOT_TRY(folkmoot_tally_choose(handle_.get(), live.data(), live.size(), &out));
        return out;
    }
    folkmoot_tally *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_tally, folkmoot_tally_free> handle_;
};

/* The last vote that one voter cast. One thread at a time. */
class LastVote {
public:
    LastVote() = default;
    explicit LastVote(folkmoot_last_vote *handle) : handle_(handle) {}
    static Result<LastVote> make(uint64_t voter) {
        folkmoot_last_vote *out = nullptr;
        FOLKMOOT_TRY(folkmoot_last_vote_new(voter, &out));
        return LastVote(out);
    }
    Result<void> vote(uint64_t term, uint64_t candidate) {
        FOLKMOOT_TRY(folkmoot_last_vote_vote(handle_.get(), term, candidate));
        FOLKMOOT_DONE;
    }
    folkmoot_last_vote *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_last_vote, folkmoot_last_vote_free> handle_;
};

/* When to send the next heartbeat. One thread at a time. */
class Schedule {
public:
    Schedule() = default;
    explicit Schedule(folkmoot_schedule *handle) : handle_(handle) {}
    static Result<Schedule> make(uint64_t period_ms, uint64_t first_ms = 0) {
        folkmoot_schedule *out = nullptr;
        FOLKMOOT_TRY(folkmoot_schedule_new(period_ms, first_ms, &out));
        return Schedule(out);
    }
    /* Whether a beat is due at `now_ms`; it goes to `beat`. */
    Result<bool> poll(uint64_t now_ms, folkmoot_beat *beat = nullptr) {
        int32_t due = 0;
        FOLKMOOT_TRY(folkmoot_schedule_poll(handle_.get(), now_ms, beat, &due));
        return due != 0;
    }
    Result<uint64_t> next_wakeup() const {
        uint64_t out = 0;
        FOLKMOOT_TRY(folkmoot_schedule_next_wakeup(handle_.get(), &out));
        return out;
    }
    folkmoot_schedule *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_schedule, folkmoot_schedule_free> handle_;
};

/* Which peers have fallen silent. One thread at a time. */
class Detector {
public:
    Detector() = default;
    explicit Detector(folkmoot_detector *handle) : handle_(handle) {}
    static Result<Detector> make(uint64_t suspect_after_ms, uint64_t expire_after_ms) {
        folkmoot_detector *out = nullptr;
        FOLKMOOT_TRY(folkmoot_detector_new(suspect_after_ms, expire_after_ms, &out));
        return Detector(out);
    }
    Result<void> watch(uint64_t peer, uint64_t now_ms) {
        FOLKMOOT_TRY(folkmoot_detector_watch(handle_.get(), peer, now_ms));
        FOLKMOOT_DONE;
    }
    /* FOLKMOOT_HEARD_. */
    Result<int32_t> beat(uint64_t peer, uint64_t seq, uint64_t now_ms) {
        int32_t out = 0;
        FOLKMOOT_TRY(folkmoot_detector_beat(handle_.get(), peer, seq, now_ms, &out));
        return out;
    }
    /* All whose time is up. */
    Result<std::vector<folkmoot_silence>> poll(uint64_t now_ms) {
        std::vector<folkmoot_silence> out;
        folkmoot_silence some[16];
        size_t count = 16;
        while (count == 16) {
            FOLKMOOT_TRY(folkmoot_detector_poll(handle_.get(), now_ms, some, 16, &count));
            out.insert(out.end(), some, some + count);
        }
        return out;
    }
    /* UINT64_MAX when no one is left to fall silent. */
    Result<uint64_t> next_wakeup() const {
        uint64_t out = 0;
        FOLKMOOT_TRY(folkmoot_detector_next_wakeup(handle_.get(), &out));
        return out;
    }
    Result<void> paused(uint64_t pause_ms) {
        FOLKMOOT_TRY(folkmoot_detector_paused(handle_.get(), pause_ms));
        FOLKMOOT_DONE;
    }
    Result<void> forget(uint64_t peer) {
        FOLKMOOT_TRY(folkmoot_detector_forget(handle_.get(), peer));
        FOLKMOOT_DONE;
    }
    /* 0 alive or unknown, FOLKMOOT_SUSPECT, FOLKMOOT_EXPIRED. */
    Result<int32_t> told(uint64_t peer) const {
        int32_t out = 0;
        FOLKMOOT_TRY(folkmoot_detector_told(handle_.get(), peer, &out));
        return out;
    }
    folkmoot_detector *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_detector, folkmoot_detector_free> handle_;
};

/* When many things with a timeout are over. One thread at a time. */
class Deadlines {
public:
    Deadlines() = default;
    explicit Deadlines(folkmoot_deadlines *handle) : handle_(handle) {}
    static Result<Deadlines> make(size_t limit) {
        folkmoot_deadlines *out = nullptr;
        FOLKMOOT_TRY(folkmoot_deadlines_new(limit, &out));
        return Deadlines(out);
    }
    Result<void> insert(uint64_t id, uint64_t timeout_ms, uint64_t now_ms) {
        FOLKMOOT_TRY(folkmoot_deadlines_insert(handle_.get(), id, timeout_ms, now_ms));
        FOLKMOOT_DONE;
    }
    Result<void> touch(uint64_t id, uint64_t now_ms) {
        FOLKMOOT_TRY(folkmoot_deadlines_touch(handle_.get(), id, now_ms));
        FOLKMOOT_DONE;
    }
    Result<void> remove(uint64_t id) {
        FOLKMOOT_TRY(folkmoot_deadlines_remove(handle_.get(), id));
        FOLKMOOT_DONE;
    }
    /* All whose time is up, in the order in which it was. */
    Result<std::vector<folkmoot_end>> expire(uint64_t now_ms) {
        std::vector<folkmoot_end> out;
        folkmoot_end some[16];
        size_t count = 16;
        while (count == 16) {
            FOLKMOOT_TRY(folkmoot_deadlines_expire(handle_.get(), now_ms, some, 16, &count));
            out.insert(out.end(), some, some + count);
        }
        return out;
    }
    /* UINT64_MAX when nothing is there. */
    Result<uint64_t> next_wakeup() const {
        uint64_t out = 0;
        FOLKMOOT_TRY(folkmoot_deadlines_next_wakeup(handle_.get(), &out));
        return out;
    }
    size_t size() const noexcept { return folkmoot_deadlines_count(handle_.get()); }
    folkmoot_deadlines *handle() const noexcept { return handle_.get(); }

private:
    detail::Handle<folkmoot_deadlines, folkmoot_deadlines_free> handle_;
};

} // namespace folkmoot

#undef FOLKMOOT_FAIL
#undef FOLKMOOT_REFUSE
#undef FOLKMOOT_TRY
#undef FOLKMOOT_DONE
#endif
