#include "agent/tree.hpp"
#include "base/error.hpp"
#include "input.hpp"

#include <cstdlib>
#include <filesystem>

// An accepted path stays where it is put, however it is normalised.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::agent;
    const auto check = [](const std::string& path) {
        const auto normal = (std::filesystem::path("/base") / path).lexically_normal().string();
        if (path.starts_with('/') || !(normal + "/").starts_with("/base/"))
            std::abort();
    };
    const auto text = as_text(data, size);
    try {
        check_entry_path(text);
        check(std::string(text));
    } catch (const banger::Error&) {
    }
    std::string once;
    try {
        const auto entry = parse_entry(text);
        check(entry.path);
        if (entry.type == banger::agent::EntryType::HardLink)
            check(entry.target);
        once = encode_entry(entry);
    } catch (const banger::Error&) {
        return 0;
    }
    if (encode_entry(parse_entry(once)) != once)
        std::abort();
    return 0;
}
