#include "helper/image_child.hpp"

#include "bus/errors.hpp"
#include "helper/image_ext4.hpp"
#include "helper/sandbox.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace banger::helper {

namespace {

constexpr std::chrono::seconds patience{60};
constexpr size_t most_request = most_image_bytes + most_image_files * 8192;

std::string answer(int image, const std::string& bytes) noexcept {
    try {
        const auto request = parse_image_request(bytes);
        if (!request.write)
            return render_image_answer(read_image_file(image, request.files.front().path));
        write_image_files(image, request.files);
        return render_image_answer({});
    } catch (...) {
        return render_image_error(bus::current_error());
    }
}

} // namespace

std::string run_image_child(DiskChildren& children, int image, unsigned owner, const ImageRequest& request) {
    OwnedFd input(::memfd_create("image-request", MFD_CLOEXEC));
    if (!input)
        throw_errno("make memory for the request");
    write_all(input.get(), render(request), "the request");
    if (::lseek(input.get(), 0, SEEK_SET) < 0)
        throw_errno("rewind the request");
    ProcessSpec spec;
    spec.program = "/proc/self/exe";
    spec.arguments = {"helper", image_child_mode, std::to_string(image)};
    spec.stdin_fd = input.get();
    spec.inherited = {image};
    const auto result =
        children.run(std::move(spec), disk_child_id(owner), {patience, most_image_bytes + 4096});
    if (result.status != 0)
        throw Error(ErrorCode::FailedPrecondition,
                    "the reader of the image ended with status " + std::to_string(result.status),
                    "the filesystem is damaged, or made to do harm: check it, or begin with a new one")
            .with_details(result.errors.substr(0, 2048));
    return parse_image_answer(result.output);
}

void image_child_main(const std::string& image) {
    int status = 1;
    try {
        if (::geteuid() == 0 || image.empty() || image.size() > 6 ||
            image.find_first_not_of("0123456789") != image.npos)
            throw Error(ErrorCode::InvalidArgument, "only the helper starts this");
        const int fd = std::stoi(image);
        confine(fd);
        const auto text = answer(fd, read_all(STDIN_FILENO, most_request, "the request"));
        write_all(STDOUT_FILENO, text, "the answer");
        status = 0;
    } catch (const std::exception& error) {
        const std::string text = std::string(error.what()) + "\n";
        if (::write(STDERR_FILENO, text.data(), text.size()) < 0)
            status = 2;
    }
    ::_exit(status); // nothing of a foreign image's is left to the destructors
}

} // namespace banger::helper
