#include "cli/store_list.hpp"

#include "base/error.hpp"

namespace banger::cli {

void refuse_quiet_format(bool quiet, Format format) {
    if (quiet && format != Format::Table)
        throw Error(ErrorCode::InvalidArgument, "--quiet and --output contradict each other");
}

} // namespace banger::cli
