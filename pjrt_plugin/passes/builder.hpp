// Makes the operations that stand for another one: each gets its location and is held to StableHLO's rules at once.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/ir.hpp"

namespace tt::passes {

class Builder {
 public:
  using Attributes = std::vector<std::pair<ir::Attr, ir::Attribute>>;

  Builder(ir::Block& block, const ir::Location& location, int64_t number = 0) : block_(block), location_(location), number_(number) {}

  Builder within(ir::Block& region) const { return {region, location_, number_}; }
  int64_t number() const { return number_; }  // which of a pass's replacements in a module this is

  std::unique_ptr<ir::Operation> operation(ir::Op op, std::vector<ir::Value*> operands, std::vector<ir::Type> results,
                                           Attributes attributes = {}) const;
  ir::Operation& append(std::unique_ptr<ir::Operation> operation);
  ir::Value* make(ir::Op op, std::vector<ir::Value*> operands, ir::Type result, Attributes attributes = {});

  ir::Value* constant(const ir::Type& type, double value);  // everywhere the same
  ir::Value* constant(const ir::Type& type, std::vector<std::byte> elements);
  ir::Value* same_type(ir::Op op, std::initializer_list<ir::Value*> operands);  // elementwise, of the first operand's type
  ir::Value* convert(ir::Value* value, DataType element);                       // itself when it has that element type
  ir::Value* compare(std::string_view direction, ir::Value* a, ir::Value* b);
  ir::Value* broadcast(ir::Value* value, Dims dimensions, const Dims& result);  // dimension d of the value is dimensions[d] of the result
  ir::Value* sum(ir::Value* value, Dims dimensions);
  ir::Value* element(const Dims& table, ir::Value* index);  // a scalar i32, of a constant; `index` is a scalar

 private:
  ir::Block& block_;
  const ir::Location& location_;
  int64_t number_;
};

}  // namespace tt::passes
