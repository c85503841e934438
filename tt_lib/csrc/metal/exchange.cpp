// A card posts where its operand lies, takes the blocks it needs from the posts of others, and goes on when all have taken theirs. What
// cards of other processes need is sent to them: each block once per process.
#include "metal/exchange.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

namespace tt::metal {
namespace {

// Copies the blocks of a card's result that come from `source`.
void take(const Exchange& exchange, size_t card, int64_t source, const std::byte* from, std::byte* to) {
  const auto bytes = static_cast<size_t>(exchange.block_bytes);
  const std::vector<Route>& routes = exchange.routes[card];
  for (size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].card != source) continue;
    if (source == Route::kNobody) {
      std::memset(to + i * bytes, 0, bytes);
    } else {
      std::memcpy(to + i * bytes, from + static_cast<size_t>(routes[i].block) * bytes, bytes);
    }
  }
}

bool takes_from(const Exchange& exchange, size_t card, size_t source) {
  const std::vector<Route>& routes = exchange.routes[card];
  return std::any_of(routes.begin(), routes.end(), [&](const Route& route) { return route.card == static_cast<int64_t>(source); });
}

// Those for which holds(card), beginning with the one after `card`.
template <class Holds>
std::vector<size_t> others(size_t card, size_t count, const Holds& holds) {
  std::vector<size_t> out;
  for (size_t step = 1; step < count; ++step) {
    if (const size_t other = (card + step) % count; holds(other)) out.push_back(other);
  }
  return out;
}

Error as_error(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours != nullptr ? *ours : Error(ErrorCategory::kInternal, error.what());
}

// The blocks of `source` that any of the readers takes, each once, in order.
template <class Cards>
std::vector<int64_t> blocks_for(const Exchange& exchange, size_t source, const Cards& readers) {
  std::vector<int64_t> blocks;
  for (const auto reader : readers) {
    for (const Route& route : exchange.routes[reader]) {
      if (route.card == static_cast<int64_t>(source)) blocks.push_back(route.block);
    }
  }
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  return blocks;
}

// Copies a card's blocks out of those that have been sent to all readers of its process.
void take(const Exchange& exchange, size_t card, const Parcel& parcel, std::byte* to) {
  const auto bytes = static_cast<size_t>(exchange.block_bytes);
  const std::vector<int64_t> sent = blocks_for(exchange, parcel.card, parcel.readers);
  check(parcel.bytes == sent.size() * bytes, parcel.bytes, " bytes for ", sent.size(), " blocks of ", bytes);
  const std::vector<Route>& routes = exchange.routes[card];
  for (size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].card != static_cast<int64_t>(parcel.card)) continue;
    const auto at = static_cast<size_t>(std::lower_bound(sent.begin(), sent.end(), routes[i].block) - sent.begin());
    std::memcpy(to + i * bytes, parcel.blocks.get() + at * bytes, bytes);
  }
}

}  // namespace

int64_t bytes_between_hosts(const Exchange& exchange, std::span<const int64_t> processes) {
  std::map<int64_t, int64_t> sent, received, cards_of;
  for (const int64_t process : processes) ++cards_of[process];
  int64_t most = 0;
  for (size_t source = 0; source < processes.size(); ++source) {
    for (const auto& [process, count] : cards_of) {
      if (process == processes[source]) continue;
      std::vector<size_t> readers;
      for (size_t card = 0; card < processes.size(); ++card) {
        if (processes[card] == process) readers.push_back(card);
      }
      const int64_t bytes = static_cast<int64_t>(blocks_for(exchange, source, readers).size()) * exchange.block_bytes;
      most = std::max({most, sent[processes[source]] += bytes, received[process] += bytes});
    }
  }
  return most;
}

void Peers::join(std::shared_ptr<HostRun> run) {
  hosts_ = std::move(run);
  for (size_t card = 0; card < posts_.size(); ++card) here_ += is_here(card);
}

// Before this card withdraws what it has posted: nobody may begin to read it then.
void Peers::fail_without(const std::string& name, size_t card, size_t other) {
  end_all(
      Error(ErrorCategory::kDeadlock, cat("[", name, "] card ", card, " waits for card ", other,
                                          ", which has ended its run without it; all cards of a group must come to the same collectives")));
  throw *failure_;
}

void Peers::end_all(const Error& error) {
  if (!failure_) failure_ = error;
  for (Post& post : posts_) post.changed.notify_one();
}

