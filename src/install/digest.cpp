#include "install/digest.hpp"

#include <gcrypt.h>

#include <array>

namespace banger::install {

std::string sha256(std::string_view content) {
    // libgcrypt wants to be asked for its version before all else (its manual, "Initializing the library").
    [[maybe_unused]] static const char* version = gcry_check_version(nullptr);
    std::array<unsigned char, 32> digest{};
    gcry_md_hash_buffer(GCRY_MD_SHA256, digest.data(), content.data(), content.size());
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace banger::install
