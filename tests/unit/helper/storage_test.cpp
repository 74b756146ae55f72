#include "helper/image_request.hpp"
#include "helper/ledger.hpp"
#include "helper/limits.hpp"
#include "helper/sandbox.hpp"
#include "helper/storage.hpp"
#include "helper/upkeep.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>

using namespace banger;
using namespace banger::helper;

namespace {

ErrorCode code_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("no Error");
    return {};
}

std::string header(uint32_t magic, uint32_t valid, uint32_t version, uint32_t chunk) {
    std::string out;
    for (uint32_t value : {magic, valid, version, chunk})
        for (int i = 0; i < 4; ++i, value >>= 8)
            out.push_back(static_cast<char>(value & 0xff));
    return out;
}

VmRecord with_snapshot(uint32_t uid, const char* vm, FileId rootfs, FileId cow, Step step = Step::Made,
                       uint64_t size = 0) {
    VmRecord record{uid, VmId::parse(vm), {}, {}, {}};
    record.snapshot = SnapshotRecord{rootfs, cow, step, size};
    return record;
}

} // namespace

TEST_CASE("a cow is new, or an intact one of ours") {
    constexpr uint32_t magic = 0x70416e53;
    CHECK_NOTHROW(check_cow_header(std::string(16, '\0')));
    CHECK_NOTHROW(check_cow_header(header(magic, 1, 1, snapshot_chunk)));
    for (const auto& bad :
         {header(magic, 0, 1, snapshot_chunk), header(magic, 1, 2, snapshot_chunk), header(magic, 1, 1, 1),
          header(0, 1, 1, snapshot_chunk), std::string(15, '\0'), std::string()})
        CHECK(code_of([&] { check_cow_header(bad); }) == ErrorCode::FailedPrecondition);
}

TEST_CASE("the kernel's table tells the size of chunks") {
    CHECK(chunk_of_table("7:0 7:1 P 32") == 32);
    CHECK(chunk_of_table("7:0 7:1 PO 8 1 discard_zeroes_cow") == 8);
    for (const char* bad : {"", "7:0 7:1 N 32", "7:0 7:1 P", "7:0 P 32", "7:0 7:1 P x"})
        CHECK(chunk_of_table(bad) == 0);
}

TEST_CASE("e2fsck's statuses") {
    for (const int status : {0, 1, 2, 3})
        CHECK_NOTHROW(judge_check(status, ""));
    for (const int status : {4, 5, 8, 12, 16, 32, 128, 127, 137})
        CHECK(code_of([&] { judge_check(status, "words"); }) == ErrorCode::FailedPrecondition);
}

TEST_CASE("a disk's file is of a size within bounds, and not opened to append") {
    char name[] = "/tmp/banger-disk-XXXXXX";
    const OwnedFd file(::mkstemp(name));
    const auto check = [&](int fd) { return check_disk_file(fd, ::getuid(), Access::Read, 1 << 20, "it"); };
    for (const long bad : {0L, 512L, 65535L, 65537L, (1L << 20) + 512}) {
        REQUIRE(::ftruncate(file.get(), bad) == 0);
        CHECK(code_of([&] { check(file.get()); }) == ErrorCode::FailedPrecondition);
    }
    REQUIRE(::ftruncate(file.get(), 1 << 20) == 0);
    CHECK(check(file.get()).size == 1 << 20);
    CHECK(code_of([&] { check_disk_file(file.get(), ::getuid() + 1, Access::Read, 1 << 20, "it"); }) ==
          ErrorCode::FailedPrecondition);
    const OwnedFd appending(::open(name, O_RDWR | O_APPEND | O_CLOEXEC));
    CHECK(code_of([&] { check(appending.get()); }) == ErrorCode::FailedPrecondition);
    ::unlink(name);
}

