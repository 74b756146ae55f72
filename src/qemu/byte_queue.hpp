// Bytes on their way from one descriptor to another.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace banger::qemu {

class ByteQueue {
public:
    void push(std::string_view bytes) { buffer_ += bytes; }
    std::string_view waiting() const { return std::string_view(buffer_).substr(start_); }
    size_t size() const { return buffer_.size() - start_; }
    bool empty() const { return size() == 0; }
    void clear() {
        buffer_.clear();
        start_ = 0;
    }
    void consume(size_t count) {
        start_ += count;
        if (start_ == buffer_.size())
            clear();
        else if (start_ > compact_from && start_ > buffer_.size() / 2) {
            buffer_.erase(0, start_);
            start_ = 0;
        }
    }
    /// Sends what the non-blocking socket takes. False when it takes no more for ever.
    bool send_to(int socket) {
        while (!empty()) {
            const auto n = ::send(socket, waiting().data(), size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return errno == EAGAIN;
            consume(static_cast<size_t>(n));
        }
        return true;
    }

private:
    static constexpr size_t compact_from = 65536;
    std::string buffer_;
    size_t start_ = 0;
};

} // namespace banger::qemu
