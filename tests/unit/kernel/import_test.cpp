#include "../image/archive_maker.hpp"
#include "base/error.hpp"
#include "daemon/image/staging.hpp"
#include "daemon/kernel/bzimage.hpp"
#include "daemon/kernel/import.hpp"
#include "daemon/kernel/kernel_source.hpp"
#include "kernel_maker.hpp"

#include <doctest/doctest.h>

#include <filesystem>

using namespace banger;
using namespace banger::test;

namespace fs = std::filesystem;

namespace {

const std::string root = "./lib/modules/6.1.0-test/";

/// A Debian package around a data.tar.
std::string package(const std::string& data_tar) {
    ArchiveMaker ar(ArchiveMaker::Kind::Ar);
    ar.file("debian-binary", "2.0\n").file("control.tar.xz", "unused").file("data.tar.xz", data_tar);
    return ar.finish();
}

std::string kernel_package() {
    const auto kernel = elf_kernel();
    ArchiveMaker tar(ArchiveMaker::Kind::Gnu, ARCHIVE_FILTER_XZ);
    tar.folder("./boot/")
        .file("./boot/vmlinuz-6.1.0-test",
              bzimage(compressed(kernel, ARCHIVE_FILTER_XZ), static_cast<uint32_t>(kernel.size())))
        .file(root + "modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/drivers/char/hw_random/rng-core.ko\n")
        .file(root + "kernel/a/virtio.ko", module_needing("virtio_ring"))
        .file(root + "kernel/a/virtio_ring.ko", module_needing(""))
        .file(root + "kernel/a/virtio_mmio.ko.xz",
              compressed(module_needing("virtio,virtio_ring"), ARCHIVE_FILTER_XZ))
        .file(root + "kernel/a/rare.ko", module_needing("")) // met before anyone is known to need it
        .file(root + "kernel/b/virtio_blk.ko", module_needing("virtio,rare"))
        .file(root + "kernel/b/virtio_net.ko", module_needing("never_there"))
        .file(root + "kernel/b/virtio-rng.ko", module_needing("rng-core"))
        .file(root + "kernel/b/unrelated.ko", "not even a module")
        .file("./lib/modules/other/kernel/vsock.ko", module_needing(""))
        .symlink("./boot/vmlinuz-9", "/etc/passwd");
    return package(tar.finish());
}

/// A store with a package and an agent to import from.
struct Desk {
    TemporaryFolder data;
    std::string agent = data / "agent";
    std::string deb = data / "kernel.deb";

    Desk() {
        write_file_atomically(agent, "\177ELF agent");
        write_file_atomically(deb, kernel_package());
    }
    ImportRequest request(const std::string& name, const std::string& source) const {
        return {.name = name, .source = source, .agent_path = agent, .data_dir = data.path()};
    }
    ErrorCode refusal(const ImportRequest& request) const {
        try {
            import_kernel(request, {}, {});
        } catch (const Error& error) {
            return error.code();
        }
        FAIL("accepted");
        return ErrorCode::Internal;
    }
    ErrorCode refusal_of(const std::string& content) const {
        write_file_atomically(data / "bad", content);
        return refusal(request("bad", data / "bad"));
    }
};

std::string order(const ModuleBag& bag) {
    return modules_order(bag.select());
}

} // namespace

TEST_CASE("a Debian package becomes a kernel that can be booted") {
    const Desk desk;
    double last = -1;
    const auto kernel =
        import_kernel(desk.request("k", desk.deb), {}, [&](std::string_view, double fraction) {
            CHECK(fraction >= last);
            last = fraction;
        });
    CHECK(last == 1);
    CHECK(kernel.version == "6.1.0-test");
    CHECK(kernel.format == "vmlinux");
    CHECK(read_file(kernel.path) == elf_kernel());
    const auto initrd = read_file(kernel.initrd);
    CHECK(initrd.find(
              "core virtio_ring.ko\ncore virtio.ko\ncore virtio_mmio.ko\nblk rare.ko\nblk virtio_blk.ko\n"
              "rng virtio_rng.ko\n") != std::string::npos);
    CHECK(initrd.find("agent") != std::string::npos);
    const auto state = [&](std::string_view name) {
        for (const auto& module : kernel.modules)
            if (module.name == name)
                return module.group + " " + module.state;
        return std::string("none");
    };
    CHECK(state("ext4") == "fs builtin");
    CHECK(state("virtio_net") == "net absent"); // what it needs is not there
    CHECK(state("vsock") == "vsock absent");    // of another version only
    CHECK(state("rare") == "blk module");
    CHECK(fs::exists(desk.data / "kernels/k/metadata.json"));
}

TEST_CASE("kernels are listed, found, replaced, deleted") {
    const Desk desk;
    write_file_atomically(desk.data / "vmlinux", elf_kernel("5.4.0"));
    import_kernel(desk.request("one", desk.deb), {}, {});
    CHECK(desk.refusal(desk.request("one", desk.deb)) == ErrorCode::AlreadyExists);
    auto request = desk.request("one", desk.data / "vmlinux");
    request.replace = true;
    CHECK(import_kernel(request, {}, {}).version == "5.4.0");
    CHECK(list_kernels(desk.data.path()).size() == 1);
    const auto kernel = find_kernel(desk.data.path(), "one");
    CHECK(kernel.modules.front().state == "unknown");
    CHECK(kernel.source == "file vmlinux");
    CHECK(kernel.size > 0);
    delete_kernel(desk.data.path(), "one");
    CHECK_THROWS_AS(find_kernel(desk.data.path(), "one"), Error);
    CHECK(list_kernels(desk.data.path()).empty());
    CHECK_THROWS_AS(parse_kernel_metadata("{}"), Error);
    CHECK_THROWS_AS(parse_kernel_metadata("[1"), Error);
}

