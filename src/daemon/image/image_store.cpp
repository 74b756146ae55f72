#include "daemon/image/image_store.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/image/staging.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace banger {

namespace {

constexpr int schema = 1;
constexpr size_t metadata_limit = 4 << 20;

ImageInfo read_image(const std::string& data_dir, const StoreName& name) {
    const auto folder = image_store(data_dir) + "/" + name.str();
    auto image = parse_image_metadata(read_file(folder + "/metadata.json", metadata_limit));
    image.name = name.str(); // the folder's name counts, should someone have renamed it
    image.path = folder + "/" + image_file_name;
    struct stat status{};
    if (::stat(image.path.c_str(), &status) < 0)
        throw_errno("stat " + image.path);
    image.size = static_cast<uint64_t>(status.st_blocks) * 512;
    image.virtual_size = static_cast<uint64_t>(status.st_size);
    return image;
}

} // namespace

std::string image_store(const std::string& data_dir) {
    return data_dir + "/images";
}

std::string image_metadata(const ImageInfo& image) {
    const nlohmann::json json{
        {"schema", schema},
        {"name", image.name},
        {"suite", image.suite},
        {"source", image.source},
        {"created_at", image.created_at},
        {"packages", image.packages},
        {"virtual_size", image.virtual_size},
    };
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

ImageInfo parse_image_metadata(std::string_view text) {
    try {
        const auto json = nlohmann::json::parse(text);
        if (json.at("schema").get<int>() != schema)
            throw Error(ErrorCode::Unsupported, "the image's metadata is of another version of banger");
        ImageInfo image;
        json.at("name").get_to(image.name);
        json.at("suite").get_to(image.suite);
        json.at("source").get_to(image.source);
        json.at("created_at").get_to(image.created_at);
        json.at("packages").get_to(image.packages);
        json.at("virtual_size").get_to(image.virtual_size);
        return image;
    } catch (const nlohmann::json::exception&) {
        throw Error(ErrorCode::FailedPrecondition, "the image's metadata is damaged",
                    "delete the image and build it again");
    }
}

std::vector<ImageInfo> list_images(const std::string& data_dir) {
    std::vector<ImageInfo> images;
    for (const auto& name : names_in_store(image_store(data_dir))) {
        try {
            images.push_back(read_image(data_dir, name));
        } catch (const Error&) {
            continue; // find_image() tells why
        }
    }
    return images;
}

ImageInfo find_image(const std::string& data_dir, std::string_view name) {
    const auto checked = StoreName::parse(name, "image name");
    try {
        return read_image(data_dir, checked);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::NotFound)
            throw Error(ErrorCode::NotFound, "no image is called " + checked.str(),
                        "banger image list shows those that there are");
        throw;
    }
}

void delete_image(const std::string& data_dir, std::string_view name) {
    delete_from_store(image_store(data_dir), StoreName::parse(name, "image name"), "image");
}

} // namespace banger
