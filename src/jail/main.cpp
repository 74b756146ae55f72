// banger-jail: the first process of a VM's systemd unit. systemd starts it with the unit's limits; it gets
// from the helper, over its standard input, what to execute and with which descriptors, says that it is
// there, waits until the helper has written that down, and becomes it.
//
// As the VM's owner, it becomes bubblewrap. With --jailer, and in a unit that runs as root, it prepares what
// Firecracker's own jailer wants to find, and becomes that (jailer.hpp).
#include "base/error.hpp"
#include "jail/descriptors.hpp"
#include "jail/jailer.hpp"
#include "jail/talk.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace banger::jail {

namespace {

[[noreturn]] void refuse() {
    throw Error(ErrorCode::FailedPrecondition,
                "banger-jail is for banger's helper, in a unit of a virtual machine");
}

/// As the plan says: the first is standard output and error, the rest counts on from first_number.
void place_all(const std::vector<OwnedFd>& descriptors) {
    const auto null = moved_aside(open_file("/dev/null", O_RDONLY).get());
    place(null.get(), 0);
    for (size_t i = 1; i < descriptors.size(); ++i)
        place(descriptors[i].get(), first_number + static_cast<int>(i) - 1);
    close_from(first_number + static_cast<int>(descriptors.size()) - 1);
}

[[noreturn]] void become(const Plan& plan) {
    std::vector<char*> words;
    for (const auto& word : plan.words)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    char* nothing[] = {nullptr};
    ::execve(words.front(), words.data(), nothing);
    throw_errno("execute " + plan.words.front());
}

/// The plan, out of the way; standard output and error are what it says.
Received receive_aside(int helper) {
    auto received = receive_plan(helper);
    for (auto& fd : received.descriptors)
        fd = moved_aside(fd.get());
    place(received.descriptors.front().get(), 1);
    place(received.descriptors.front().get(), 2);
    return received;
}

/// Whoever made the socket that is standard input: root, or who else?
bool is_of_root(int socket) {
    ucred who{};
    socklen_t size = sizeof who;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && size == sizeof who &&
           who.uid == 0;
}

void run(bool as_jailer) {
    // Whoever takes it over as its owner must not gain a privilege by what it executes.
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || as_jailer != (::geteuid() == 0))
        refuse();
    const OwnedFd helper(::fcntl(0, F_DUPFD_CLOEXEC, aside));
    if (!helper)
        throw_errno("look at standard input");
    if (as_jailer && !is_of_root(helper.get()))
        refuse();
    const auto received = receive_aside(helper.get());
    const auto jailer = as_jailer ? std::optional(parse_jailer_plan(received.plan)) : std::nullopt;
    say_ready(helper.get());
    if (!await_go(helper.get()))
        return; // the helper is gone: nothing has been done
    if (jailer)
        become_jailer(*jailer, received.descriptors);
    place_all(received.descriptors);
    become(received.plan);
}

} // namespace

} // namespace banger::jail

int main(int argc, char** argv) {
    try {
        banger::jail::run(argc == 2 && std::strcmp(argv[1], "--jailer") == 0);
    } catch (const std::exception& error) {
        ::dprintf(2, "banger-jail: %s\n", error.what());
    }
    return 1;
}
