// A thread of its own listens, so that two processes that write to each other never wait for each other.
#include "metal/host_link.hpp"

#include <algorithm>
#include <utility>

namespace tt::metal {
namespace {

constexpr size_t kMostAhead = 64 << 20;  // bytes that a device sends to a process before some of them are taken
constexpr size_t kSaneBytes = size_t{1} << 40;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

HostLink::HostLink(size_t process, std::unique_ptr<Connection> connection, std::chrono::seconds patience)
    : process_(process),
      connection_(std::move(connection)),
      patience_(patience),
      name_(cat("process ", process, " (", connection_->other_end(), ")")) {
  connection_->set_patience(std::chrono::seconds(0), patience);
  listener_ = std::thread([this] { listen(); });
}

HostLink::~HostLink() {
  connection_->shut();
  listener_.join();
}

std::optional<Error> HostLink::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

HostLink::Started HostLink::start(const JointProgram& program, std::shared_ptr<Mailbox> mailbox) {
  std::unique_lock lock(mutex_);
  const uint64_t number = ++started_;
  Run& run = runs_[number];
  run.mailbox = std::move(mailbox);
  run.ours = Identity{program.name, program.signature};
  compare(number, run);
  for (auto& parcel : std::exchange(run.early, {})) run.mailbox->deliver(std::move(parcel));
  if (run.over_there) run.mailbox->end_of(process_);
  if (run.failure) run.mailbox->give_up(*run.failure);
  const Started started{number, run.over_there ? std::nullopt : gone_};
  lock.unlock();
  write_later({Kind::kStart, 0, number, program.signature, 0, program.name.size()}, bytes_of(program.name));
  return started;
}

void HostLink::send(uint64_t number, uint32_t card, size_t device, uint64_t exchange, std::span<const uint32_t> readers,
                    std::span<const Bytes> blocks, const std::atomic<bool>& over) {
  size_t bytes = 0;
  for (const Bytes block : blocks) bytes += block.size();
  {
    std::unique_lock lock(mutex_);
    const bool in_time =
        room_.wait_for(lock, patience_, [&] { return gone_ || over || runs_.at(number).over_there || ahead_[device] <= kMostAhead; });
    if (gone_) throw *gone_;
    if (over) tt::fail(ErrorCategory::kInternal, "the run has failed");
    Run& run = runs_.at(number);
    if (run.over_there) tt::fail(ErrorCategory::kDeadlock, name_, " has ended its run without taking what card ", card, " sends");
    if (!in_time)
      tt::fail(ErrorCategory::kDeadlock, name_, " has taken nothing of what card ", card, " sends for ", patience_.count(), " s");
    ahead_[device] += bytes;
    run.open[device] += bytes;
  }
  std::vector<Bytes> parts{std::as_bytes(readers)};
  parts.insert(parts.end(), blocks.begin(), blocks.end());
  write({Kind::kBlocks, card, number, exchange, readers.size(), bytes}, std::move(parts));
}

void HostLink::taken(uint64_t number, size_t device, size_t bytes) {
  write_later({Kind::kTaken, static_cast<uint32_t>(device), number, bytes, 0, 0}, {});
  {
    const std::lock_guard lock(writing_);
    taken_later_ += bytes;
    if (taken_later_ < kMostAhead / 4) return;
  }
  if (!gone()) write({Kind::kTaken, 0, number, 0, 0, 0}, {});
}

void HostLink::end(uint64_t number) { leave(number, {Kind::kEnd, 0, number, 0, 0, 0}, {}); }

void HostLink::fail(uint64_t number, const std::string& why) { leave(number, {Kind::kFail, 0, number, 0, 0, why.size()}, bytes_of(why)); }

void HostLink::leave(uint64_t number, const Head& head, Bytes rest) {
  std::shared_ptr<Mailbox> released;  // outside of the lock
  {
    const std::lock_guard lock(mutex_);
    const auto at = runs_.find(number);
    if (at == runs_.end()) return;  // the other process is gone
    released = std::move(at->second.mailbox);
    at->second.over = true;
    if (at->second.over_there || gone_) runs_.erase(at);
    room_.notify_all();
  }
  try {
    write(head, {rest});
  } catch (const Error&) {  // it has been noted that the other process is gone; nothing of this run waits for it
  }
}

void HostLink::write(const Head& head, std::vector<Bytes> parts) {
  const std::lock_guard lock(writing_);
  const std::vector<std::byte> before = std::exchange(later_, {});
  taken_later_ = 0;
  parts.insert(parts.begin(), {Bytes(before), std::as_bytes(std::span(&head, 1))});
  try {
    connection_->write(std::move(parts));
  } catch (const Error& error) {
    lose(error.what());
    throw *gone();
  }
}

void HostLink::write_later(const Head& head, Bytes rest) {
  const std::lock_guard lock(writing_);
  if (gone()) return;
  for (const Bytes part : {std::as_bytes(std::span(&head, 1)), rest}) later_.insert(later_.end(), part.begin(), part.end());
}

void HostLink::listen() {
  try {
    for (Head head; connection_->read(&head, sizeof(head));) take(head);
    lose("it has closed the connection");
  } catch (const std::exception& error) {
    lose(error.what());
  }
}

void HostLink::take(const Head& head) {
  check(head.readers <= kSaneBytes && head.bytes <= kSaneBytes, "it sends nonsense");
  switch (head.kind) {
    case Kind::kStart: {
      Identity theirs{read_text(head), head.number};
      const std::lock_guard lock(mutex_);
      Run* const run = find(head.run);
      if (run == nullptr) return;
      run->theirs = std::move(theirs);
      return compare(head.run, *run);
    }
    case Kind::kBlocks: {
      auto parcel = read_parcel(head);
      const std::lock_guard lock(mutex_);
      Run* const run = find(head.run);
      if (run == nullptr || run->over) return;
      return run->mailbox != nullptr ? run->mailbox->deliver(std::move(parcel)) : run->early.push_back(std::move(parcel));
    }
    case Kind::kTaken: {
      const std::lock_guard lock(mutex_);
      if (Run* const run = find(head.run)) give_back(*run, head.card, head.number);
      return;
    }
    case Kind::kEnd: return end_there(head.run, {});
    case Kind::kFail: return end_there(head.run, read_text(head));
  }
  check(false, "it sends nonsense");
}

void HostLink::read(void* to, size_t bytes) { check(bytes == 0 || connection_->read(to, bytes), "it ends in the middle of a message"); }

std::string HostLink::read_text(const Head& head) {
  std::string text(head.bytes, ' ');
  read(text.data(), text.size());
  return text;
}

std::shared_ptr<Parcel> HostLink::read_parcel(const Head& head) {
  auto parcel = std::make_shared<Parcel>();
  parcel->process = process_;
  parcel->card = head.card;
  parcel->exchange = head.number;
  parcel->open = head.readers;
  parcel->readers.resize(head.readers);
  read(parcel->readers.data(), head.readers * sizeof(uint32_t));
  parcel->bytes = head.bytes;
  parcel->blocks = std::make_unique_for_overwrite<std::byte[]>(head.bytes);
  read(parcel->blocks.get(), head.bytes);
  return parcel;
}

HostLink::Run* HostLink::find(uint64_t number) {
  if (number > started_) return &runs_[number];
  const auto at = runs_.find(number);
  return at == runs_.end() ? nullptr : &at->second;
}

void HostLink::compare(uint64_t number, Run& run) {
  if (!run.ours || !run.theirs) return;
  if (run.ours->program == run.theirs->program && run.ours->signature == run.theirs->signature) return;
  const bool same_name = run.ours->program == run.theirs->program;
  fail(run, Error(ErrorCategory::kInvalidArgument,
                  cat("run ", number, " of those that this process has in common with ", name_, " is ", run.ours->program, " here and ",
                      same_name ? "another program of that name" : run.theirs->program,
                      " there; all processes must run the same programs in the same order")));
}

void HostLink::fail(Run& run, const Error& error) {
  if (run.mailbox != nullptr) {
    run.mailbox->give_up(error);
  } else if (!run.over && !run.failure) {
    run.failure = error;
  }
}

void HostLink::give_back(Run& run, size_t device, size_t bytes) {
  size_t& open = run.open[device];
  const size_t back = std::min(open, bytes);
  open -= back;
  ahead_[device] -= back;
  room_.notify_all();
}

void HostLink::end_there(uint64_t number, const std::optional<std::string>& why) {
  const std::lock_guard lock(mutex_);
  Run* const run = find(number);
  if (run == nullptr) return;
  bool all_taken = true;
  for (const auto& [device, bytes] : std::map(run->open)) {
    all_taken = all_taken && bytes == 0;
    give_back(*run, device, bytes);
  }
  const std::string program = run->theirs ? run->theirs->program : "a program";
  if (why) {
    fail(*run, Error(ErrorCategory::kInternal, cat(name_, " has failed in ", program, ": ", *why)));
  } else if (!all_taken) {
    fail(*run, Error(ErrorCategory::kDeadlock, cat(name_, " has ended its run of ", program, " without taking what this process has sent; ",
                                                   "all cards of a group must come to the same collectives")));
  } else if (run->mailbox != nullptr) {
    run->mailbox->end_of(process_);
  }
  run->over_there = true;
  room_.notify_all();
  if (run->over) runs_.erase(number);
}

void HostLink::lose(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (gone_) return;
  gone_ = Error(ErrorCategory::kInternal, cat(name_, " is gone: ", why));
  for (auto& [number, run] : runs_) {
    if (!run.over_there) fail(run, *gone_);
  }
  std::erase_if(runs_, [](const auto& entry) { return entry.second.over; });
  room_.notify_all();
  connection_->shut();
}

}  // namespace tt::metal
