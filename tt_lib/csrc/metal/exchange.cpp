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

}  // namespace

// The post of `other` in this exchange, from which `card` has not taken yet.
Peers::Post& Peers::wait_for(Lock& lock, size_t card, size_t other, const std::string& name, const Exchange& exchange) {
  Post& post = posts_[other];
  changed_.wait(lock, [&] { return failure_ || post.left || (post.exchange == &exchange && post.wanted[card] != 0); });
  if (failure_) throw *failure_;
  if (post.left) {
    tt::fail(ErrorCategory::kDeadlock, "[", name, "] card ", card, " waits for card ", other,
             ", which has ended its run without it; all cards of a group must come to the same collectives");
  }
  return post;
}

void Peers::exchange(size_t card, const std::string& name, const Exchange& exchange, const std::byte* from, std::byte* to) {
  Lock lock(mutex_);
  Post& mine = posts_[card];
  struct Withdraw {  // whatever happens, once nobody reads it any more
    Peers& peers;
    Lock& lock;
    Post& post;
    ~Withdraw() {
      if (!lock.owns_lock()) lock.lock();
      peers.changed_.wait(lock, [this] { return post.reading == 0; });
      post.exchange = nullptr;
    }
  } const withdraw{*this, lock, mine};
  mine.wanted.assign(posts_.size(), 0);
  mine.open = 0;
  for (size_t other = 0; other < posts_.size(); ++other) {
    if (other == card || !takes_from(exchange, other, card)) continue;
    mine.wanted[other] = 1;
    ++mine.open;
  }
  mine.exchange = &exchange;
  mine.from = from;
  changed_.notify_all();
  lock.unlock();
  take(exchange, card, Route::kNobody, nullptr, to);
  take(exchange, card, static_cast<int64_t>(card), from, to);
  lock.lock();
  for (size_t step = 1; step < posts_.size(); ++step) {  // each card begins with the one after it
    const size_t other = (card + step) % posts_.size();
    if (!takes_from(exchange, card, other)) continue;
    Post& post = wait_for(lock, card, other, name, exchange);
    const std::byte* theirs = post.from;
    ++post.reading;
    lock.unlock();
    take(exchange, card, static_cast<int64_t>(other), theirs, to);
    lock.lock();
    --post.reading;
    --post.open;
    post.wanted[card] = 0;
    if (post.open == 0 || failure_) changed_.notify_all();
  }
  changed_.wait(lock, [&] { return failure_ || mine.open == 0; });
  if (failure_) throw *failure_;
}

void Peers::leave(size_t card) {
  const std::lock_guard lock(mutex_);
  posts_[card].left = true;
  changed_.notify_all();
}

void Peers::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
  changed_.notify_all();
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
