// One verb on several things: one failure does not stop the others.
#pragma once

#include "base/error.hpp"
#include "cli/output.hpp"

#include <optional>
#include <string>

namespace banger::cli {

/// Keeps the last failure, telling the one before: all are told once, and one decides the exit status.
class Failures {
public:
    explicit Failures(Format format)
        : format_(format) {}

    void add(Error error);
    /// Whether `body()` did not fail.
    template <class Body>
    bool collect(Body&& body) {
        try {
            body();
            return true;
        } catch (const Error& error) {
            add(error);
            return false;
        }
    }
    /// Throws the last one, if there is one.
    void finish() const;

private:
    Format format_;
    std::optional<Error> last_;
};

/// The same with all that is known of it, but these texts.
Error reworded(const Error& error, const std::string& message, const std::string& hint);

} // namespace banger::cli
