#include "base/error.hpp"
#include "helper/requests.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

using namespace banger;
using namespace banger::helper;

namespace {

using Drives = std::vector<sdbus::Struct<std::string, bool, sdbus::UnixFd>>;

int null_fd() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
sdbus::UnixFd some_fd() {
    return sdbus::UnixFd(null_fd(), sdbus::adopt_fd);
}

bus::Variants ordinary() {
    bus::Variants options;
    options["vmm"] = sdbus::Variant{std::string("qemu")};
    options["kernel"] = sdbus::Variant{some_fd()};
    options["initrd"] = sdbus::Variant{some_fd()};
    return options;
}

Launch parse(bus::Variants variants, const std::string& vm = "abcdef012345") {
    bus::Options options(std::move(variants));
    return parse_launch(vm, options);
}

void refused(const std::function<void(bus::Variants&)>& change) {
    auto options = ordinary();
    change(options);
    try {
        parse(std::move(options));
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidArgument);
    }
}

Drives drives(std::initializer_list<const char*> names) {
    Drives result;
    for (const char* name : names)
        result.emplace_back(name, true, some_fd());
    return result;
}

} // namespace

TEST_CASE("an ordinary launch") {
    auto options = ordinary();
    options["drives"] = sdbus::Variant{drives({"image", "work"})};
    options["tap"] = sdbus::Variant{true};
    options["vcpus"] = sdbus::Variant{uint32_t{2}};
    options["memory-mib"] = sdbus::Variant{uint32_t{256}};
    options["op-id"] = sdbus::Variant{std::string(32, 'a')};
    const auto launch = parse(std::move(options));
    CHECK(launch.kind == VmmKind::Qemu);
    CHECK(launch.kernel);
    CHECK(launch.drives.size() == 2);
    CHECK(launch.drives[1].name.str() == "work");
    CHECK(launch.tap);
    CHECK(launch.vcpus == 2);
    CHECK(launch.memory_mib == 256);
    CHECK_FALSE(launch.console);
}

TEST_CASE("what Launch does not know, or not so, is refused") {
    refused([](auto& options) { options["path"] = sdbus::Variant{std::string("/etc/shadow")}; });
    refused([](auto& options) { options.erase("vmm"); });
    refused([](auto& options) { options["vmm"] = sdbus::Variant{std::string("firecracker2")}; });
    refused([](auto& options) { options["vmm"] = sdbus::Variant{uint32_t{1}}; });
    refused([](auto& options) { options.erase("kernel"); });
    refused([](auto& options) { options.erase("initrd"); });
    refused([](auto& options) { options["kernel"] = sdbus::Variant{std::string("/boot/vmlinuz")}; });
    refused([](auto& options) { options["vcpus"] = sdbus::Variant{uint32_t{0}}; });
    refused([](auto& options) { options["vcpus"] = sdbus::Variant{uint32_t{33}}; });
    refused([](auto& options) { options["vcpus"] = sdbus::Variant{int32_t{-1}}; });
    refused([](auto& options) { options["memory-mib"] = sdbus::Variant{uint32_t{15}}; });
    refused([](auto& options) { options["memory-mib"] = sdbus::Variant{UINT32_MAX}; });
    refused([](auto& options) { options["null-mode"] = sdbus::Variant{std::string("never-ready")}; });
    refused([](auto& options) { options["drives"] = sdbus::Variant{drives({"a", "a"})}; });
    refused([](auto& options) { options["drives"] = sdbus::Variant{drives({"../kernel"})}; });
    refused([](auto& options) { options["drives"] = sdbus::Variant{drives({""})}; });
    refused([](auto& options) {
        options["drives"] = sdbus::Variant{drives({"1", "2", "3", "4", "5", "6", "7", "8", "9"})};
    });
    refused([](auto& options) { options["op-id"] = sdbus::Variant{std::string("x\nMESSAGE=forged")}; });
    CHECK_THROWS_AS(parse(ordinary(), "../../../etc"), Error);
}

TEST_CASE("a null VMM needs no files") {
    bus::Variants options;
    options["vmm"] = sdbus::Variant{std::string("null")};
    options["null-mode"] = sdbus::Variant{std::string("die-at-start")};
    CHECK(parse(options).null_mode == "die-at-start");
    options["null-mode"] = sdbus::Variant{std::string("--tap=x")};
    CHECK_THROWS_AS(parse(options), Error);
}

TEST_CASE("descriptors: regular files of the caller, opened as they are used") {
    char name[] = "/tmp/banger-file-XXXXXX";
    const OwnedFd both(::mkstemp(name));
    const OwnedFd reading(::open(name, O_RDONLY | O_CLOEXEC));
    const OwnedFd writing(::open(name, O_WRONLY | O_CLOEXEC));
    const OwnedFd path(::open(name, O_PATH | O_CLOEXEC));
    const OwnedFd folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const OwnedFd device(null_fd());
    const auto [pipe_read, pipe_write] = make_pipe();
    const auto uid = ::geteuid();
    const auto fine = [&](const OwnedFd& fd, Access access, unsigned owner) {
        try {
            check_file(fd.get(), owner, access, "it");
            return true;
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::FailedPrecondition);
            return false;
        }
    };
    for (const auto access : {Access::Read, Access::Write, Access::ReadWrite}) {
        CHECK(fine(both, access, uid));
        CHECK_FALSE(fine(both, access, uid + 1));
        CHECK_FALSE(fine(path, access, uid));
        CHECK_FALSE(fine(folder, access, uid));
        CHECK_FALSE(fine(device, access, uid));
        CHECK_FALSE(fine(pipe_read, access, uid));
        CHECK_FALSE(fine(OwnedFd(), access, uid));
    }
    CHECK(fine(reading, Access::Read, uid));
    CHECK_FALSE(fine(reading, Access::ReadWrite, uid));
    CHECK_FALSE(fine(reading, Access::Write, uid));
    CHECK(fine(writing, Access::Write, uid));
    CHECK_FALSE(fine(writing, Access::Read, uid));
    CHECK_FALSE(fine(writing, Access::ReadWrite, uid));
    ::unlink(name);
    CHECK_FALSE(fine(both, Access::Read, uid));
}
