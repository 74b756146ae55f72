// The tap devices that a guest's interfaces hang on.
#pragma once

#include "base/fd.hpp"

#include <map>
#include <string>

namespace banger::qemu {

/// By the interface's name on the host: those handed over at the start, and those opened since.
class TapTable {
public:
    /// "NAME=FD", as --tap has it. Throws InvalidArgument for anything else, and for a descriptor that is not
    /// open.
    void add_given(const std::string& text);
    /// Makes sure that there is a descriptor for `name`: opens /dev/net/tun for it where none was given.
    /// Throws Error.
    void ensure(const std::string& name);
    /// The descriptor; -1 when there is none.
    int fd(const std::string& name) const;

private:
    std::map<std::string, OwnedFd> taps_;
};

} // namespace banger::qemu
