#include "daemon/vm/console.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace banger::daemon {

namespace {

constexpr off_t tail_bytes = 8192;
constexpr off_t most_console = off_t{8} << 20;

/// The log's last bytes without what a terminal would obey.
std::string read_tail(const std::string& path) {
    const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    const auto size = file ? ::lseek(file.get(), 0, SEEK_END) : 0;
    if (size <= 0)
        return {};
    std::string text(static_cast<size_t>(std::min(size, tail_bytes)), '\0');
    const auto n = ::pread(file.get(), text.data(), text.size(), size - static_cast<off_t>(text.size()));
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    std::erase(text, '\r'); // a serial line ends its lines with both
    return printable_text(text);
}

} // namespace

std::string last_lines(std::string_view text, size_t lines) {
    if (lines == 0)
        return {};
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    size_t begin = text.size();
    for (size_t i = 0; i < lines; ++i) {
        begin = begin == 0 ? std::string_view::npos : text.rfind('\n', begin - 1);
        if (begin == std::string_view::npos)
            return std::string(text);
    }
    return std::string(text.substr(begin + 1));
}

std::string console_tail(const std::string& path, size_t lines) {
    return last_lines(read_tail(path), lines);
}

void bound_console(const VmPaths& paths) {
    const OwnedFd log(::open(paths.console().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    const auto size = log ? ::lseek(log.get(), 0, SEEK_END) : 0;
    if (size <= most_console)
        return;
    const auto old = open_file(paths.old_console(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    off_t from = size - most_console;
    ssize_t copied = 0;
    do
        copied = ::copy_file_range(log.get(), &from, old.get(), nullptr, most_console, 0);
    while (copied > 0);
    if (copied < 0) // then it stays as long as it is, and the next round tries again
        throw_errno("keep the end of " + paths.console());
    if (::ftruncate(log.get(), 0) < 0)
        throw_errno("begin " + paths.console() + " anew");
}

OwnedFd begin_console(const VmPaths& paths) {
    if (::rename(paths.console().c_str(), paths.old_console().c_str()) < 0 && errno != ENOENT)
        throw_errno("rename " + paths.console());
    return open_file(paths.console(), O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
}

std::string console_end(const std::string& path) {
    return read_tail(path);
}

} // namespace banger::daemon
