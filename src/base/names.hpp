// Names that cross a boundary. Each has a private constructor and one parse, so that an unchecked name cannot
// exist.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace banger {

/// What all names share: a checked, immutable text.
template <class Tag>
class Name {
public:
    const std::string& str() const noexcept { return text_; }
    auto operator<=>(const Name&) const = default;

protected:
    explicit Name(std::string text)
        : text_(std::move(text)) {}

private:
    std::string text_;
};

/// A VM's id: 12 to 32 of [a-z0-9], made by the owner's daemon. Fits into Firecracker's jail id (64 of
/// [A-Za-z0-9-]).
class VmId : public Name<VmId> {
public:
    static VmId parse(std::string_view text);
    static VmId make(); ///< 16 random hex digits

private:
    using Name::Name;
};

/// A name that people give to a VM, image or kernel's VM host: a DNS label (RFC 1123: 1–63 of [a-z0-9-], no
/// dash at an end).
class DnsLabel : public Name<DnsLabel> {
public:
    /// `noun` ("VM name") goes into the error.
    static DnsLabel parse(std::string_view text, std::string_view noun);

private:
    using Name::Name;
};

/// An image's or kernel's name: 1–128 of [a-z0-9._-], the first a letter or digit; never a path.
class StoreName : public Name<StoreName> {
public:
    static StoreName parse(std::string_view text, std::string_view noun);

private:
    using Name::Name;
};

/// `br-fc`, or `br-fc-` and at least one of [a-z0-9-]; at most 15 bytes (IFNAMSIZ less the NUL,
/// netdevice(7)).
class BridgeName : public Name<BridgeName> {
public:
    static BridgeName parse(std::string_view text);

private:
    using Name::Name;
};

/// A tap that the helper made: `btap-` and ten hex digits.
class TapName : public Name<TapName> {
public:
    static TapName parse(std::string_view text);

private:
    using Name::Name;
};

/// TERM KILL INT HUP QUIT USR1 USR2 ABRT, with or without SIG, in any case.
class SignalName : public Name<SignalName> {
public:
    static SignalName parse(std::string_view text);
    int number() const noexcept;

private:
    using Name::Name;
};

} // namespace banger
