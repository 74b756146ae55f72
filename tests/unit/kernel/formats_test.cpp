#include "../image/archive_maker.hpp"
#include "base/error.hpp"
#include "daemon/image/archive_reader.hpp"
#include "daemon/kernel/bzimage.hpp"
#include "daemon/kernel/cpio.hpp"
#include "daemon/kernel/modinfo.hpp"
#include "daemon/kernel/package_download.hpp"
#include "kernel_maker.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::test;

namespace {

/// LZ4's legacy frame, as the kernel's build makes it: one block of literals only.
std::string lz4_legacy(std::string_view content) {
    std::string block(1, '\xf0');
    auto left = content.size() - 15;
    for (; left >= 255; left -= 255)
        block += '\xff';
    block += static_cast<char>(left);
    block += content;
    std::string frame("\x02\x21\x4c\x18", 4);
    put(frame, 4, static_cast<uint32_t>(block.size()));
    return frame + block;
}

} // namespace

TEST_CASE("a kernel is unpacked from a bzImage, whatever packed it") {
    const auto kernel = elf_kernel();
    const auto size = static_cast<uint32_t>(kernel.size());
    for (const int filter : {ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_LZMA, ARCHIVE_FILTER_ZSTD,
                             ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_GZIP}) {
        CAPTURE(filter);
        const auto file = bzimage(compressed(kernel, filter), size, filter == ARCHIVE_FILTER_GZIP);
        CHECK(kernel_format(file) == KernelFormat::BzImage);
        const auto image = parse_bzimage(file);
        CHECK(image.version == "6.1.0-test");
        CHECK(unpack_bzimage(image) == kernel);
    }
    const auto file = bzimage(lz4_legacy(kernel), size);
    CHECK(unpack_bzimage(parse_bzimage(file)) == kernel);
}

