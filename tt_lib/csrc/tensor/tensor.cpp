// Tensors: construction, moves between host and card, conversions on the host.
#include "tensor/tensor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "emulator/grayskull.hpp"
#include "emulator/tile_program.hpp"

namespace tt::tensor {
namespace {

constexpr int64_t kTileElements = kTileHeight * kTileWidth;

struct TypeName {
  DataType type;
  std::string_view name, printed;
};

constexpr TypeName kTypeNames[] = {
    {DataType::kBF16, "BFLOAT16", "bfloat16"},    {DataType::kF32, "FLOAT32", "float32"}, {DataType::kU32, "UINT32", "uint32"},
    {DataType::kBFP8B, "BFLOAT8_B", "bfloat8_b"}, {DataType::kF16, "FLOAT16", "float16"}, {DataType::kF64, "FLOAT64", "float64"},
    {DataType::kS32, "INT32", "int32"},           {DataType::kS16, "INT16", "int16"},     {DataType::kS8, "INT8", "int8"},
    {DataType::kU16, "UINT16", "uint16"},         {DataType::kU8, "UINT8", "uint8"},      {DataType::kPred, "BOOL", "bool"},
};

const TypeName& names(DataType type) {
  const auto* const found = std::find_if(std::begin(kTypeNames), std::end(kTypeNames), [&](const TypeName& t) { return t.type == type; });
  require(found != std::end(kTypeNames), "[tensor] elements of type ", tt::name(type), " are not supported by tt_lib");
  return *found;
}

std::array<std::byte, 8> one_element(DataType type, double value) {
  std::array<std::byte, 8> bytes{};
  emulator::convert_elements(DataType::kF64, reinterpret_cast<const std::byte*>(&value), type, bytes.data(), 1);
  return bytes;
}

std::vector<std::byte> pack_values(DataType type, std::span<const double> values) {
  std::vector<std::byte> bytes;
  if (type == DataType::kBFP8B) {
    const std::vector<float> floats(values.begin(), values.end());
    bytes.resize(values.size() / kTileElements * kBfp8TileBytes);
    for (size_t t = 0; t * kTileElements < floats.size(); ++t)
      pack_bfp8(&floats[t * kTileElements], &bytes[t * kBfp8TileBytes], Bfp8Rounding::kTruncate);
    return bytes;
  }
  bytes.resize(values.size() * static_cast<size_t>(size_of(type)));
  if (type == DataType::kBF16) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto high = static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(values[i])) >> 16);
      std::memcpy(&bytes[2 * i], &high, 2);
    }
    return bytes;
  }
  emulator::convert_elements(DataType::kF64, reinterpret_cast<const std::byte*>(values.data()), type, bytes.data(), values.size());
  return bytes;
}

void check_host_row_major(const Tensor& tensor, std::string_view method) {
  require(tensor.is_on_host(), "[", method, "] Tensor must be on host for padding/unpadding; use to(host) first");
  require(tensor.layout() == Layout::kRowMajor, "[", method, "] Tensor layout must be ROW_MAJOR for padding/unpadding, got ",
          name(tensor.layout()));
}

}  // namespace

std::vector<std::pair<DataType, std::string_view>> data_types() {
  std::vector<std::pair<DataType, std::string_view>> types;
  for (const TypeName& row : kTypeNames) types.emplace_back(row.type, row.name);
  return types;
}

std::string_view tensor_name(DataType type) { return names(type).name; }
std::string_view print_name(DataType type) { return names(type).printed; }

int64_t num_bytes(const TensorSpec& spec) {
  if (spec.type == DataType::kBFP8B) return volume(spec.shape) / kTileElements * kBfp8TileBytes;
  return volume(spec.shape) * size_of(spec.type);
}

std::string to_string(const TensorSpec& spec) {
  return cat(tt::to_string(spec.shape), " ", tensor_name(spec.type), " ", name(spec.layout));
}

