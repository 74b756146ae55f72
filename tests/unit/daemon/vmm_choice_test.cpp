#include "../base/scratch.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "daemon/vm/vmm_choice.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

using namespace banger;
using namespace banger::daemon;

TEST_CASE("auto is Firecracker where it is there and guests run on KVM") {
    const OfferedVmms both{{{"qemu", "0.1.0"}, {"firecracker", "1.16.1"}}, {}};
    CHECK(choose_vmm(both, "kvm").vmm == "firecracker");
    CHECK(choose_vmm(both, "kvm").why.find("1.16.1") != std::string::npos);
    CHECK(choose_vmm(both, "tcg").vmm == "qemu");
    CHECK(choose_vmm(both, "tcg").why.find("KVM") != std::string::npos);
    const OfferedVmms one{{{"qemu", "0.1.0"}}, {{"firecracker", "jailer is not installed"}}};
    CHECK(choose_vmm(one, "kvm").vmm == "qemu");
    CHECK(choose_vmm(one, "kvm").why == "jailer is not installed");
    CHECK(choose_vmm({}, "kvm").vmm == "qemu"); // an older helper
}

TEST_CASE("the guest's transport follows the VMM") {
    CHECK(guest_transport("firecracker") == "vsock");
    CHECK(guest_transport("qemu") == "serial");
    CHECK(guest_transport("null") == "serial");
}

TEST_CASE("Firecracker boots an ELF and nothing else") {
    const test::Scratch scratch;
    write_file_atomically(scratch / "good", "\177ELF and more");
    write_file_atomically(scratch / "bad", "MZ a bzImage");
    write_file_atomically(scratch / "short", "\177EL");
    CHECK_NOTHROW(require_elf_kernel(open_file(scratch / "good", O_RDONLY).get(), "k"));
    for (const char* name : {"bad", "short"}) {
        const auto error =
            test::error_of([&] { require_elf_kernel(open_file(scratch / name, O_RDONLY).get(), "k"); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::FailedPrecondition);
        CHECK(error->hint().find("kernel import") != std::string::npos);
    }
}
