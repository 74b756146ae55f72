#include "vmm/client.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

namespace banger::vmm {

using nlohmann::json;

namespace {

/// The words of a refusal: fault_message, or what came instead, shortened.
std::string fault_of(const HttpReply& reply) {
    constexpr size_t longest = 4096;
    const auto body = json::parse(reply.body, nullptr, false);
    if (body.is_object())
        if (const auto fault = body.find("fault_message"); fault != body.end() && fault->is_string())
            return fault->get<std::string>().substr(0, longest);
    return "status " + std::to_string(reply.status) + " " + reply.body.substr(0, 200);
}

/// Firecracker says 400 for a bad request and for a good one at the wrong moment; its words tell them apart.
ErrorCode code_of(unsigned status, const std::string& fault) {
    if (status == 404)
        return ErrorCode::NotFound;
    if (status >= 500)
        return ErrorCode::Internal;
    const auto wrong_moment = fault.find("not supported before starting") != fault.npos ||
                              fault.find("not supported after starting") != fault.npos;
    return wrong_moment ? ErrorCode::FailedPrecondition : ErrorCode::InvalidArgument;
}

std::string text_field(const json& answer, const char* key) {
    if (answer.is_object())
        if (const auto field = answer.find(key); field != answer.end() && field->is_string())
            return field->get<std::string>();
    throw Error(ErrorCode::Internal, std::string("the VMM's answer has no ") + key);
}

} // namespace

VmmClient::VmmClient(std::string api_socket_path, CallLimits limits)
    : connection_(std::move(api_socket_path))
    , limits_(std::move(limits)) {}

json VmmClient::call(const char* method, const std::string& path, const json& body) {
    const auto deadline = std::chrono::steady_clock::now() + limits_.timeout;
    const auto text =
        body.is_null() ? std::string() : body.dump(-1, ' ', false, json::error_handler_t::replace);
    const auto reply = connection_.request(method, path, text, deadline, limits_.stop);
    if (reply.status < 200 || reply.status > 299) {
        const auto fault = fault_of(reply);
        throw Error(code_of(reply.status, fault),
                    "the VMM refused " + std::string(method) + " " + path + ": " + fault);
    }
    if (reply.body.empty())
        return nullptr;
    auto answer = json::parse(reply.body, nullptr, false);
    if (answer.is_discarded())
        throw Error(ErrorCode::Internal, "the VMM's answer to " + path + " is no JSON");
    return answer;
}

void VmmClient::put_boot_source(const BootSource& source) {
    call("PUT", "/boot-source", to_body(source));
}

void VmmClient::put_machine_config(const MachineConfig& config) {
    call("PUT", "/machine-config", to_body(config));
}

void VmmClient::put_drive(const Drive& drive) {
    call("PUT", "/drives/" + drive.drive_id, to_body(drive));
}

void VmmClient::put_network_interface(const NetworkInterface& interface) {
    call("PUT", "/network-interfaces/" + interface.iface_id, to_body(interface));
}

void VmmClient::put_vsock(const Vsock& vsock) {
    call("PUT", "/vsock", to_body(vsock));
}

void VmmClient::put_entropy(const Entropy& entropy) {
    call("PUT", "/entropy", to_body(entropy));
}

void VmmClient::put_balloon(const Balloon& balloon) {
    call("PUT", "/balloon", to_body(balloon));
}

void VmmClient::set_balloon(uint64_t amount_mib) {
    call("PATCH", "/balloon", {{"amount_mib", amount_mib}});
}

void VmmClient::start_instance() {
    call("PUT", "/actions", to_body(Action::InstanceStart));
}

void VmmClient::send_ctrl_alt_del() {
    call("PUT", "/actions", to_body(Action::SendCtrlAltDel));
}

void VmmClient::pause() {
    call("PATCH", "/vm", to_body(VmState::Paused));
}

void VmmClient::resume() {
    call("PATCH", "/vm", to_body(VmState::Resumed));
}

void VmmClient::create_snapshot(const SnapshotCreate& snapshot) {
    call("PUT", "/snapshot/create", to_body(snapshot));
}

void VmmClient::load_snapshot(const SnapshotLoad& snapshot) {
    call("PUT", "/snapshot/load", to_body(snapshot));
}

InstanceInfo VmmClient::describe() {
    const auto answer = call("GET", "/", nullptr);
    return {text_field(answer, "id"), text_field(answer, "state"), text_field(answer, "vmm_version"),
            text_field(answer, "app_name")};
}

std::string VmmClient::version() {
    return text_field(call("GET", "/version", nullptr), "firecracker_version");
}

json VmmClient::vm_config() {
    return call("GET", "/vm/config", nullptr);
}

} // namespace banger::vmm