TEST_CASE("the ledger knows whose files a snapshot has") {
    char name[] = "/tmp/banger-ledger-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    const FileId image{1, 2}, cow{1, 3}, other{1, 4};
    {
        Ledger ledger(folder + "/ledger");
        ledger.put(with_snapshot(1000, "abcdef012345", image, cow, Step::Made, most_cow));
        ledger.put(with_snapshot(1001, "abcdef012345", image, other, Step::Making));
    }
    Ledger ledger(folder + "/ledger");
    CHECK(ledger.file_holder(image) != nullptr);
    CHECK(ledger.cow_holder(image) == nullptr);
    CHECK(ledger.cow_holder(cow)->uid == 1000);
    CHECK(ledger.cow_holder(other)->snapshot->step == Step::Making);
    CHECK(ledger.file_holder({9, 9}) == nullptr);
    CHECK(ledger.count_snapshots_of(1000) == 1);
    CHECK(ledger.count_snapshots_of(7) == 0);
    CHECK(ledger.cow_bytes_beside(1000, VmId::parse("bbbbbbbbbbbb")) == most_cow);
    CHECK(ledger.cow_bytes_beside(1000, VmId::parse("abcdef012345")) == 0);
    CHECK(ledger.cow_bytes_beside(1001, VmId::parse("bbbbbbbbbbbb")) == 0);
    condemn(ledger);
    CHECK(ledger.vm(1000, VmId::parse("abcdef012345"))->snapshot->step == Step::Removing);
    std::filesystem::remove_all(folder);
}

TEST_CASE("who is confined reads and writes what is open, and nothing else") {
    char name[] = "/tmp/banger-image-XXXXXX";
    const OwnedFd file(::mkstemp(name));
    REQUIRE(::ftruncate(file.get(), 4096) == 0);
    const int child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        confine(file.get());
        int wrong = 0;
        wrong |= ::pwrite(file.get(), "x", 1, 4095) != 1;
        wrong |= (::pwrite(file.get(), "x", 1, 4096) >= 0) << 1;
        wrong |= (::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) << 2;
        wrong |= (::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0) << 3;
        wrong |= (::kill(::getppid(), 0) >= 0) << 4;
        wrong |= (::unlink(name) >= 0) << 5;
        wrong |= (::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0) << 6;
        wrong |= (::dup(0) >= 0) << 7;
        ::_exit(wrong);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    ::unlink(name);
}

TEST_CASE("paths inside of images") {
    CHECK(ImagePath::parse("/etc/hostname").folder() == "/etc");
    CHECK(ImagePath::parse("/etc/hostname").leaf() == "hostname");
    CHECK(ImagePath::parse("/a").folder() == "/");
    CHECK(ImagePath::parse("/..a/...").leaf() == "...");
    for (const char* bad :
         {"", "/", "a", "//a", "/a/", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/a\tb", "/a\x7f"})
        CHECK(code_of([&] { ImagePath::parse(bad); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { ImagePath::parse(std::string_view("/a\0b", 4)); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("requests and answers survive the way") {
    ImageRequest request{true,
                         {{ImagePath::parse("/a"), std::string("x\0y", 3), 07777, 1, 4294967294},
                          {ImagePath::parse("/b/c"), "", 0, 0, 0}}};
    CHECK(parse_image_request(render(request)) == request);
    const auto bytes = render(request);
    for (size_t n = 0; n < bytes.size(); ++n)
        CHECK(code_of([&] { parse_image_request(std::string_view(bytes).substr(0, n)); }) ==
              ErrorCode::InvalidArgument);
    CHECK(parse_image_answer(render_image_answer("content")) == "content");
    CHECK(code_of([] { parse_image_answer(render_image_error({ErrorCode::NotFound, "no", "hint"})); }) ==
          ErrorCode::NotFound);
    for (const auto& bad :
         {std::string(), std::string("?"), std::string("-"), std::string("-\xff\xff\xff\xff"),
          render_image_error({ErrorCode::NotFound, "no"}) + "more"})
        CHECK(code_of([&] { parse_image_answer(bad); }) == ErrorCode::Internal);
}
