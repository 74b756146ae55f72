// The GLib main loop of a process, and workers: linear functions on threads of their own that take values and
// hand values back to the loop.
#pragma once

#include "base/error.hpp"

#include <glib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace banger {

/// The default GLib main loop. One per process; everything but post() is for its own thread.
class Loop {
public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    void run();
    /// Any thread.
    void quit();
    /// Runs `task` in the loop, from any thread, in the order of the calls.
    void post(std::function<void()> task);
    /// Calls `task` when SIGTERM or SIGINT comes.
    void on_terminate(std::function<void()> task);

private:
    GMainLoop* loop_;
    std::vector<guint> sources_;
};

/// A one-shot or repeating timer of the default context; cancelled when dropped. For the loop's thread.
class Timer {
public:
    Timer() = default;
    /// `task` returns true to be called again after the same time.
    Timer(std::chrono::milliseconds after, std::function<bool()> task);
    Timer(Timer&& other) noexcept
        : source_(std::exchange(other.source_, nullptr)) {}
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { cancel(); }
    void cancel() noexcept;
    bool active() const noexcept { return source_ && !g_source_is_destroyed(source_); }

private:
    GSource* source_ = nullptr;
};

/// Calls `task` in the loop when `fd` is readable or hung up; `task` returns true to go on watching.
/// Cancelled when dropped.
class FdWatch {
public:
    FdWatch() = default;
    FdWatch(int fd, std::function<bool()> task);
    FdWatch(FdWatch&& other) noexcept
        : source_(std::exchange(other.source_, nullptr)) {}
    FdWatch& operator=(FdWatch&& other) noexcept;
    ~FdWatch() { cancel(); }
    void cancel() noexcept;

private:
    GSource* source_ = nullptr;
};

/// What came of a worker: a value, or the Error that ended it.
template <class T>
using Outcome = std::variant<T, Error>;

/// A thread that runs one function to its end. Dropping it asks it to stop and waits for it.
class Worker {
public:
    /// `work(stop)` runs on a new thread; then `done(outcome)` in the loop. Exceptions that are no Error
    /// become Internal. `done` is not called when the Worker was dropped before.
    template <class T>
    static Worker start(Loop& loop, std::function<T(std::stop_token)> work,
                        std::function<void(Outcome<T>)> done);

    void request_stop() { thread_.request_stop(); }

private:
    template <class T>
    static Outcome<T> guarded(const std::function<T(std::stop_token)>& work,
                              const std::stop_token& stop) noexcept;

    std::shared_ptr<bool> alive_; ///< read and written in the loop only
    std::jthread thread_;

public:
    Worker() = default;
    Worker(Worker&&) noexcept = default;
    Worker& operator=(Worker&& other) noexcept {
        abandon();
        alive_ = std::move(other.alive_);
        thread_ = std::move(other.thread_);
        return *this;
    }
    ~Worker() { abandon(); }
    void abandon() noexcept {
        if (alive_)
            *alive_ = false;
    }
};

template <class T>
Outcome<T> Worker::guarded(const std::function<T(std::stop_token)>& work,
                           const std::stop_token& stop) noexcept {
    try {
        return work(stop);
    } catch (const Error& error) {
        return error;
    } catch (const std::exception& error) {
        return Error(ErrorCode::Internal, error.what());
    }
}

template <class T>
Worker Worker::start(Loop& loop, std::function<T(std::stop_token)> work,
                     std::function<void(Outcome<T>)> done) {
    Worker worker;
    worker.alive_ = std::make_shared<bool>(true);
    worker.thread_ = std::jthread([&loop, alive = worker.alive_, work = std::move(work),
                                   done = std::move(done)](const std::stop_token& stop) mutable {
        auto outcome = std::make_shared<Outcome<T>>(guarded(work, stop));
        loop.post([alive = std::move(alive), done = std::move(done), outcome = std::move(outcome)] {
            if (*alive)
                done(std::move(*outcome));
        });
    });
    return worker;
}

} // namespace banger
