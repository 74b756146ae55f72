#include "qemu/server.hpp"

#include "base/error.hpp"

namespace banger::qemu {

namespace {

/// libsoup (3.2) takes the length off a 204's headers, and then holds the answer for one that ends with its
/// connection. Told otherwise once the headers are out, it keeps the connection for the next request.
void keep_connection(SoupServerMessage* message, gpointer) {
    soup_message_headers_set_encoding(soup_server_message_get_response_headers(message), SOUP_ENCODING_NONE);
}

void set_answer(SoupServerMessage* message, const Answer& answer) {
    soup_server_message_set_status(message, answer.status, nullptr);
    if (answer.body.empty())
        g_signal_connect(message, "wrote-headers", G_CALLBACK(keep_connection), nullptr);
    else
        soup_server_message_set_response(message, "application/json", SOUP_MEMORY_COPY, answer.body.data(),
                                         answer.body.size());
}

} // namespace

Server::Server(OwnedFd listener, Machine& machine, Records& records)
    : machine_(machine)
    , records_(records)
    , server_(SOUP_SERVER(g_object_new(SOUP_TYPE_SERVER, "server-header", "Firecracker API", nullptr))) {
    GError* error = nullptr;
    GSocket* socket = g_socket_new_from_fd(listener.get(), &error);
    if (socket) {
        listener.release(); // the socket closes it
        soup_server_add_early_handler(server_, nullptr, on_headers, this, nullptr);
        soup_server_add_handler(server_, nullptr, on_request, this, nullptr);
        soup_server_listen_socket(server_, socket, static_cast<SoupServerListenOptions>(0), &error);
        g_object_unref(socket);
    }
    if (error) {
        const std::string message = error->message;
        g_error_free(error);
        g_object_unref(server_);
        throw Error(ErrorCode::Internal, "cannot serve the API: " + message);
    }
}

Server::~Server() {
    *alive_ = false;
    soup_server_disconnect(server_);
    for (const auto& waiting : queue_)
        g_object_unref(waiting.message);
    g_object_unref(server_);
}

/// Before a body is read: one that is too large, or does not say how large it is, is not.
void Server::on_headers(SoupServer*, SoupServerMessage* message, const char*, GHashTable*, gpointer) {
    auto* headers = soup_server_message_get_request_headers(message);
    const auto encoding = soup_message_headers_get_encoding(headers);
    const auto length = soup_message_headers_get_content_length(headers);
    const bool bounded = encoding == SOUP_ENCODING_NONE || encoding == SOUP_ENCODING_CONTENT_LENGTH;
    if (bounded && length <= static_cast<goffset>(max_body))
        return;
    soup_message_body_set_accumulate(soup_server_message_get_request_body(message), FALSE);
    set_answer(message, bounded ? fault("Request payload with size " + std::to_string(length) +
                                            " is larger than the limit of " + std::to_string(max_body) +
                                            " allowed by server.",
                                        413)
                                : fault("A request with a body needs a Content-Length."));
}

void Server::on_request(SoupServer*, SoupServerMessage* message, const char*, GHashTable*, gpointer data) {
    auto& self = *static_cast<Server*>(data);
    self.queue_.push_back({SOUP_SERVER_MESSAGE(g_object_ref(message))});
    self.next();
    // Only now, and only when there is no answer yet: to pause and go on within this call would break the
    // connection.
    if (self.queue_.empty() || self.queue_.back().message != message)
        return;
    self.queue_.back().paused = true;
    soup_server_message_pause(message);
}

/// Handles what waits, for as long as the answers come at once.
void Server::next() {
    if (in_next_)
        return; // an answer that came at once: the loop below goes on
    in_next_ = true;
    while (!busy_ && !queue_.empty()) {
        busy_ = true;
        handle(queue_.front().message);
    }
    in_next_ = false;
}

void Server::handle(SoupServerMessage* message) {
    const auto reply = [this, message, alive = alive_](const Answer& given) {
        if (*alive)
            answer(message, given);
    };
    std::optional<Request> request;
    GBytes* bytes = soup_message_body_flatten(soup_server_message_get_request_body(message));
    try {
        gsize size = 0;
        const auto* content = static_cast<const char*>(g_bytes_get_data(bytes, &size));
        request = parse_request(soup_server_message_get_method(message),
                                g_uri_get_path(soup_server_message_get_uri(message)),
                                content ? std::string_view(content, size) : std::string_view());
    } catch (const std::exception& error) {
        reply(fault(error.what()));
    }
    g_bytes_unref(bytes);
    if (request)
        machine_.handle(*request, reply);
}

void Server::answer(SoupServerMessage* message, const Answer& answer) {
    set_answer(message, answer);
    records_.note_request(soup_server_message_get_method(message),
                          g_uri_get_path(soup_server_message_get_uri(message)), answer.status);
    if (queue_.front().paused)
        soup_server_message_unpause(message);
    queue_.pop_front();
    g_object_unref(message);
    busy_ = false;
    next();
}

} // namespace banger::qemu
