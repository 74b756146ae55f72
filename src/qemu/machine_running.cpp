// What a machine does from its start on.
#include "qemu/devices.hpp"
#include "qemu/machine.hpp"

#include <algorithm>

namespace banger::qemu {

namespace {

[[noreturn]] void refuse(const std::string& message) {
    throw Error(ErrorCode::InvalidArgument, message);
}

Answer ok(const Json& body) {
    return {200, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Answer answer(const std::string& prefix, const std::optional<Error>& error) {
    return error ? fault(prefix + error->message()) : Answer{};
}

} // namespace

void Machine::start(const Reply& reply) {
    require_not_started();
    if (!config_.boot_source)
        refuse("Start microvm error: Cannot start microvm without kernel configuration.");
    check_device_count(config_);
    const std::string prefix = "Start microvm error: ";
    try {
        guest_.start(config_, [this, reply, prefix](const std::optional<Error>& error) {
            if (!error)
                state_ = State::Running;
            reply(answer(prefix, error));
        });
    } catch (const Error& error) {
        reply(answer(prefix, error));
    }
}

void Machine::on(Action action, const Reply& reply) {
    if (action == Action::InstanceStart)
        return start(reply);
    require_started();
    if (action == Action::FlushMetrics) {
        records_.flush_metrics();
        return reply({});
    }
    guest_.send_ctrl_alt_del(
        [reply](const std::optional<Error>& error) { reply(answer("Internal VMM error: ", error)); });
}

void Machine::on(VmState state, const Reply& reply) {
    require_started();
    const bool pausing = state == VmState::Paused;
    const auto done = [this, reply, pausing](const std::optional<Error>& error) {
        if (!error)
            state_ = pausing ? State::Paused : State::Running;
        reply(answer("Internal VMM error: ", error));
    };
    if (pausing)
        guest_.pause(done);
    else
        guest_.resume(done);
}

void Machine::on(const DriveUpdate& update, const Reply& reply) {
    require_started();
    const std::string prefix = "Drive config error: Unable to patch the block device: ";
    const auto drive = std::find_if(config_.drives.begin(), config_.drives.end(),
                                    [&](const Drive& other) { return other.drive_id == update.drive_id; });
    if (drive == config_.drives.end())
        refuse(prefix + "there is no drive of that id. Please verify the request arguments.");
    if (update.path_on_host && update.path_on_host != drive->path_on_host)
        refuse(prefix + "banger-qemu cannot exchange the file behind a drive.");
    if (!update.rate_limiter)
        return reply({});
    auto changed = *drive;
    changed.rate_limiter = update.rate_limiter;
    check_drive_limits(changed);
    const auto index = drive - config_.drives.begin();
    guest_.set_drive_limits(update.drive_id, *update.rate_limiter,
                            [this, reply, prefix, index, changed](const std::optional<Error>& error) {
                                if (!error)
                                    config_.drives[static_cast<size_t>(index)] = changed;
                                reply(answer(prefix, error));
                            });
}

void Machine::on(const NetworkUpdate& update, const Reply& reply) {
    require_started();
    const bool known = std::any_of(config_.interfaces.begin(), config_.interfaces.end(),
                                   [&](const auto& other) { return other.iface_id == update.iface_id; });
    if (!known)
        refuse("Network config error: Unable to update the net device: there is no interface of that id.");
    check_network_limits(update.rx_rate_limiter, update.tx_rate_limiter);
    reply({});
}

void Machine::on(const BalloonUpdate& update, const Reply& reply) {
    require_started();
    require_balloon();
    if (update.amount_mib >= config_.machine.mem_size_mib)
        refuse("Balloon update error: Balloon: Requested memory should be less than " +
               std::to_string(config_.machine.mem_size_mib) + "MiB");
    guest_.set_balloon(config_.machine.mem_size_mib, update.amount_mib,
                       [this, reply, update](const std::optional<Error>& error) {
                           if (!error)
                               config_.balloon->amount_mib = update.amount_mib;
                           reply(answer("Balloon update error: ", error));
                       });
}

void Machine::on(const BalloonStatisticsUpdate& update, const Reply& reply) {
    require_started();
    const auto seconds = update.stats_polling_interval_s;
    if ((require_balloon().stats_polling_interval_s == 0) != (seconds == 0))
        refuse("Balloon update error: Balloon: Statistics cannot be enabled/disabled after activation.");
    if (seconds == 0)
        return reply({});
    guest_.set_balloon_interval(seconds, [this, reply, seconds](const std::optional<Error>& error) {
        if (!error)
            config_.balloon->stats_polling_interval_s = seconds;
        reply(answer("Balloon update error: ", error));
    });
}

void Machine::answer_balloon_statistics(const Reply& reply) {
    require_started();
    const auto& balloon = require_balloon();
    if (balloon.stats_polling_interval_s == 0)
        refuse("Internal VMM error: Balloon: Received stats query when stats are disabled.");
    const auto target = balloon.amount_mib;
    guest_.balloon_statistics(config_.machine.mem_size_mib, [reply, target](Outcome<Json> outcome) {
        if (const auto* error = std::get_if<Error>(&outcome))
            return reply(fault("Internal VMM error: " + error->message()));
        auto& statistics = std::get<Json>(outcome);
        statistics["target_mib"] = target;
        statistics["target_pages"] = uint64_t{target} * 256;
        reply(ok(statistics));
    });
}

void Machine::answer_mmds(const Reply& reply) const {
    if (!mmds_ && state_ != State::NotStarted)
        refuse("MMDS error: The MMDS data store is not initialized.");
    reply(ok(mmds_ && !mmds_->is_null() ? *mmds_ : Json::object()));
}

void Machine::store_mmds(Json data, const Reply& reply) {
    if (data.dump(-1, ' ', false, Json::error_handler_t::replace).size() > max_body)
        return reply(fault("MMDS limit exceeded error: The MMDS patch request doesn't fit.", 413));
    mmds_ = std::move(data);
    reply({});
}

void Machine::on(const MmdsPut& put, const Reply& reply) {
    store_mmds(put.data, reply);
}

void Machine::on(const MmdsPatch& patch, const Reply& reply) {
    if (!mmds_)
        refuse("MMDS error: The MMDS data store is not initialized.");
    auto data = *mmds_;
    data.merge_patch(patch.data);
    store_mmds(std::move(data), reply);
}

} // namespace banger::qemu
