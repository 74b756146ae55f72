#include "daemon/catalog_objects.hpp"

#include "bus/object_path.hpp"
#include "daemon/announce.hpp"

#include <ctime>

namespace banger::daemon {

namespace {

template <class Object>
void say_gone(Object& object, const char* interface) {
    announce([&] { object.emitInterfacesRemovedSignal({interface}); });
    object.unregisterAdaptor();
}

} // namespace

ImageObject::ImageObject(sdbus::IConnection& connection, ImageInfo info)
    : AdaptorInterfaces(connection, bus::ObjectPath(path_of(info)))
    , info_(std::move(info)) {
    registerAdaptor();
    announce([&] { emitInterfacesAddedSignal({INTERFACE_NAME}); });
}

ImageObject::~ImageObject() {
    say_gone(*this, INTERFACE_NAME);
}

uint64_t ImageObject::CreatedAt() {
    return parse_utc(info_.created_at);
}

KernelObject::KernelObject(sdbus::IConnection& connection, KernelInfo info)
    : AdaptorInterfaces(connection, bus::ObjectPath(path_of(info)))
    , info_(std::move(info)) {
    registerAdaptor();
    announce([&] { emitInterfacesAddedSignal({INTERFACE_NAME}); });
}

KernelObject::~KernelObject() {
    say_gone(*this, INTERFACE_NAME);
}

uint64_t KernelObject::CreatedAt() {
    return parse_utc(info_.created_at);
}

bus::Variants properties(const ImageInfo& info) {
    return {{"Name", sdbus::Variant{info.name}},
            {"Size", sdbus::Variant{info.size}},
            {"VirtualSize", sdbus::Variant{info.virtual_size}},
            {"Source", sdbus::Variant{info.source}},
            {"CreatedAt", sdbus::Variant{parse_utc(info.created_at)}}};
}

bus::Variants properties(const KernelInfo& info) {
    return {{"Name", sdbus::Variant{info.name}},
            {"Version", sdbus::Variant{info.version}},
            {"Format", sdbus::Variant{info.format}},
            {"Size", sdbus::Variant{info.size}},
            {"CreatedAt", sdbus::Variant{parse_utc(info.created_at)}}};
}

sdbus::ObjectPath path_of(const ImageInfo& info) {
    return sdbus::ObjectPath(bus::object_path("image", info.name));
}

sdbus::ObjectPath path_of(const KernelInfo& info) {
    return sdbus::ObjectPath(bus::object_path("kernel", info.name));
}

uint64_t parse_utc(const std::string& text) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    const auto seconds = end && *end == '\0' ? ::timegm(&parts) : 0;
    return seconds > 0 ? static_cast<uint64_t>(seconds) * 1'000'000 : 0;
}

} // namespace banger::daemon
