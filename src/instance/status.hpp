// What state an instance is in.
#pragma once

#include "instance/record.hpp"

#include <string>
#include <vector>

namespace banger::instance {

enum class State { Stopped, Starting, Running, Degraded };

struct Status {
    Layout layout;
    State state = State::Stopped;
    Record record;                     ///< meaningful unless Stopped
    std::vector<Service> services;     ///< with pids as the host sees them; -1 where it does not run
    std::vector<std::string> problems; ///< "polkitd died: killed by signal 9"
};

Status inspect(const Layout& layout);
std::string_view state_name(State state) noexcept;
/// 0 running, 1 degraded or starting, 3 stopped (as the LSB has it for `status`).
int status_exit(State state) noexcept;
/// For people and for programs.
std::string status_text(const Status& status);
std::string status_json(const Status& status);

/// Throws unless the instance runs, whole or not: NotFound with the command that starts it.
Status require_running(const Layout& layout);

} // namespace banger::instance
