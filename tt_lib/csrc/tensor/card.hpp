// The Device of tt_lib: a slot with a card in it that is initialised, closed and initialised again. Tensors hold their card, and know
// which session they belong to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "metal/device.hpp"
#include "metal/program.hpp"

namespace tt::tensor {

// Device memory that a tensor holds; closing the card takes it away.
struct Storage {
  std::shared_ptr<metal::Buffer> buffer;
};

class Card {
 public:
  Card(std::string chip, int slot) : chip_(std::move(chip)), slot_(slot) {}
  ~Card();
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  const std::string& chip() const { return chip_; }
  int slot() const { return slot_; }
  void open();   // no effect on an open card
  bool close();  // waits for running work, frees the memory of all tensors; false when it was not open
  bool is_open() const;
  std::shared_ptr<metal::Device> device() const;  // InvalidArgument when it is not open

  std::shared_ptr<Storage> hold(std::shared_ptr<metal::Buffer> buffer);
  // The buffer behind `storage`; InvalidArgument, naming `op`, when the card has been closed since.
  std::shared_ptr<metal::Buffer> use(const Storage& storage, std::string_view op) const;

  // The program under `key`, built at its first use.
  std::shared_ptr<const metal::Program> program(const std::string& key,
                                                const std::function<std::shared_ptr<const metal::Program>()>& build);
  size_t num_programs() const;
  void clear_programs();

 private:
  const std::string chip_;
  const int slot_;
  mutable std::mutex mutex_;
  std::shared_ptr<metal::Device> device_;
  std::vector<std::weak_ptr<Storage>> storages_;
  size_t purge_at_ = 64;
  std::map<std::string, std::shared_ptr<const metal::Program>, std::less<>> programs_;
};

// The card that ops use when no input is on one. Set by the user, process-wide as in the API.
void set_default_card(std::shared_ptr<Card> card);
std::shared_ptr<Card> default_card();  // may be null

// Whether cards keep the programs they build. On unless the user says otherwise, process-wide as in the API.
void set_program_cache_enabled(bool enabled);
bool program_cache_enabled();

}  // namespace tt::tensor
