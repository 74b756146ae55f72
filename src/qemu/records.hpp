// The two files that the API can ask for: a log of what was asked, and metrics.
#pragma once

#include "base/fd.hpp"
#include "qemu/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace banger::qemu {

class Records {
public:
    explicit Records(std::string id)
        : id_(std::move(id)) {}

    /// Opens the file (or pipe) for appending, never blocking on it. Throws Error.
    void configure(const Logger& logger);
    /// The same; a second time is refused, as Firecracker does.
    void configure(const Metrics& metrics);

    /// One request answered; written to the log at level Info (Error when refused) and counted.
    void note_request(std::string_view method, std::string_view path, unsigned status);
    /// Writes one line of JSON: counts since the start, and the time. Nothing where no metrics file was
    /// configured.
    void flush_metrics();

private:
    std::string id_;
    OwnedFd log_;
    OwnedFd metrics_;
    bool show_level_ = false;
    bool errors_ = true;
    bool infos_ = true;
    uint64_t requests_ = 0;
    uint64_t refusals_ = 0;
};

} // namespace banger::qemu