void check_spec(const TensorSpec& spec) {
  require(spec.shape.size() == 4, "[Tensor] shape has ", spec.shape.size(), " dimensions, expected 4: [W, Z, Y, X]");
  for (const int64_t d : spec.shape) require(d >= 0, "[Tensor] shape ", Text(spec.shape), " has a negative dimension");
  names(spec.type);
  require(spec.type != DataType::kBFP8B || spec.layout == Layout::kTile, "[Tensor] Only TILE layout is supported for BFLOAT8_B dtype! Got ",
          name(spec.layout));
  require(fits(spec.layout, spec.shape), "[Tensor] Tensor shape incompatible for specified layout: ", Text(spec.shape),
          " as TILE needs multiples of 32 in the last two dimensions; see pad_to_tile");
}

bool fits_on_card(const TensorSpec& spec) {
  if (spec.layout == Layout::kTile) return true;
  const int64_t row = spec.shape[spec.layout == Layout::kRowMajor ? 3 : 1];
  return row * size_of(spec.type) % 4 == 0;
}

void check_on_card(const TensorSpec& spec, const emulator::ChipSpec& chip) {
  const MemoryConfig& memory = spec.memory;
  require(fits_on_card(spec), "[Tensor] Input tensor ", spec.layout == Layout::kRowMajor ? "width" : "channel",
          " must be a multiple of 2 to pack interleaved ", spec.layout == Layout::kRowMajor ? "row major" : "channels last",
          " data: a row of ", Text(spec), " is no multiple of 4 bytes");
  if (!memory.interleaved) {
    require(memory.bank_id >= 0 && memory.bank_id < chip.dram_channels, "[MemoryConfig] bank_id is ", memory.bank_id, ", expected 0..",
            chip.dram_channels - 1, " for a tensor that is not interleaved");
    if (num_bytes(spec) > chip.dram_channel_bytes)
      fail(ErrorCategory::kOutOfMemory, "Cannot allocate ", num_bytes(spec), " bytes for buffer in bank ", memory.bank_id, " of ",
           chip.dram_channel_bytes, " bytes");
  }
  const int64_t l1 = emulator::num_compute_cores(chip) * chip.l1_usable;
  if (memory.buffer_type == BufferType::kL1 && num_bytes(spec) > l1)
    fail(ErrorCategory::kOutOfMemory, "Not enough space for ", num_bytes(spec), " bytes in L1: all cores together have ", l1);
}

Tensor Tensor::on_host(TensorSpec spec, std::vector<std::byte> bytes) {
  check_spec(spec);
  require(static_cast<int64_t>(bytes.size()) == num_bytes(spec), "[Tensor] ", bytes.size(), " bytes for ", Text(spec), ", expected ",
          num_bytes(spec));
  Tensor tensor;
  tensor.spec_ = std::move(spec);
  tensor.spec_.memory = {};
  tensor.bytes_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return tensor;
}

Tensor Tensor::from_values(TensorSpec spec, std::span<const double> values) {
  check_spec(spec);
  require(static_cast<int64_t>(values.size()) == volume(spec.shape),
          "[Tensor] Tensor shape and number of data elements does not match: ", Text(spec.shape), " holds ", volume(spec.shape),
          ", the list has ", values.size());
  std::vector<std::byte> bytes = pack_values(spec.type, values);
  return on_host(std::move(spec), std::move(bytes));
}

Tensor Tensor::on_card(TensorSpec spec, std::shared_ptr<Card> card, std::shared_ptr<metal::Buffer> buffer) {
  check_spec(spec);
  check(buffer->size() >= num_bytes(spec), "[Tensor] a buffer of ", buffer->size(), " bytes for ", Text(spec));
  Tensor tensor;
  tensor.spec_ = std::move(spec);
  tensor.storage_ = card->hold(std::move(buffer));
  tensor.card_ = std::move(card);
  return tensor;
}

Tensor Tensor::empty(TensorSpec spec, const std::shared_ptr<Card>& card) {
  check_spec(spec);
  auto buffer = card->device()->allocate(num_bytes(spec));
  return on_card(std::move(spec), card, std::move(buffer));
}

