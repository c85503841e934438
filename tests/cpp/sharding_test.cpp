// What Shardy's annotations say, and exchanges between cards.
#include "ir/sharding.hpp"

#include <numeric>
#include <thread>

#include "ir/ir.hpp"
#include "metal/device_registry.hpp"
#include "metal/exchange.hpp"
#include "test.hpp"

namespace tt {
namespace {

using ir::Sharding;
using metal::Exchange;
using metal::Peers;
using metal::Route;

const std::vector<ir::Mesh> kMeshes = {{"mesh", R"(<["x"=2, "y"=4]>)", {}},
                                       {"turned", R"(<["x"=2, "y"=4], device_ids=[7, 6, 5, 4, 3, 2, 1, 0]>)", {}}};

Sharding read(std::string_view text, size_t rank, const ir::AxisNames* only = nullptr) {
  return ir::read_sharding(text, kMeshes, rank, 8, only);
}

Dims pieces(const Sharding& sharding, size_t dimension) {
  Dims out;
  for (const Dims& piece : sharding.piece_of) out.push_back(piece[dimension]);
  return out;
}

TEST(axes_cut_dimensions) {
  const Sharding sharding = read(R"(<@mesh, [{"y"}, {}, {"x", ?}p1]>)", 3);
  EXPECT(sharding.counts == (Dims{4, 1, 2}));
  EXPECT(pieces(sharding, 0) == (Dims{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT(pieces(sharding, 2) == (Dims{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT(sharding.piece_dims({8, 3, 6}) == (Dims{2, 3, 3}));
  EXPECT(!sharding.divides({8, 3, 5}));
}

TEST(a_dimension_can_have_several_axes_and_parts_of_them) {
  EXPECT(pieces(read(R"(<@mesh, [{"y", "x"}]>)", 1), 0) == (Dims{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT(pieces(read(R"(<@mesh, [{"y":(2)2}]>)", 1), 0) == (Dims{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT(pieces(read(R"(<@mesh, [{"y":(1)2}]>)", 1), 0) == (Dims{0, 0, 1, 1, 0, 0, 1, 1}));
}

TEST(a_mesh_can_have_its_devices_in_any_order) {
  EXPECT(pieces(read(R"(<@turned, [{"x", "y"}]>)", 1), 0) == (Dims{7, 6, 5, 4, 3, 2, 1, 0}));
}

TEST(axes_can_be_left_out_or_hold_addends) {
  const ir::AxisNames only{"x"};
  EXPECT(read(R"(<@mesh, [{"x", "y"}]>)", 1, &only).counts == (Dims{2}));
  const Sharding sharding = read(R"(<@mesh, [{"x"}], replicated={}, unreduced={"y"}>)", 1);
  EXPECT_EQ(sharding.addends, int64_t{4});
  EXPECT(sharding.addend_of == (Dims{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT(!read(R"(<@mesh, [{}], unreduced={"y"}>)", 1).is_replicated());
  EXPECT(read(R"(<@mesh, [{}], replicated={"y"}>)", 1).is_replicated());
}

TEST(a_piece_of_a_piece_is_a_piece) {
  const Sharding outer = read(R"(<@mesh, [{"x"}]>)", 1), inner = read(R"(<@mesh, [{"y"}]>)", 1);
  EXPECT(inner.within(outer) == read(R"(<@mesh, [{"x", "y"}]>)", 1));
}

TEST(annotations_that_say_nothing_sensible_are_refused) {
  EXPECT_ERROR(read(R"(<@none, [{}]>)", 1), "[sharding] the program has no mesh @none");
  EXPECT_ERROR(read(R"(<@mesh, [{"z"}]>)", 1), "[sharding] the mesh has no axis \"z\"");
  EXPECT_ERROR(read(R"(<@mesh, [{}, {}]>)", 1), "for an array of 1 dimensions");
  EXPECT_ERROR(read(R"(<@mesh, [{"y":(3)2}]>)", 1), "(3)2 of axis \"y\" of 4 devices");
  EXPECT_ERROR(read(R"(<@mesh, [{"x" "y"}]>)", 1), "expected , before");
  EXPECT_ERROR(ir::read_sharding(R"(<@mesh, [{"x"}]>)", kMeshes, 1, 4), "[sharding] a mesh of 8 devices in a program of 4 partitions");
}

// Every card runs `turns` exchanges of a block of one number; what each has at the end.
std::vector<int64_t> run_cards(const Exchange& exchange, int turns, std::vector<int64_t> have) {
  Peers peers(have.size());
  std::vector<std::thread> cards;
  for (size_t card = 0; card < have.size(); ++card) {
    cards.emplace_back([&, card] {
      for (int turn = 0; turn < turns; ++turn) {
        int64_t next = 0;
        peers.exchange(card, "shift", exchange, reinterpret_cast<const std::byte*>(&have[card]), reinterpret_cast<std::byte*>(&next));
        have[card] = next;
      }
      peers.leave(card);
    });
  }
  for (std::thread& card : cards) card.join();
  return have;
}

TEST(cards_exchange_in_step) {
  Exchange shift{8, std::vector<std::vector<Route>>(5)};
  for (int64_t card = 0; card < 5; ++card) shift.routes[static_cast<size_t>(card)] = {{(card + 4) % 5, 0}};
  EXPECT(run_cards(shift, 1001, {0, 1, 2, 3, 4}) == (std::vector<int64_t>{4, 0, 1, 2, 3}));
}

TEST(cards_that_get_nothing_have_zeros) {
  const Exchange one{8, {{{1, 0}}, {{}}}};
  EXPECT(run_cards(one, 1, {5, 7}) == (std::vector<int64_t>{7, 0}));
}

TEST(a_card_that_waits_for_one_that_has_left_fails) {
  Peers peers(2);
  const Exchange both{8, {{{1, 0}}, {{0, 0}}}};
  peers.leave(1);
  int64_t have = 1, next = 0;
  EXPECT_ERROR(peers.exchange(0, "all_gather", both, reinterpret_cast<const std::byte*>(&have), reinterpret_cast<std::byte*>(&next)),
               "[all_gather] card 0 waits for card 1, which has ended its run without it");
}

TEST(a_card_that_nobody_takes_from_any_more_fails) {
  Peers peers(2);
  const Exchange to_second{8, {{{}}, {{0, 0}}}};
  peers.leave(1);
  int64_t have = 1, next = 0;
  EXPECT_ERROR(
      peers.exchange(0, "collective_permute", to_second, reinterpret_cast<const std::byte*>(&have), reinterpret_cast<std::byte*>(&next)),
      "[collective_permute] card 0 waits for card 1, which has ended its run without it");
}

TEST(a_failure_reaches_those_who_wait) {
  Peers peers(2);
  const Exchange both{8, {{{1, 0}}, {{0, 0}}}};
  std::string message;
  std::thread waiting([&] {
    int64_t have = 1, next = 0;
    try {
      peers.exchange(0, "all_gather", both, reinterpret_cast<const std::byte*>(&have), reinterpret_cast<std::byte*>(&next));
    } catch (const Error& error) {
      message = error.what();
    }
  });
  peers.fail(Error(ErrorCategory::kInternal, "card 1 is on fire"));
  waiting.join();
  EXPECT_EQ(message, std::string("card 1 is on fire"));
}

}  // namespace
}  // namespace tt
