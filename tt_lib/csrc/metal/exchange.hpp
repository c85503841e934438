// Data that goes from card to card while all of them run one program: each card says what it has, and takes what it needs.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "metal/program.hpp"

namespace tt::metal {

// Where a block of a card's result comes from.
struct Route {
  static constexpr int64_t kNobody = -1;

  int64_t card = kNobody;  // nobody: zeros
  int64_t block = 0;       // of that card's operand
};

// Operands and results are blocks of equal size.
struct Exchange {
  int64_t block_bytes = 0;
  std::vector<std::vector<Route>> routes;  // by card, for each block of its result
};

// The cards that run one program together, in one run.
class Peers {
 public:
  explicit Peers(size_t cards) : posts_(cards) {}

  // Returns when `to` is filled and nobody reads `from` any more. Deadlock where a card that it takes has left.
  void exchange(size_t card, const std::string& name, const Exchange& exchange, const std::byte* from, std::byte* to);
  void leave(size_t card);                 // its run has ended
  void fail(const std::exception& error);  // a run has failed, and with it those of all who wait for others

 private:
  struct Post {  // what a card has for others, and what it waits for
    const Exchange* exchange = nullptr;
    const std::byte* from = nullptr;
    std::vector<uint8_t> wanted;  // by card: that it has yet to take something
    int64_t open = 0;             // so many cards have
    int64_t reading = 0;          // so many do it now
    int64_t missing = 0;          // so many cards have not come to the exchange that this one is in
    bool left = false;
    std::condition_variable changed;  // for this card alone: all of them woken for each post would do little else
  };
  using Lock = std::unique_lock<std::mutex>;
  bool has_come(const Post& post, size_t card, const Exchange& exchange) const {
    return post.exchange == &exchange && post.wanted[card] != 0;
  }
  void post(size_t card, const Exchange& exchange, std::span<const size_t> readers, std::span<const size_t> sources, const std::byte* from);
  [[noreturn]] void fail_without(const std::string& name, size_t card, size_t other);  // with the lock held, as what follows
  void end_all(const Error& error);
  void wait_for(Lock& lock, size_t card, const std::string& name, const Exchange& exchange, std::span<const size_t> sources);

  std::mutex mutex_;
  std::vector<Post> posts_;
  std::optional<Error> failure_;
};

// A card's part in a run.
struct Participant {
  Peers* peers;
  size_t card;
};

Program exchange(std::string name, int64_t input_bytes, int64_t output_bytes, Exchange exchange);  // slot 0 to slot 1
Program card_number(std::string name);                                                             // slot 0: u32

}  // namespace tt::metal
