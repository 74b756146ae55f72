#include "agent/client.hpp"
#include "cli/command.hpp"
#include "cli/session.hpp"

#include <memory>

namespace banger::cli {

namespace {

constexpr std::chrono::seconds answer_limit{30};

std::string ports_text(const std::vector<agent::ListeningPort>& ports) {
    Table table({"PROTOCOL", "ADDRESS", "PORT", "PROCESS"});
    for (const auto& port : ports)
        table.add({port.protocol, port.address, std::to_string(port.port), port.process});
    return table.text();
}

Json ports_json(const std::vector<agent::ListeningPort>& ports) {
    auto list = Json::array();
    for (const auto& port : ports)
        list.push_back({{"protocol", port.protocol},
                        {"address", port.address},
                        {"port", port.port},
                        {"process", port.process}});
    return list;
}

} // namespace

Action vm_ports(CLI::App& app, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "The VM's name or id")->required()->type_name("");
    return [&invocation, name] {
        Manager manager(invocation.op);
        const auto session = open_session(manager, *name);
        const auto ports = agent::ports(session.get(), agent::Clock::now() + answer_limit, manager.op());
        print(invocation.format == Format::Table ? ports_text(ports)
                                                 : structured(ports_json(ports), invocation.format));
        return 0;
    };
}

} // namespace banger::cli
