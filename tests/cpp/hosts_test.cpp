// Exchanges between cards of several processes, all of which are threads of this one here.
#include "metal/hosts.hpp"

#include <cstring>
#include <future>
#include <map>
#include <sstream>
#include <thread>

#include "metal/connection.hpp"
#include "metal/exchange.hpp"
#include "metal/program.hpp"
#include "test.hpp"

namespace tt {
namespace {

using metal::Exchange;
using metal::Hosts;
using metal::Peers;
using metal::Route;

constexpr std::chrono::seconds kPatience{20};
constexpr uint64_t kSignature = 7;

// What JAX's coordinator keeps for all processes.
class SharedStore {
 public:
  Hosts::Store store() {
    return {[this](const std::string& key, const std::string& value) { put(key, value); },
            [this](const std::string& key, std::chrono::seconds patience) { return get(key, patience); }};
  }
  void put(const std::string& key, const std::string& value) {
    const std::lock_guard lock(mutex_);
    values_[key] = value;
    changed_.notify_all();
  }
  std::string get(const std::string& key, std::chrono::seconds patience) {
    std::unique_lock lock(mutex_);
    require(changed_.wait_for(lock, patience, [&] { return values_.contains(key); }), "nobody has put ", key);
    return values_[key];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};

using Processes = std::vector<std::unique_ptr<Hosts>>;

Processes meet(size_t count, std::chrono::seconds patience = kPatience) {
  SharedStore shared;
  Processes processes(count);
  std::vector<std::thread> starting;
  for (size_t i = 0; i < count; ++i) {
    starting.emplace_back([&, i] {
      processes[i] = std::make_unique<Hosts>(shared.store(), Hosts::Settings{i, count, cat("number ", i), {"127.0.0.1"}, patience});
    });
  }
  for (std::thread& thread : starting) thread.join();
  return processes;
}

// Two cards to a process.
metal::JointProgram program_of(size_t cards, std::string name = "program", uint64_t signature = kSignature) {
  metal::JointProgram program{std::move(name), signature, {}};
  for (size_t card = 0; card < cards; ++card) program.seats.push_back({card / 2, card % 2});
  return program;
}

std::shared_ptr<Peers> start(Hosts& hosts, const metal::JointProgram& program) {
  auto peers = std::make_shared<Peers>(program.seats.size());
  peers->join(hosts.start(program, peers));
  return peers;
}

using Numbers = std::vector<int64_t>;

// A card's part in a run: the same exchange again and again, of what came from it before.
Numbers take_part(Peers& peers, size_t card, const Exchange& exchange, int turns, Numbers have) {
  try {
    for (int turn = 0; turn < turns; ++turn) {
      Numbers next(exchange.routes[card].size() * static_cast<size_t>(exchange.block_bytes) / sizeof(int64_t));
      peers.exchange(card, "shift", exchange, reinterpret_cast<const std::byte*>(have.data()), reinterpret_cast<std::byte*>(next.data()));
      have = std::move(next);
    }
  } catch (const std::exception& error) {
    peers.fail(error);
    throw;
  }
  peers.leave(card);
  return have;
}

// The message with which a card's part fails.
std::string failure_of(Peers& peers, size_t card, const Exchange& exchange) {
  try {
    take_part(peers, card, exchange, 1, Numbers(static_cast<size_t>(exchange.block_bytes) / sizeof(int64_t)));
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

void expect_in(const std::string& text, std::string_view part) { test::expect_contains(text, part, __FILE__, __LINE__); }

Exchange shift_by_one(size_t cards, int64_t block_bytes = 8) {
  Exchange shift{block_bytes, std::vector<std::vector<Route>>(cards), 3};
  for (size_t card = 0; card < cards; ++card) shift.routes[card] = {{static_cast<int64_t>((card + cards - 1) % cards), 0}};
  return shift;
}

Exchange gather(size_t cards, int64_t block_bytes = 8) {
  Exchange all{block_bytes, std::vector<std::vector<Route>>(cards), 0};
  for (auto& routes : all.routes) {
    for (size_t card = 0; card < cards; ++card) routes.push_back({static_cast<int64_t>(card), 0});
  }
  return all;
}

// Runs a program on all cards; what each has at the end.
std::vector<Numbers> run(Processes& processes, const Exchange& exchange, int turns, const std::vector<Numbers>& have) {
  std::vector<std::shared_ptr<Peers>> peers;
  for (auto& process : processes) peers.push_back(start(*process, program_of(have.size())));
  std::vector<std::future<Numbers>> parts;
  for (size_t card = 0; card < have.size(); ++card) {
    parts.push_back(std::async(std::launch::async, [&, card] { return take_part(*peers[card / 2], card, exchange, turns, have[card]); }));
  }
  std::vector<Numbers> out;
  for (auto& part : parts) out.push_back(part.get());
  return out;
}

TEST(processes_hear_what_the_others_say) {
  const Processes processes = meet(3);
  for (const auto& process : processes) EXPECT(process->greetings() == (std::vector<std::string>{"number 0", "number 1", "number 2"}));
}

TEST(cards_of_several_processes_exchange_in_step) {
  Processes processes = meet(3);
  const std::vector<Numbers> expected{{5}, {0}, {1}, {2}, {3}, {4}};
  for (int times = 0; times < 3; ++times) EXPECT(run(processes, shift_by_one(6), 601, {{0}, {1}, {2}, {3}, {4}, {5}}) == expected);
}

TEST(a_block_that_several_cards_take_is_sent_once) {
  Processes processes = meet(2);
  const Numbers all{1, 2, 3, 4};
  EXPECT(run(processes, gather(4), 1, {{1}, {2}, {3}, {4}}) == std::vector<Numbers>(4, all));
  const int64_t processes_of[] = {0, 0, 1, 1};
  EXPECT_EQ(metal::bytes_between_hosts(gather(4, 100), processes_of), int64_t{200});
  EXPECT_EQ(metal::bytes_between_hosts(shift_by_one(4, 100), processes_of), int64_t{100});
  EXPECT_EQ(metal::bytes_between_hosts(shift_by_one(4, 100), {}), int64_t{0});
}

TEST(large_blocks_go_both_ways_at_once) {
  Processes processes = meet(2);
  constexpr size_t kNumbers = 3 << 20;
  std::vector<Numbers> have;
  for (int64_t card = 0; card < 4; ++card) have.emplace_back(kNumbers, card);
  const auto got = run(processes, shift_by_one(4, kNumbers * sizeof(int64_t)), 8, have);
  EXPECT(got == have);
}

TEST(a_card_does_not_run_far_ahead_of_those_that_take_from_it) {
  Processes processes = meet(2);
  constexpr int64_t kBytes = 24 << 20;
  const Exchange down{kBytes, {{{}}, {{}}, {{0, 0}}, {{}}}, 0};
  auto sender = start(*processes[0], program_of(4)), reader = start(*processes[1], program_of(4));
  std::atomic<int> sent = 0;
  std::thread sending([&] {
    const Numbers have(kBytes / sizeof(int64_t), 9);
    Numbers nothing(have.size());
    for (int turn = 0; turn < 6; ++turn, ++sent)
      sender->exchange(0, "down", down, reinterpret_cast<const std::byte*>(have.data()), reinterpret_cast<std::byte*>(nothing.data()));
  });
  while (sent < 3) std::this_thread::yield();
  Numbers got(kBytes / sizeof(int64_t));
  for (int turn = 0; turn < 6; ++turn) {
    EXPECT(sent <= 4 + turn);
    reader->exchange(2, "down", down, nullptr, reinterpret_cast<std::byte*>(got.data()));
  }
  sending.join();
  EXPECT_EQ(got.back(), int64_t{9});
}

TEST(unequal_programs_fail_and_both_are_named) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4, "jit_f")), second = start(*processes[1], program_of(4, "jit_g"));
  auto there = std::async(std::launch::async, [&] { return failure_of(*second, 2, gather(4)); });
  expect_in(failure_of(*first, 0, gather(4)), "run 1 of those that this process has in common with process 1 (127.0.0.1:");
  expect_in(failure_of(*first, 1, gather(4)), " is jit_f here and jit_g there; all processes must run the same programs");
  expect_in(there.get(), "is jit_g here and jit_f there");
}

TEST(programs_of_one_name_are_told_apart) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4)), second = start(*processes[1], program_of(4, "program", 8));
  auto there = std::async(std::launch::async, [&] { return failure_of(*second, 2, gather(4)); });
  expect_in(failure_of(*first, 0, gather(4)), "is program here and another program of that name there");
  there.get();
}

