// Text of others, made fit for people, terminals and the bus.
#pragma once

#include <string>
#include <string_view>

namespace banger {

/// Valid UTF-8 without anything that a terminal obeys: a byte that is no UTF-8, and each control character
/// (C0, DEL, and C1 as U+0080–U+009F) but newline and tab, becomes '?'. D-Bus disconnects who sends a string
/// that is not UTF-8.
std::string printable_text(std::string_view text);

} // namespace banger
