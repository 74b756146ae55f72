#include "daemon/kernel/kernel_store.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/image/staging.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

namespace banger {

namespace {

constexpr int schema = 1;
constexpr size_t metadata_limit = 1 << 20;
constexpr size_t base_limit = 512 << 20;

uint64_t disk_bytes(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) < 0 ? 0 : static_cast<uint64_t>(status.st_blocks) * 512;
}

KernelInfo read_kernel(const std::string& data_dir, const StoreName& name) {
    const auto folder = kernel_store(data_dir) + "/" + name.str();
    auto kernel = parse_kernel_metadata(read_file(folder + "/metadata.json", metadata_limit));
    kernel.name = name.str();
    kernel.path = folder + "/" + kernel_file_name;
    kernel.initrd = folder + "/" + initrd_file_name;
    for (const auto& path : {kernel.path, kernel.initrd}) {
        const auto bytes = disk_bytes(path);
        if (bytes == 0)
            throw Error(ErrorCode::FailedPrecondition,
                        "kernel " + name.str() + " is incomplete: " + path + " is missing",
                        "delete the kernel and import it again");
        kernel.size += bytes;
    }
    kernel.size += disk_bytes(folder + "/" + initrd_base_file_name);
    return kernel;
}

} // namespace

std::string kernel_store(const std::string& data_dir) {
    return data_dir + "/kernels";
}

std::string kernel_metadata(const KernelInfo& kernel) {
    auto modules = nlohmann::json::array();
    for (const auto& module : kernel.modules)
        modules.push_back(
            {{"name", module.name}, {"group", module.group}, {"state", module.state}, {"file", module.file}});
    const nlohmann::json json{
        {"schema", schema},
        {"name", kernel.name},
        {"version", kernel.version},
        {"format", kernel.format},
        {"source", kernel.source},
        {"created_at", kernel.created_at},
        {"modules", modules},
        {"agent", {{"size", kernel.agent.size}, {"mtime_ns", kernel.agent.mtime_ns}}},
    };
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

KernelInfo parse_kernel_metadata(std::string_view text) {
    try {
        const auto json = nlohmann::json::parse(text);
        if (json.at("schema").get<int>() != schema)
            throw Error(ErrorCode::Unsupported, "the kernel's metadata is of another version of banger");
        KernelInfo kernel;
        json.at("name").get_to(kernel.name);
        json.at("version").get_to(kernel.version);
        json.at("format").get_to(kernel.format);
        json.at("source").get_to(kernel.source);
        json.at("created_at").get_to(kernel.created_at);
        json.at("agent").at("size").get_to(kernel.agent.size);
        json.at("agent").at("mtime_ns").get_to(kernel.agent.mtime_ns);
        for (const auto& module : json.at("modules"))
            kernel.modules.push_back(
                {module.at("name"), module.at("group"), module.at("state"), module.at("file")});
        return kernel;
    } catch (const nlohmann::json::exception&) {
        throw Error(ErrorCode::FailedPrecondition, "the kernel's metadata is damaged",
                    "delete the kernel and import it again");
    }
}

std::vector<KernelInfo> list_kernels(const std::string& data_dir) {
    std::vector<KernelInfo> kernels;
    for (const auto& name : names_in_store(kernel_store(data_dir))) {
        try {
            kernels.push_back(read_kernel(data_dir, name));
        } catch (const Error&) {
            continue; // find_kernel() tells why
        }
    }
    return kernels;
}

KernelInfo find_kernel(const std::string& data_dir, std::string_view name) {
    const auto checked = StoreName::parse(name, "kernel name");
    try {
        return read_kernel(data_dir, checked);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::NotFound)
            throw Error(ErrorCode::NotFound, "no kernel is called " + checked.str(),
                        "banger kernel list shows those that there are");
        throw;
    }
}

void delete_kernel(const std::string& data_dir, std::string_view name) {
    delete_from_store(kernel_store(data_dir), StoreName::parse(name, "kernel name"), "kernel");
}

bool refresh_initrd(KernelInfo& kernel, const std::string& agent_path) {
    const auto stamp = AgentStamp::of(agent_path);
    if (stamp == kernel.agent)
        return false;
    const auto folder = std::filesystem::path(kernel.path).parent_path().string();
    const auto base = folder + "/" + initrd_base_file_name;
    // Of starts side by side, one makes it, and the others find it made: none of them has opened a file that
    // is then replaced. `kernel` may have been read long before.
    const auto lock = open_file(base, O_RDONLY);
    while (::flock(lock.get(), LOCK_EX) < 0)
        if (errno != EINTR)
            throw_errno("lock " + base);
    kernel.agent = parse_kernel_metadata(read_file(folder + "/metadata.json", metadata_limit)).agent;
    if (stamp == kernel.agent)
        return false;
    write_initrd(read_file(base, base_limit), agent_path, kernel.initrd);
    kernel.agent = stamp;
    write_file_atomically(folder + "/metadata.json", kernel_metadata(kernel));
    return true;
}

} // namespace banger