TEST(a_run_that_fails_elsewhere_fails_here) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4));
  auto waiting = std::async(std::launch::async, [&] { return failure_of(*first, 0, gather(4)); });
  start(*processes[1], program_of(4))->fail(std::runtime_error("out of paper"));
  const std::string message = waiting.get();
  expect_in(message, "process 1 (127.0.0.1:");
  expect_in(message, "has failed in program: out of paper");
  EXPECT(run(processes, gather(4), 1, {{1}, {2}, {3}, {4}})[3] == (Numbers{1, 2, 3, 4}));  // others are not concerned
}

TEST(a_process_that_ends_fails_who_waits_for_it) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4));
  auto waiting = std::async(std::launch::async, [&] { return failure_of(*first, 0, gather(4)); });
  processes[1].reset();
  expect_in(waiting.get(), " is gone: it has closed the connection");
  EXPECT_ERROR(start(*processes[0], program_of(4)), "[program] process 1 (127.0.0.1:");
}

TEST(what_a_process_has_sent_before_it_ends_is_there) {
  Processes processes = meet(2);
  const Exchange up{8, {{{2, 0}}, {{}}, {{}}, {{}}}, 0};
  auto second = start(*processes[1], program_of(4));
  EXPECT(take_part(*second, 2, up, 1, {7}).size() == 1);
  EXPECT(take_part(*second, 3, up, 1, {8}).size() == 1);
  processes[1].reset();
  EXPECT(take_part(*start(*processes[0], program_of(4)), 0, up, 1, {0}) == (Numbers{7}));
}