// Tells those who read it and have come already.
void Peers::post(size_t card, const Exchange& exchange, std::span<const size_t> readers, std::span<const size_t> sources,
                 const std::byte* from) {
  Post& mine = posts_[card];
  mine.missing = std::count_if(sources.begin(), sources.end(), [&](size_t source) { return !has_come(posts_[source], card, exchange); });
  mine.wanted.assign(posts_.size(), 0);
  for (const size_t reader : readers) mine.wanted[reader] = 1;
  mine.open = static_cast<int64_t>(readers.size());
  mine.exchange = &exchange;
  mine.from = from;
  for (const size_t reader : readers) {
    Post& theirs = posts_[reader];
    if (theirs.exchange == &exchange && theirs.missing > 0 && --theirs.missing == 0) theirs.changed.notify_one();
  }
}

void Peers::wait_for(Lock& lock, size_t card, const std::string& name, const Exchange& exchange, std::span<const size_t> sources) {
  Post& mine = posts_[card];
  const auto gone = [&] {
    return std::find_if(sources.begin(), sources.end(),
                        [&](size_t source) { return posts_[source].left && !has_come(posts_[source], card, exchange); });
  };
  mine.changed.wait(lock, [&] { return failure_ || mine.missing == 0 || gone() != sources.end(); });
  if (failure_) throw *failure_;
  if (mine.missing > 0) fail_without(name, card, *gone());
}

void Peers::exchange(size_t card, const std::string& name, const Exchange& exchange, const std::byte* from, std::byte* to) {
  const auto readers = others(card, posts_.size(), [&](size_t other) { return is_here(other) && takes_from(exchange, other, card); });
  const auto sources = others(card, posts_.size(), [&](size_t other) { return is_here(other) && takes_from(exchange, card, other); });
  Lock lock(mutex_);
  Post& mine = posts_[card];
  struct Withdraw {  // whatever happens, once nobody reads it any more
    Lock& lock;
    Post& post;
    ~Withdraw() {
      if (!lock.owns_lock()) lock.lock();
      post.changed.wait(lock, [this] { return post.reading == 0; });
      post.exchange = nullptr;
    }
  } const withdraw{lock, mine};
  post(card, exchange, readers, sources, from);
  lock.unlock();
  take(exchange, card, Route::kNobody, nullptr, to);
  take(exchange, card, static_cast<int64_t>(card), from, to);
  if (hosts_ != nullptr) send_to_hosts(card, exchange, from);
  lock.lock();
  wait_for(lock, card, name, exchange, sources);
  for (const size_t source : sources) ++posts_[source].reading;
  lock.unlock();
  for (const size_t source : sources) take(exchange, card, static_cast<int64_t>(source), posts_[source].from, to);
  lock.lock();
  for (const size_t source : sources) {
    Post& theirs = posts_[source];
    theirs.wanted[card] = 0;
    --theirs.reading;
    if (--theirs.open == 0 || failure_) theirs.changed.notify_one();
  }
  if (hosts_ != nullptr) {
    lock.unlock();
    take_from_hosts(card, name, exchange, to);
    lock.lock();
  }
  const auto stays_away = [&] {
    return std::find_if(readers.begin(), readers.end(), [&](size_t reader) { return posts_[reader].left && mine.wanted[reader] != 0; });
  };
  mine.changed.wait(lock, [&] { return failure_ || mine.open == 0 || stays_away() != readers.end(); });
  if (failure_) throw *failure_;
  if (mine.open > 0) fail_without(name, card, *stays_away());
}

// A card that cannot go on ends the run before it withdraws what it has posted: nobody may begin to read it then.
void Peers::send_to_hosts(size_t card, const Exchange& exchange, const std::byte* from) {
  std::map<size_t, std::vector<uint32_t>> readers;  // by process
  for (const size_t other : others(card, posts_.size(), [&](size_t other) { return takes_from(exchange, other, card); })) {
    if (!is_here(other)) readers[hosts_->process_of(other)].push_back(static_cast<uint32_t>(other));
  }
  const auto bytes = static_cast<size_t>(exchange.block_bytes);
  for (const auto& [process, cards] : readers) {
    std::vector<Bytes> blocks;
    for (const int64_t block : blocks_for(exchange, card, cards)) blocks.emplace_back(from + static_cast<size_t>(block) * bytes, bytes);
    try {
      hosts_->send(card, exchange.number, process, cards, blocks);
    } catch (const std::exception& error) {
      fail_all(as_error(error));
    }
  }
}

