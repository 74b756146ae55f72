// Watching a descriptor in the main loop, with interests that change.
#pragma once

#include <glib.h>

#include <functional>
#include <utility>

namespace banger::qemu {

/// Calls `task(conditions)` when the descriptor is ready for what is wanted, or hung up. Nothing is wanted at
/// first, and then hang-ups are told all the same. The task may drop the watch. For the loop's thread;
/// cancelled when dropped.
class IoWatch {
public:
    using Task = std::function<void(GIOCondition)>;

    IoWatch() = default;
    IoWatch(int fd, Task task);
    IoWatch(IoWatch&& other) noexcept
        : source_(std::exchange(other.source_, nullptr))
        , fd_(other.fd_)
        , tag_(std::exchange(other.tag_, nullptr)) {}
    IoWatch& operator=(IoWatch&& other) noexcept;
    ~IoWatch() { cancel(); }

    void want(bool readable, bool writable);
    /// Not even hang-ups are told, until the next want().
    void ignore();
    void cancel() noexcept;

private:
    GSource* source_ = nullptr;
    int fd_ = -1;
    gpointer tag_ = nullptr;
};

} // namespace banger::qemu
