// Running the main loop in tests.
#pragma once

#include "base/fd.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

namespace banger::test {

/// Turns the loop until `done()`; false when that does not come in 10 s.
template <class F>
bool turn_until(F&& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    // Wakes the loop now and then, so that the deadline is seen.
    const auto ticker = g_timeout_add(20, [](gpointer) -> gboolean { return G_SOURCE_CONTINUE; }, nullptr);
    bool reached = done();
    while (!reached && std::chrono::steady_clock::now() < deadline) {
        g_main_context_iteration(nullptr, TRUE);
        reached = done();
    }
    g_source_remove(ticker);
    return reached;
}

/// Handles what is ready, without waiting.
inline void turn() {
    while (g_main_context_iteration(nullptr, FALSE)) {
        // until nothing is
    }
}

inline void make_non_blocking(int fd) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

/// What can be read now, appended to `text`; false at end of file.
inline bool drain(int fd, std::string& text) {
    char buffer[65536];
    for (;;) {
        const auto n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        text.append(buffer, static_cast<size_t>(n));
    }
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/banger-test-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { remove_tree(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

} // namespace banger::test
