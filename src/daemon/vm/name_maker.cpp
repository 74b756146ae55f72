#include "daemon/vm/name_maker.hpp"

#include "base/op_id.hpp"

#include <array>
#include <random>
#include <string_view>

namespace banger::daemon {

namespace {

constexpr std::array<std::string_view, 48> qualities{
    "able",  "bold",  "brave", "brisk", "calm",  "clear", "cosy",  "crisp", "deft",  "dry",
    "eager", "early", "fair",  "fast",  "fine",  "fond",  "free",  "fresh", "glad",  "grand",
    "green", "happy", "keen",  "kind",  "light", "live",  "loyal", "lucky", "merry", "mild",
    "neat",  "nice",  "noble", "plain", "prime", "proud", "quick", "quiet", "rapid", "ready",
    "sharp", "smart", "solid", "sound", "sunny", "swift", "warm",  "wise",
};
constexpr std::array<std::string_view, 48> things{
    "acorn", "alder", "aspen", "badger", "beech", "birch", "bison", "brook", "cedar", "clam",
    "cliff", "cloud", "comet", "coral",  "crane", "creek", "delta", "dune",  "eagle", "elm",
    "fern",  "finch", "fjord", "fox",    "gull",  "hare",  "heron", "hill",  "ibis",  "kite",
    "lake",  "lark",  "lynx",  "maple",  "marsh", "mole",  "moss",  "newt",  "oak",   "otter",
    "owl",   "pine",  "reef",  "robin",  "stone", "swan",  "tern",  "wren",
};

} // namespace

DnsLabel make_vm_name(const std::function<bool(const std::string&)>& is_taken) {
    std::random_device random;
    constexpr int tries = 16;
    for (int i = 0; i < tries; ++i) {
        const auto name = std::string(qualities[random() % qualities.size()]) + "-" +
                          std::string(things[random() % things.size()]);
        if (!is_taken(name))
            return DnsLabel::parse(name, "VM name");
    }
    return DnsLabel::parse("vm-" + random_hex(4), "VM name");
}

} // namespace banger::daemon
