#include "daemon/memory.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <charconv>
#include <sstream>
#include <string>

namespace banger::daemon {

namespace {

constexpr size_t worker_stack = 1 << 20;
constexpr int most_arenas = 2;
constexpr int trim_threshold = 128 * 1024;

/// One line of /proc/self/maps: "begin-end r-xp offset dev inode path" (proc(5)). Only text qualifies: it is
/// private, of a file, and never written to (read-only data may hold relocated pages, which exist nowhere
/// else).
void unmap_text(const std::string& line) {
    std::istringstream fields(line);
    std::string range;
    std::string rights;
    std::string ignored;
    std::string path;
    fields >> range >> rights >> ignored >> ignored >> ignored >> path;
    const auto dash = range.find('-');
    if (rights != "r-xp" || !path.starts_with('/') || dash == std::string::npos)
        return;
    unsigned long begin = 0;
    unsigned long end = 0;
    std::from_chars(range.data(), range.data() + dash, begin, 16);
    std::from_chars(range.data() + dash + 1, range.data() + range.size(), end, 16);
    if (begin < end)
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED); // in vain: nothing is lost
}

} // namespace

void be_modest() {
    ::mallopt(M_ARENA_MAX, most_arenas);
    ::mallopt(M_TRIM_THRESHOLD, trim_threshold);
    pthread_attr_t attributes;
    if (::pthread_attr_init(&attributes) == 0) {
        ::pthread_attr_setstacksize(&attributes, worker_stack);
        ::pthread_setattr_default_np(&attributes);
        ::pthread_attr_destroy(&attributes);
    }
}

void give_back_memory() {
    ::malloc_trim(0);
    try {
        std::istringstream maps(read_file("/proc/self/maps"));
        std::string line;
        while (std::getline(maps, line))
            unmap_text(line);
    } catch (const Error& error) {
        log::debug("memory is not given back: " + error.message());
    }
}

} // namespace banger::daemon
