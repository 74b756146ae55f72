#include "helper/polkit.hpp"

#include "base/log.hpp"
#include "base/loop.hpp"

#include <polkit/polkit.h>

#include <algorithm>
#include <list>
#include <utility>

namespace banger::helper {

namespace {

template <class T>
using Held = std::unique_ptr<T, void (*)(void*)>;

template <class T>
Held<T> hold(T* object) {
    return {object, g_object_unref};
}

void free_error(void* error) {
    g_error_free(static_cast<GError*>(error));
}

} // namespace

/// One question under way. The GIO callback may come after the answer (when time ran out): it then finds
/// `answer` empty.
struct Question {
    PolkitQuestion asked;
    Polkit::Answer answer;
    Held<GCancellable> cancel = hold(g_cancellable_new());
    Timer limit;

    /// Answers, once.
    void settle(Verdict verdict) {
        limit.cancel();
        if (const auto tell = std::exchange(answer, nullptr))
            tell(verdict);
    }
};

struct Polkit::Shared : std::enable_shared_from_this<Polkit::Shared> {
    PolkitLimits limits;
    Held<PolkitAuthority> authority{nullptr, g_object_unref};
    bool connecting = false;
    std::list<std::shared_ptr<Question>> waiting; ///< for the authority
    std::list<std::shared_ptr<Question>> asked;

    void connect();
    void send(const std::shared_ptr<Question>& question);
    static void on_authority(GObject*, GAsyncResult* result, gpointer data) noexcept;
    static void on_answer(GObject* source, GAsyncResult* result, gpointer data) noexcept;
    void drop(const std::shared_ptr<Question>& question) {
        waiting.remove(question);
        asked.remove(question);
    }
    void end(const std::shared_ptr<Question>& question, Verdict verdict) {
        const auto kept = question;
        drop(kept);
        g_cancellable_cancel(kept->cancel.get());
        kept->settle(verdict);
    }
};

namespace {

/// What GIO's callbacks hold on to. Weak: an answer may come when all is over.
struct Pending {
    std::weak_ptr<void> shared;
    std::shared_ptr<Question> question;
};

Verdict verdict_of(PolkitAuthorizationResult* result, bool interactive) {
    if (polkit_authorization_result_get_is_authorized(result))
        return Verdict::Yes;
    if (polkit_authorization_result_get_dismissed(result))
        return Verdict::Dismissed;
    if (polkit_authorization_result_get_is_challenge(result) && !interactive)
        return Verdict::Challenge;
    return Verdict::No;
}

} // namespace

void Polkit::Shared::connect() {
    if (connecting)
        return;
    connecting = true;
    polkit_authority_get_async(nullptr, on_authority, new std::weak_ptr<Shared>(weak_from_this()));
}

void Polkit::Shared::on_authority(GObject*, GAsyncResult* result, gpointer data) noexcept {
    const std::unique_ptr<std::weak_ptr<Shared>> weak(static_cast<std::weak_ptr<Shared>*>(data));
    GError* raw = nullptr;
    auto authority = hold(polkit_authority_get_finish(result, &raw));
    const Held<GError> error(raw, free_error);
    const auto self = weak->lock();
    if (!self)
        return;
    self->connecting = false;
    const auto waiting = std::exchange(self->waiting, {});
    if (authority) {
        self->authority = std::move(authority);
        for (const auto& question : waiting)
            self->send(question);
        return;
    }
    log::error(std::string("polkit cannot be reached: ") + (error ? error->message : "no reason given"));
    for (const auto& question : waiting)
        question->settle(Verdict::Unavailable);
}

void Polkit::Shared::send(const std::shared_ptr<Question>& question) {
    asked.push_back(question);
    const auto subject = hold(polkit_system_bus_name_new(question->asked.sender.c_str()));
    const auto details = hold(polkit_details_new());
    for (const auto& [key, value] : question->asked.details)
        polkit_details_insert(details.get(), key.c_str(), value.c_str());
    polkit_authority_check_authorization(
        authority.get(), subject.get(), question->asked.action.c_str(), details.get(),
        question->asked.interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                                    : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
        question->cancel.get(), on_answer, new Pending{weak_from_this(), question});
}

void Polkit::Shared::on_answer(GObject* source, GAsyncResult* result, gpointer data) noexcept {
    const std::unique_ptr<Pending> pending(static_cast<Pending*>(data));
    GError* raw = nullptr;
    const auto answer =
        hold(polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result, &raw));
    const Held<GError> error(raw, free_error);
    const auto& question = pending->question;
    if (!question->answer)
        return;
    if (const auto self = std::static_pointer_cast<Shared>(pending->shared.lock()))
        self->drop(question);
    if (answer) {
        question->settle(verdict_of(answer.get(), question->asked.interactive));
        return;
    }
    log::error(std::string("polkit did not answer: ") + (error ? error->message : "no reason given"));
    question->settle(Verdict::Unavailable);
}

Polkit::Polkit(PolkitLimits limits)
    : shared_(std::make_shared<Shared>()) {
    shared_->limits = limits;
}

Polkit::~Polkit() {
    for (const auto& question : std::exchange(shared_->asked, {})) {
        question->answer = nullptr;
        g_cancellable_cancel(question->cancel.get());
    }
}

void Polkit::ask(PolkitQuestion asked, Answer answer) {
    auto question = std::make_shared<Question>();
    question->asked = std::move(asked);
    question->answer = std::move(answer);
    const auto limit = question->asked.interactive ? shared_->limits.interactive : shared_->limits.quiet;
    // Weak, so that a question that was answered does not live until its time would have run out.
    question->limit = Timer(limit, [weak = std::weak_ptr(question), shared = std::weak_ptr(shared_)] {
        const auto late = weak.lock();
        const auto self = shared.lock();
        if (late && self)
            self->end(late, Verdict::Timeout);
        return false;
    });
    if (shared_->authority) {
        shared_->send(question);
        return;
    }
    shared_->waiting.push_back(question);
    shared_->connect();
}

void Polkit::caller_gone(const std::string& sender) {
    std::list<std::shared_ptr<Question>> theirs;
    for (const auto& list : {shared_->asked, shared_->waiting})
        std::copy_if(list.begin(), list.end(), std::back_inserter(theirs),
                     [&](const auto& question) { return question->asked.sender == sender; });
    for (const auto& question : theirs)
        shared_->end(question, Verdict::CallerGone);
}

} // namespace banger::helper
