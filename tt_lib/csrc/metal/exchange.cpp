// A card posts where its operand lies, takes the blocks it needs from the posts of others, and goes on when all have taken theirs.
#include "metal/exchange.hpp"

#include <algorithm>
#include <cstring>
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

}  // namespace

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
  const auto readers = others(card, posts_.size(), [&](size_t other) { return takes_from(exchange, other, card); });
  const auto sources = others(card, posts_.size(), [&](size_t other) { return takes_from(exchange, card, other); });
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
  const auto stays_away = [&] {
    return std::find_if(readers.begin(), readers.end(), [&](size_t reader) { return posts_[reader].left && mine.wanted[reader] != 0; });
  };
  mine.changed.wait(lock, [&] { return failure_ || mine.open == 0 || stays_away() != readers.end(); });
  if (failure_) throw *failure_;
  if (mine.open > 0) fail_without(name, card, *stays_away());
}

void Peers::leave(size_t card) {
  const std::lock_guard lock(mutex_);
  posts_[card].left = true;
  for (Post& post : posts_) post.changed.notify_one();
}

void Peers::fail(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  const std::lock_guard lock(mutex_);
  end_all(ours != nullptr ? *ours : Error(ErrorCategory::kInternal, error.what()));
}

Program exchange(std::string name, int64_t input_bytes, int64_t output_bytes, Exchange exchange) {
  Program program(std::move(name));
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
