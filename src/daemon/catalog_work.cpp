#include "daemon/catalog_work.hpp"

#include "base/companion.hpp"
#include "base/file.hpp"
#include "base/op_id.hpp"

#include <fcntl.h>

#include <cstdio>

namespace banger::daemon {

namespace {

constexpr uint64_t least_image = uint64_t{64} << 20;
constexpr uint64_t most_image = uint64_t{1} << 40;

/// Gives a kernel that was imported under another name its own.
KernelInfo rename_kernel(KernelInfo kernel, const std::string& data_dir, const StoreName& name) {
    const auto before = kernel_store(data_dir) + "/" + kernel.name;
    const auto after = kernel_store(data_dir) + "/" + name.str();
    kernel.name = name.str();
    write_file_atomically(before + "/metadata.json", kernel_metadata(kernel));
    if (::renameat2(AT_FDCWD, before.c_str(), AT_FDCWD, after.c_str(), RENAME_NOREPLACE) < 0) {
        const auto error = errno_error("rename " + before, errno);
        remove_tree(before);
        if (error.code() == ErrorCode::AlreadyExists)
            throw Error(ErrorCode::AlreadyExists, "there is a kernel named " + name.str() + " already",
                        "give this one another name: --name");
        throw Error(error);
    }
    return find_kernel(data_dir, name.str());
}

} // namespace

void StepTeller::tell(std::string_view step, double fraction) {
    if (step != step_) {
        end(StepState::Done);
        step_ = step;
        begin_ = Clock::now();
        sink_({step_, StepState::Running, 0});
    }
    part_(fraction);
}

void StepTeller::end(StepState state) {
    if (step_.empty())
        return;
    const auto taken = std::chrono::round<std::chrono::milliseconds>(Clock::now() - begin_);
    sink_({step_, state, static_cast<uint32_t>(taken.count())});
}

KernelInfo fulfil(const KernelWish& wanted, const std::string& data_dir, const std::stop_token& stop,
                  const Progress& progress) {
    ImportRequest request{.name = wanted.name ? wanted.name->str() : "import-" + random_hex(6),
                          .source = wanted.package,
                          .agent_path = companion_path("banger-agent"),
                          .data_dir = data_dir};
    if (wanted.file)
        request.source = "/proc/self/fd/" + std::to_string(wanted.file->get());
    auto kernel = import_kernel(request, stop, progress);
    if (wanted.name)
        return kernel;
    const auto name = kernel.version.empty() ? "kernel-" + random_hex(3) : kernel.version;
    return rename_kernel(std::move(kernel), data_dir, StoreName::parse(name, "kernel name"));
}

KernelWish parse_kernel_wish(bus::Options& options) {
    KernelWish wish;
    if (const auto name = options.take<std::string>("name"))
        wish.name = StoreName::parse(*name, "kernel name");
    wish.package = options.take_or<std::string>("package", "");
    auto deb = options.take_fd("deb");
    auto file = options.take_fd("file");
    options.finish();
    if ((wish.package.empty() ? 0 : 1) + (deb ? 1 : 0) + (file ? 1 : 0) != 1)
        throw Error(ErrorCode::InvalidArgument, "give one of package, deb and file");
    if (wish.package.find('/') != std::string::npos || wish.package.starts_with('-'))
        throw Error(ErrorCode::InvalidArgument, "not a valid package name: " + wish.package.substr(0, 64));
    if (deb || file)
        wish.file = std::make_shared<const OwnedFd>(deb ? std::move(deb) : std::move(file));
    return wish;
}

BuildRequest parse_build(bus::Options& options) {
    BuildRequest request;
    request.suite = options.require<std::string>("suite");
    StoreName::parse(request.suite, "suite");
    request.name = StoreName::parse(options.take_or<std::string>("name", request.suite), "image name").str();
    request.include = options.take_or<std::vector<std::string>>("include", {});
    request.mirror = options.take_or<std::string>("mirror", "");
    request.size_bytes = options.take_or<uint64_t>("size-bytes", request.size_bytes);
    options.finish();
    if (request.size_bytes < least_image || request.size_bytes > most_image)
        throw Error(ErrorCode::InvalidArgument, "size-bytes is " + std::to_string(request.size_bytes) +
                                                    ", but must be from 64 MiB to 1 TiB");
    return request;
}

} // namespace banger::daemon
