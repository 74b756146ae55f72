#include "base/loop.hpp"

#include <glib-unix.h>

#include <csignal>
#include <deque>
#include <mutex>

namespace banger {

namespace {

using Task = std::function<void()>;
using Again = std::function<bool()>;

/// What was posted and has not run yet. A std::mutex of ours hands the tasks over, not GLib's locks:
/// ThreadSanitizer knows it. Never destroyed: a worker may post while the process ends.
struct Posted {
    std::mutex mutex;
    std::deque<Task> tasks;
};

Posted& posted() {
    static auto* const queue = new Posted;
    return *queue;
}

gboolean run_next(gpointer) {
    Task task;
    {
        const std::lock_guard lock(posted().mutex);
        task = std::move(posted().tasks.front());
        posted().tasks.pop_front();
    }
    task();
    return G_SOURCE_REMOVE;
}

gboolean call_always(gpointer data) {
    (*static_cast<Task*>(data))();
    return G_SOURCE_CONTINUE;
}

gboolean call_again(gpointer data) {
    return (*static_cast<Again*>(data))() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

gboolean call_again_on_fd(int, GIOCondition, gpointer data) {
    return call_again(data);
}

template <class T>
void drop(gpointer data) {
    delete static_cast<T*>(data);
}

void destroy(GSource*& source) noexcept {
    if (!source)
        return;
    g_source_destroy(source);
    g_source_unref(source);
    source = nullptr;
}

} // namespace

Loop::Loop()
    : loop_(g_main_loop_new(nullptr, FALSE)) {}

Loop::~Loop() {
    for (const auto source : sources_)
        g_source_remove(source);
    g_main_loop_unref(loop_);
}

void Loop::run() {
    g_main_loop_run(loop_);
}

void Loop::quit() {
    g_main_loop_quit(loop_);
}

void Loop::post(std::function<void()> task) {
    {
        const std::lock_guard lock(posted().mutex);
        posted().tasks.push_back(std::move(task));
    }
    // An idle source for each, not g_main_context_invoke: that one would run the task at once when called in
    // the loop's own thread, before what was posted earlier.
    GSource* source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, run_next, nullptr, nullptr);
    g_source_attach(source, nullptr);
    g_source_unref(source);
}

void Loop::on_terminate(std::function<void()> task) {
    for (const int number : {SIGTERM, SIGINT})
        sources_.push_back(
            g_unix_signal_add_full(G_PRIORITY_DEFAULT, number, call_always, new Task(task), drop<Task>));
}

Timer::Timer(std::chrono::milliseconds after, std::function<bool()> task)
    : source_(g_timeout_source_new(static_cast<guint>(after.count()))) {
    g_source_set_callback(source_, call_again, new Again(std::move(task)), drop<Again>);
    g_source_attach(source_, nullptr);
}

Timer& Timer::operator=(Timer&& other) noexcept {
    std::swap(source_, other.source_);
    return *this;
}

void Timer::cancel() noexcept {
    destroy(source_);
}

FdWatch::FdWatch(int fd, std::function<bool()> task)
    : source_(g_unix_fd_source_new(fd, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR))) {
    g_source_set_callback(source_, G_SOURCE_FUNC(call_again_on_fd), new Again(std::move(task)), drop<Again>);
    g_source_attach(source_, nullptr);
}

FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
    std::swap(source_, other.source_);
    return *this;
}

void FdWatch::cancel() noexcept {
    destroy(source_);
}

} // namespace banger
