#include "helper/image_request.hpp"

#include <algorithm>
#include <set>

namespace banger::helper {

namespace {

constexpr uint32_t most_mode = 07777;
constexpr size_t most_path = 4095;
constexpr size_t most_component = 255;
constexpr size_t most_words = 512;

[[noreturn]] void refuse(const std::string& what, std::string_view hint = {}) {
    throw Error(ErrorCode::InvalidArgument, what, hint);
}

void put_number(std::string& out, uint32_t value) {
    for (int i = 0; i < 4; ++i, value >>= 8)
        out.push_back(static_cast<char>(value & 0xff));
}

void put_text(std::string& out, std::string_view text) {
    put_number(out, static_cast<uint32_t>(text.size()));
    out += text;
}

class Reader {
public:
    explicit Reader(std::string_view bytes)
        : rest_(bytes) {}
    std::string_view take(size_t count) {
        if (count > rest_.size())
            refuse("a request or answer that ends too early");
        const auto part = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return part;
    }
    uint32_t number() {
        uint32_t value = 0;
        const auto bytes = take(4);
        for (size_t i = 4; i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(bytes[i]);
        return value;
    }
    std::string text() { return std::string(take(number())); }
    bool done() const noexcept { return rest_.empty(); }

private:
    std::string_view rest_;
};

} // namespace

ImagePath ImagePath::parse(std::string_view text) {
    if (text.size() < 2 || text.size() > most_path || text[0] != '/')
        refuse("not the path of a file inside of an image", "an absolute one, such as /etc/hostname");
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        refuse("a path with control characters");
    for (size_t begin = 1; begin <= text.size();) {
        const auto end = std::min(text.find('/', begin), text.size());
        const auto component = text.substr(begin, end - begin);
        if (component.empty() || component == "." || component == ".." || component.size() > most_component)
            refuse("a path with a component that is empty, . or .., or too long");
        begin = end + 1;
    }
    return ImagePath(std::string(text));
}

std::string ImagePath::folder() const {
    const auto end = text_.rfind('/');
    return end == 0 ? "/" : text_.substr(0, end);
}

std::string ImagePath::leaf() const {
    return text_.substr(text_.rfind('/') + 1);
}

void check_image_files(const std::vector<ImageFile>& files) {
    if (files.empty() || files.size() > most_image_files)
        refuse("1 to " + std::to_string(most_image_files) + " files");
    size_t bytes = 0;
    std::set<std::string> paths;
    for (const auto& file : files) {
        bytes += file.content.size();
        if (file.mode > most_mode)
            refuse("a mode over 07777", "permission bits only");
        if (file.uid == UINT32_MAX || file.gid == UINT32_MAX)
            refuse("uid or gid -1, which nobody has");
        if (!paths.insert(file.path.str()).second)
            refuse("one path twice");
    }
    if (bytes > most_image_bytes)
        refuse("more than " + std::to_string(most_image_bytes) + " bytes in one call");
}

std::string render(const ImageRequest& request) {
    std::string out(1, request.write ? 'W' : 'R');
    put_number(out, static_cast<uint32_t>(request.files.size()));
    for (const auto& file : request.files) {
        put_text(out, file.path.str());
        for (const auto value : {file.mode, file.uid, file.gid})
            put_number(out, value);
        put_text(out, file.content);
    }
    return out;
}

ImageRequest parse_image_request(std::string_view bytes) {
    Reader reader(bytes);
    const auto verb = reader.take(1)[0];
    if (verb != 'R' && verb != 'W')
        refuse("an unknown request");
    ImageRequest request{verb == 'W', {}};
    const auto count = reader.number();
    if (count > most_image_files || (verb == 'R' && count != 1))
        refuse("a wrong number of files");
    for (uint32_t i = 0; i < count; ++i) {
        ImageFile file{ImagePath::parse(reader.text()), {}};
        file.mode = reader.number();
        file.uid = reader.number();
        file.gid = reader.number();
        file.content = reader.text();
        request.files.push_back(std::move(file));
    }
    if (!reader.done())
        refuse("a request that goes on");
    check_image_files(request.files);
    return request;
}

std::string render_image_answer(std::string_view content) {
    return "+" + std::string(content);
}

std::string render_image_error(const Error& error) {
    std::string out("-");
    put_text(out, error_kind(error.code()).name);
    put_text(out, error.message().substr(0, most_words));
    put_text(out, error.hint().substr(0, most_words));
    return out;
}

std::string parse_image_answer(std::string_view bytes) {
    const Error odd(ErrorCode::Internal, "the reader of the image gave no proper answer");
    if (bytes.size() > 1 + most_image_bytes || bytes.empty())
        throw Error(odd);
    if (bytes[0] == '+')
        return std::string(bytes.substr(1));
    if (bytes[0] != '-')
        throw Error(odd);
    std::string name, message, hint;
    try {
        Reader reader(bytes.substr(1));
        name = reader.text();
        message = reader.text();
        hint = reader.text();
        if (!reader.done() || message.size() > most_words || hint.size() > most_words)
            throw Error(odd);
    } catch (const Error&) {
        throw Error(odd);
    }
    throw Error(error_code_named(name), message, hint);
}

} // namespace banger::helper
