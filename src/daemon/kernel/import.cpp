#include "daemon/kernel/import.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/image/staging.hpp"
#include "daemon/kernel/bzimage.hpp"
#include "daemon/kernel/kernel_source.hpp"
#include "daemon/kernel/package_download.hpp"

#include <filesystem>

namespace banger {

namespace {

/// Where the bytes came from, for people.
struct Source {
    KernelParts parts;
    std::string told;
};

Source fetch_package(const ImportRequest& request, const std::string& folder, const std::stop_token& stop,
                     const Progress& progress) {
    tell(progress, "downloading " + request.source, 0.05);
    const auto download = folder + "/download";
    make_directories(download);
    const auto files = download_kernel_packages(request.source, download, stop);
    tell(progress, "reading the package", 0.5);
    Source source{read_kernel_packages(files, stop), "package " + request.source};
    remove_tree(download);
    return source;
}

Source open_source(const ImportRequest& request, const std::string& folder, const std::stop_token& stop,
                   const Progress& progress) {
    if (request.source.find('/') == std::string::npos)
        return fetch_package(request, folder, stop, progress);
    tell(progress, "reading " + request.source, 0.1);
    const auto told = "file " + std::filesystem::path(request.source).filename().string();
    if (is_debian_package(request.source))
        return {read_kernel_packages({request.source}, stop), told};
    return {read_kernel_file(request.source, request.modules_dir, stop), told};
}

/// The ELF kernel, and the version where the source did not tell.
std::string unpack(KernelParts& parts) {
    switch (kernel_format(parts.image)) {
    case KernelFormat::BzImage: {
        const auto image = parse_bzimage(parts.image);
        if (parts.version.empty())
            parts.version = image.version;
        auto kernel = unpack_bzimage(image);
        check_elf_kernel(kernel);
        return kernel;
    }
    case KernelFormat::Elf:
        check_elf_kernel(parts.image);
        if (parts.version.empty())
            parts.version = elf_kernel_version(parts.image);
        return std::move(parts.image);
    case KernelFormat::Unknown:
        break;
    }
    throw Error(ErrorCode::InvalidArgument, "the file is neither a bzImage nor an ELF kernel",
                "give a bzImage (vmlinuz), an ELF vmlinux, or a Debian linux-image package for x86-64");
}

void check_source(const ImportRequest& request) {
    if (request.source.find('/') == std::string::npos)
        check_package_name(request.source);
    else if (!std::filesystem::is_regular_file(request.source))
        throw Error(ErrorCode::NotFound, "there is no file " + request.source);
}

} // namespace

KernelInfo import_kernel(const ImportRequest& request, const std::stop_token& stop,
                         const Progress& progress) {
    const auto name = StoreName::parse(request.name, "kernel name");
    check_source(request);
    const auto store = kernel_store(request.data_dir);
    if (!request.replace)
        refuse_existing(store, name, "kernel");
    KernelInfo kernel;
    kernel.agent = AgentStamp::of(request.agent_path);
    tell(progress, "preparing", 0);
    auto staging = Staging::make(store);
    auto [parts, told] = open_source(request, staging.path(), stop, progress);

    tell(progress, "unpacking the kernel", 0.8);
    write_file_atomically(staging.path() + "/" + kernel_file_name, unpack(parts));
    throw_if_stopped(stop);

    tell(progress, "making the initramfs", 0.9);
    const auto modules = parts.modules.select();
    const auto base = initrd_base(modules);
    write_file_atomically(staging.path() + "/" + initrd_base_file_name, base);
    write_initrd(base, request.agent_path, staging.path() + "/" + initrd_file_name);

    kernel.name = name.str();
    kernel.version = parts.version;
    kernel.format = "vmlinux";
    kernel.source = told;
    kernel.created_at = utc_now();
    kernel.modules = modules.modules;
    write_file_atomically(staging.path() + "/metadata.json", kernel_metadata(kernel));
    throw_if_stopped(stop);
    tell(progress, "writing to the disk", 0.95);
    staging.publish(name, request.replace);
    tell(progress, "done", 1);
    return find_kernel(request.data_dir, name.str());
}

} // namespace banger
