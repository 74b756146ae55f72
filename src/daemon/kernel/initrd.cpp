#include "daemon/kernel/initrd.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/kernel/cpio.hpp"

#include <sys/stat.h>

namespace banger {

namespace {

constexpr size_t max_agent = 256 << 20;

} // namespace

AgentStamp AgentStamp::of(const std::string& agent_path) {
    struct stat status{};
    if (::stat(agent_path.c_str(), &status) < 0 || !S_ISREG(status.st_mode))
        throw Error(ErrorCode::NotFound, "the guest agent is not at " + agent_path, "install banger again");
    return {static_cast<uint64_t>(status.st_size),
            status.st_mtim.tv_sec * INT64_C(1'000'000'000) + status.st_mtim.tv_nsec};
}

std::string modules_order(const ModuleBag::Selection& modules) {
    std::string order;
    for (const auto& module : modules.modules)
        if (!module.file.empty())
            order += module.group + " " + module.file + "\n";
    return order;
}

std::string initrd_base(const ModuleBag::Selection& modules) {
    CpioWriter archive;
    archive.folder("dev");
    archive.char_device("dev/console", 5, 1, 0600);
    archive.folder("modules");
    for (const auto& [file, content] : modules.contents)
        archive.file("modules/" + file, content);
    archive.file("modules/order", modules_order(modules));
    for (const char* path : {"newroot", "proc", "run", "sys"})
        archive.folder(path);
    return archive.bytes();
}

void write_initrd(const std::string& base, const std::string& agent_path, const std::string& out) {
    const auto agent = read_file(agent_path, max_agent);
    if (!agent.starts_with("\177ELF"))
        throw Error(ErrorCode::InvalidArgument, agent_path + " is no program", "install banger again");
    CpioWriter archive(base);
    archive.file("init", agent, 0755);
    write_file_atomically(out, std::move(archive).finish());
}

void build_initrd(const ModuleBag::Selection& modules, const std::string& agent_path,
                  const std::string& out) {
    write_initrd(initrd_base(modules), agent_path, out);
}

} // namespace banger
