#include "cli/import_source.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/names.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace banger::cli {

namespace {

sdbus::Variant open_regular(const std::string& path) {
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0)
        throw_errno("read " + path);
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorCode::InvalidArgument, path + " is not a regular file");
    return sdbus::Variant{sdbus::UnixFd{fd.get()}}; // it keeps a duplicate
}

} // namespace

bus::Variants ImportOptions::request() const {
    if (file.empty() == deb.empty())
        throw Error(ErrorCode::InvalidArgument, "give either FILE or --deb",
                    "banger kernel import --deb linux-image-cloud-amd64");
    bus::Variants request;
    if (!name.empty())
        request["name"] = sdbus::Variant{StoreName::parse(name, "kernel name").str()};
    if (!file.empty())
        request["file"] = open_regular(file);
    else if (deb.ends_with(".deb") || deb.find('/') != deb.npos)
        request["deb"] = open_regular(deb);
    else
        request["package"] = sdbus::Variant{deb};
    return request;
}

} // namespace banger::cli
