#include "helper/nft.hpp"

#include "base/error.hpp"

#include <nftables/libnftables.h>

#include <cerrno>

namespace banger::helper {

namespace {

/// The first line of the library's complaint: the rest quotes the command.
std::string first_line(const char* text) {
    const std::string whole = text ? text : "";
    return whole.substr(0, whole.find('\n'));
}

} // namespace

Nft::Nft()
    : context_(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free) {
    if (!context_ || nft_ctx_buffer_output(context_.get()) != 0 || nft_ctx_buffer_error(context_.get()) != 0)
        throw Error(ErrorCode::Internal, "cannot prepare a conversation with nftables");
}

std::string Nft::list(const std::string& command) {
    return execute(command, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_PRIO);
}

void Nft::run(const std::string& commands) {
    execute(commands, 0);
}

std::string Nft::execute(const std::string& commands, unsigned flags) {
    nft_ctx_output_set_flags(context_.get(), flags);
    errno = 0;
    const int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
    const int why = errno;
    // Asking for the buffers empties them.
    std::string output = nft_ctx_get_output_buffer(context_.get());
    const auto complaint = first_line(nft_ctx_get_error_buffer(context_.get()));
    if (failed == 0)
        return output;
    if (why == EOPNOTSUPP || why == EAFNOSUPPORT || why == EPROTONOSUPPORT ||
        complaint.find("not supported") != complaint.npos)
        throw Error(
            ErrorCode::Unavailable, "this kernel lacks a part of nftables: " + complaint,
            "banger needs nf_tables with the families ip and bridge, nft_ct, nft_masq and nft_reject");
    throw Error(ErrorCode::Internal, "nftables: " + complaint);
}

} // namespace banger::helper
