#include "vmm/http.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"

#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>

#include <algorithm>

namespace banger::vmm {

namespace {

constexpr gsize max_reply = 1 << 20;

template <class T, void (*drop)(T*)>
struct Dropper {
    void operator()(T* object) const { drop(object); }
};
template <class T>
struct Unref {
    void operator()(T* object) const { g_object_unref(object); }
};
template <class T>
using Ref = std::unique_ptr<T, Unref<T>>;
using Context = std::unique_ptr<GMainContext, Dropper<GMainContext, g_main_context_unref>>;
using Bytes = std::unique_ptr<GBytes, Dropper<GBytes, g_bytes_unref>>;
using GErrorPtr = std::unique_ptr<GError, Dropper<GError, g_error_free>>;
using Source = std::unique_ptr<GSource, Dropper<GSource, g_source_unref>>;

/// Makes `context` the thread's default for a scope, so that GIO's callbacks come to it and to no one else's
/// loop.
class AsThreadDefault {
public:
    explicit AsThreadDefault(GMainContext* context)
        : context_(context) {
        g_main_context_push_thread_default(context_);
    }
    AsThreadDefault(const AsThreadDefault&) = delete;
    AsThreadDefault& operator=(const AsThreadDefault&) = delete;
    ~AsThreadDefault() { g_main_context_pop_thread_default(context_); }

private:
    GMainContext* context_;
};

/// What a request in flight has come to.
struct Flight {
    GCancellable* cancellable;
    Ref<GInputStream> stream;
    std::string body;
    GErrorPtr error;
    bool finished = false;
    bool late = false;
    bool too_much = false;
};

void on_chunk(GObject* stream, GAsyncResult* result, gpointer data);

void read_more(Flight& flight) {
    g_input_stream_read_bytes_async(flight.stream.get(), 65536, G_PRIORITY_DEFAULT, flight.cancellable,
                                    on_chunk, &flight);
}

void fail(Flight& flight, GError* error) {
    flight.error.reset(error);
    flight.finished = true;
}

void on_chunk(GObject* stream, GAsyncResult* result, gpointer data) {
    auto& flight = *static_cast<Flight*>(data);
    GError* error = nullptr;
    const Bytes bytes(g_input_stream_read_bytes_finish(G_INPUT_STREAM(stream), result, &error));
    if (!bytes)
        return fail(flight, error);
    gsize size = 0;
    const auto* content = static_cast<const char*>(g_bytes_get_data(bytes.get(), &size));
    if (size == 0) {
        flight.finished = true;
        return;
    }
    flight.body.append(content, size);
    flight.too_much = flight.body.size() > max_reply;
    if (flight.too_much)
        flight.finished = true;
    else
        read_more(flight);
}

void on_headers(GObject* session, GAsyncResult* result, gpointer data) {
    auto& flight = *static_cast<Flight*>(data);
    GError* error = nullptr;
    flight.stream.reset(soup_session_send_finish(SOUP_SESSION(session), result, &error));
    if (!flight.stream)
        return fail(flight, error);
    read_more(flight);
}

gboolean on_late(gpointer data) {
    auto& flight = *static_cast<Flight*>(data);
    flight.late = true;
    g_cancellable_cancel(flight.cancellable);
    return G_SOURCE_REMOVE;
}

Source start_deadline(GMainContext* context, Deadline deadline, Flight& flight) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    Source source(g_timeout_source_new(static_cast<guint>(std::max<int64_t>(left.count(), 0))));
    g_source_set_callback(source.get(), on_late, &flight, nullptr);
    g_source_attach(source.get(), context);
    return source;
}

/// The address of the socket through a descriptor of it: the VMM writes to its folder and might put a symlink
/// there, and the path may not fit into sun_path (unix(7)).
Ref<GSocketAddress> make_address(const std::string& path, OwnedFd& file) {
    try {
        file = open_socket_file(path);
    } catch (const Error& error) {
        throw Error(ErrorCode::Unavailable, "the VMM's API: " + error.message());
    }
    const auto name = "/proc/self/fd/" + std::to_string(file.get());
    return Ref<GSocketAddress>(g_unix_socket_address_new(name.c_str()));
}

[[noreturn]] void throw_failure(const Flight& flight, const std::string& what, const std::stop_token& stop) {
    if (stop.stop_requested())
        throw Error(ErrorCode::Cancelled, what + " was cancelled");
    if (flight.late)
        throw Error(ErrorCode::Timeout, what + ": the VMM did not answer in time");
    if (flight.too_much)
        throw Error(ErrorCode::InvalidArgument, what + ": the VMM's answer is too large");
    throw Error(ErrorCode::Unavailable, what + ": the VMM is not there: " + flight.error->message);
}

} // namespace

struct HttpConnection::Session {
    Context context{g_main_context_new()};
    OwnedFd socket_file;
    Ref<SoupSession> session;

    explicit Session(const std::string& path) {
        const auto address = make_address(path, socket_file);
        const AsThreadDefault scope(context.get());
        session.reset(soup_session_new_with_options("remote-connectable", address.get(), "max-conns", 1,
                                                    "max-conns-per-host", 1, "timeout", 0, "idle-timeout", 0,
                                                    nullptr));
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        const AsThreadDefault scope(context.get());
        soup_session_abort(session.get());
        session.reset();
        while (g_main_context_iteration(context.get(), FALSE)) {
            // What the session still had under way ends here, with its context alive.
        }
    }
};

HttpConnection::HttpConnection(std::string socket_path)
    : socket_path_(std::move(socket_path)) {}
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;
HttpConnection::~HttpConnection() = default;

HttpReply HttpConnection::request(const char* method, const std::string& path, const std::string& body,
                                  Deadline deadline, const std::stop_token& stop) {
    if (!session_)
        session_ = std::make_unique<Session>(socket_path_);
    const auto what = std::string(method) + " " + path;
    auto* context = session_->context.get();
    const AsThreadDefault scope(context);
    const Ref<SoupMessage> message(soup_message_new(method, ("http://localhost" + path).c_str()));
    if (!message)
        throw Error(ErrorCode::InvalidArgument, what + " is no request");
    if (!body.empty()) {
        const Bytes bytes(g_bytes_new(body.data(), body.size()));
        soup_message_set_request_body_from_bytes(message.get(), "application/json", bytes.get());
    }
    const Ref<GCancellable> cancellable(g_cancellable_new());
    Flight flight{cancellable.get(), {}, {}, {}};
    const auto late = start_deadline(context, deadline, flight);
    {
        const std::stop_callback on_stop(stop, [&] { g_cancellable_cancel(cancellable.get()); });
        soup_session_send_async(session_->session.get(), message.get(), G_PRIORITY_DEFAULT, cancellable.get(),
                                on_headers, &flight);
        while (!flight.finished)
            g_main_context_iteration(context, TRUE);
    }
    g_source_destroy(late.get());
    if (flight.error || flight.too_much)
        throw_failure(flight, what, stop);
    return {soup_message_get_status(message.get()), std::move(flight.body)};
}

} // namespace banger::vmm
