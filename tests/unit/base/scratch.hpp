// A folder of a test's own, and the error that something ends in.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/op_id.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace banger::test {

/// A fresh folder in the system's temporary folder; removed at the end of the scope.
class Scratch {
public:
    Scratch()
        : path_((std::filesystem::temp_directory_path() / ("banger-test-" + random_hex(6))).string()) {
        std::filesystem::create_directory(path_);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// The Error that `body` ends in; nothing when it does not throw one.
inline std::optional<Error> error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// Its code as text, "none" without an Error: what CHECK prints well.
inline std::string code_of(const std::function<void()>& body) {
    const auto error = error_of(body);
    return error ? std::string(error_kind(error->code()).name) : "none";
}

} // namespace banger::test
