#include "base/names.hpp"

#include "base/error.hpp"
#include "base/op_id.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <utility>

namespace banger {

namespace {

constexpr size_t max_interface_name = 15;

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_label_char(char c) {
    return is_lower_alnum(c) || c == '-';
}

template <class Predicate>
bool all(std::string_view text, Predicate is_fine) {
    return std::all_of(text.begin(), text.end(), is_fine);
}

/// What a person typed, safe to print: at most 64 bytes, nothing that a terminal would obey.
std::string quoted(std::string_view text) {
    std::string shown = "\"";
    for (const char c : text.substr(0, 64))
        shown += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
    return shown + (text.size() > 64 ? "…\"" : "\"");
}

[[noreturn]] void refuse(std::string_view noun, std::string_view text, std::string hint) {
    throw Error(ErrorCode::InvalidArgument, "not a valid " + std::string(noun) + ": " + quoted(text),
                std::move(hint));
}

constexpr std::array<std::pair<std::string_view, int>, 8> signals{{
    {"TERM", SIGTERM},
    {"KILL", SIGKILL},
    {"INT", SIGINT},
    {"HUP", SIGHUP},
    {"QUIT", SIGQUIT},
    {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},
    {"ABRT", SIGABRT},
}};

} // namespace

VmId VmId::parse(std::string_view text) {
    if (text.size() < 12 || text.size() > 32 || !all(text, is_lower_alnum))
        refuse("VM id", text, "12 to 32 of a-z and 0-9");
    return VmId(std::string(text));
}

VmId VmId::make() {
    return VmId(random_hex(8));
}

DnsLabel DnsLabel::parse(std::string_view text, std::string_view noun) {
    if (text.empty() || text.size() > 63 || !all(text, is_label_char) || text.front() == '-' ||
        text.back() == '-')
        refuse(noun, text, "use 1 to 63 of a-z, 0-9 and -, with no - at either end");
    return DnsLabel(std::string(text));
}

StoreName StoreName::parse(std::string_view text, std::string_view noun) {
    const auto is_fine = [](char c) { return is_lower_alnum(c) || c == '.' || c == '_' || c == '-'; };
    if (text.empty() || text.size() > 128 || !is_lower_alnum(text.front()) || !all(text, is_fine))
        refuse(noun, text, "use 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit");
    return StoreName(std::string(text));
}

BridgeName BridgeName::parse(std::string_view text) {
    constexpr std::string_view base = "br-fc";
    const auto rest = text.starts_with(base) ? text.substr(base.size()) : std::string_view("!");
    const bool fine = rest.empty() || (rest.size() > 1 && rest.front() == '-' && all(rest, is_label_char));
    if (!fine || text.size() > max_interface_name)
        refuse("bridge name", text, "br-fc, or br-fc-… with a-z, 0-9 and -, at most 15 bytes");
    return BridgeName(std::string(text));
}

TapName TapName::parse(std::string_view text) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (text.size() != max_interface_name || !text.starts_with("btap-") || !all(text.substr(5), is_hex))
        refuse("tap name", text, "btap- and ten hex digits");
    return TapName(std::string(text));
}

SignalName SignalName::parse(std::string_view text) {
    std::string upper(text.substr(0, 16));
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    if (upper.starts_with("SIG"))
        upper.erase(0, 3);
    if (std::none_of(signals.begin(), signals.end(), [&](const auto& row) { return row.first == upper; }))
        refuse("signal", text, "one of TERM KILL INT HUP QUIT USR1 USR2 ABRT");
    return SignalName(std::move(upper));
}

int SignalName::number() const noexcept {
    for (const auto& [name, number] : signals)
        if (name == str())
            return number;
    return 0;
}

} // namespace banger
