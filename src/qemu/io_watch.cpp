#include "qemu/io_watch.hpp"

#include <memory>

namespace banger::qemu {

namespace {

/// GLib's own part first: GSource structures are extended in C's way.
struct WatchSource {
    GSource base;
    gpointer tag;
    std::shared_ptr<IoWatch::Task>* task;
};

gboolean dispatch(GSource* source, GSourceFunc, gpointer) {
    auto* watch = reinterpret_cast<WatchSource*>(source);
    // Kept for the time of the call: the task may destroy the watch, and itself with it.
    const auto task = *watch->task;
    (*task)(g_source_query_unix_fd(source, watch->tag));
    return G_SOURCE_CONTINUE;
}

gboolean check(GSource* source) {
    const auto* watch = reinterpret_cast<WatchSource*>(source);
    return watch->tag != nullptr && g_source_query_unix_fd(source, watch->tag) != 0;
}

void finalize(GSource* source) {
    delete reinterpret_cast<WatchSource*>(source)->task;
}

GSourceFuncs functions = {nullptr, check, dispatch, finalize, nullptr, nullptr};

gpointer& tag_of(GSource* source) {
    return reinterpret_cast<WatchSource*>(source)->tag;
}

} // namespace

IoWatch::IoWatch(int fd, Task task)
    : source_(g_source_new(&functions, sizeof(WatchSource)))
    , fd_(fd) {
    reinterpret_cast<WatchSource*>(source_)->task =
        new std::shared_ptr<Task>(std::make_shared<Task>(std::move(task)));
    want(false, false);
    g_source_attach(source_, nullptr);
}

IoWatch& IoWatch::operator=(IoWatch&& other) noexcept {
    std::swap(source_, other.source_);
    std::swap(fd_, other.fd_);
    std::swap(tag_, other.tag_);
    return *this;
}

void IoWatch::want(bool readable, bool writable) {
    if (!source_)
        return;
    const auto conditions =
        static_cast<GIOCondition>((readable ? G_IO_IN : 0) | (writable ? G_IO_OUT : 0) | G_IO_HUP | G_IO_ERR);
    if (tag_)
        g_source_modify_unix_fd(source_, tag_, conditions);
    else
        tag_ = g_source_add_unix_fd(source_, fd_, conditions);
    tag_of(source_) = tag_;
}

void IoWatch::ignore() {
    if (!source_ || !tag_)
        return;
    g_source_remove_unix_fd(source_, std::exchange(tag_, nullptr));
    tag_of(source_) = nullptr;
}

void IoWatch::cancel() noexcept {
    if (!source_)
        return;
    tag_ = nullptr;
    g_source_destroy(source_);
    g_source_unref(std::exchange(source_, nullptr));
}

} // namespace banger::qemu
