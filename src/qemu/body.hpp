// Reading request bodies without trust: every field known, of its type and in its range, as Firecracker's own
// (serde) reader wants it; refusals are worded like its own.
#pragma once

#include "qemu/config.hpp"

#include <initializer_list>
#include <string_view>

namespace banger::qemu {

/// Text → JSON. Throws Error{InvalidArgument} for anything but one JSON value nested at most 128 deep (so
/// that nothing that walks the value can exhaust the stack).
Json parse_json(std::string_view text);

/// A JSON object of which each field is taken by name.
class ObjectReader {
public:
    /// Throws unless `value` is an object that holds no other fields than `known`.
    ObjectReader(const Json& value, std::initializer_list<std::string_view> known);

    std::string text(const char* key) const;
    bool flag(const char* key) const;
    /// 0 … max; `type` is Rust's name of that range.
    uint64_t number(const char* key, uint64_t max, std::string_view type) const;
    std::string one_of(const char* key, std::initializer_list<std::string_view> choices) const;

    /// Empty when the field is absent or null.
    std::optional<std::string> maybe_text(const char* key) const;
    std::optional<bool> maybe_flag(const char* key) const;
    std::optional<uint64_t> maybe_number(const char* key, uint64_t max, std::string_view type) const;
    std::optional<std::string> maybe_one_of(const char* key,
                                            std::initializer_list<std::string_view> choices) const;

    /// Whether the field is there and not null.
    bool has(const char* key) const;
    /// The field as it is; throws when it is absent.
    const Json& field(const char* key) const;

private:
    const Json& object_;
};

/// "An error occurred when deserializing the json body of a request: …."
[[noreturn]] void refuse_body(const std::string& why);

BootSource parse_boot_source(const Json& body);
/// PUT (vcpu_count and mem_size_mib needed, what is absent is reset to its default) and PATCH
/// /machine-config.
MachineUpdate parse_machine_config(const Json& body);
MachineUpdate parse_machine_update(const Json& body);
Drive parse_drive(const Json& body);
DriveUpdate parse_drive_update(const Json& body);
NetworkInterface parse_network_interface(const Json& body);
NetworkUpdate parse_network_update(const Json& body);
Vsock parse_vsock(const Json& body);
Entropy parse_entropy(const Json& body);
Balloon parse_balloon(const Json& body);
Serial parse_serial(const Json& body);
Logger parse_logger(const Json& body);
Metrics parse_metrics(const Json& body);
MmdsConfig parse_mmds_config(const Json& body);

} // namespace banger::qemu
