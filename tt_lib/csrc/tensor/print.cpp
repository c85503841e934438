// Tensors as text, the way tt_lib prints them: numbers with six significant digits.
#include <sstream>

#include "base/error.hpp"
#include "tensor/tensor.hpp"

namespace tt::tensor {
namespace {

Tensor in_layout(const Tensor& tensor, Layout layout) {
  Tensor host = tensor.to_host();
  if (host.type() == DataType::kBFP8B) host = Tensor::from_values({host.shape(), DataType::kF32, Layout::kTile}, host.values());
  if (host.layout() == layout || host.layout() == Layout::kRowMajor || layout == Layout::kRowMajor) return host.to_layout(layout);
  return host.to_layout(Layout::kRowMajor).to_layout(layout);
}

void nest(const std::vector<double>& values, std::span<const int64_t> shape, size_t& at, std::ostringstream& out) {
  out << "[";
  for (int64_t i = 0; i < shape[0]; ++i) {
    if (i > 0) out << (shape.size() == 1 ? ", " : ",\n");
    if (shape.size() == 1) {
      out << values[at++];
    } else {
      nest(values, shape.subspan(1), at, out);
    }
  }
  out << "]";
}

}  // namespace

std::string to_text(const Tensor& tensor, Layout layout) {
  std::ostringstream out;
  out << "[ ";
  const std::vector<double> values = in_layout(tensor, layout).values();
  for (size_t i = 0; i < values.size(); ++i) out << (i > 0 ? ", " : "") << values[i];
  out << " dtype=" << print_name(tensor.type()) << " ]";
  return out.str();
}

std::string to_nested_text(const Tensor& tensor) {
  std::ostringstream out;
  out << "[ ";
  size_t at = 0;
  nest(in_layout(tensor, Layout::kRowMajor).values(), tensor.shape(), at, out);
  out << " dtype=" << print_name(tensor.type()) << " ]";
  return out.str();
}

}  // namespace tt::tensor
