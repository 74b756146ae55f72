#include "daemon/image/build.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/image/assemble.hpp"
#include "daemon/image/mmdebstrap.hpp"
#include "daemon/image/scratch.hpp"
#include "daemon/image/staging.hpp"

#include <algorithm>
#include <array>

namespace banger {

namespace {

/// When the writer has failed, mmdebstrap finds its pipe broken; that error is not the cause.
bool only_complains_of_us(std::string_view errors) {
    for (size_t at = 0; (at = errors.find("E: ", at)) != errors.npos; ++at) {
        const auto line = errors.substr(at, errors.find('\n', at) - at);
        if (line.find("Broken pipe") == line.npos)
            return false;
    }
    return true;
}

/// A tar is padded behind its end mark, where its reader stops; mmdebstrap fails when nobody takes the rest.
void drain(BootstrapRun& run) {
    std::array<char, 65536> rest{};
    while (run.read(rest.data(), rest.size()) > 0) {
    }
}

constexpr const char* dpkg_status = "var/lib/dpkg/status";

/// Runs mmdebstrap into `<staging>/rootfs.ext4`.
AssembledImage bootstrap_into(const Staging& staging, const Bootstrap& what, BootstrapMode mode,
                              uint64_t size, const std::stop_token& stop, const Progress& progress) {
    AssembleOptions options;
    options.leave_out = {"etc/hostname", "etc/resolv.conf"}; // the host's; mmdebstrap copies them in
    options.capture = {dpkg_status};
    const Scratch scratch(staging.path());
    BootstrapRun run(bootstrap_command(what, mode, scratch.path()), progress, stop);
    ImageAssembler assembler(staging.path() + "/" + image_file_name, size, options, stop);
    std::exception_ptr failure;
    try {
        assembler.add([&run](char* buffer, size_t n) { return run.read(buffer, n); }, "mmdebstrap's output",
                      false);
        drain(run);
    } catch (...) {
        failure = std::current_exception();
    }
    throw_if_stopped(stop);
    if (failure && run.errors().find("creating tarball") != std::string::npos &&
        only_complains_of_us(run.errors()))
        std::rethrow_exception(failure); // the writer's own: a full image, a full disk
    // A tar that is cut short is only the consequence when mmdebstrap itself failed.
    if (run.wait() != 0)
        throw bootstrap_error(run.errors(), what);
    if (failure)
        std::rethrow_exception(failure);
    return assembler.finish();
}

} // namespace

std::vector<std::string> installed_packages(std::string_view text) {
    std::vector<std::string> packages;
    std::string name, version;
    bool installed = false;
    const auto end_stanza = [&] {
        if (installed && !name.empty())
            packages.push_back(name + " " + version);
        name.clear();
        version.clear();
        installed = false;
    };
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto value = [&](std::string_view key) { return line.substr(key.size()); };
        if (line.empty())
            end_stanza();
        else if (line.starts_with("Package: "))
            name = value("Package: ");
        else if (line.starts_with("Version: "))
            version = value("Version: ");
        else if (line.starts_with("Status: "))
            installed = line.ends_with(" installed");
    }
    end_stanza();
    std::sort(packages.begin(), packages.end());
    return packages;
}

ImageInfo build_image(const BuildRequest& request, const std::stop_token& stop, const Progress& progress) {
    const auto name = StoreName::parse(request.name, "image name");
    const Bootstrap what{request.suite, request.include, request.mirror};
    check_bootstrap(what);
    const auto store = image_store(request.data_dir);
    if (!request.replace)
        refuse_existing(store, name, "image");
    const auto mode = choose_mode(BootstrapHost::look());
    tell(progress, "preparing", 0);
    auto staging = Staging::make(store);
    auto assembled = bootstrap_into(staging, what, mode, request.size_bytes, stop, progress);
    tell(progress, "writing to the disk", 0.95);
    ImageInfo image;
    image.name = name.str();
    image.suite = request.suite;
    image.source = "mmdebstrap " + request.suite + (request.mirror.empty() ? "" : " " + request.mirror);
    image.created_at = utc_now();
    image.packages = installed_packages(assembled.captured[dpkg_status]);
    image.virtual_size = assembled.virtual_size;
    write_file_atomically(staging.path() + "/metadata.json", image_metadata(image));
    throw_if_stopped(stop);
    staging.publish(name, request.replace);
    tell(progress, "done", 1);
    return find_image(request.data_dir, name.str());
}

} // namespace banger
