// What moves arrays and their pieces between devices, as operations.
#pragma once

#include <vector>

#include "ir/sharding.hpp"
#include "passes/builder.hpp"

namespace tt::passes {

// A value on the devices: its piece there, of an array of these dimensions.
struct Placed {
  ir::Value* piece;
  ir::Sharding sharding;
  Dims dims;
};

class Pieces {
 public:
  Pieces(ir::Block& main, int64_t devices) : main_(main), devices_(devices), apart_(static_cast<size_t>(devices), 0) {}

  // Devices with different numbers have nothing to do with each other: a shard_map around keeps them apart.
  const std::vector<int64_t>& apart() const { return apart_; }
  void keep_apart(std::vector<int64_t> numbers) { apart_ = std::move(numbers); }

  ir::Value* gather(const Placed& placed, Builder& b) const;                            // the whole array
  ir::Value* cut(ir::Value* whole, const ir::Sharding& sharding, Builder& b);           // the piece of this device
  ir::Value* sum_up(const Placed& placed, Builder& b, ir::Op op = ir::Op::kAdd) const;  // the addends of a piece, by an operation
  ir::Value* first_addend(ir::Value* piece, const ir::Sharding& sharding, Builder& b);  // the other addends are zero
  ir::Value* among_zeros(const Placed& placed, Builder& b);                             // the piece in the whole array
  ir::Value* is_first_device(Builder& b);                                               // an i1
  ir::Value* from_first_device(ir::Value* value, Builder& b) const;                     // what that one has

 private:
  ir::DenseElements groups_by(const std::vector<int64_t>& apart, const std::vector<int64_t>& piece, int64_t pieces) const;
  ir::Value* start_of(const ir::Sharding& sharding, size_t d, int64_t length, Builder& b);
  ir::Value* device_number(const Builder& b);

  ir::Block& main_;
  int64_t devices_;
  std::vector<int64_t> apart_;
  ir::Value* device_number_ = nullptr;
};

}  // namespace tt::passes
