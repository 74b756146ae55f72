#include "archive_maker.hpp"
#include "base/error.hpp"
#include "base/process.hpp"
#include "daemon/image/assemble.hpp"
#include "daemon/image/ext4_format.hpp"
#include "daemon/image/work_disk.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace banger;
using namespace banger::test;

namespace {

constexpr uint64_t image_size = 64 << 20;

/// What e2fsck has to say; empty when the filesystem is clean.
std::string check(const std::string& image) {
    ProcessSpec spec;
    spec.program = find_program("e2fsck", "e2fsprogs");
    spec.arguments = {"-fn", image};
    const auto result = run(std::move(spec));
    return result.status == 0 ? std::string() : result.output + result.errors;
}

std::string debugfs(const std::string& image, const std::string& request) {
    ProcessSpec spec;
    spec.program = find_program("debugfs", "e2fsprogs");
    spec.arguments = {"-R", request, image};
    return run_checked(std::move(spec));
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

/// An image made of one archive.
struct Image {
    TemporaryFolder folder;
    std::string path = folder / "image";
    AssembledImage result;

    explicit Image(const std::string& tar, uint64_t size = image_size, const AssembleOptions& options = {}) {
        result = write_ext4_from_archive(read_from(tar), "test", path, size, options, {});
        CHECK(check(path) == "");
    }
    std::string show(const std::string& request) const { return debugfs(path, request); }
};

ErrorCode refusal(const std::string& tar, uint64_t size = image_size, const AssembleOptions& options = {}) {
    const TemporaryFolder folder;
    try {
        write_ext4_from_archive(read_from(tar), "test", folder / "image", size, options, {});
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("accepted");
    return ErrorCode::Internal;
}

/// An image made of layers; its path.
std::string layered(const TemporaryFolder& folder, const std::vector<std::string>& tars) {
    const auto path = folder / "image";
    ImageAssembler assembler(path, image_size, {}, {});
    for (const auto& tar : tars)
        assembler.add(read_from(tar), "layer", true);
    assembler.finish();
    CHECK(check(path) == "");
    return path;
}

} // namespace

TEST_CASE("files of every kind arrive with owner, mode, times and content") {
    ArchiveMaker maker;
    maker.folder("etc/", 0750)
        .file("./etc/plain", "hello\n", 04711,
              [](archive_entry* e) {
                  ::archive_entry_set_uid(e, 100'000);
                  ::archive_entry_set_gid(e, 70'000);
              })
        .symlink("etc/short", "plain")
        .symlink("etc/long", std::string(300, 'x'))
        .hard_link("etc/second", "etc/plain")
        .device("null", AE_IFCHR, 1, 3)
        .device("big", AE_IFBLK, 259, 1000)
        .device("pipe", AE_IFIFO, 0, 0)
        .file("/deep/made/up/file", "x");
    const Image image(maker.finish());
    const auto plain = image.show("stat /etc/plain");
    CHECK(has(plain, "Mode:  04711"));
    CHECK(has(plain, "User: 100000   Group: 70000"));
    CHECK(has(plain, "Links: 2"));
    CHECK(
        has(plain,
            "mtime: 0x6553f100:3b9aca00")); // 1 700 000 000 s; 250 000 000 ns, shifted by the two epoch bits
    CHECK(image.show("cat /etc/second") == "hello\n");
    CHECK(has(image.show("stat /etc"), "Mode:  0750"));
    CHECK(has(image.show("stat /etc/short"), "Fast link dest: \"plain\""));
    CHECK(image.show("cat /etc/long") == std::string(300, 'x'));
    CHECK(has(image.show("stat /null"), "Device major/minor number: 01:03"));
    CHECK(has(image.show("stat /big"), "Device major/minor number: 259:1000"));
    CHECK(has(image.show("stat /pipe"), "Type: FIFO"));
    CHECK(has(image.show("stat /deep/made/up"), "Mode:  0755"));
    CHECK(image.result.entries == 9);
}

TEST_CASE("extended attributes and names in any script arrive") {
    const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    for (const auto kind : {ArchiveMaker::Kind::Pax, ArchiveMaker::Kind::Gnu}) {
        ArchiveMaker maker(kind);
        maker.file("bin/gr\xc3\xbc\xc3\x9f", "x", 0755, [&](archive_entry* e) {
            ::archive_entry_xattr_add_entry(e, "security.capability", capability.data(), capability.size());
            ::archive_entry_xattr_add_entry(e, "user.note", "a note", 6);
            ::archive_entry_xattr_add_entry(e, "user.big", std::string(2000, 'v').data(), 2000);
        });
        const Image image(maker.finish());
        CHECK(image.show("cat \"/bin/gr\xc3\xbc\xc3\x9f\"") == "x");
        if (kind == ArchiveMaker::Kind::Gnu)
            continue; // that format has no attributes
        const auto list = image.show("ea_list \"/bin/gr\xc3\xbc\xc3\x9f\"");
        CHECK(has(list, "security.capability (20)"));
        CHECK(has(list, "user.note (6) = \"a note\""));
        CHECK(has(list, "user.big (2000)"));
    }
    ArchiveMaker maker;
    maker.file("x", "x", 0644, [](archive_entry* e) {
        ::archive_entry_xattr_add_entry(e, "user.big", std::string(9000, 'v').data(), 9000);
    });
    CHECK(refusal(maker.finish()) == ErrorCode::Unsupported);
}

TEST_CASE("large, sparse and many files") {
    std::string large(5'000'123, 'a');
    for (size_t i = 0; i < large.size(); i += 4099)
        large[i] = static_cast<char>('b' + i % 23);
    ArchiveMaker maker;
    maker.file("large", large).file("empty", "");
    maker.add("sparse", AE_IFREG, 0644, large, [](archive_entry* e) {
        ::archive_entry_sparse_add_entry(e, 0, 10'000);
        ::archive_entry_sparse_add_entry(e, 4'000'001, 500);
    });
    for (int i = 0; i < 5000; ++i)
        maker.file("many/" + std::to_string(i) + std::string(100, 'n'), "x");
    const Image image(maker.finish());
    CHECK(image.show("cat /large") == large);
    CHECK(image.show("cat /empty").empty());
    std::string expected(large.size(), '\0');
    expected.replace(0, 10'000, large, 0, 10'000);
    expected.replace(4'000'001, 500, large, 4'000'001, 500);
    CHECK(image.show("cat /sparse") == expected);
    CHECK(has(image.show("stat /sparse"), "Blockcount: 32")); // four blocks of 4 KiB
    CHECK(image.show("cat /many/4999" + std::string(100, 'n')) == "x");
}

TEST_CASE("a fragmented file gets a tree of extents") {
    const TemporaryFolder folder;
    const auto path = folder / "image";
    make_ext4(path, image_size, {});
    Ext4Writer writer(path);
    uint64_t next = 0;
    writer.file("holes", {}, 800 * 8192, [&](uint64_t& offset, std::string_view& data) {
        offset = next++ * 8192;
        data = "piece";
        return next <= 800;
    });
    writer.finish();
    CHECK(check(path) == "");
    const auto content = debugfs(path, "cat /holes");
    CHECK(content.size() == 800 * 8192);
    CHECK(content.substr(799 * 8192, 5) == "piece");
}

TEST_CASE("what comes later replaces what was there") {
    ArchiveMaker maker;
    maker.file("a", "first").file("a", "second").folder("b").file("b/c", "x").file("b", "now a file");
    maker.symlink("d", "b")
        .folder("d")
        .file("d/e", "y")
        .file("h1", "kept")
        .hard_link("h2", "h1")
        .file("h1", "new");
    const Image image(maker.finish());
    CHECK(image.show("cat /a") == "second");
    CHECK(image.show("cat /b") == "now a file");
    CHECK(image.show("cat /d/e") == "y");
    CHECK(image.show("cat /h2") == "kept");
    CHECK(image.show("cat /h1") == "new");
    CHECK(has(image.show("stat /h2"), "Links: 1"));
}

TEST_CASE("no path leads out of the image") {
    CHECK(refusal(ArchiveMaker().file("../x", "").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().file("a/../../x", "").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().symlink("a", "a").file("a/x", "").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().hard_link("x", "../../etc/passwd").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().hard_link("x", "nothing").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().file("a", "").file("a/b", "").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().file(std::string(300, 'n'), "").finish()) == ErrorCode::InvalidArgument);
    CHECK(refusal(ArchiveMaker().file("lost+found", "").finish()) == ErrorCode::InvalidArgument);
    // Symbolic links are followed inside of the image, as chroot would.
    ArchiveMaker maker;
    maker.folder("usr/lib")
        .symlink("lib", "/usr/lib")
        .symlink("up", "../../..")
        .file("lib/x", "1")
        .file("up/y", "2");
    const Image image(maker.finish());
    CHECK(image.show("cat /usr/lib/x") == "1");
    CHECK(image.show("cat /y") == "2");
    // Neither many links nor deep folders wear the walker out.
    ArchiveMaker deep;
    std::string path = "d";
    for (int i = 0; i < 1100; ++i)
        path += "/d";
    CHECK(refusal(deep.file(path, "").finish()) == ErrorCode::InvalidArgument);
}

TEST_CASE("damaged archives and those past the limits are refused") {
    const auto tar = ArchiveMaker().file("a", std::string(100'000, 'x')).file("b", "y").finish();
    CHECK(refusal(tar.substr(0, 50'000)) == ErrorCode::InvalidArgument);
    CHECK(refusal("this is no archive at all, whatever its name may say") == ErrorCode::InvalidArgument);
    AssembleOptions options;
    options.limits.entries = 1;
    CHECK(refusal(tar, image_size, options) == ErrorCode::InvalidArgument);
    options = {};
    options.limits.content = 99'999;
    CHECK(refusal(tar, image_size, options) == ErrorCode::InvalidArgument);
    options = {};
    options.limits.names = 100;
    CHECK(refusal(tar, image_size, options) == ErrorCode::InvalidArgument);
    // A bomb: small when packed, too large for the limits or for the image.
    const auto bomb =
        compressed(ArchiveMaker().file("zeros", std::string(100 << 20, '\0')).finish(), ARCHIVE_FILTER_GZIP);
    CHECK(bomb.size() < 1 << 20);
    CHECK(refusal(bomb) == ErrorCode::FailedPrecondition);
    CHECK(refusal(tar, 4096) == ErrorCode::InvalidArgument);
}

TEST_CASE("what is left out is left out, and what is wanted is captured") {
    AssembleOptions options;
    options.leave_out = {"etc/hostname"};
    options.capture = {"var/status"};
    const Image image(
        ArchiveMaker().file("etc/hostname", "host").file("./var/status", "Package: x\n").finish(), image_size,
        options);
    CHECK(image.result.captured.at("var/status") == "Package: x\n");
    CHECK(image.show("cat /var/status") == "Package: x\n");
    CHECK(image.show("cat /etc/hostname").empty());
}

TEST_CASE("a size of 0 fits the image to its content") {
    const Image image(ArchiveMaker().file("a", std::string(10 << 20, 'x')).finish(), 0);
    CHECK(image.result.virtual_size > 130 << 20);
    CHECK(image.result.virtual_size < 160 << 20);
    CHECK(image.show("cat /a").size() == 10 << 20);
}

TEST_CASE("layers: whiteouts remove what is below, and only that") {
    const TemporaryFolder folder;
    const auto below =
        ArchiveMaker().file("gone", "1").file("d/old", "2").file("o/old", "3").file("o/s/old", "4").finish();
    ArchiveMaker upper;
    upper.file(".wh.gone", "")
        .file("d/.wh.old", "")
        .file("d/new", "5")
        .file("o/new", "6")
        .file("o/.wh..wh..opq", "");
    upper.file(".wh.", "").file(".wh..", "").file(".wh...", "").file("d/.wh.never", "");
    const auto image = layered(folder, {below, upper.finish()});
    CHECK(debugfs(image, "cat /gone").empty());
    CHECK(debugfs(image, "cat /d/old").empty());
    CHECK(debugfs(image, "cat /d/new") == "5");
    CHECK(debugfs(image, "cat /o/new") == "6");
    CHECK(debugfs(image, "cat /o/old").empty());
    CHECK(!has(debugfs(image, "ls /o"), " s "));
}

TEST_CASE("a stop is heeded between entries") {
    const TemporaryFolder folder;
    std::stop_source source;
    source.request_stop();
    const auto tar = ArchiveMaker().file("a", "x").finish();
    CHECK_THROWS_WITH_AS(
        write_ext4_from_archive(read_from(tar), "test", folder / "image", image_size, {}, source.get_token()),
        "cancelled", Error);
}

TEST_CASE("a work disk is clean, sparse, and ready for an overlay") {
    const TemporaryFolder folder;
    const auto path = folder / "work";
    make_work_disk(path, 4ULL << 30);
    CHECK(check(path) == "");
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(status.st_size == 4LL << 30);
    CHECK(status.st_blocks * 512 < 8 << 20);
    CHECK(has(debugfs(path, "stat /upper"), "Mode:  0755"));
    CHECK(has(debugfs(path, "stat /work"), "Mode:  0700"));
    CHECK(has(debugfs(path, "stats"), "has_journal"));
    CHECK_THROWS_AS(make_work_disk(path, 4ULL << 30), Error);
    CHECK(check(path) == ""); // never over something, nor is that removed
    CHECK_THROWS_AS(make_work_disk(folder / "vast", 1ULL << 62), Error);
    CHECK(::access((folder / "vast").c_str(), F_OK) != 0);
    CHECK_THROWS_AS(make_work_disk(folder / "small", 1 << 20), Error);
    make_work_disk(folder / "least", 32 << 20);
    CHECK(check(folder / "least") == "");
}