void Peers::take_from_hosts(size_t card, const std::string& name, const Exchange& exchange, std::byte* to) {
  for (const size_t source :
       others(card, posts_.size(), [&](size_t other) { return !is_here(other) && takes_from(exchange, card, other); })) {
    const std::shared_ptr<Parcel> parcel = wait_for_parcel(card, source, name, exchange);
    try {
      take(exchange, card, *parcel, to);
      if (--parcel->open == 0) hosts_->taken(*parcel);
    } catch (const std::exception& error) {
      fail_all(as_error(error));
    }
  }
}

std::shared_ptr<Parcel> Peers::wait_for_parcel(size_t card, size_t source, const std::string& name, const Exchange& exchange) {
  Lock lock(mutex_);
  Post& mine = posts_[card];
  const auto first = [&] {
    return std::find_if(mine.parcels.begin(), mine.parcels.end(), [&](const auto& parcel) { return parcel->card == source; });
  };
  const auto has_ended = [&] { return std::find(ended_.begin(), ended_.end(), hosts_->process_of(source)) != ended_.end(); };
  const bool in_time =
      mine.changed.wait_for(lock, hosts_->patience(), [&] { return failure_ || first() != mine.parcels.end() || has_ended(); });
  if (failure_) throw *failure_;
  const auto found = first();
  if (found != mine.parcels.end() && (*found)->exchange == exchange.number) {
    auto parcel = std::move(*found);
    mine.parcels.erase(found);
    return parcel;
  }
  const bool elsewhere = found != mine.parcels.end();
  lock.unlock();
  constexpr const char* kSame = "; all cards of a group must come to the same collectives";
  const std::string waits = cat("[", name, "] card ", card, " waits for ", hosts_->describe(source));
  if (elsewhere) fail_all(Error(ErrorCategory::kDeadlock, cat(waits, ", which is at another collective of the program", kSame)));
  if (in_time) fail_all(Error(ErrorCategory::kDeadlock, cat(waits, ", which has ended its run without it", kSame)));
  fail_all(Error(ErrorCategory::kDeadlock, cat(waits, ", from which nothing has come for ", hosts_->patience().count(),
                                               " s; where it needs longer to get there, set JAX_TT_HOSTS_TIMEOUT to more seconds")));
}

void Peers::fail_all(const Error& error) {
  const std::lock_guard lock(mutex_);
  end_all(error);
  throw *failure_;
}

void Peers::leave(size_t card) {
  std::unique_lock lock(mutex_);
  posts_[card].left = true;
  for (Post& post : posts_) post.changed.notify_one();
  const bool last = hosts_ != nullptr && --here_ == 0;
  lock.unlock();
  if (last) hosts_->end();
}

void Peers::fail(const std::exception& error) {
  give_up(as_error(error));
  if (hosts_ != nullptr) hosts_->fail(error);
}

void Peers::give_up(const Error& error) {
  const std::lock_guard lock(mutex_);
  end_all(error);
}

void Peers::deliver(std::shared_ptr<Parcel> parcel) {
  const std::lock_guard lock(mutex_);
  for (const uint32_t reader : parcel->readers) {
    check(reader < posts_.size(), "blocks for card ", reader, " of ", posts_.size());
    posts_[reader].parcels.push_back(parcel);
    posts_[reader].changed.notify_one();
  }
}

void Peers::end_of(size_t process) {
  const std::lock_guard lock(mutex_);
  ended_.push_back(process);
  for (Post& post : posts_) post.changed.notify_one();
}

Program exchange(std::string name, int64_t input_bytes, int64_t output_bytes, Exchange exchange, std::span<const int64_t> processes) {
  Program program(std::move(name));
  program.set_bytes_between_hosts(bytes_between_hosts(exchange, processes));
  program.add_input("in0", input_bytes);
  program.add_output("out0", output_bytes);
  program.set_link_function(
      [name = program.name(), exchange = std::make_shared<const Exchange>(std::move(exchange))](
          const Participant& me, std::byte* const* buffers) { me.peers->exchange(me.card, name, *exchange, buffers[0], buffers[1]); });
  return program;
}

Program card_number(std::string name) {
  Program program(std::move(name));
  program.add_output("out0", sizeof(uint32_t));
  program.set_link_function([](const Participant& me, std::byte* const* buffers) {
    const auto number = static_cast<uint32_t>(me.card);
    std::memcpy(buffers[0], &number, sizeof(number));
  });
  return program;
}

}  // namespace tt::metal
