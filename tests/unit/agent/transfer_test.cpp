#include "agent/client.hpp"
#include "agent_process.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

using namespace banger;
using namespace banger::agent;
namespace fs = std::filesystem;

namespace {

const Deadline soon = Clock::now() + std::chrono::seconds(100);

void make_tree(const TemporaryFolder& folder) {
    fs::create_directories(folder.path("src/deep/deeper"));
    for (int i = 0; i < 500; i++)
        write_file_atomically(folder.path("src/deep/" + std::to_string(i)),
                              std::string(static_cast<size_t>(i) * 37, 'c'));
    write_file_atomically(folder.path("src/big"), std::string(3'000'001, 'b'));
    write_file_atomically(folder.path("src/deep/\xff"), "odd name");
    fs::create_symlink("deep", folder.path("src/link"));
}

} // namespace

TEST_CASE("a tree goes in and comes out again the same") {
    const TemporaryFolder folder;
    make_tree(folder);
    TreeReader reader(folder.path("src"));
    auto session = AgentProcess::instance().connect();
    const auto sent = put(session.get(), {folder.path("guest/new"), false}, reader);
    CHECK(sent.files == 506); // with the root, two folders and a link
    session = AgentProcess::instance().connect();
    fs::create_directory(folder.path("back"));
    TreeWriter writer(open_file(folder.path("back"), O_RDONLY | O_DIRECTORY), {1000, 100'000'000, 0777});
    const auto received = get(session.get(), {folder.path("guest/new")}, writer);
    CHECK(received.files == sent.files);
    CHECK(received.bytes == sent.bytes);
    ProcessSpec diff;
    diff.program = "/usr/bin/diff";
    diff.arguments = {"-r", "--no-dereference", folder.path("src"), folder.path("back")};
    CHECK(run(diff).status == 0);
    CHECK(fs::last_write_time(folder.path("src/big")) == fs::last_write_time(folder.path("back/big")));
}

TEST_CASE("clear empties the directory first") {
    const TemporaryFolder folder;
    fs::create_directories(folder.path("guest/old"));
    write_file_atomically(folder.path("new"), "x");
    TreeReader reader(folder.path("new"));
    const auto session = AgentProcess::instance().connect();
    put(session.get(), {folder.path("guest"), true}, reader);
    CHECK_FALSE(fs::exists(folder.path("guest/old")));
    CHECK(read_file(folder.path("guest/new")) == "x");
}

TEST_CASE("the agent refuses paths that lead out, and a client that sends on hears it") {
    const TemporaryFolder folder;
    for (const auto* path : {"../out", "/out", "link/out"}) {
        fs::create_directories(folder.path("guest"));
        if (!fs::exists(folder.path("guest/link")))
            fs::create_directory_symlink(folder.path(), folder.path("guest/link"));
        const auto session = AgentProcess::instance().connect();
        FrameStream stream(session.get(), soon);
        stream.send(FrameType::Request, encode_request(PutRequest{folder.path("guest"), false}, ""));
        stream.send(FrameType::Entry,
                    std::string(R"({"path":")") + path + R"(","type":"file","size":1000000})");
        const std::string block(max_payload, 'x');
        for (int i = 0; i < 15; i++)
            stream.send(FrameType::Data, block);
        CHECK(stream.receive()->type == FrameType::Error);
        CHECK_FALSE(fs::exists(folder.path("out")));
    }
    const auto session = AgentProcess::instance().connect();
    fs::create_directories(folder.path("big"));
    std::vector<std::string> paths;
    for (int i = 0; i < 3000; i++) {
        write_file_atomically(folder.path("big/" + std::to_string(i)), std::string(10'000, 'x'));
        paths.push_back(std::to_string(i));
    }
    fs::create_directories(folder.path("target/1")); // where a file is to go
    TreeReader reader(folder.path("big"), paths);
    CHECK_THROWS_WITH_AS(put(session.get(), {folder.path("target"), false}, reader),
                         "1 is a directory there and a file here", Error);
}

namespace {

/// Counts on it that content comes to an open entry only.
class PickySink : public EntrySink {
public:
    void begin(const Entry&) override { open_ = true; }
    void data(std::string_view bytes) override { CHECK((open_ && !bytes.empty())); }
    void hole(uint64_t bytes) override { CHECK((open_ && bytes > 0)); }
    void end() override { open_ = false; }

private:
    bool open_ = false;
};

} // namespace

TEST_CASE("content without an entry, and empty content, are refused") {
    const std::string entry = R"({"path":"f","type":"file","size":3})";
    using Frames = std::vector<std::pair<FrameType, std::string>>;
    for (const auto& frames :
         {Frames{{FrameType::Data, ""}}, Frames{{FrameType::Hole, encode_count("bytes", 0)}},
          Frames{{FrameType::Data, "x"}}, Frames{{FrameType::Entry, entry}, {FrameType::Data, ""}},
          Frames{{FrameType::Entry, entry}, {FrameType::Hole, encode_count("bytes", 0)}}}) {
        auto [ours, theirs] = make_socketpair();
        FrameStream sender(theirs.get(), soon);
        for (const auto& [type, payload] : frames)
            sender.send(type, payload);
        FrameStream receiver(ours.get(), soon);
        PickySink sink;
        try {
            receive_tree(receiver, sink);
            FAIL("took it");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidArgument);
        }
    }
}

TEST_CASE("set-uid bits go in only together with owners") {
    const TemporaryFolder folder;
    write_file_atomically(folder.path("f"), "x");
    REQUIRE(::chmod(folder.path("f").c_str(), 06755) == 0);
    for (const bool owner : {false, true}) {
        TreeReader reader(folder.path("f"));
        const auto session = AgentProcess::instance().connect();
        PutRequest request{folder.path("guest"), true};
        request.owner = owner;
        put(session.get(), request, reader);
        struct stat status{};
        REQUIRE(::stat(folder.path("guest/f").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == (owner ? 06755 : 0755));
    }
}

TEST_CASE("a stat that gets no answer can be cancelled") {
    auto [ours, theirs] = make_socketpair();
    std::stop_source stop;
    const int fd = ours.get();
    std::jthread asking([&] {
        try {
            agent::stat(fd, {"/"}, soon, {}, stop.get_token());
            FAIL("got an answer");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Cancelled);
        }
    });
    FrameStream peer(theirs.get(), soon);
    CHECK(peer.receive()->type == FrameType::Request);
    stop.request_stop();
}

TEST_CASE("get of what is not there, and stat") {
    const TemporaryFolder folder;
    auto session = AgentProcess::instance().connect();
    TreeWriter writer(open_file(folder.path(), O_RDONLY | O_DIRECTORY));
    try {
        get(session.get(), {folder.path("none")}, writer);
        FAIL("got it");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::NotFound);
    }
    fs::create_symlink("nowhere", folder.path("dangling"));
    const auto type = [&](const std::string& path) {
        session = AgentProcess::instance().connect();
        return stat(session.get(), {path}, soon).type;
    };
    CHECK(type(folder.path("none")) == PathType::None);
    CHECK(type(folder.path()) == PathType::Directory);
    CHECK(type("/etc/passwd") == PathType::File);
    CHECK(type("/etc/passwd/x") == PathType::None);
    CHECK(type("/dev/null") == PathType::Other);
    CHECK(type(folder.path("dangling")) == PathType::Symlink);
}