TEST(a_process_that_does_not_come_is_not_waited_for_without_end) {
  Processes processes = meet(2, std::chrono::seconds(1));
  auto first = start(*processes[0], program_of(4));
  const std::string message = failure_of(*first, 0, {8, {{{2, 0}}, {{}}, {{}}, {{}}}, 0});
  expect_in(message, "[shift] card 0 waits for card 2 of process 1 (127.0.0.1:");
  expect_in(message, "from which nothing has come for 1 s; where it needs longer to get there, set JAX_TT_HOSTS_TIMEOUT");
}

TEST(cards_that_come_to_different_exchanges_fail) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4)), second = start(*processes[1], program_of(4));
  const Exchange to_third{8, {{{2, 0}}, {{}}, {{0, 0}}, {{}}}, 5};
  Exchange other = to_third;
  other.number = 6;
  auto there = std::async(std::launch::async, [&] { return failure_of(*second, 2, other); });
  const std::string here = failure_of(*first, 0, to_third), message = here + there.get();
  expect_in(message, "which is at another collective of the program; all cards of a group must come to the same collectives");
}

TEST(a_card_of_a_process_that_has_ended_its_run_is_not_waited_for) {
  Processes processes = meet(2);
  auto first = start(*processes[0], program_of(4)), second = start(*processes[1], program_of(4));
  second->leave(2);
  second->leave(3);
  const Exchange up{8, {{{2, 0}}, {{}}, {{}}, {{}}}, 0};
  expect_in(failure_of(*first, 0, up), "which has ended its run without it; all cards of a group must come to the same collectives");
}

TEST(processes_of_another_version_are_refused) {
  SharedStore shared;
  shared.put("hosts/1", "99 0 0 1 0\n");
  EXPECT_ERROR(Hosts(shared.store(), {0, 2, "", {"127.0.0.1"}, kPatience}),
               "[hosts] process 1 speaks version 99 of the protocol between hosts, this process 0 version 1; install the same jax_tt");
}

TEST(a_process_that_cannot_be_reached_is_named_with_its_addresses) {
  SharedStore shared;
  shared.put("hosts/0", "1 0 0 1 1 127.0.0.1\n");
  const std::string message = test::message_of([&] { Hosts(shared.store(), {1, 2, "", {"127.0.0.1"}, kPatience}); });
  expect_in(message, "[hosts] process 1 reaches process 0 at none of its addresses:");
  expect_in(message, "127.0.0.1 port 1: the connection is lost: Connection refused");
  expect_in(message, "Set JAX_TT_HOSTS_ADDRESS there");
}

TEST(strangers_are_not_let_in) {
  SharedStore shared;
  std::thread first([&] { Hosts(shared.store(), {0, 2, "", {"127.0.0.1"}, kPatience}); });
  std::istringstream introduction(shared.get("hosts/0", kPatience));
  uint64_t protocol = 0, secret[2];
  uint16_t port = 0;
  introduction >> protocol >> secret[0] >> secret[1] >> port;
  const auto stranger = metal::connect("127.0.0.1", port, kPatience);
  const std::string text(64, 'x');
  stranger->write({std::as_bytes(std::span(text))});
  EXPECT_EQ(Hosts(shared.store(), {1, 2, "hello", {"127.0.0.1"}, kPatience}).process(), 1u);
  first.join();
}

}  // namespace
}  // namespace tt