TEST_CASE("a bzImage that is cut short or lies about itself is refused") {
    const auto kernel = elf_kernel();
    const auto packed = compressed(kernel, ARCHIVE_FILTER_XZ);
    const auto file = bzimage(packed, static_cast<uint32_t>(kernel.size()));
    for (size_t length = 0; length < file.size() - 100; length += 7)
        CHECK_THROWS_AS(parse_bzimage(std::string_view(file).substr(0, length)), Error);
    for (const uint32_t offset : {0xffffffffU, 0x7fffffffU, 100'000U}) {
        auto bad = file;
        put(bad, 0x248, offset);
        CHECK_THROWS_AS(parse_bzimage(bad), Error);
    }
    auto old = file;
    put(old, 0x206, uint16_t{0x207});
    CHECK_THROWS_AS(parse_bzimage(old), Error);
    for (const uint32_t size :
         {0U, 0xffffffffU, static_cast<uint32_t>(kernel.size() + 1)}) { // nothing, a bomb, too much
        const auto lying = bzimage(packed, size);
        CHECK_THROWS_AS(unpack_bzimage(parse_bzimage(lying)), Error);
    }
    const auto lzo = bzimage("\x89LZO and so on", 1000);
    CHECK_THROWS_WITH_AS(unpack_bzimage(parse_bzimage(lzo)), doctest::Contains("LZO"), Error);
    CHECK_THROWS_AS(unpack_bzimage(parse_bzimage(bzimage("no known packing", 1000))), Error);
}

TEST_CASE("an ELF kernel is checked before it is believed") {
    const auto kernel = elf_kernel("5.10.1+x");
    CHECK(kernel_format(kernel) == KernelFormat::Elf);
    CHECK_NOTHROW(check_elf_kernel(kernel));
    CHECK(elf_kernel_version(kernel) == "5.10.1+x");
    CHECK(elf_kernel_version("Linux version %s").empty());
    for (size_t length = 0; length < 256 + 4096; length += 64)
        CHECK_THROWS_AS(check_elf_kernel(std::string_view(kernel).substr(0, length)), Error);
    auto other = kernel;
    put(other, offsetof(Elf64_Ehdr, e_machine), uint16_t{EM_AARCH64});
    CHECK_THROWS_AS(check_elf_kernel(other), Error);
    auto far = kernel;
    put(far, offsetof(Elf64_Ehdr, e_phoff), ~uint64_t{0} - 8);
    CHECK_THROWS_AS(check_elf_kernel(far), Error);
    CHECK(kernel_format("#!/bin/sh") == KernelFormat::Unknown);
    CHECK(kernel_format("") == KernelFormat::Unknown);
}

TEST_CASE("a module's dependencies are read from its own words") {
    constexpr char text[] =
        "name=virtio-net\0depends=net_failover,a-b,\0softdep=pre: crc32c x post: y\0vermagic=6.1 SMP\0junk";
    const auto info = read_modinfo(module_object({text, sizeof text}));
    CHECK(info.name == "virtio_net");
    CHECK(info.depends == std::vector<std::string>{"net_failover", "a_b"});
    CHECK(info.softdeps == std::vector<std::string>{"crc32c", "x"});
    CHECK(info.release == "6.1");
    CHECK(module_name("kernel/drivers/virtio-rng.ko.xz") == "virtio_rng");
    CHECK(module_name("x.ko.evil/../y.ko") == "y");
    CHECK(module_name("a b.ko").empty());
}

TEST_CASE("a module that is cut short or lies about itself is refused") {
    const auto object = module_needing("a,b");
    for (size_t length = 0; length < object.size(); ++length)
        CHECK_THROWS_AS(read_modinfo(std::string_view(object).substr(0, length)), Error);
    for (size_t at = 0; at < object.size(); ++at)
        for (const char value :
             {'\0', '\xff', '\x7f'}) { // whatever it becomes: an answer or an Error, never a crash
            auto changed = object;
            changed[at] = value;
            try {
                read_modinfo(changed);
            } catch (const Error&) {
                continue;
            }
        }
    CHECK_THROWS_AS(read_modinfo(module_needing("../../x")), Error);
    CHECK_THROWS_AS(read_modinfo(module_needing(std::string(100, 'n'))), Error);
}

TEST_CASE("an initramfs archive is what Linux and libarchive read, and always the same") {
    const auto write = [] {
        CpioWriter begun;
        begun.folder("dev");
        begun.char_device("dev/console", 5, 1, 0600);
        begun.file("abc", "12345");
        CpioWriter continued(begun.bytes());
        continued.file("init", "program", 0755);
        return std::move(continued).finish();
    };
    const auto bytes = write();
    CHECK(bytes == write());
    CHECK(bytes.size() % 512 == 0);
    CHECK(bytes.starts_with("070701"));
    const std::unique_ptr<archive, int (*)(archive*)> reader(::archive_read_new(), ::archive_read_free);
    ::archive_read_support_format_cpio(reader.get());
    REQUIRE(::archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) == ARCHIVE_OK);
    std::string listing;
    archive_entry* entry = nullptr;
    while (::archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
        char line[200];
        std::snprintf(line, sizeof line, "%s %o %lld %u\n", ::archive_entry_pathname(entry),
                      static_cast<unsigned>(::archive_entry_mode(entry)),
                      static_cast<long long>(::archive_entry_size(entry)), ::archive_entry_nlink(entry));
        listing += line;
    }
    CHECK(listing == "dev 40755 0 2\ndev/console 20600 0 1\nabc 100644 5 1\ninit 100755 7 1\n");
    CpioWriter writer;
    for (const auto* path : {"", "/abs", "..", "../x", "a/../x", "a/.."})
        CHECK_THROWS_AS(writer.file(path, ""), Error);
}

TEST_CASE("a package stanza names the kernel packages that it stands for") {
    const auto stanza = parse_stanza("Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\n"
                                     "Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), linux-base, "
                                     "linux-modules-6.1.0:any | x, linux-image-amd64\n\nPackage: second\n");
    CHECK(stanza.name == "linux-image-cloud-amd64");
    CHECK(stanza.version == "6.1.192-2");
    CHECK(stanza.needs ==
          std::vector<std::string>{"linux-image-6.1.0-56-cloud-amd64", "linux-modules-6.1.0"});
    CHECK(parse_stanza("").name.empty());
    CHECK(parse_stanza("Package: --evil\n").name.empty());
    CHECK(parse_stanza("Package: ok\nVersion: 1 --x\n").version.empty());
    for (const auto* name : {"", "-x", "a b", "A", "a=b", "linux-image;x"})
        CHECK_THROWS_AS(check_package_name(name), Error);
}
