#include "agent/cmdline.hpp"

#include "base/error.hpp"
#include "base/names.hpp"

#include <algorithm>

namespace banger::agent {

namespace {

constexpr size_t max_cmdline = 65536;

[[noreturn]] void refuse(std::string_view key, std::string_view why) {
    throw Error(ErrorCode::InvalidArgument, "kernel parameter " + std::string(key) + ": " + std::string(why));
}

/// Takes the first parameter off `text`: up to a blank outside of double quotes, the quotes themselves
/// removed (Documentation/admin-guide/kernel-parameters.rst).
std::string take_parameter(std::string_view& text) {
    std::string parameter;
    bool quoted = false;
    size_t at = 0;
    for (; at < text.size() && (quoted || (text[at] != ' ' && text[at] != '\n' && text[at] != '\t')); at++) {
        if (text[at] == '"')
            quoted = !quoted;
        else
            parameter += text[at];
    }
    text.remove_prefix(std::min(at + 1, text.size()));
    return parameter;
}

std::string device(std::string_view key, std::string_view path) {
    constexpr std::string_view folder = "/dev/";
    const auto name = path.substr(std::min(path.size(), folder.size()));
    const auto is_fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (!path.starts_with(folder) || name.empty() || name.size() > 31 ||
        !std::all_of(name.begin(), name.end(), is_fine))
        refuse(key, "not a device such as /dev/vda");
    return std::string(path);
}

void set_root(BootConfig& config, std::string_view key, std::string_view value) {
    const auto colon = value.find(':');
    const auto kind = value.substr(0, colon);
    const auto rest = colon == value.npos ? std::string_view() : value.substr(colon + 1);
    config.image.clear();
    config.writable.clear();
    if (value == "none") {
        config.root = RootKind::None;
    } else if (kind == "disk") {
        config.root = RootKind::Disk;
        config.image = device(key, rest);
    } else if (kind == "overlay") {
        const auto second = rest.find(':');
        config.root = RootKind::Overlay;
        config.image = device(key, rest.substr(0, second));
        config.writable = device(key, second == rest.npos ? std::string_view() : rest.substr(second + 1));
    } else {
        refuse(key, "neither none, nor disk:DEVICE, nor overlay:IMAGE:WRITABLE");
    }
}

void set_init(BootConfig& config, std::string_view key, std::string_view value) {
    config.init_path.clear();
    if (value == "auto")
        config.init = InitChoice::Auto;
    else if (value == "none")
        config.init = InitChoice::None;
    else if (value.starts_with('/') && value.size() <= 4095) {
        config.init = InitChoice::Path;
        config.init_path = value;
    } else
        refuse(key, "neither auto, nor none, nor an absolute path");
}

void set(BootConfig& config, std::string_view key, std::string_view value) {
    if (key == "banger.transport") {
        if (value != "vsock" && value != "serial")
            refuse(key, "neither vsock nor serial");
        config.transport = value == "serial" ? Transport::Serial : Transport::Vsock;
    } else if (key == "banger.root") {
        set_root(config, key, value);
    } else if (key == "banger.ip") {
        config.address = Ipv4Cidr::parse(value);
    } else if (key == "banger.gw") {
        config.gateway = Ipv4Address::parse(value);
    } else if (key == "banger.dns") {
        config.dns = Ipv4Address::parse(value);
    } else if (key == "banger.hostname") {
        config.hostname = DnsLabel::parse(value, "hostname").str();
    } else if (key == "banger.init") {
        set_init(config, key, value);
    }
}

} // namespace

BootConfig parse_cmdline(std::string_view text) {
    if (text.size() > max_cmdline)
        refuse("banger", "the command line is too long");
    BootConfig config;
    while (!text.empty()) {
        const auto parameter = take_parameter(text);
        const auto equals = parameter.find('=');
        if (equals != parameter.npos)
            set(config, std::string_view(parameter).substr(0, equals),
                std::string_view(parameter).substr(equals + 1));
    }
    return config;
}

} // namespace banger::agent
