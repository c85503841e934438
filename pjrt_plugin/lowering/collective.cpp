// Collectives: what each card takes from which, as one program that uses the links between cards.
#include <algorithm>

#include "base/error.hpp"
#include "ir/attribute_text.hpp"
#include "lowering/block.hpp"
#include "metal/exchange.hpp"

namespace tt::lowering {
namespace {

using ir::Attr;
using ir::Op;
using metal::Exchange;
using metal::Route;

// The cards that an attribute names, each of which must run the program.
Dims cards_of(const ir::Operation& operation, Attr key, int64_t cards) {
  const Dims named = ir::integers(operation.elements(key));
  if (std::any_of(named.begin(), named.end(), [&](int64_t card) { return card < -1 || card >= cards; })) {
    fail(ErrorCategory::kInvalidArgument, "among devices ", ir::to_string(operation.elements(key)), ", the program runs on ", cards,
         cards == 1 ? " device" : " devices");
  }
  return named;
}

// Calls visit(group), a list of cards without the -1 that fill up short groups.
template <class Visit>
void for_each_group(const ir::Operation& operation, int64_t cards, const Visit& visit) {
  const Dims named = cards_of(operation, Attr::kReplicaGroups, cards);
  const int64_t size = operation.elements(Attr::kReplicaGroups).type.dims[1];
  for (size_t first = 0; first < named.size(); first += static_cast<size_t>(size)) {
    Dims group(named.begin() + static_cast<std::ptrdiff_t>(first), named.begin() + static_cast<std::ptrdiff_t>(first) + size);
    std::erase(group, -1);
    visit(group);
  }
}

Exchange nothing(int64_t cards, int64_t blocks, int64_t bytes) {
  const std::vector<Route> none(static_cast<size_t>(blocks));
  return {blocks == 0 ? 0 : bytes / blocks, std::vector<std::vector<Route>>(static_cast<size_t>(cards), none)};
}

// Block t of the result: block 0 of card t of the group, or its block for this card.
Exchange among_groups(const ir::Operation& operation, int64_t cards, bool own_blocks) {
  const ir::Type& type = operation.result()->type();
  Exchange out = nothing(cards, type.dims[0], type.num_bytes());
  for_each_group(operation, cards, [&](const Dims& group) {
    for (size_t me = 0; me < group.size(); ++me) {
      std::vector<Route>& routes = out.routes[static_cast<size_t>(group[me])];
      for (size_t t = 0; t < group.size(); ++t) routes[t] = {group[t], own_blocks ? static_cast<int64_t>(me) : 0};
    }
  });
  return out;
}

Exchange from_first(const ir::Operation& operation, int64_t cards) {
  Exchange out = nothing(cards, 1, operation.result()->type().num_bytes());
  for_each_group(operation, cards, [&](const Dims& group) {
    for (const int64_t card : group) out.routes[static_cast<size_t>(card)][0] = {group[0], 0};
  });
  return out;
}

Exchange from_sources(const ir::Operation& operation, int64_t cards) {
  Exchange out = nothing(cards, 1, operation.result()->type().num_bytes());
  const Dims pairs = cards_of(operation, Attr::kSourceTargetPairs, cards);
  for (size_t i = 0; i < pairs.size(); i += 2) out.routes[static_cast<size_t>(pairs[i + 1])][0] = {pairs[i], 0};
  return out;
}

// Whether it has the form that passes::decompose leaves: one block per card of a group, where gathered with zeros behind
// those of smaller groups.
bool is_of_blocks(const ir::Operation& operation, int64_t cards) {
  const Dims &from = operation.operand(0)->type().dims, &to = operation.result()->type().dims;
  const bool gathers = operation.op() == Op::kAllGather;
  bool fits = !from.empty() && from.size() == to.size() && from[0] == (gathers ? 1 : to[0]);
  for_each_group(operation, cards, [&](const Dims& group) {
    const auto size = static_cast<int64_t>(group.size());
    fits = fits && (gathers ? size <= to[0] : size == to[0]);
  });
  return fits;
}

bool refuse_groups(BlockLowering& block, const ir::Operation& operation) {
  block.refuse(operation, "groups of different sizes that are not summed up, or a region of more than elementwise operations");
  return true;
}

// Whether every card takes its own only block, or nothing.
bool takes_own(const Exchange& exchange) {
  for (size_t card = 0; card < exchange.routes.size(); ++card) {
    if (exchange.routes[card].size() != 1 || exchange.routes[card][0].card != static_cast<int64_t>(card)) return false;
  }
  return true;
}
bool takes_nothing(const Exchange& exchange) {
  return std::all_of(exchange.routes.begin(), exchange.routes.end(), [](const auto& routes) {
    return std::all_of(routes.begin(), routes.end(), [](const Route& route) { return route.card == Route::kNobody; });
  });
}

void lower_exchange(BlockLowering& block, const ir::Operation& operation, Exchange exchange) {
  const ir::Value* const operand = operation.operand(0);
  const ir::Type& type = operation.result()->type();
  if (type.num_elements() == 0 || takes_nothing(exchange)) return block.set(operation.result(), Splat{type.element, {}});
  if (takes_own(exchange)) return block.set(operation.result(), block.ref(operand));
  const StorageId from = block.dense(operand);
  const int level = std::max(block.level_of(operand), block.builder.available(from));
  const StorageId to = block.new_result(operation.result(), level);
  exchange.number = block.context.exchanges++;
  block.run_at(level,
               metal::exchange(std::string(ir::info(operation.op()).name), operand->type().num_bytes(), type.num_bytes(),
                               std::move(exchange), block.context.processes),
               {from, to});
}

}  // namespace

bool lower_collective(BlockLowering& block, const ir::Operation& operation) {
  const int64_t cards = block.context.cards;
  switch (operation.op()) {
    case Op::kAllGather:
    case Op::kAllToAll:
      if (!is_of_blocks(operation, cards)) return refuse_groups(block, operation);
      lower_exchange(block, operation, among_groups(operation, cards, /*own_blocks=*/operation.op() == Op::kAllToAll));
      return true;
    case Op::kCollectiveBroadcast: lower_exchange(block, operation, from_first(operation, cards)); return true;
    case Op::kCollectivePermute: lower_exchange(block, operation, from_sources(operation, cards)); return true;
    case Op::kAllReduce:
    case Op::kReduceScatter: return refuse_groups(block, operation);
    case Op::kPartitionId:
      if (cards == 1) {
        block.set(operation.result(), Splat{operation.result()->type().element, {}});
      } else {
        block.run_at(0, metal::card_number("partition_id"), {block.new_result(operation.result(), 0)});
      }
      return true;
    default: return false;
  }
}

}  // namespace tt::lowering
