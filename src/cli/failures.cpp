#include "cli/failures.hpp"

#include "cli/report.hpp"

namespace banger::cli {

void Failures::add(Error error) {
    if (last_)
        report(*last_, format_);
    last_ = std::move(error);
}

void Failures::finish() const {
    if (last_)
        throw *last_;
}

Error reworded(const Error& error, const std::string& message, const std::string& hint) {
    Error other(error.code(), message, hint);
    other.at_step(error.step()).with_details(error.details()).in_operation(error.op_id());
    return other;
}

} // namespace banger::cli
