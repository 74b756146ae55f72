#include "daemon/image/work_disk.hpp"

#include "base/error.hpp"
#include "base/size.hpp"
#include "daemon/image/ext4_format.hpp"
#include "daemon/image/ext4_writer.hpp"

#include <unistd.h>

#include <ctime>

namespace banger {

namespace {

constexpr uint64_t smallest = 32 << 20; // room for the journal, and for something beside it

} // namespace

void make_work_disk(const std::string& path, uint64_t bytes) {
    if (bytes < smallest)
        throw Error(ErrorCode::InvalidArgument, "a disk of " + human_size(bytes) + " is too small",
                    "at least " + human_size(smallest));
    // With a journal: the VM may be killed at any moment and started again on the same disk.
    Ext4Writer writer(path, bytes, {true, 16384}); // throws before it touches a file that is there already
    try {
        Attributes attributes;
        attributes.mtime = std::time(nullptr);
        writer.directory("", attributes);
        writer.directory("upper", attributes); // overlayfs gives these attributes to the guest's root
        attributes.mode = 0700;
        writer.directory("work", attributes);
        writer.finish();
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
}

} // namespace banger
