// The question to polkit: may this sender do this kind of thing?
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace banger::helper {

enum class Verdict {
    Yes,
    No,
    Challenge, ///< polkit would ask for a password, and the caller did not allow that
    Dismissed, ///< the user closed the question
    Timeout,
    CallerGone,
    Unavailable,
};

struct PolkitQuestion {
    std::string sender; ///< the caller's unique bus name: polkit's subject
    std::string action;
    std::map<std::string, std::string> details;
    bool interactive = false;
};

/// How long polkit may take.
struct PolkitLimits {
    std::chrono::milliseconds quiet{std::chrono::seconds(25)};
    std::chrono::milliseconds interactive{std::chrono::minutes(5)};
};

/// Asynchronous, for the loop's thread. Each question is answered exactly once, from the loop, never within
/// ask().
class Polkit {
public:
    using Answer = std::function<void(Verdict)>;

    explicit Polkit(PolkitLimits limits = {});
    Polkit(const Polkit&) = delete;
    Polkit& operator=(const Polkit&) = delete;
    ~Polkit();

    void ask(PolkitQuestion question, Answer answer);
    /// Takes back all questions about this sender; they are answered with CallerGone.
    void caller_gone(const std::string& sender);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

} // namespace banger::helper
