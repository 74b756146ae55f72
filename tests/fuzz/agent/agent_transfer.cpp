#include "agent/stream.hpp"
#include "agent/tree.hpp"
#include "agent/tree_names.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "input.hpp"

#include <sys/socket.h>

#include <cstdlib>

namespace {

using namespace banger::agent;

/// Content comes only to a file, and never more or less than it has.
class CheckingSink : public EntrySink {
public:
    void begin(const Entry& entry) override {
        auto renamed = entry;
        try {
            if (renaming_.apply(renamed))
                check_entry_path(renamed.path);
        } catch (const banger::Error&) {
            // A name that grew too long, or a second entry after a single file: refused.
        }
        left_ = entry.type == EntryType::File ? entry.size : 0;
    }
    void data(std::string_view bytes) override { take(bytes.size()); }
    void hole(uint64_t bytes) override { take(bytes); }
    void end() override {
        if (left_ != 0)
            std::abort();
    }

private:
    void take(uint64_t bytes) {
        if (bytes > left_)
            std::abort();
        left_ -= bytes;
    }
    Renaming renaming_{"name"};
    uint64_t left_ = 0;
};

} // namespace

// A transfer as the other side sends it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 65536) // what the socket holds
        return 0;
    try {
        auto [ours, theirs] = banger::make_socketpair();
        banger::write_all(theirs.get(), as_text(data, size), "the frames");
        ::shutdown(theirs.get(), SHUT_WR);
        FrameStream stream(ours.get());
        CheckingSink sink;
        receive_tree(stream, sink);
    } catch (const banger::Error&) {
    }
    return 0;
}
