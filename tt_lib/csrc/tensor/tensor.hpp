// ttTensor: a 4-D array [W, Z, Y, X] on the host or on a card. Immutable and cheap to copy; conversions return new tensors.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/shape.hpp"
#include "emulator/grayskull.hpp"
#include "tensor/card.hpp"
#include "tensor/layout.hpp"

namespace tt::tensor {

using emulator::BufferType;

struct MemoryConfig {
  bool interleaved = true;  // pages spread over all banks; else all in bank `bank_id`
  int bank_id = -1;
  BufferType buffer_type = BufferType::kDram;
  bool operator==(const MemoryConfig&) const = default;
};

struct TensorSpec {
  Dims shape;  // 4 dimensions
  DataType type;
  Layout layout = Layout::kRowMajor;
  MemoryConfig memory = {};
};
int64_t num_bytes(const TensorSpec& spec);
std::string to_string(const TensorSpec& spec);                               // "[1,1,32,32] BFLOAT16 TILE"
std::vector<std::pair<DataType, std::string_view>> data_types();             // those of tt_lib, with their names
std::string_view tensor_name(DataType type);                                 // tt_lib's spelling: "BFLOAT16"
std::string_view print_name(DataType type);                                  // as tensors print: "bfloat16"
void check_spec(const TensorSpec& spec);                                     // InvalidArgument: rank, sign, layout, format
void check_on_card(const TensorSpec& spec, const emulator::ChipSpec& chip);  // what a card cannot hold
bool fits_on_card(const TensorSpec& spec);                                   // are its rows whole pages

class Tensor {
 public:
  Tensor() = default;
  // The bytes as they lie in `spec.layout`.
  static Tensor on_host(TensorSpec spec, std::vector<std::byte> bytes);
  // The values in storage order; float -> BFLOAT16 and BFLOAT8_B truncates, as in tt_lib.
  static Tensor from_values(TensorSpec spec, std::span<const double> values);
  static Tensor on_card(TensorSpec spec, std::shared_ptr<Card> card, std::shared_ptr<metal::Buffer> buffer);
  static Tensor empty(TensorSpec spec, const std::shared_ptr<Card>& card);  // device memory of undefined content

  const TensorSpec& spec() const { return spec_; }
  const Dims& shape() const { return spec_.shape; }
  DataType type() const { return spec_.type; }
  Layout layout() const { return spec_.layout; }
  const std::shared_ptr<Card>& card() const { return card_; }  // null: on the host
  bool is_on_host() const { return card_ == nullptr; }

  std::shared_ptr<metal::Buffer> buffer(std::string_view op) const;  // of a tensor on a card; InvalidArgument once that is closed
  std::span<const std::byte> bytes() const;                          // of a tensor on the host
  std::vector<double> values() const;                                // of a tensor on the host, in storage order

  Tensor to_host() const;  // waits for the data
  Tensor to_card(const std::shared_ptr<Card>& card, MemoryConfig memory = {}) const;
  Tensor place(const std::shared_ptr<Card>& card, MemoryConfig memory = {}) const;  // the same, rows of any width: for ops
  Tensor to_layout(Layout layout) const;
  Tensor pad(std::span<const int64_t> shape, std::span<const int64_t> start, double value) const;
  Tensor unpad(std::span<const int64_t> start, std::span<const int64_t> end) const;  // inclusive end
  Tensor pad_to_tile(double value) const;
  Tensor unpad_from_tile(std::span<const int64_t> shape) const;
  Tensor with_shape(Dims shape) const;  // the same storage under another shape of equal volume

 private:
  Tensor remapped(TensorSpec spec, const AccessMap& from, std::span<const std::byte> pad) const;

  TensorSpec spec_;
  std::shared_ptr<Card> card_;
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<const std::vector<std::byte>> bytes_;
};

std::string to_text(const Tensor& tensor, Layout layout);  // one flat list: [ 1, 2, ... dtype=bfloat16 ]
std::string to_nested_text(const Tensor& tensor);          // nested lists in row-major order

}  // namespace tt::tensor
