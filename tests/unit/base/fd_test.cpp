#include "base/fd.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

using namespace banger;
using test::code_of;
using test::Scratch;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}
bool closes_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

} // namespace

TEST_CASE("a descriptor closes with its owner, once, and moves") {
    int number = -1;
    {
        auto [a, b] = make_pipe();
        number = a.get();
        OwnedFd other(std::move(a));
        CHECK_FALSE(a); // NOLINT(bugprone-use-after-move): that it is empty is the point
        CHECK(other.get() == number);
        OwnedFd third;
        third = std::move(other);
        CHECK(third.get() == number);
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("release gives the descriptor away") {
    auto [a, b] = make_pipe();
    const int number = a.release();
    CHECK_FALSE(a);
    CHECK(is_open(number));
    ::close(number);
}

TEST_CASE("all descriptors close on exec") {
    auto [a, b] = make_pipe();
    auto [c, d] = make_socketpair();
    const auto copy = a.duplicate();
    const auto file = open_file("/dev/null", O_RDONLY);
    for (const int fd : {a.get(), b.get(), c.get(), d.get(), copy.get(), file.get()})
        CHECK(closes_on_exec(fd));
}

TEST_CASE("open names the path in its error") {
    const auto error = test::error_of([] { open_file("/no/such/file", O_RDONLY); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::NotFound);
    CHECK(error->message().find("/no/such/file") != std::string::npos);
}

TEST_CASE("write_all and read_all carry more than a pipe holds") {
    auto [read_end, write_end] = make_pipe();
    const std::string text(1 << 20, 'x');
    std::thread writer([&, end = std::move(write_end)] { write_all(end.get(), text, "pipe"); });
    CHECK(read_all(read_end.get(), 2 << 20, "pipe") == text);
    writer.join();
}

TEST_CASE("read_all refuses more than its limit, and takes exactly the limit") {
    const auto fill = [](size_t bytes) {
        auto [read_end, write_end] = make_pipe();
        write_all(write_end.get(), std::string(bytes, 'x'), "pipe");
        return std::move(read_end);
    };
    CHECK(read_all(fill(100).get(), 100, "pipe").size() == 100);
    CHECK(code_of([&] { read_all(fill(101).get(), 100, "pipe"); }) == "InvalidArgument");
}

TEST_CASE("waiting for a descriptor: data, end of file, and the time limit") {
    auto [read_end, write_end] = make_pipe();
    CHECK_FALSE(wait_readable(read_end.get(), 0));
    CHECK_FALSE(wait_readable(read_end.get(), 20));
    write_all(write_end.get(), "x", "pipe");
    CHECK(wait_readable(read_end.get(), -1));
    char byte = 0;
    CHECK(::read(read_end.get(), &byte, 1) == 1);
    write_end.reset();
    CHECK(wait_readable(read_end.get(), -1));
}

TEST_CASE("a listening socket is born with mode 0600, whatever the umask, which is left as it was") {
    const Scratch scratch;
    const auto before = ::umask(0);
    const auto path = scratch / "s";
    const auto listener = listen_unix(path);
    struct stat status{};
    CHECK(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(::umask(before) == 0);
}

TEST_CASE("sockets under paths longer than sun_path holds") {
    const Scratch scratch;
    const auto folder = scratch / std::string(120, 'd');
    REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
    const auto path = folder + "/api.sock";
    const auto listener = listen_unix(path);
    const auto client = connect_unix(path);
    const OwnedFd server(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(server);
    write_all(client.get(), "hi", "socket");
    char text[2];
    CHECK(::read(server.get(), text, 2) == 2);
    CHECK(code_of([&] { listen_unix(folder + "/" + std::string(120, 's')); }) == "InvalidArgument");
}

TEST_CASE("a socket file is the socket itself, never what a link there points to") {
    const Scratch scratch;
    const auto listener = listen_unix(scratch / "s", 0);
    int error_number = 0;
    const auto client = try_connect_socket_file(scratch / "s", error_number);
    CHECK(client);
    CHECK(error_number == 0);
    REQUIRE(::symlink((scratch / "s").c_str(), (scratch / "link").c_str()) == 0);
    CHECK_FALSE(try_connect_socket_file(scratch / "link", error_number));
    CHECK(error_number == ENOTSOCK);
    CHECK_FALSE(try_connect_socket_file(scratch / "absent", error_number));
    CHECK(error_number == ENOENT);
    while (try_connect_socket_file(scratch / "s", error_number).release() >= 0) {
    }
    CHECK(error_number == EAGAIN); // a full backlog does not block
}

TEST_CASE("connecting to nothing and binding twice are errors") {
    const Scratch scratch;
    CHECK(code_of([&] { connect_unix(scratch / "absent"); }) == "NotFound");
    const auto listener = listen_unix(scratch / "s");
    CHECK(code_of([&] { listen_unix(scratch / "s"); }) == "Internal");
}

TEST_CASE("a pidfd for a process, and none for what is no process") {
    CHECK(open_pidfd(::getpid()));
    CHECK(code_of([] { open_pidfd(0x3fffffff); }) != "none");
}