std::shared_ptr<metal::Buffer> Tensor::buffer(std::string_view op) const {
  require(card_ != nullptr, "[", op, "] the tensor is on the host; move it with to(device)");
  return card_->use(*storage_, op);
}

std::span<const std::byte> Tensor::bytes() const {
  require(bytes_ != nullptr, "[data] the tensor is on the device; use to(host) first");
  return *bytes_;
}

std::vector<double> Tensor::values() const {
  const std::span<const std::byte> stored = bytes();
  std::vector<double> values(static_cast<size_t>(volume(spec_.shape)));
  if (spec_.type == DataType::kBFP8B) {
    std::array<float, kTileElements> tile;
    for (size_t t = 0; t * kTileElements < values.size(); ++t) {
      unpack_bfp8(&stored[t * kBfp8TileBytes], tile.data());
      std::copy(tile.begin(), tile.end(), values.begin() + static_cast<ptrdiff_t>(t * kTileElements));
    }
    return values;
  }
  emulator::convert_elements(spec_.type, stored.data(), DataType::kF64, reinterpret_cast<std::byte*>(values.data()), values.size());
  return values;
}

Tensor Tensor::to_host() const {
  if (is_on_host()) return *this;
  const auto data = buffer("to");
  data->ready().wait();
  std::vector<std::byte> bytes(data->data(), data->data() + num_bytes(spec_));
  return on_host(spec_, std::move(bytes));
}

Tensor Tensor::to_card(const std::shared_ptr<Card>& card, MemoryConfig memory) const {
  TensorSpec spec = spec_;
  spec.memory = memory;
  check_on_card(spec, card->device()->chip());
  return place(card, memory);
}

Tensor Tensor::place(const std::shared_ptr<Card>& card, MemoryConfig memory) const {
  const auto device = card->device();
  TensorSpec spec = spec_;
  spec.memory = memory;
  if (!is_on_host()) {
    require(card_ == card, "[to] Currently do not support moving between devices; use to(host) first");
    const auto from = buffer("to");
    Tensor copy = empty(std::move(spec), card);
    const auto to = copy.buffer("to");
    to->set_ready(device->enqueue([from, to, ready = from->ready()] {
      ready.wait();
      std::memcpy(to->data(), from->data(), static_cast<size_t>(to->size()));
    }));
    return copy;
  }
  Tensor moved = empty(std::move(spec), card);
  const auto to = moved.buffer("to");
  if (!bytes_->empty()) std::memcpy(to->data(), bytes_->data(), bytes_->size());
  return moved;
}

// A host tensor of `spec` whose element i, in row-major order, is element from(i) of this one's storage.
Tensor Tensor::remapped(TensorSpec spec, const AccessMap& from, std::span<const std::byte> pad) const {
  const auto element = static_cast<size_t>(size_of(spec_.type));
  const int64_t count = volume(spec.shape);
  std::vector<std::byte> row_major(static_cast<size_t>(count) * element), bytes(row_major.size());
  emulator::gather_mapped(from, element, bytes_->data(), 0, count, row_major.data(), pad.empty() ? nullptr : pad.data());
  if (spec.layout == Layout::kRowMajor) return on_host(std::move(spec), std::move(row_major));
  emulator::scatter_mapped(storage_map(spec.layout, spec.shape), element, row_major.data(), 0, count, bytes.data());
  return on_host(std::move(spec), std::move(bytes));
}

Tensor Tensor::to_layout(Layout layout) const {
  require(is_on_host(), "[to] Bring tensor to host before converting to target layout");
  if (layout == spec_.layout) return *this;
  require(layout == Layout::kRowMajor || spec_.layout == Layout::kRowMajor, "[to] Unsupported layout conversion: ", name(spec_.layout),
          " to ", name(layout), "; go through ROW_MAJOR");
  require(fits(layout, spec_.shape), "[to] Unsupported shape for tensor conversion: ", Text(spec_.shape),
          " as TILE needs multiples of 32 in the last two dimensions; see pad_to_tile");
  require(spec_.type != DataType::kBFP8B, "[to] BFLOAT8_B exists in TILE layout only");
  TensorSpec spec = spec_;
  spec.layout = layout;
  return remapped(std::move(spec), storage_map(spec_.layout, spec_.shape), {});
}

