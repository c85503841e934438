// Kernel programs that users write: what a custom call of a name that they registered comes to. In JAX: jax.ffi.ffi_call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/data_type.hpp"
#include "base/error.hpp"
#include "base/shape.hpp"
#include "emulator/grayskull.hpp"
#include "metal/program.hpp"

namespace tt::metal {

struct ArrayType {
  DataType element;
  Dims dims;  // row-major
  int64_t num_elements() const { return volume(dims); }
  int64_t num_bytes() const { return volume(dims) * size_of(element); }
};

struct CustomCall {
  using Attribute = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

  std::string target;
  const emulator::ChipSpec& chip;
  std::vector<ArrayType> inputs, outputs;
  std::map<std::string, Attribute> attributes;  // keyword arguments of the call; those of a dict in it as "dict.key"

  // Each fails with InvalidArgument where the attribute is absent or of another kind. An integer is a real number, too.
  bool flag(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  double real(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  std::vector<int64_t> integers(const std::string& name) const;
  std::vector<double> reals(const std::string& name) const;

  Program new_program() const;  // with a slot for each array, inputs first
};

using CreateProgram = Program (*)(const CustomCall& call);

void register_custom_call(const std::string& target, CreateProgram create);  // InvalidArgument: the name is another function's
CreateProgram find_custom_call(const std::string& target);                   // null: nobody registered it

// What `create` makes of the call: valid on its chip, with the slots of its arrays.
Program create_program(CreateProgram create, const CustomCall& call);

}  // namespace tt::metal

extern "C" {
// For Python and other hosts: `create` is a tt::metal::CreateProgram. Returns 0, or else leaves a message of less than `size` bytes.
__attribute__((visibility("default"))) int tt_register_custom_call(const char* target, void* create, char* message, size_t size);
}
