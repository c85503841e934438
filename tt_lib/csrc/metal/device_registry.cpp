// Which cards are open.
#include "metal/device_registry.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "emulator/grayskull.hpp"

namespace tt::metal {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::pair<std::string, int>, std::weak_ptr<Device>> open;
};

// Never destroyed: cards may be dropped while the process exits.
Registry& registry() {
  static auto* const instance = new Registry;
  return *instance;
}

}  // namespace

std::shared_ptr<Device> open_device(std::string_view arch, int id) {
  const emulator::ChipSpec& chip = emulator::find_chip(arch);
  Registry& cards = registry();
  std::lock_guard lock(cards.mutex);
  std::weak_ptr<Device>& known = cards.open[{std::string(arch), id}];
  std::shared_ptr<Device> device = known.lock();
  if (device == nullptr || device->is_closed()) known = device = Device::create(chip, id);
  return device;
}

}  // namespace tt::metal

void tt_finish_devices() {
  tt::metal::Registry& cards = tt::metal::registry();
  std::vector<std::shared_ptr<tt::metal::Device>> open;
  {
    std::lock_guard lock(cards.mutex);
    for (const auto& [name, device] : cards.open) open.push_back(device.lock());
  }
  for (const auto& device : open) {
    if (device == nullptr || device->is_in_host_function()) continue;
    try {
      device->enqueue([] {}).wait();  // not for what other threads go on to enqueue
    } catch (const tt::Error&) {
      // It was closed, and has finished.
    }
  }
}
