// Where a command's output goes on the host. Internal to src/agent.
#pragma once

#include "base/fd.hpp"

#include <string>
#include <string_view>

namespace banger::agent {

/// One of the outputs: what came from the guest and is not written yet. The descriptor may be shared with
/// other processes, so it is never made non-blocking itself.
class OutputSink {
public:
    /// Does not own `fd`; -1: all is thrown away.
    explicit OutputSink(int fd);

    /// To wait on until something can be written.
    int fd() const noexcept { return own_ ? own_.get() : fd_; }
    size_t unwritten() const noexcept { return text_.size() - done_; }
    void add(std::string_view bytes);
    /// Writes what goes without waiting, after poll(2) said that something does. False when the reader is
    /// gone.
    bool write_some();
    void close();

private:
    enum class Kind { File, Pipe, Socket, Other };
    ssize_t write_once() const;

    int fd_;
    Kind kind_ = Kind::Other;
    OwnedFd own_; ///< of a pipe: opened anew, so that this one alone does not block
    std::string text_;
    size_t done_ = 0;
};

} // namespace banger::agent
