// The IR: a Module of Functions; a Function is one Region; a Region has one Block; a Block has arguments and Operations in order;
// an Operation has operands (Values), results, attributes and Regions. StableHLO's semantics and names; knows nothing of devices.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/location.hpp"
#include "ir/op_table.hpp"
#include "ir/sharding.hpp"
#include "ir/types.hpp"

namespace tt::ir {

class Operation;
class Block;

// An SSA value: a result of an operation or an argument of a block. Its address is its identity.
class Value {
 public:
  Value(Type type, Operation* definer, int index) : type_(std::move(type)), definer_(definer), index_(index) {}
  Value(Type type, Block* owner, int index, const Location& location)
      : type_(std::move(type)), owner_(owner), location_(&location), index_(index) {}
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  const Type& type() const { return type_; }
  void set_type(Type type) { type_ = std::move(type); }
  Operation* definer() const { return definer_; }      // null for a block argument
  Block* block_of_argument() const { return owner_; }  // null for a result
  int index() const { return index_; }                 // among the results or arguments
  const Location& location() const;

 private:
  Type type_;
  Operation* definer_ = nullptr;
  Block* owner_ = nullptr;
  const Location* location_ = nullptr;  // of an argument
  int index_;
};

class Block {
 public:
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  Value* add_argument(Type type, const Location& location = kUnknownLocation);
  std::span<const std::unique_ptr<Value>> arguments() const { return arguments_; }
  std::vector<std::unique_ptr<Operation>>& operations() { return operations_; }
  const std::vector<std::unique_ptr<Operation>>& operations() const { return operations_; }
  Operation* append(std::unique_ptr<Operation> operation);
  Operation& terminator() const { return *operations_.back(); }  // a kReturn in every valid block

 private:
  std::vector<std::unique_ptr<Value>> arguments_;
  std::vector<std::unique_ptr<Operation>> operations_;
};

class Operation {
 public:
  Operation(Op op, std::vector<Value*> operands, std::vector<Type> result_types, const Location& location = kUnknownLocation);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  Op op() const { return op_; }
  const Location& location() const { return *location_; }

  std::span<Value* const> operands() const { return operands_; }
  Value* operand(size_t i) const { return operands_[i]; }
  void set_operand(size_t i, Value* value) { operands_[i] = value; }
  void set_operands(std::vector<Value*> values) { operands_ = std::move(values); }

  std::span<const std::unique_ptr<Value>> results() const { return results_; }
  Value* result(size_t i = 0) const { return results_[i].get(); }

  // Attributes. The typed getters fail with Internal when the attribute is absent or of another kind: the verifier has checked it.
  const Attribute* find(Attr key) const;
  void set(Attr key, Attribute value);
  const Dims& ints(Attr key) const;
  int64_t integer(Attr key) const;
  double real(Attr key) const;
  bool flag(Attr key) const;  // false when absent
  const std::string& text(Attr key) const;
  const DenseElements& elements(Attr key = Attr::kValue) const;
  const std::string& symbol(Attr key) const;
  std::span<const std::pair<Attr, Attribute>> attributes() const { return attributes_; }
  AttributeDict& discardable() { return discardable_; }  // e.g. mhlo.backend_config, jax.result_info
  const AttributeDict& discardable() const { return discardable_; }

  std::vector<std::unique_ptr<Block>>& regions() { return regions_; }
  const std::vector<std::unique_ptr<Block>>& regions() const { return regions_; }
  Block& region(size_t i = 0) const { return *regions_[i]; }
  Block& add_region();

 private:
  Op op_;
  std::vector<Value*> operands_;
  std::vector<std::unique_ptr<Value>> results_;
  std::vector<std::pair<Attr, Attribute>> attributes_;
  AttributeDict discardable_;
  std::vector<std::unique_ptr<Block>> regions_;
  const Location* location_;
};

struct Function {
  std::string name;
  std::string visibility;  // "public", "private" or empty
  std::vector<Type> argument_types() const;
  std::vector<Type> result_types;
  std::vector<AttributeDict> argument_attributes;              // e.g. tf.aliasing_output, jax.buffer_donor, mhlo.sharding
  std::vector<AttributeDict> result_attributes;                // e.g. jax.result_info
  std::vector<Sharding> argument_shardings, result_shardings;  // of main, once the program is that of one device; empty for tokens
  std::unique_ptr<Block> body;
  const Location* location = &kUnknownLocation;
};

// A device mesh of the program (Shardy): what its sharding annotations refer to.
struct Mesh {
  std::string name;
  std::string text;  // <["x"=2]>
  AttributeDict attributes;
  const Location* location = &kUnknownLocation;
};

struct Module {
  Locations locations;  // of all that is inside
  const Location* location = &kUnknownLocation;
  std::string name;
  std::vector<Mesh> meshes;
  AttributeDict attributes;  // mhlo.num_partitions, mhlo.num_replicas
  std::vector<std::unique_ptr<Function>> functions;

  Function* find(std::string_view function) const;  // null when absent
  Function& main() const;                           // fails with InvalidArgument when absent
};

int64_t num_partitions(const Module& module);  // devices that run it together

bool is_placement(const Operation& operation);  // a custom call that moves its operand to another memory
bool has_effect(const Operation& operation);    // it, or one in its regions, does more than to make its results
bool has_effect(const Block& block);

// Copies the operations of `from` (all but its terminator) to the end of `to`, its arguments replaced by `arguments`;
std::vector<Value*> inline_block(const Block& from, std::span<Value* const> arguments, Block& to);  // returns what it returned

std::string print(const Module& module);                        // StableHLO text as MLIR's pretty printer writes it
std::string print(const Module& module, LocationNames& names);  // with locations; the first module printed gives them their names
std::string print(const Operation& operation);
void verify(const Module& module);  // fails with InvalidArgument, naming the op, its location and the rule it breaks

}  // namespace tt::ir
