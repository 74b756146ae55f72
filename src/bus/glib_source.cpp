#include "bus/glib_source.hpp"

#include "base/log.hpp"

#include <functional>
#include <new>

namespace banger::bus {

namespace {

/// GLib allocates the GSource; ours follows in the same block.
struct State {
    GSource base;
    sdbus::IConnection* connection;
    std::function<void()>* lost;
    gpointer fd_tag;
    gpointer event_tag;
};

GIOCondition condition(short events) {
    return static_cast<GIOCondition>(events); // GIOCondition's values are poll(2)'s
}

/// Takes what to wait for anew, in every iteration: sd-bus changes it with each message.
gboolean prepare(GSource* source, gint* timeout) {
    auto* state = reinterpret_cast<State*>(source);
    const auto data = poll_data(*state->connection);
    g_source_modify_unix_fd(source, state->fd_tag, condition(data.events));
    *timeout = -1;
    if (data.timeout_us == UINT64_MAX) {
        g_source_set_ready_time(source, -1);
        return FALSE;
    }
    // Deadlines are absolute and of the same clock as GLib's (CLOCK_MONOTONIC); 0 says that messages are queued already.
    g_source_set_ready_time(source, static_cast<gint64>(data.timeout_us));
    return static_cast<gint64>(data.timeout_us) <= g_get_monotonic_time();
}

gboolean check(GSource* source) {
    auto* state = reinterpret_cast<State*>(source);
    if (g_source_query_unix_fd(source, state->fd_tag))
        return TRUE;
    if (state->event_tag && g_source_query_unix_fd(source, state->event_tag))
        return TRUE;
    const auto data = poll_data(*state->connection);
    return data.timeout_us != UINT64_MAX && static_cast<gint64>(data.timeout_us) <= g_get_monotonic_time();
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
    state->event_tag = data.event_fd >= 0 ? g_source_add_unix_fd(source_, data.event_fd, G_IO_IN) : nullptr;
    g_source_attach(source_, nullptr);
}

GlibSource::~GlibSource() {
    g_source_destroy(source_);
    g_source_unref(source_);
}

} // namespace banger::bus
