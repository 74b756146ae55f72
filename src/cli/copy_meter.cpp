#include "cli/copy_meter.hpp"

#include "base/size.hpp"
#include "cli/text.hpp"

namespace banger::cli {

namespace {

constexpr auto between = std::chrono::milliseconds(100);

} // namespace

void CopyMeter::begin(const agent::Entry& entry) {
    path_ = entry.path;
    size_ = entry.size;
    done_ = 0;
    draw();
}

void CopyMeter::add(uint64_t bytes) {
    done_ += bytes;
    total_ += bytes;
    draw();
}

void CopyMeter::draw() {
    const auto now = std::chrono::steady_clock::now();
    if (!display_.enabled() || now - drawn_ < between)
        return;
    drawn_ = now;
    JobProgress progress;
    progress.steps.push_back({human_size(total_) + " · " + path_, "running", 0});
    if (size_ > 0)
        progress.fraction = static_cast<double>(done_) / static_cast<double>(size_);
    display_.draw(progress);
}

std::optional<agent::Entry> MeteredSource::next() {
    auto entry = source_.next();
    if (entry)
        meter_.begin(*entry);
    return entry;
}

size_t MeteredSource::read(std::span<char> buffer) {
    const auto n = source_.read(buffer);
    meter_.add(n);
    return n;
}

uint64_t MeteredSource::hole() {
    const auto bytes = source_.hole();
    if (bytes > 0)
        meter_.add(bytes);
    return bytes;
}

} // namespace banger::cli
