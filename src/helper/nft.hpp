// nftables through libnftables, the library behind nft(8): no process, no shell.
#pragma once

#include <memory>
#include <string>

struct nft_ctx;

namespace banger::helper {

/// One conversation with this network namespace's rules. Blocking, and only one at a time in a process:
/// libnftables makes no promise about threads.
class Nft {
public:
    Nft();

    /// What `command` ("list chains") lists, as JSON (libnftables-json(5)). Throws Internal.
    std::string list(const std::string& command);
    /// Runs commands, one per line, as one transaction: all of them or none. Throws Unavailable when the
    /// kernel lacks what they need, else Internal.
    void run(const std::string& commands);

private:
    std::string execute(const std::string& commands, unsigned flags);

    std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context_;
};

} // namespace banger::helper
