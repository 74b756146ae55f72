#include "helper/ledger.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>

namespace banger::helper {

namespace {

constexpr size_t record_limit = 16 << 10;
constexpr std::string_view suffix = ".json";
constexpr std::string_view bridge_prefix = "bridge-";
constexpr std::string_view forwarding_name = "forwarding.json";

void remove_file(const std::string& path) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT)
        throw_errno("remove " + path);
}

} // namespace

Ledger::Ledger(std::string folder)
    : folder_(std::move(folder)) {
    ensure_private_directory(folder_, ::geteuid());
    load();
}

void Ledger::load() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
        names.push_back(entry.path().filename().string());
    for (const auto& name : names) {
        if (name.find(".new-") != name.npos) // a write that was cut off; what it was to replace still stands
            remove_file(folder_ + "/" + name);
        else if (name.ends_with(suffix) && !name.starts_with("corrupt-"))
            load_file(name);
    }
}

void Ledger::load_file(const std::string& name) {
    const auto path = folder_ + "/" + name;
    try {
        const auto text = read_file(path, record_limit);
        if (name == forwarding_name) {
            forwarding_ = parse_forwarding_record(text);
        } else if (name.starts_with(bridge_prefix)) {
            const auto record = parse_bridge_record(text);
            if (bridge_path(record.bridge) != path)
                throw Error(ErrorCode::InvalidArgument, "it names another bridge than its file does");
            bridges_.insert_or_assign(record.bridge.str(), record);
        } else {
            const auto record = parse_vm_record(text);
            if (vm_path(record.uid, record.vm) != path)
                throw Error(ErrorCode::InvalidArgument, "it names another VM than its file does");
            vms_.insert_or_assign(VmKey{record.uid, record.vm.str()}, record);
        }
    } catch (const Error& error) {
        set_aside(name, error.message());
    }
}

void Ledger::set_aside(const std::string& name, const std::string& why) const {
    const auto aside = "corrupt-" + random_hex(4) + "-" + name;
    log::error("the ledger's " + name + " is not usable (" + why + "); kept as " + aside);
    if (std::rename((folder_ + "/" + name).c_str(), (folder_ + "/" + aside).c_str()) < 0)
        log::error("it could not be moved: " + errno_error("rename", errno).message());
}

std::string Ledger::vm_path(uint32_t uid, const VmId& vm) const {
    return folder_ + "/" + std::to_string(uid) + "-" + vm.str() + std::string(suffix);
}

std::string Ledger::bridge_path(const BridgeName& name) const {
    return folder_ + "/" + std::string(bridge_prefix) + name.str() + std::string(suffix);
}

const VmRecord* Ledger::vm(uint32_t uid, const VmId& vm) const noexcept {
    const auto found = vms_.find({uid, vm.str()});
    return found == vms_.end() ? nullptr : &found->second;
}

const BridgeRecord* Ledger::bridge(const BridgeName& name) const noexcept {
    const auto found = bridges_.find(name.str());
    return found == bridges_.end() ? nullptr : &found->second;
}

const VmRecord* Ledger::tap_holder(const TapName& name) const noexcept {
    const auto found = std::find_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        return entry.second.tap && entry.second.tap->name == name;
    });
    return found == vms_.end() ? nullptr : &found->second;
}

const VmRecord* Ledger::address_holder(const Ipv4Address& address) const noexcept {
    const auto found = std::find_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        return entry.second.nat && entry.second.nat->address == address;
    });
    return found == vms_.end() ? nullptr : &found->second;
}

const VmRecord* Ledger::file_holder(const FileId& file) const noexcept {
    const auto found = std::find_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        const auto& snapshot = entry.second.snapshot;
        return snapshot && (snapshot->rootfs == file || snapshot->cow == file);
    });
    return found == vms_.end() ? nullptr : &found->second;
}

const VmRecord* Ledger::cow_holder(const FileId& file) const noexcept {
    const auto found = std::find_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        return entry.second.snapshot && entry.second.snapshot->cow == file;
    });
    return found == vms_.end() ? nullptr : &found->second;
}

std::vector<VmRecord> Ledger::vms() const {
    std::vector<VmRecord> result;
    for (const auto& [key, record] : vms_)
        result.push_back(record);
    return result;
}

std::vector<VmRecord> Ledger::vms_of(uint32_t uid) const {
    std::vector<VmRecord> result;
    for (auto it = vms_.lower_bound({uid, ""}); it != vms_.end() && it->first.first == uid; ++it)
        result.push_back(it->second);
    return result;
}

std::vector<BridgeRecord> Ledger::bridges() const {
    std::vector<BridgeRecord> result;
    for (const auto& [name, record] : bridges_)
        result.push_back(record);
    return result;
}

size_t Ledger::count_vms_of(uint32_t uid) const noexcept {
    return static_cast<size_t>(
        std::count_if(vms_.begin(), vms_.end(), [&](const auto& entry) { return entry.first.first == uid; }));
}

size_t Ledger::count_snapshots_of(uint32_t uid) const noexcept {
    return static_cast<size_t>(std::count_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        return entry.first.first == uid && entry.second.snapshot;
    }));
}

uint64_t Ledger::cow_bytes_beside(uint32_t uid, const VmId& vm) const noexcept {
    uint64_t sum = 0;
    for (const auto& [key, record] : vms_)
        if (record.uid == uid && !(record.vm == vm) && record.snapshot)
            sum += record.snapshot->cow_size;
    return sum;
}

size_t Ledger::count_bridges_of(uint32_t uid) const noexcept {
    return static_cast<size_t>(std::count_if(bridges_.begin(), bridges_.end(),
                                             [&](const auto& entry) { return entry.second.uid == uid; }));
}

size_t Ledger::count_taps_on(const BridgeName& name) const noexcept {
    return static_cast<size_t>(std::count_if(vms_.begin(), vms_.end(), [&](const auto& entry) {
        return entry.second.tap && entry.second.tap->bridge == name;
    }));
}

void Ledger::put(const VmRecord& record) {
    const VmKey key{record.uid, record.vm.str()};
    if (record.empty()) {
        remove_file(vm_path(record.uid, record.vm));
        vms_.erase(key);
        return;
    }
    write_file_atomically(vm_path(record.uid, record.vm), render(record));
    vms_.insert_or_assign(key, record);
}

void Ledger::put(const BridgeRecord& record) {
    write_file_atomically(bridge_path(record.bridge), render(record));
    bridges_.insert_or_assign(record.bridge.str(), record);
}

void Ledger::put(const ForwardingRecord& record) {
    write_file_atomically(folder_ + "/" + std::string(forwarding_name), render(record));
    forwarding_ = record;
}

void Ledger::erase_forwarding() {
    remove_file(folder_ + "/" + std::string(forwarding_name));
    forwarding_.reset();
}

void Ledger::erase(const BridgeName& name) {
    remove_file(bridge_path(name));
    bridges_.erase(name.str());
}

} // namespace banger::helper
