// Other processes, whose cards run programs together with those of this one: how they find each other, and what goes from one to another.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace tt::metal {

class Connection;
class HostLink;
class Listener;
using Bytes = std::span<const std::byte>;

// Blocks that a card of another process has sent to cards of this one.
struct Parcel {
  size_t process;
  uint32_t card;      // of the program
  uint64_t exchange;  // its number in the program
  std::vector<uint32_t> readers;
  std::unique_ptr<std::byte[]> blocks;
  size_t bytes;
  std::atomic<size_t> open;  // so many readers have yet to take their blocks
};

// Who takes what comes for a run; called by the threads that listen to the other processes.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  virtual void deliver(std::shared_ptr<Parcel> parcel) = 0;  // those of one card in the order in which it has sent them
  virtual void end_of(size_t process) = 0;                   // no more will come from there
  virtual void give_up(const Error& error) = 0;              // the run cannot go on
};

// What one of several processes needs to know of a program that they run together.
struct JointProgram {
  std::string name;
  uint64_t signature;  // equal for equal programs
  struct Seat {
    size_t process, device;
  };
  std::vector<Seat> seats;  // by card of the program: who runs it
};

class Hosts;

// One run of such a program, from its start here to its end here.
class HostRun {
 public:
  HostRun(Hosts& hosts, JointProgram program) : hosts_(hosts), program_(std::move(program)) {}

  bool is_here(size_t card) const;
  size_t process_of(size_t card) const { return program_.seats[card].process; }
  std::string describe(size_t card) const;  // "card 2 of process 1 (10.0.0.7:4711)"
  std::chrono::seconds patience() const;    // how long to wait for others

  // To cards of one other process. Waits while too much that this card has sent there is not taken.
  void send(size_t card, uint64_t exchange, size_t process, std::span<const uint32_t> readers, std::span<const Bytes> blocks);
  void taken(const Parcel& parcel);        // by all of its readers
  void end();                              // no card of this process sends or waits any more
  void fail(const std::exception& error);  // likewise, and the other processes must hear why; the first end counts

 private:
  friend class Hosts;
  uint64_t number_for(size_t process) const;

  Hosts& hosts_;
  const JointProgram program_;
  std::vector<std::pair<HostLink*, uint64_t>> others_;  // the processes that take part, and the run's number among those of them and us
  std::atomic<bool> over_ = false;
};

// All processes of a distributed program, of which this is one. Any two of them have a connection, and count the runs that both take part
// in: as all start the same runs in the same order, the number says which run a message belongs to.
class Hosts {
 public:
  // Where the processes find each other: each puts what it has under a key of its own, and waits for what others put.
  struct Store {
    std::function<void(const std::string& key, const std::string& value)> put;
    std::function<std::string(const std::string& key, std::chrono::seconds patience)> get;
  };
  struct Settings {
    size_t process = 0, count = 1;       // this one, of so many
    std::string greeting;                // for the others: see greetings()
    std::vector<std::string> addresses;  // of this host; none: all it has
    std::chrono::seconds patience{300};  // with others, before a run fails
  };
  Hosts(const Store& store, Settings settings);  // waits for all of them
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;
  ~Hosts();

  size_t process() const { return settings_.process; }
  const std::vector<std::string>& greetings() const { return greetings_; }  // by process

  void drop(size_t process, const std::string& why);  // it is known to be gone

  // All runs in the order in which all processes start them. Fails, and the run everywhere, when a process that takes part is gone.
  std::shared_ptr<HostRun> start(JointProgram program, const std::shared_ptr<Mailbox>& mailbox);

 private:
  friend class HostRun;
  struct Introduction;
  static std::string text_of(const Introduction& introduction);
  Introduction read(size_t process, const std::string& text) const;
  void call(size_t process, const Introduction& introduction);
  void let_in(const Introduction& own, Listener& listener);
  void add(size_t process, std::unique_ptr<Connection> connection);

  const Settings settings_;
  std::vector<std::string> greetings_;
  std::vector<std::unique_ptr<HostLink>> links_;  // by process; null: this one
};

}  // namespace tt::metal