TEST_CASE("a newer agent comes into the initramfs when it is needed") {
    const Desk desk;
    auto kernel = import_kernel(desk.request("k", desk.deb), {}, {});
    const auto before = read_file(kernel.initrd);
    CHECK(!refresh_initrd(kernel, desk.agent));
    write_file_atomically(desk.agent, "\177ELF newer agent");
    CHECK(refresh_initrd(kernel, desk.agent));
    CHECK(read_file(kernel.initrd).find("newer agent") != std::string::npos);
    auto again = find_kernel(desk.data.path(), "k");
    CHECK(!refresh_initrd(again, desk.agent));
    write_file_atomically(desk.agent, "\177ELF agent");
    CHECK(refresh_initrd(again, desk.agent));
    CHECK(read_file(kernel.initrd) == before); // the same content, the same bytes
    CHECK_THROWS_AS(refresh_initrd(again, desk.data / "none"), Error);
}

TEST_CASE("a kernel file can bring its modules' folder") {
    const Desk desk;
    write_file_atomically(desk.data / "vmlinux", elf_kernel());
    make_directories(desk.data / "mods/kernel/x");
    write_file_atomically(desk.data / "mods/kernel/x/virtio.ko", module_needing(""));
    write_file_atomically(desk.data / "mods/modules.builtin", "kernel/fs/ext4.ko\n");
    auto request = desk.request("k", desk.data / "vmlinux");
    request.modules_dir = desk.data / "mods";
    const auto kernel = import_kernel(request, {}, {});
    CHECK(kernel.modules.front().name == "virtio");
    CHECK(kernel.modules.front().state == "module");
    request = desk.request("k2", desk.data / "vmlinux");
    request.modules_dir = desk.data / "nowhere";
    CHECK(desk.refusal(request) == ErrorCode::NotFound);
}

TEST_CASE("what is no kernel is refused, and nothing is left") {
    const Desk desk;
    const auto deb = kernel_package();
    CHECK(desk.refusal_of("") == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of("#!/bin/sh\n") == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of("\177ELF") == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of(deb.substr(0, deb.size() / 2)) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of(package("no tar")) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of(package(ArchiveMaker().file("x", "y").finish())) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of(package(ArchiveMaker().file("../boot/vmlinuz-1", elf_kernel()).finish())) ==
          ErrorCode::InvalidArgument);
    CHECK(desk.refusal_of(package(ArchiveMaker()
                                      .file("boot/vmlinuz-6.1.0-test", elf_kernel())
                                      .file(root + "kernel/virtio.ko", "damaged")
                                      .finish())) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal(desk.request("../k", desk.deb)) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal(desk.request("k", "no package")) == ErrorCode::InvalidArgument);
    CHECK(desk.refusal(desk.request("k", "/nowhere/vmlinuz")) == ErrorCode::NotFound);
    auto request = desk.request("k", desk.deb);
    request.agent_path = desk.data / "none";
    CHECK(desk.refusal(request) == ErrorCode::NotFound);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_WITH_AS(import_kernel(desk.request("k", desk.deb), stop.get_token(), {}), "cancelled",
                         Error);
    CHECK(fs::is_empty(desk.data / "kernels"));
}

TEST_CASE("modules come after what they need, once, whatever the circles") {
    ModuleBag bag;
    bag.offer("kernel/virtio_net.ko", module_needing("net_failover,virtio_ring"));
    bag.offer("kernel/net_failover.ko", module_needing("failover"));
    bag.offer("kernel/failover.ko", module_needing(""));
    bag.offer("kernel/virtio_ring.ko", module_needing(""));
    bag.offer("kernel/ext4.ko", module_needing("jbd2", "pre: crypto-crc32c"));
    bag.offer("kernel/jbd2.ko", module_needing(""));
    bag.offer("kernel/crc32c_generic.ko", module_needing(""));
    bag.offer("kernel/crc32c_generic.ko", "a second one is not even looked at");
    bag.offer("kernel/overlay.ko", module_needing("overlay")); // a circle of one
    CHECK(!bag.want_dependencies());                           // nobody has met a crc32c
    CHECK(order(bag) ==
          "core virtio_ring.ko\nfs jbd2.ko\nfs crc32c_generic.ko\nfs ext4.ko\noverlay overlay.ko\n"
          "net failover.ko\nnet net_failover.ko\nnet virtio_net.ko\n");
    CHECK(!bag.meet("kernel/nouveau.ko"));
    CHECK(bag.meet("kernel/virtio-rng.ko.zst"));
    CHECK(!bag.meet("kernel/crc32c.ko"));
    CHECK(bag.want_dependencies());
    CHECK(bag.meet("kernel/crc32c.ko"));
}
