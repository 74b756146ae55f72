#include "daemon/image/image_tree.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace banger {

namespace {

constexpr size_t max_path = 4096;
constexpr size_t max_name = 255; // ext4's
constexpr int max_hops = 40;     // as the kernel: path_resolution(7)
constexpr size_t max_pending = 2 * max_path;

std::vector<std::string> split(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        if (!part.empty() && part != ".")
            parts.emplace_back(part);
        path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    }
    return parts;
}

} // namespace

std::vector<std::string> split_image_path(std::string_view path) {
    if (path.size() > max_path)
        throw Error(ErrorCode::InvalidArgument, "a path in the archive is longer than 4096 bytes");
    if (path.find('\0') != path.npos)
        throw Error(ErrorCode::InvalidArgument, "a path in the archive holds a NUL byte");
    auto parts = split(path);
    for (const auto& part : parts) {
        if (part == "..")
            throw Error(ErrorCode::InvalidArgument,
                        "a path in the archive leads out of the image: " + std::string(path),
                        "the archive is not trustworthy");
        if (part.size() > max_name)
            throw Error(ErrorCode::InvalidArgument, "a file name in the archive is longer than 255 bytes");
    }
    return parts;
}

ImageWalk::ImageWalk(ImageNode& root, std::vector<std::string> components)
    : root_(&root)
    , here_(&root)
    , pending_(std::move(components)) {
    std::reverse(pending_.begin(), pending_.end());
}

const std::string* ImageWalk::step() {
    if (pending_.back() == "..") { // out of a symlink's target only: split_image_path() lets none through
        here_ = here_->parent ? here_->parent : root_;
        pending_.pop_back();
        return nullptr;
    }
    const auto child = here_->children.find(pending_.back());
    if (child == here_->children.end())
        return &pending_.back();
    if (child->second.kind == FileKind::Symlink) {
        pending_.pop_back();
        follow(child->second);
        return nullptr;
    }
    enter(child->second);
    return nullptr;
}

void ImageWalk::enter(ImageNode& child) {
    if (child.kind != FileKind::Directory)
        throw Error(ErrorCode::InvalidArgument,
                    "the archive puts a file below " + pending_.back() + ", which is no directory");
    pending_.pop_back();
    here_ = &child;
}

void ImageWalk::follow(const ImageNode& symlink) {
    if (++hops_ > max_hops)
        throw Error(ErrorCode::InvalidArgument, "too many symbolic links on a path in the archive");
    if (symlink.target.starts_with('/'))
        here_ = root_;
    auto parts = split(symlink.target);
    if (pending_.size() + parts.size() > max_pending)
        throw Error(ErrorCode::InvalidArgument,
                    "a path in the archive becomes too long by its symbolic links");
    pending_.insert(pending_.end(), parts.rbegin(), parts.rend());
}

ImageNode* find_directory(ImageNode& root, const std::vector<std::string>& components) {
    ImageWalk walk(root, components);
    while (!walk.done())
        if (walk.step())
            return nullptr;
    return &walk.here();
}

} // namespace banger
