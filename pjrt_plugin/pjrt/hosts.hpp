// How the processes of a distributed program find each other: through the key-value store that JAX gives to the client.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metal/hosts.hpp"
#include "pjrt/abi.hpp"

namespace tt::pjrt {

// Waits for all processes; null where this is the only one. `cards`: what this one has, such as "e150 2".
std::unique_ptr<metal::Hosts> meet_hosts(const ClientCreate& args, std::string cards);
// How many cards each process has. InvalidArgument where they are not all of one kind.
std::vector<int> cards_of(const metal::Hosts& hosts, std::string_view arch);

}  // namespace tt::pjrt
