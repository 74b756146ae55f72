// Shows how far a copy is, on a terminal.
#pragma once

#include "agent/tree.hpp"
#include "cli/progress.hpp"

#include <chrono>

namespace banger::cli {

class CopyMeter {
public:
    void begin(const agent::Entry& entry);
    void add(uint64_t bytes);
    void clear() noexcept { display_.clear(); }

private:
    void draw();

    ProgressDisplay display_;
    std::string path_;
    uint64_t size_ = 0; ///< of the file that is copied now
    uint64_t done_ = 0;
    uint64_t total_ = 0; ///< of all files until now
    std::chrono::steady_clock::time_point drawn_{};
};

/// A source that tells the meter what goes through.
class MeteredSource : public agent::EntrySource {
public:
    MeteredSource(agent::EntrySource& source, CopyMeter& meter)
        : source_(source)
        , meter_(meter) {}

    std::optional<agent::Entry> next() override;
    size_t read(std::span<char> buffer) override;
    uint64_t hole() override;
    uint64_t skipped() const override { return source_.skipped(); }

private:
    agent::EntrySource& source_;
    CopyMeter& meter_;
};

} // namespace banger::cli
