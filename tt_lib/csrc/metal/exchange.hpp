// Data that goes from card to card while all of them run one program: each card says what it has, and takes what it needs.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "metal/hosts.hpp"
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
  uint64_t number = 0;                     // among the exchanges of one program
};

// The most that one process sends to others, or receives from them; `processes`: by card, none given: all cards are of one.
int64_t bytes_between_hosts(const Exchange& exchange, std::span<const int64_t> processes);

// The cards that run one program together, in one run. Some of them may be those of other processes.
class Peers : public Mailbox {
 public:
  explicit Peers(size_t cards) : posts_(cards) {}
  void join(std::shared_ptr<HostRun> run);  // with other processes; before any card takes part

  // Returns when `to` is filled and nobody reads `from` any more. Deadlock where a card that it takes has left.
  void exchange(size_t card, const std::string& name, const Exchange& exchange, const std::byte* from, std::byte* to);
  void leave(size_t card);                 // its run has ended
  void fail(const std::exception& error);  // a run has failed, and with it those of all who wait for others

  void deliver(std::shared_ptr<Parcel> parcel) override;
  void end_of(size_t process) override;
  void give_up(const Error& error) override;

 private:
  struct Post {  // what a card has for others, and what it waits for
    const Exchange* exchange = nullptr;
    const std::byte* from = nullptr;
    std::vector<uint8_t> wanted;  // by card: that it has yet to take something
    int64_t open = 0;             // so many cards have
    int64_t reading = 0;          // so many do it now
    int64_t missing = 0;          // so many cards have not come to the exchange that this one is in
    bool left = false;
    std::vector<std::shared_ptr<Parcel>> parcels;  // from cards of other processes, not taken yet
    std::condition_variable changed;               // for this card alone: all of them woken for each post would do little else
  };
  using Lock = std::unique_lock<std::mutex>;
  bool has_come(const Post& post, size_t card, const Exchange& exchange) const {
    return post.exchange == &exchange && post.wanted[card] != 0;
  }
  bool is_here(size_t card) const { return hosts_ == nullptr || hosts_->is_here(card); }
  void post(size_t card, const Exchange& exchange, std::span<const size_t> readers, std::span<const size_t> sources, const std::byte* from);
  [[noreturn]] void fail_without(const std::string& name, size_t card, size_t other);  // with the lock held, as what follows
  void end_all(const Error& error);
  void wait_for(Lock& lock, size_t card, const std::string& name, const Exchange& exchange, std::span<const size_t> sources);

  void send_to_hosts(size_t card, const Exchange& exchange, const std::byte* from);  // without it
  void take_from_hosts(size_t card, const std::string& name, const Exchange& exchange, std::byte* to);
  std::shared_ptr<Parcel> wait_for_parcel(size_t card, size_t source, const std::string& name, const Exchange& exchange);
  [[noreturn]] void fail_all(const Error& error);

  std::mutex mutex_;
  std::vector<Post> posts_;
  std::optional<Error> failure_;
  std::shared_ptr<HostRun> hosts_;  // null: all cards are here
  size_t here_ = 0;                 // so many cards of this process have not left
  std::vector<size_t> ended_;       // processes from which nothing more comes
};

// A card's part in a run.
struct Participant {
  Peers* peers;
  size_t card;
};

Program exchange(std::string name, int64_t input_bytes, int64_t output_bytes, Exchange exchange,
                 std::span<const int64_t> processes = {});  // slot 0 to slot 1
Program card_number(std::string name);                      // slot 0: u32

}  // namespace tt::metal
