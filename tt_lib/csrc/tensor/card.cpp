// Sessions of a card, and what belongs to one.
#include "tensor/card.hpp"

#include <algorithm>
#include <atomic>

#include "base/error.hpp"
#include "metal/device_registry.hpp"

namespace tt::tensor {

Card::~Card() { close(); }

void Card::open() {
  std::lock_guard lock(mutex_);
  if (device_ == nullptr) device_ = metal::open_device(chip_, slot_);
}

bool Card::close() {
  std::shared_ptr<metal::Device> device;
  {
    std::lock_guard lock(mutex_);
    device = std::move(device_);
    device_ = nullptr;
  }
  if (device == nullptr) return false;
  device->finish();
  std::vector<std::shared_ptr<metal::Buffer>> freed;  // outside the lock
  std::lock_guard lock(mutex_);
  for (const auto& held : storages_) {
    if (const auto storage = held.lock()) freed.push_back(std::move(storage->buffer));
  }
  storages_.clear();
  return true;
}

bool Card::is_open() const {
  std::lock_guard lock(mutex_);
  return device_ != nullptr;
}

std::shared_ptr<metal::Device> Card::device() const {
  std::lock_guard lock(mutex_);
  require(device_ != nullptr, "Device has not been initialized, did you forget to call InitializeDevice?");
  return device_;
}

std::shared_ptr<Storage> Card::hold(std::shared_ptr<metal::Buffer> buffer) {
  auto storage = std::make_shared<Storage>(std::move(buffer));
  std::lock_guard lock(mutex_);
  if (storages_.size() >= purge_at_) {
    std::erase_if(storages_, [](const auto& held) { return held.expired(); });
    purge_at_ = std::max<size_t>(64, 2 * storages_.size());
  }
  storages_.push_back(storage);
  return storage;
}

std::shared_ptr<metal::Buffer> Card::use(const Storage& storage, std::string_view op) const {
  std::lock_guard lock(mutex_);
  require(storage.buffer != nullptr, "[", op, "] the tensor was on Grayskull ", slot_,
          ", which has been closed; move results to the host before CloseDevice");
  return storage.buffer;
}

std::shared_ptr<const metal::Program> Card::program(const std::string& key,
                                                    const std::function<std::shared_ptr<const metal::Program>()>& build) {
  if (!program_cache_enabled()) return build();
  {
    std::lock_guard lock(mutex_);
    if (const auto found = programs_.find(key); found != programs_.end()) return found->second;
  }
  auto built = build();
  std::lock_guard lock(mutex_);
  return programs_.try_emplace(key, std::move(built)).first->second;
}

size_t Card::num_programs() const {
  std::lock_guard lock(mutex_);
  return programs_.size();
}

void Card::clear_programs() {
  std::lock_guard lock(mutex_);
  programs_.clear();
}

namespace {

// What the API keeps per process.
struct Chosen {
  std::mutex mutex;
  std::shared_ptr<Card> card;
  std::atomic<bool> caches_programs = true;
};

// Never destroyed: tensors may outlive static destruction.
Chosen& chosen() {
  static auto* const instance = new Chosen;
  return *instance;
}

}  // namespace

void set_default_card(std::shared_ptr<Card> card) {
  std::lock_guard lock(chosen().mutex);
  std::swap(chosen().card, card);
}

std::shared_ptr<Card> default_card() {
  std::lock_guard lock(chosen().mutex);
  return chosen().card;
}

void set_program_cache_enabled(bool enabled) { chosen().caches_programs = enabled; }
bool program_cache_enabled() { return chosen().caches_programs; }

}  // namespace tt::tensor
