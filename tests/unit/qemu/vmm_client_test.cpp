#include "base/error.hpp"
#include "base/process.hpp"
#include "loop_help.hpp"
#include "vmm/client.hpp"
#include "vmm/socket_wait.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <thread>

using namespace banger;
using namespace banger::vmm;
using namespace std::chrono_literals;

namespace {

Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

/// The real program, without a guest.
struct NullVmm {
    test::TemporaryDirectory directory;
    std::string socket = directory / "api.sock";
    Child child;

    explicit NullVmm(const std::string& mode = "ordinary") {
        ProcessSpec spec;
        spec.program = BANGER_QEMU;
        spec.arguments = {"--id", "test", "--api-sock", socket, "--null=" + mode};
        spec.parent_death_signal = SIGKILL;
        spec.stderr_fd = 2;
        child = spawn(spec);
        wait_for_socket(socket, in(10s), {}, child.pidfd.get());
        write_file_atomically(directory / "kernel", "kernel");
    }
    NullVmm(const NullVmm&) = delete;
    NullVmm& operator=(const NullVmm&) = delete;
    ~NullVmm() {
        if (child.pid < 0)
            return;
        ::kill(child.pid, SIGKILL);
        wait_child(child);
    }
    int status() {
        const auto status = wait_child(child, 10000).value_or(-1);
        child = {};
        return status;
    }
    void configure(VmmClient& client) {
        client.put_boot_source({directory / "kernel", {}, "quiet"});
        client.put_machine_config({2, 512, false, false});
        client.put_vsock({3, directory / "v.sock"});
    }
};

template <class F>
Error failure(F&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    return {ErrorCode::Internal, "nothing failed"};
}

} // namespace

TEST_CASE("a whole life over one connection") {
    NullVmm vmm;
    VmmClient client(vmm.socket);
    CHECK(client.describe().state == "Not started");
    CHECK(client.describe().app_name == "banger-qemu");
    CHECK(client.version() == "1.16.1");
    vmm.configure(client);
    client.put_entropy();
    client.put_balloon({16, true, 0, false});
    CHECK(client.vm_config()["machine-config"]["vcpu_count"] == 2);
    client.start_instance();
    client.pause();
    CHECK(client.describe().state == "Paused");
    client.resume();
    client.set_balloon(32);
    client.send_ctrl_alt_del();
    CHECK(vmm.status() == 0);
    CHECK(::access(vmm.socket.c_str(), F_OK) != 0);
}

TEST_CASE("refusals keep the VMM's words, and say whether it was the moment") {
    NullVmm vmm;
    VmmClient client(vmm.socket);
    const auto early = failure([&] { client.pause(); });
    CHECK(early.code() == ErrorCode::FailedPrecondition);
    CHECK(early.message().find("not supported before starting the microVM") != std::string::npos);
    const auto wrong = failure([&] { client.put_boot_source({"/no/such/kernel", {}, {}}); });
    CHECK(wrong.code() == ErrorCode::InvalidArgument);
    CHECK(wrong.message().find("/no/such/kernel") != std::string::npos);
    CHECK(client.describe().id == "test"); // the connection lives on
}

TEST_CASE("a VMM that is gone is Unavailable") {
    VmmClient nobody("/tmp/no/such/socket");
    CHECK(failure([&] { nobody.describe(); }).code() == ErrorCode::Unavailable);
    NullVmm vmm("die-at-start");
    VmmClient client(vmm.socket);
    vmm.configure(client);
    CHECK(failure([&] { client.start_instance(); }).code() == ErrorCode::Unavailable);
    CHECK(vmm.status() == 1);
    CHECK(failure([&] { client.describe(); }).code() == ErrorCode::Unavailable);
}

TEST_CASE("a VMM that does not answer: late, or stopped") {
    test::TemporaryDirectory directory;
    const auto path = directory / "silent.sock";
    const auto silent = listen_unix(path);
    VmmClient late(path, {50ms, {}});
    CHECK(failure([&] { late.describe(); }).code() == ErrorCode::Timeout);
    std::stop_source stop;
    VmmClient stopped(path, {10s, stop.get_token()});
    const std::jthread stopper([&] {
        std::this_thread::sleep_for(30ms);
        stop.request_stop();
    });
    CHECK(failure([&] { stopped.describe(); }).code() == ErrorCode::Cancelled);
    CHECK(failure([&] { stopped.describe(); }).code() == ErrorCode::Cancelled); // and at once, from then on
}

TEST_CASE("an answer that is none, or too large") {
    test::TemporaryDirectory directory;
    const auto path = directory / "odd.sock";
    const auto listener = listen_unix(path);
    const auto serve = [&](const std::string& answer) {
        return std::jthread([&listener, answer] {
            const OwnedFd peer(::accept(listener.get(), nullptr, nullptr));
            char buffer[4096];
            if (::recv(peer.get(), buffer, sizeof buffer, 0) > 0)
                ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        });
    };
    for (const auto& [answer, code] :
         {std::pair{std::string("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{x}"), ErrorCode::Internal},
          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ErrorCode::Internal},
          {"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", ErrorCode::InvalidArgument},
          {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", ErrorCode::Internal},
          {"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + std::string(2000000, ' '),
           ErrorCode::InvalidArgument}}) {
        const auto server = serve(answer);
        VmmClient client(path, {5s, {}});
        CHECK(failure([&] { client.describe(); }).code() == code);
    }
}

TEST_CASE("a path longer than a socket address") {
    test::TemporaryDirectory directory;
    const auto folder = directory / std::string(120, 'd');
    make_directories(folder);
    const auto path = folder + "/api.sock";
    const auto listener = listen_unix(path);
    CHECK_NOTHROW(wait_for_socket(path, in(1s)));
    const std::jthread server([&] {
        char buffer[4096];
        const std::string answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{\"firecracker_version\":\"1.16.1\"}";
        for (int i = 0; i < 2; ++i) { // wait_for_socket was the first
            const OwnedFd peer(::accept(listener.get(), nullptr, nullptr));
            if (::recv(peer.get(), buffer, sizeof buffer, 0) > 0)
                ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        }
    });
    VmmClient client(path, {5s, {}});
    CHECK(client.call("GET", "/version", nullptr).is_object());
}

TEST_CASE("waiting for a socket ends with the VMM, the deadline, or the caller's wish") {
    const std::string path = "/tmp/no/such/socket";
    ProcessSpec spec;
    spec.program = "/bin/sleep";
    spec.arguments = {"0.05"};
    const auto child = spawn(spec);
    CHECK(failure([&] { wait_for_socket(path, in(10s), {}, child.pidfd.get()); }).code() ==
          ErrorCode::Unavailable);
    wait_child(child);
    CHECK(failure([&] { wait_for_socket(path, in(20ms)); }).code() == ErrorCode::Timeout);
    std::stop_source stop;
    stop.request_stop();
    CHECK(failure([&] { wait_for_socket(path, in(10s), stop.get_token()); }).code() == ErrorCode::Cancelled);
}
