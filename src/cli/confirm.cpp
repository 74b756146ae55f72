#include "cli/confirm.hpp"

#include "base/error.hpp"
#include "cli/manager.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace banger::cli {

namespace {

/// One line of standard input, without what comes after it.
std::string read_line() {
    std::string line;
    for (char c = 0; line.size() < 256;) {
        const auto n = ::read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || c == '\n')
            break;
        line += c;
    }
    return line;
}

} // namespace

void confirm(const std::string& what) {
    if (!on_terminal())
        throw Error(ErrorCode::InvalidArgument,
                    what + " There is no terminal to ask on whether that is meant",
                    "add --yes; --dry-run only says what would be done");
    std::fprintf(stderr, "%s\nGo on? [y/N] ", what.c_str());
    const auto answer = read_line();
    if (answer != "y" && answer != "Y" && answer != "yes")
        throw Error(ErrorCode::Cancelled, "nothing was done");
}

} // namespace banger::cli
