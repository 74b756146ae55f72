// banger-jail: the first process of a VM's systemd unit. systemd starts it as the VM's owner, with the unit's
// limits; it gets from the helper, over its standard input, what to execute and with which descriptors, says
// that it is there, waits until the helper has written that down, and becomes it.
#include "base/error.hpp"
#include "jail/talk.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace banger::jail {

namespace {

/// Out of the way of all numbers that descriptors are placed at.
constexpr int aside = first_number + static_cast<int>(descriptors_limit);

void place(int fd, int number) {
    if (::dup2(fd, number) < 0)
        throw_errno("place a descriptor");
}

OwnedFd moved_aside(const OwnedFd& fd) {
    OwnedFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, aside));
    if (!moved)
        throw_errno("move a descriptor");
    return moved;
}

/// As the plan says: the first is standard output and error, the rest counts on from first_number.
void place_all(const std::vector<OwnedFd>& descriptors) {
    const auto null = moved_aside(open_file("/dev/null", O_RDONLY));
    place(null.get(), 0);
    for (size_t i = 1; i < descriptors.size(); ++i)
        place(descriptors[i].get(), first_number + static_cast<int>(i) - 1);
    ::syscall(SYS_close_range, first_number + descriptors.size() - 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
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

void run() {
    // Whoever takes it over as its owner must not gain a privilege by what it executes.
    if (::geteuid() == 0 || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        throw Error(ErrorCode::FailedPrecondition,
                    "banger-jail is for banger's helper, in a unit of an owner's");
    const OwnedFd helper(::fcntl(0, F_DUPFD_CLOEXEC, aside));
    if (!helper)
        throw_errno("look at standard input");
    auto received = receive_plan(helper.get());
    for (auto& fd : received.descriptors)
        fd = moved_aside(fd);
    place(received.descriptors.front().get(), 1);
    place(received.descriptors.front().get(), 2);
    say_ready(helper.get());
    if (!await_go(helper.get()))
        return; // the helper is gone: nothing has been done
    place_all(received.descriptors);
    become(received.plan);
}

} // namespace

} // namespace banger::jail

int main() {
    try {
        banger::jail::run();
    } catch (const std::exception& error) {
        ::dprintf(2, "banger-jail: %s\n", error.what());
    }
    return 1;
}
