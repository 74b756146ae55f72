#include "bus/glib_source.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <optional>

namespace banger::bus {

namespace {

/// GLib allocates the GSource; ours follows in the same block.
struct State {
    GSource base;
    sdbus::IConnection* connection;
    std::function<void()>* lost;
    gpointer fd_tag;
    gpointer event_tag;
    short events; ///< what fd_tag waits for
};

GIOCondition condition(short events) {
    return static_cast<GIOCondition>(events); // GIOCondition's values are poll(2)'s
}

/// What to wait for; nothing once the connection is closed (sd_bus_get_fd(3) then fails), for dispatch() to
/// find out.
std::optional<PollData> wait_for(const State& state) noexcept {
    try {
        return poll_data(*state.connection);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

/// Milliseconds from now to an absolute CLOCK_MONOTONIC deadline (GLib's clock as well), rounded up so that
/// it has passed when poll returns; -1 for none, 0 for a deadline that is past (or 0: messages are queued
/// already).
gint until(uint64_t deadline_us) {
    if (deadline_us == UINT64_MAX)
        return -1;
    const auto now = static_cast<uint64_t>(g_get_monotonic_time());
    return deadline_us <= now
               ? 0
               : static_cast<gint>(std::min<uint64_t>((deadline_us - now + 999) / 1000, G_MAXINT));
}

/// Takes what to wait for anew, in every iteration: sd-bus changes it with each message. The descriptor's
/// events are set only when they change, and the deadline is told through `timeout`: GLib answers
/// g_source_modify_unix_fd and g_source_set_ready_time by waking the loop that is being prepared, which then
/// would never sleep.
gboolean prepare(GSource* source, gint* timeout) {
    auto* state = reinterpret_cast<State*>(source);
    const auto data = wait_for(*state);
    if (!data)
        return TRUE;
    if (data->events != state->events)
        g_source_modify_unix_fd(source, state->fd_tag, condition(data->events));
    state->events = data->events;
    *timeout = until(data->timeout_us);
    return *timeout == 0;
}

gboolean check(GSource* source) {
    auto* state = reinterpret_cast<State*>(source);
    if (g_source_query_unix_fd(source, state->fd_tag))
        return TRUE;
    if (state->event_tag && g_source_query_unix_fd(source, state->event_tag))
        return TRUE;
    const auto data = wait_for(*state);
    return !data || (data->timeout_us != UINT64_MAX &&
                     static_cast<gint64>(data->timeout_us) <= g_get_monotonic_time());
}

gboolean dispatch(GSource* source, GSourceFunc, gpointer) {
    auto* state = reinterpret_cast<State*>(source);
    try {
        process_one(*state->connection);
        return G_SOURCE_CONTINUE;
    } catch (const sdbus::Error& error) {
        log::error("the bus connection is lost: " + std::string(error.what()));
    } catch (const std::exception& error) {
        log::error("while handling a message: " + std::string(error.what()));
        return G_SOURCE_CONTINUE;
    }
    (*state->lost)();
    return G_SOURCE_REMOVE;
}

void finalize(GSource* source) {
    delete reinterpret_cast<State*>(source)->lost;
}

GSourceFuncs functions{prepare, check, dispatch, finalize, nullptr, nullptr};

} // namespace

GlibSource::GlibSource(sdbus::IConnection& connection, std::function<void()> lost)
    : source_(g_source_new(&functions, sizeof(State))) {
    auto* state = reinterpret_cast<State*>(source_);
    state->connection = &connection;
    state->lost = new std::function<void()>(std::move(lost));
    const auto data = poll_data(connection);
    state->fd_tag = g_source_add_unix_fd(source_, data.fd, condition(data.events));
    state->events = data.events;
    state->events = data.events;
    state->event_tag = data.event_fd >= 0 ? g_source_add_unix_fd(source_, data.event_fd, G_IO_IN) : nullptr;
    g_source_attach(source_, nullptr);
}

GlibSource::~GlibSource() {
    g_source_destroy(source_);
    g_source_unref(source_);
}

} // namespace banger::bus
