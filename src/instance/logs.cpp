#include "instance/logs.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

namespace banger::instance {

namespace {

constexpr off_t trim_above = 16 << 20;
constexpr off_t trim_keeps = 1 << 20;

std::string tail(int fd, off_t most) {
    const off_t size = ::lseek(fd, 0, SEEK_END);
    const off_t from = size > most ? size - most : 0;
    std::string text(static_cast<size_t>(size - from), '\0');
    const auto got = ::pread(fd, text.data(), text.size(), from);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
}

} // namespace

std::string log_tail(const std::string& path) {
    try {
        return tail(open_file(path, O_RDONLY).get(), 4096);
    } catch (const Error&) {
        return {};
    }
}

void trim_logs(const std::string& folder) noexcept {
    try {
        for (const auto& item : std::filesystem::directory_iterator(folder)) {
            const auto path = item.path().string();
            if (item.path().extension() != ".log" || !item.is_regular_file())
                continue;
            const auto file = open_file(path, O_RDWR | O_NOFOLLOW);
            if (::lseek(file.get(), 0, SEEK_END) <= trim_above)
                continue;
            write_file_atomically(path + ".old", tail(file.get(), trim_keeps), 0644);
            if (::ftruncate(file.get(), 0) < 0)
                throw_errno("truncate " + path);
        }
    } catch (const std::exception& error) {
        log::warning(std::string("trimming the logs: ") + error.what());
    }
}

} // namespace banger::instance
