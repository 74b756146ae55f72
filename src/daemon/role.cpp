// The entry of the role module: `banger daemon`.
#include "base/log.hpp"
#include "bus/errors.hpp"
#include "daemon/daemon.hpp"
#include "daemon/memory.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using namespace banger;

/// A running VM costs a descriptor, a start under way a dozen.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int complain(const Error& error) {
    std::fprintf(stderr, "banger daemon: %s\n", error.message().c_str());
    if (!error.hint().empty())
        std::fprintf(stderr, "  try: %s\n", error.hint().c_str());
    return error_kind(error.code()).exit_status;
}

int serve() {
    ::umask(077);
    daemon::be_modest();
    raise_descriptor_limit();
    log::open("banger-daemon");
    daemon::Daemon daemon;
    if (!daemon.run())
        std::_Exit(1); // threads are stuck in calls; waiting for them is what was given up
    return 0;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int banger_role_main(int argc, char** argv) {
    if (argc > 1) {
        const bool asks = std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h";
        std::fprintf(asks ? stdout : stderr, "Usage: banger daemon\n\nThe owner's daemon: "
                                             "org.banger.Manager1 on the session bus. The bus starts it "
                                             "when it is called.\n");
        return asks ? 0 : 2;
    }
    try {
        if (::geteuid() == 0)
            throw Error(ErrorCode::FailedPrecondition,
                        "the daemon does not run as root: it is each user's own",
                        "run it as an ordinary user; what needs root is done by the helper service");
        return serve();
    } catch (...) {
        return complain(bus::current_error());
    }
}