Tensor Tensor::pad(std::span<const int64_t> shape, std::span<const int64_t> start, double value) const {
  check_host_row_major(*this, "pad");
  require(shape.size() == 4 && start.size() == 4, "[pad] expected 4 output dimensions and 4 start indices, got ", shape.size(), " and ",
          start.size());
  AccessMap map = storage_map(spec_.layout, spec_.shape);
  for (size_t d = 0; d < 4; ++d) {
    require(start[d] >= 0 && start[d] + spec_.shape[d] <= shape[d], "[pad] dimension ", d, " of ", Text(spec_.shape), " at ", start[d],
            " does not fit into ", Text(shape));
    map.dims[d] = {shape[d], map.dims[d].stride, start[d], start[d] + spec_.shape[d]};
  }
  TensorSpec spec = spec_;
  spec.shape.assign(shape.begin(), shape.end());
  return remapped(std::move(spec), map, one_element(spec_.type, value));
}

Tensor Tensor::unpad(std::span<const int64_t> start, std::span<const int64_t> end) const {
  check_host_row_major(*this, "unpad");
  require(start.size() == 4 && end.size() == 4, "[unpad] expected 4 start and 4 end indices, got ", start.size(), " and ", end.size());
  AccessMap map = storage_map(spec_.layout, spec_.shape);
  TensorSpec spec = spec_;
  for (size_t d = 0; d < 4; ++d) {
    require(start[d] >= 0 && start[d] <= end[d] && end[d] < spec_.shape[d], "[unpad] dimension ", d, ": elements ", start[d], "..", end[d],
            " (end inclusive) of ", Text(spec_.shape));
    spec.shape[d] = map.dims[d].size = end[d] - start[d] + 1;
    map.offset += start[d] * map.dims[d].stride;
  }
  return remapped(std::move(spec), map, {});
}

Tensor Tensor::pad_to_tile(double value) const {
  const Dims shape{spec_.shape[0], spec_.shape[1], round_up(spec_.shape[2], kTileHeight), round_up(spec_.shape[3], kTileWidth)};
  return pad(shape, Dims(4, 0), value);
}

Tensor Tensor::unpad_from_tile(std::span<const int64_t> shape) const {
  check_host_row_major(*this, "unpad_from_tile");
  require(shape.size() == 4, "[unpad_from_tile] expected 4 dimensions, got ", shape.size());
  for (size_t d = 0; d < 2; ++d)
    require(shape[d] == spec_.shape[d], "[unpad_from_tile] dimension ", d, " is ", shape[d], ", expected ", spec_.shape[d],
            " as in the input");
  for (size_t d = 2; d < 4; ++d) {
    require(spec_.shape[d] % 32 == 0, "[unpad_from_tile] Last 2 dims of input shape must be multiples of 32, got ", Text(spec_.shape));
    require(spec_.shape[d] - 32 < shape[d] && shape[d] <= spec_.shape[d], "[unpad_from_tile] dimension ", d, " is ", shape[d],
            ", expected ", spec_.shape[d] - 31, "..", spec_.shape[d]);
  }
  Dims end(shape.begin(), shape.end());
  for (int64_t& e : end) --e;
  return unpad(Dims(4, 0), end);
}

Tensor Tensor::with_shape(Dims shape) const {
  Tensor tensor = *this;
  tensor.spec_.shape = std::move(shape);
  check_spec(tensor.spec_);
  check(volume(tensor.spec_.shape) == volume(spec_.shape), "[reshape] volumes differ");
  return tensor;
}

}  // namespace tt::tensor
