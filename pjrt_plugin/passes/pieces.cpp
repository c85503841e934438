// Collectives between the devices that need each other, and what each cuts out by its number.
#include "passes/pieces.hpp"

#include <cstring>
#include <iterator>
#include <map>
#include <utility>

#include "base/error.hpp"

namespace tt::passes {

using ir::Attr;
using ir::Op;
using ir::Sharding;
using ir::Type;
using ir::Value;

namespace {

std::vector<int64_t> tiles(const Sharding& sharding) {
  std::vector<int64_t> out;
  for (size_t p = 0; p < sharding.partitions(); ++p) out.push_back(sharding.tile_of(p));
  return out;
}

// Of an array that is everywhere the same.
Value* uniform_piece(Value* all, const Type& type, Builder& b) {
  const ir::Operation* maker = all->definer();
  if (maker == nullptr) return nullptr;
  if (maker->op() == Op::kBroadcastInDim && maker->operand(0)->type().dims.empty()) return b.broadcast(maker->operand(0), {}, type.dims);
  if (maker->op() != Op::kConstant || !maker->elements().splat) return nullptr;
  ir::DenseElements splat = maker->elements();
  splat.type = type;
  return b.make(Op::kConstant, {}, type, {{Attr::kValue, {std::move(splat), {}}}});
}

}  // namespace

// The addends of a piece, on all devices that have one.
Value* Pieces::sum_up(const Placed& placed, Builder& b, Op op) const {
  const Type& type = placed.piece->type();
  std::vector<int64_t> apart = apart_;
  for (size_t p = 0; p < apart.size(); ++p) apart[p] = apart[p] * placed.sharding.num_tiles() + placed.sharding.tile_of(p);
  auto sum = b.operation(Op::kAllReduce, {placed.piece}, {type},
                         {{Attr::kReplicaGroups, {groups_by(apart, placed.sharding.addend_of, placed.sharding.addends), {}}}});
  ir::Block& region = sum->add_region();
  const Type scalar = Type::tensor(type.element, {});
  Builder inside = b.within(region);
  Value *x = region.add_argument(scalar), *y = region.add_argument(scalar);
  inside.append(inside.operation(Op::kReturn, {inside.same_type(op, {x, y})}, {}));
  return b.append(std::move(sum)).result();
}

// The others are zero.
Value* Pieces::first_addend(Value* piece, const Sharding& sharding, Builder& b) {
  Value* first = b.compare("EQ", b.element(sharding.addend_of, device_number(b)), b.constant(Type::tensor(DataType::kS32, {}), 0));
  return b.make(Op::kSelect, {first, piece, b.constant(piece->type(), 0)}, piece->type());
}

Value* Pieces::among_zeros(const Placed& placed, Builder& b) {
  const Dims& local = placed.piece->type().dims;
  const Type whole = Type::tensor(placed.piece->type().element, placed.dims);
  std::vector<Value*> operands{b.constant(whole, 0), placed.piece};
  for (size_t d = 0; d < local.size(); ++d) operands.push_back(start_of(placed.sharding, d, local[d], b));
  return b.make(Op::kDynamicUpdateSlice, std::move(operands), whole);
}

// The groups of devices that together have every piece once, each in the order of the pieces. Devices that a shard_map around keeps apart
// are in different groups.
ir::DenseElements Pieces::groups_by(const std::vector<int64_t>& apart, const std::vector<int64_t>& piece, int64_t pieces) const {
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> owners;  // in order of what keeps them apart
  for (size_t p = 0; p < piece.size(); ++p) owners[{apart[p], piece[p]}].push_back(static_cast<int64_t>(p));
  std::vector<int64_t> devices;
  for (auto first = owners.begin(); first != owners.end(); first = std::next(first, pieces)) {
    for (size_t copy = 0; copy < first->second.size(); ++copy) {
      auto owner = first;
      for (int64_t i = 0; i < pieces; ++i, ++owner) {
        check(owner != owners.end() && owner->first == std::pair(first->first.first, i) && owner->second.size() == first->second.size(),
              "[partition] devices have different numbers of copies of their pieces");
        devices.push_back(owner->second[copy]);
      }
    }
  }
  std::vector<std::byte> bytes(devices.size() * sizeof(int64_t));
  std::memcpy(bytes.data(), devices.data(), bytes.size());
  const Type type = Type::tensor(DataType::kS64, {static_cast<int64_t>(devices.size()) / pieces, pieces});
  return {type, false, std::make_shared<const std::vector<std::byte>>(std::move(bytes))};
}

// [l0, l1 ...] -> [tiles, l0, l1 ...] -> [c0, c1 ..., l0, l1 ...] -> [c0, l0, c1, l1 ...] -> [c0 * l0, c1 * l1 ...]
Value* Pieces::gather(const Placed& placed, Builder& b) const {
  const Sharding& sharding = placed.sharding;
  const Dims local = placed.piece->type().dims;
  const DataType element = placed.piece->type().element;
  Value* piece = sharding.addends == 1 ? placed.piece : sum_up(placed, b);
  if (sharding.num_tiles() == 1) return piece;
  Dims stacked = local;
  stacked.insert(stacked.begin(), 1);
  piece = b.make(Op::kReshape, {piece}, Type::tensor(element, stacked));
  stacked[0] = sharding.num_tiles();
  Value* all = b.make(
      Op::kAllGather, {piece}, Type::tensor(element, stacked),
      {{Attr::kAllGatherDim, {int64_t{0}, {}}}, {Attr::kReplicaGroups, {groups_by(apart_, tiles(sharding), sharding.num_tiles()), {}}}});
  Dims split = sharding.counts, order, mixed;
  split.insert(split.end(), local.begin(), local.end());
  all = b.make(Op::kReshape, {all}, Type::tensor(element, split));
  for (size_t d = 0; d < local.size(); ++d) {
    order.insert(order.end(), {static_cast<int64_t>(d), static_cast<int64_t>(d + local.size())});
    mixed.insert(mixed.end(), {sharding.counts[d], local[d]});
  }
  all = b.make(Op::kTranspose, {all}, Type::tensor(element, mixed), {{Attr::kPermutation, {std::move(order), {}}}});
  return b.make(Op::kReshape, {all}, Type::tensor(element, placed.dims));
}

Value* Pieces::cut(Value* all, const Sharding& sharding, Builder& b) {
  const Dims local = sharding.piece_dims(all->type().dims);
  if (local == all->type().dims) return all;
  const Type type = Type::tensor(all->type().element, local);
  if (Value* same = uniform_piece(all, type, b)) return same;
  std::vector<Value*> operands{all};
  for (size_t d = 0; d < local.size(); ++d) operands.push_back(start_of(sharding, d, local[d], b));
  return b.make(Op::kDynamicSlice, std::move(operands), type, {{Attr::kSliceSizes, {local, {}}}});
}

// Where the piece of this device begins along a dimension.
Value* Pieces::start_of(const Sharding& sharding, size_t d, int64_t length, Builder& b) {
  if (sharding.counts[d] == 1) return b.constant(Type::tensor(DataType::kS32, {}), 0);
  Dims starts;
  for (const Dims& piece : sharding.piece_of) starts.push_back(piece[d] * length);
  return b.element(starts, device_number(b));
}

// Made once, before everything else.
Value* Pieces::device_number(const Builder& b) {
  if (device_number_ == nullptr) {
    ir::Block front;
    Builder first = b.within(front);
    device_number_ = first.make(Op::kPartitionId, {}, Type::tensor(DataType::kU32, {}));
    auto& operations = main_.operations();
    operations.insert(operations.begin(), std::move(front.operations().front()));
  }
  return device_number_;
}

Value* Pieces::is_first_device(Builder& b) { return b.compare("EQ", device_number(b), b.constant(Type::tensor(DataType::kU32, {}), 0)); }

Value* Pieces::from_first_device(Value* value, Builder& b) const {
  std::vector<int64_t> each;
  for (int64_t device = 0; device < devices_; ++device) each.push_back(device);
  return b.make(Op::kCollectiveBroadcast, {value}, value->type(), {{Attr::kReplicaGroups, {groups_by(apart_, each, devices_), {}}}});
}

}  // namespace tt::passes
