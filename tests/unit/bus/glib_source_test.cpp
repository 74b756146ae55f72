#include "base/loop.hpp"
#include "bus/caller.hpp"
#include "bus/errors.hpp"
#include "bus/glib_source.hpp"
#include "private_bus.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <thread>

using namespace banger;
using namespace std::chrono_literals;
using bus::InterfaceName;
using bus::ObjectPath;
using bus::ServiceName;

namespace {

constexpr auto echo_name = "org.banger.Test";
constexpr auto echo_path = "/org/banger/Test";
constexpr auto echo_interface = "org.banger.Test1";

/// A service in the GLib loop: Echo answers at once, Who tells the caller, Refuse fails.
class Service {
public:
    explicit Service(const test::PrivateBus& a_bus)
        : connection_(a_bus.connect())
        , object_(sdbus::createObject(*connection_, ObjectPath(echo_path)))
        , source_(*connection_, [this] {
            lost_ = true;
            loop.quit();
        }) {
        register_methods();
        connection_->requestName(ServiceName(echo_name));
    }

    /// Runs the loop until `client`, on a thread with a connection of its own, has ended.
    void serve(const std::function<void()>& client) {
        std::jthread thread([&] {
            client();
            loop.post([this] { loop.quit(); });
        });
        run();
    }
    /// Runs the loop until somebody quits it; too long is a failure.
    void run() {
        bool late = false;
        const Timer limit(60s, [&] {
            late = true;
            loop.quit();
            return false;
        });
        loop.run();
        REQUIRE_FALSE(late);
    }
    sdbus::IConnection& connection() { return *connection_; }
    bool lost() const { return lost_; }
    bus::Caller last_caller;
    Loop loop;

private:
#if BANGER_SDBUS_2
    void register_methods() {
        object_
            ->addVTable(
                sdbus::registerMethod("Echo").implementedAs([](const std::string& text) { return text; }),
                sdbus::registerMethod("Who").implementedAs(
                    [this] { last_caller = bus::current_caller(*object_); }),
                sdbus::registerMethod("Refuse").implementedAs([] { refuse(); }))
            .forInterface(echo_interface);
    }
#else
    void register_methods() {
        object_->registerMethod("Echo")
            .onInterface(echo_interface)
            .implementedAs([](const std::string& text) { return text; });
        object_->registerMethod("Who").onInterface(echo_interface).implementedAs([this] {
            last_caller = bus::current_caller(*object_);
        });
        object_->registerMethod("Refuse").onInterface(echo_interface).implementedAs([] { refuse(); });
        object_->finishRegistration();
    }
#endif
    static void refuse() {
        bus::answer([] { throw Error(ErrorCode::Busy, "busy", "try again"); });
    }

    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<sdbus::IObject> object_;
    bus::GlibSource source_;
    bool lost_ = false;
};

std::string echo(sdbus::IProxy& proxy, const std::string& text) {
    std::string answer;
    proxy.callMethod("Echo").onInterface(echo_interface).withArguments(text).storeResultsTo(answer);
    return answer;
}

std::unique_ptr<sdbus::IProxy> proxy_on(sdbus::IConnection& connection) {
    return sdbus::createProxy(connection, ServiceName(echo_name), ObjectPath(echo_path));
}

} // namespace

TEST_CASE("a service in the loop answers many calls from many threads") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    std::atomic<int> wrong{0};
    service.serve([&] {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                const auto connection = a_bus.connect();
                const auto proxy = proxy_on(*connection);
                for (int i = 0; i < 100; ++i) {
                    const auto text = std::to_string(t) + ":" + std::to_string(i);
                    wrong += echo(*proxy, text) != text;
                }
            });
    });
    CHECK(wrong == 0);
}

TEST_CASE("a blocking call in the loop strands no message that came meanwhile") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    // Each client's call arrives while the loop's thread waits for an answer of the bus on the same
    // connection.
    const auto driver = sdbus::createProxy(service.connection(), ServiceName("org.freedesktop.DBus"),
                                           ObjectPath("/org/freedesktop/DBus"));
    int blocked = 0;
    const Timer busy(1ms, [&] {
        std::string id;
        driver->callMethod("GetId").onInterface("org.freedesktop.DBus").storeResultsTo(id);
        ++blocked;
        return true;
    });
    std::atomic<int> wrong{0};
    service.serve([&] {
        const auto connection = a_bus.connect();
        const auto proxy = proxy_on(*connection);
        for (int i = 0; i < 300; ++i)
            wrong += echo(*proxy, std::to_string(i)) != std::to_string(i);
    });
    CHECK(wrong == 0);
    CHECK(blocked > 0);
}

TEST_CASE("an idle service sleeps") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    const auto processor_ms = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
    };
    service.serve([&] {
        const auto connection = a_bus.connect();
        echo(*proxy_on(*connection), "one call, so that all is set up");
    });
    const auto before = processor_ms();
    const Timer end(1s, [&] {
        service.loop.quit();
        return false;
    });
    service.run();
    CHECK(processor_ms() - before < 100);
}

TEST_CASE("who calls: the sender, the method, and whether polkit may ask") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    std::string sender;
    const auto call_who = [&](bool interactive) {
        service.serve([&] {
            const auto connection = a_bus.connect();
            const auto proxy = proxy_on(*connection);
            bus::set_interactive(*proxy, interactive);
            proxy->callMethod("Who").onInterface(echo_interface);
            sender = bus::text_of(connection->getUniqueName());
        });
    };
    for (const bool interactive : {false, true}) {
        call_who(interactive);
        CHECK(service.last_caller.sender == sender);
        CHECK(service.last_caller.method == "Who");
        CHECK(service.last_caller.interactive == interactive);
    }
}

TEST_CASE("a refusal comes to the client as the Error that it was") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    std::optional<Error> error;
    service.serve([&] {
        const auto connection = a_bus.connect();
        const auto proxy = proxy_on(*connection);
        error = test::error_of(
            [&] { bus::call([&] { proxy->callMethod("Refuse").onInterface(echo_interface); }); });
    });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::Busy);
    CHECK(error->hint() == "try again");
}

TEST_CASE("the bus tells a client's uid, and when it has left") {
    const test::PrivateBus a_bus;
    Service service(a_bus);
    bus::BusDriver driver(service.connection());
    auto client = a_bus.connect();
    const auto name = bus::text_of(client->getUniqueName());
    std::optional<std::variant<uint32_t, Error>> uid;
    std::string gone;
    driver.on_client_gone([&](const std::string& left) {
        if (left != name)
            return;
        gone = left;
        service.loop.quit();
    });
    driver.ask_uid(name, [&](std::variant<uint32_t, Error> answer) {
        uid = std::move(answer);
        client.reset();
    });
    service.run();
    REQUIRE(uid);
    CHECK(std::get<uint32_t>(*uid) == ::getuid());
    CHECK(gone == name);
    std::optional<Error> refused;
    driver.ask_uid(":9.999", [&](std::variant<uint32_t, Error> answer) {
        refused = std::get<Error>(answer);
        service.loop.quit();
    });
    service.run();
    CHECK(refused->code() == ErrorCode::Unavailable);
}

TEST_CASE("the loss of the bus is told once, and is no crash") {
    test::PrivateBus a_bus;
    Service service(a_bus);
    service.loop.post([&] { a_bus.stop(); });
    service.run();
    CHECK(service.lost());
}
