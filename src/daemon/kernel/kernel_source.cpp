#include "daemon/kernel/kernel_source.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "daemon/image/archive_reader.hpp"
#include "daemon/image/image_tree.hpp"
#include "daemon/image/progress.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace banger {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t max_entries = 100'000;
constexpr uint64_t max_content = 8ULL << 30;
constexpr uint64_t max_image = 512 << 20;
constexpr uint64_t max_module_file = 64 << 20;
constexpr uint64_t max_builtin_list = 4 << 20;
constexpr int max_passes = 8;
constexpr std::string_view package_magic = "!<arch>\n";

/// A path in a package, as far as it matters here.
struct PackagePath {
    enum class Kind { Other, Kernel, Module, BuiltinList } kind = Kind::Other;
    std::string version;
};

bool is_version(std::string_view text) {
    return !text.empty() && text.size() <= 128 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.+~_-") == text.npos;
}

PackagePath classify(const std::vector<std::string>& all) {
    using Kind = PackagePath::Kind;
    const std::vector<std::string> parts(all.begin() + (!all.empty() && all[0] == "usr" ? 1 : 0), all.end());
    constexpr std::string_view kernel_prefix = "vmlinuz-";
    if (parts.size() == 2 && parts[0] == "boot" && parts[1].starts_with(kernel_prefix))
        if (const auto version = parts[1].substr(kernel_prefix.size()); is_version(version))
            return {Kind::Kernel, version};
    if (parts.size() < 4 || parts[0] != "lib" || parts[1] != "modules" || !is_version(parts[2]))
        return {};
    if (parts.size() == 4 && parts[3] == "vmlinuz")
        return {Kind::Kernel, parts[2]};
    if (parts.size() == 4 && parts[3] == "modules.builtin")
        return {Kind::BuiltinList, parts[2]};
    if (parts.size() > 4 && parts[3] == "kernel" && parts.back().find(".ko") != std::string::npos)
        return {Kind::Module, parts[2]};
    return {};
}

/// One going-over of one package.
class PackageReading {
public:
    PackageReading(const std::string& path, KernelParts& parts, const std::stop_token& stop)
        : path_(path)
        , parts_(parts)
        , stop_(stop) {}

    void read() {
        const auto file = open_file(path_, O_RDONLY);
        ArchiveReader outer(read_from(file.get(), stop_, path_), ArchiveKind::Ar, path_);
        while (auto* entry = outer.next())
            if (entry_path(entry).starts_with("data.tar"))
                return read_data(outer);
        throw Error(ErrorCode::InvalidArgument, path_ + " holds no files",
                    "it is no Debian package, or a damaged one");
    }

private:
    void read_data(ArchiveReader& outer) {
        ArchiveReader data([&outer](char* buffer, size_t size) { return outer.read(buffer, size); },
                           ArchiveKind::Tar, path_);
        while (auto* entry = data.next()) {
            throw_if_stopped(stop_);
            const auto size = ::archive_entry_size(entry);
            content_ += static_cast<uint64_t>(size < 0 ? 0 : size);
            if (++entries_ > max_entries || size < 0 || content_ > max_content)
                throw Error(ErrorCode::InvalidArgument, path_ + " holds more than a kernel package can");
            if (::archive_entry_filetype(entry) == AE_IFREG)
                take(data, split_image_path(entry_path(entry)));
        }
    }

    void take(ArchiveReader& data, const std::vector<std::string>& path) {
        const auto found = classify(path);
        using Kind = PackagePath::Kind;
        if (found.kind == Kind::Other || (!parts_.version.empty() && found.version != parts_.version))
            return;
        if (found.kind == Kind::Module) {
            if (parts_.modules.meet(path.back()))
                parts_.modules.offer(path.back(), data.read_all(max_module_file));
        } else if (found.kind == Kind::BuiltinList) {
            parts_.modules.offer_builtin(data.read_all(max_builtin_list));
        } else if (parts_.image.empty()) {
            parts_.image = data.read_all(max_image);
            parts_.version = found.version;
        }
    }

    const std::string& path_;
    KernelParts& parts_;
    const std::stop_token& stop_;
    uint64_t entries_ = 0;
    uint64_t content_ = 0;
};

void read_modules_folder(const std::string& folder, ModuleBag& modules, const std::stop_token& stop) {
    std::error_code error;
    if (fs::exists(folder + "/modules.builtin", error))
        modules.offer_builtin(read_file(folder + "/modules.builtin", max_builtin_list));
    std::vector<std::string> files;
    uint64_t entries = 0;
    for (fs::recursive_directory_iterator at(folder + "/kernel", error), end; !error && at != end;
         at.increment(error)) {
        throw_if_stopped(stop);
        if (++entries > max_entries)
            throw Error(ErrorCode::InvalidArgument, folder + " holds more than a modules folder can");
        if (at->is_regular_file(error))
            files.push_back(at->path().string());
    }
    if (error)
        throw errno_error("read the modules in " + folder, error.value());
    for (int pass = 0; pass < max_passes; ++pass) {
        for (const auto& file : files)
            if (file.find(".ko") != std::string::npos && modules.meet(file))
                modules.offer(file, read_file(file, max_module_file));
        if (!modules.want_dependencies())
            return;
    }
}

} // namespace

bool is_debian_package(const std::string& path) {
    const auto file = open_file(path, O_RDONLY);
    std::array<char, package_magic.size()> start{};
    return ::read(file.get(), start.data(), start.size()) == static_cast<ssize_t>(start.size()) &&
           std::string_view(start.data(), start.size()) == package_magic;
}

KernelParts read_kernel_packages(const std::vector<std::string>& paths, const std::stop_token& stop) {
    KernelParts parts;
    for (int pass = 0; pass < max_passes; ++pass) {
        for (const auto& path : paths)
            PackageReading(path, parts, stop).read();
        if (!parts.modules.want_dependencies())
            break;
    }
    if (parts.image.empty())
        throw Error(
            ErrorCode::InvalidArgument, "the package holds no kernel",
            "give a package with boot/vmlinuz-VERSION in it, such as linux-image-6.1.0-56-cloud-amd64");
    return parts;
}

KernelParts read_kernel_file(const std::string& path, const std::string& modules_dir,
                             const std::stop_token& stop) {
    KernelParts parts;
    parts.image = read_file(path, max_image);
    if (!modules_dir.empty())
        read_modules_folder(modules_dir, parts.modules, stop);
    return parts;
}

} // namespace banger
