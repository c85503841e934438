// What goes between this process and one other: frames on one connection, and the runs that both take part in.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "metal/connection.hpp"
#include "metal/hosts.hpp"

namespace tt::metal {

class HostLink {
 public:
  HostLink(size_t process, std::unique_ptr<Connection> connection, std::chrono::seconds patience);
  HostLink(const HostLink&) = delete;
  HostLink& operator=(const HostLink&) = delete;
  ~HostLink();

  size_t process() const { return process_; }
  const std::string& name() const { return name_; }  // "process 1 (10.0.0.7:4711)"
  void lose(const std::string& why);                 // from now on it is gone

  struct Started {
    uint64_t number;            // of the run
    std::optional<Error> gone;  // why the other process will not take part; none where it has done its part before it went
  };
  Started start(const JointProgram& program, std::shared_ptr<Mailbox> mailbox);
  // Waits while too much of this device is not taken, but not once `over`.
  void send(uint64_t run, uint32_t card, size_t device, uint64_t exchange, std::span<const uint32_t> readers, std::span<const Bytes> blocks,
            const std::atomic<bool>& over);
  void taken(uint64_t run, size_t device, size_t bytes);  // of that device there
  void end(uint64_t run);
  void fail(uint64_t run, const std::string& why);

 private:
  enum class Kind : uint32_t { kStart, kBlocks, kTaken, kEnd, kFail };
  struct Head {  // of a frame; readers and bytes follow
    Kind kind;
    uint32_t card;
    uint64_t run;
    uint64_t number;  // what it counts depends on the kind
    uint64_t readers;
    uint64_t bytes;
  };
  struct Identity {
    std::string program;
    uint64_t signature;
  };
  struct Run {
    std::shared_ptr<Mailbox> mailbox;  // null: not started here, or over
    std::optional<Identity> ours, theirs;
    std::vector<std::shared_ptr<Parcel>> early;  // came before the run was started here
    std::optional<Error> failure;                // likewise
    bool over = false, over_there = false;
    std::map<size_t, size_t> open;  // by device here: bytes sent that nobody there has taken yet
  };
  using Runs = std::map<uint64_t, Run>;

  std::optional<Error> gone() const;  // why nothing goes there any more
  void write(const Head& head, std::vector<Bytes> parts);
  void write_later(const Head& head, Bytes rest);  // with the next frame
  void leave(uint64_t run, const Head& head, Bytes rest);

  void listen();
  void take(const Head& head);
  std::shared_ptr<Parcel> read_parcel(const Head& head);
  std::string read_text(const Head& head);
  void read(void* to, size_t bytes);
  void compare(uint64_t number, Run& run);  // with the lock held, as what follows
  Run* find(uint64_t number);               // null: over on both sides
  void fail(Run& run, const Error& error);
  void end_there(uint64_t number, const std::optional<std::string>& why);
  void give_back(Run& run, size_t device, size_t bytes);

  const size_t process_;
  const std::unique_ptr<Connection> connection_;
  const std::chrono::seconds patience_;
  const std::string name_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  Runs runs_;
  uint64_t started_ = 0;
  std::map<size_t, size_t> ahead_;  // by device here: bytes sent, in any run, that nobody there has taken yet
  std::optional<Error> gone_;

  std::mutex writing_;  // before mutex_, where both are held
  std::vector<std::byte> later_;
  size_t taken_later_ = 0;  // bytes that it says are taken

  std::thread listener_;
};

}  // namespace tt::metal
