#include "qemu/qmp.hpp"

#include "qemu/body.hpp"

#include <fcntl.h>

#include <array>

namespace banger::qemu {

namespace {

constexpr size_t longest_line = 1 << 20;

Outcome<Json> outcome_of(const Json& answer) {
    if (const auto value = answer.find("return"); value != answer.end())
        return *value;
    std::string message = "QEMU refused";
    if (const auto error = answer.find("error"); error != answer.end() && error->is_object())
        if (const auto text = error->find("desc"); text != error->end() && text->is_string())
            message = text->get<std::string>();
    return Error(ErrorCode::Internal, message);
}

} // namespace

Qmp::Qmp(OwnedFd fd, std::function<void()> on_ready)
    : fd_(std::move(fd)) {
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    watch_ = IoWatch(fd_.get(), [this](GIOCondition conditions) { on_io(conditions); });
    watch_.want(true, false);
    execute("qmp_capabilities", Json::object(), [ready = std::move(on_ready)](const Outcome<Json>& outcome) {
        if (std::holds_alternative<Json>(outcome))
            ready();
    });
}

void Qmp::execute(const char* command, Json arguments, Reply reply) {
    if (closed_)
        return reply(Error(ErrorCode::Unavailable, "QEMU has ended"));
    const auto id = ++last_id_;
    waiting_[id] = std::move(reply);
    output_.push(Json{{"execute", command}, {"arguments", std::move(arguments)}, {"id", id}}.dump() + "\n");
    flush();
}

void Qmp::close(const Error& why) {
    closed_ = true;
    watch_.cancel();
    const auto waiting = std::exchange(waiting_, {});
    for (const auto& [id, reply] : waiting)
        reply(why);
}

void Qmp::flush() {
    if (!output_.send_to(fd_.get()))
        return close(Error(ErrorCode::Unavailable, "QEMU has ended"));
    watch_.want(true, !output_.empty());
}

void Qmp::on_io(GIOCondition conditions) {
    if ((conditions & G_IO_IN) != 0)
        read_some();
    else if ((conditions & (G_IO_HUP | G_IO_ERR)) != 0)
        close(Error(ErrorCode::Unavailable, "QEMU has ended"));
    if (!closed_)
        flush();
}

void Qmp::read_some() {
    std::array<char, 16384> buffer;
    const auto n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        return close(Error(ErrorCode::Unavailable, "QEMU has ended"));
    input_.append(buffer.data(), static_cast<size_t>(n));
    size_t start = 0;
    for (size_t end = 0; !closed_ && (end = input_.find('\n', start)) != input_.npos; start = end + 1)
        take_line(std::string_view(input_).substr(start, end - start));
    input_.erase(0, start);
    if (input_.size() > longest_line)
        close(Error(ErrorCode::Internal, "QEMU says too much"));
}

void Qmp::take_line(std::string_view line) {
    Json answer;
    try {
        answer = parse_json(line);
    } catch (const Error&) {
        return close(Error(ErrorCode::Internal, "QEMU's answer is no JSON"));
    }
    // Greetings and events have no id; nobody here waits for them.
    if (!answer.is_object() || !answer.contains("id") || !answer["id"].is_number_unsigned())
        return;
    const auto found = waiting_.find(answer["id"].get<uint64_t>());
    if (found == waiting_.end())
        return;
    const auto reply = std::move(found->second);
    waiting_.erase(found);
    reply(outcome_of(answer));
}

} // namespace banger::qemu
