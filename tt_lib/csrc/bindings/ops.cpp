// ttDNN for Python: elementwise ops from their tables, the others one line each.
#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "dnn/dnn.hpp"

namespace py = pybind11;

namespace tt::bindings {

using dnn::AlongDim;
using dnn::BcastMath;
using dnn::ReduceMath;
using tensor::Layout;
using tensor::Tensor;

void init_ops(py::module_& m) {
  using Release = py::call_guard<py::gil_scoped_release>;
  py::enum_<BcastMath>(m, "BcastOpMath").value("ADD", BcastMath::kAdd).value("SUB", BcastMath::kSub).value("MUL", BcastMath::kMul);
  py::enum_<AlongDim>(m, "BcastOpDim").value("H", AlongDim::kH).value("W", AlongDim::kW).value("HW", AlongDim::kHW);
  py::enum_<ReduceMath>(m, "ReduceOpMath").value("SUM", ReduceMath::kSum).value("MAX", ReduceMath::kMax);
  m.attr("ReduceOpDim") = m.attr("BcastOpDim");

  py::dict unary, binary;
  for (const dnn::EltwiseOp& op : dnn::unary_ops())
    unary[py::str(op.name.data(), op.name.size())] = py::str(op.summary.data(), op.summary.size());
  for (const dnn::EltwiseOp& op : dnn::binary_ops())
    binary[py::str(op.name.data(), op.name.size())] = py::str(op.summary.data(), op.summary.size());
  m.attr("UNARY_OPS") = unary;
  m.attr("BINARY_OPS") = binary;
  m.def(
      "unary", [](const std::string& name, const Tensor& x) { return dnn::unary(name, x); }, Release());
  m.def(
      "binary", [](const std::string& name, const Tensor& a, const Tensor& b) { return dnn::binary(name, a, b); }, Release());
  m.def("bcast", &dnn::bcast, Release());
  m.def("reduce", &dnn::reduce, Release());
  m.def("softmax", &dnn::softmax, py::arg("x"), py::arg("scale") = py::none(), py::arg("mask") = nullptr, Release());
  m.def("softmax_in_place", &dnn::softmax_in_place, py::arg("x"), py::arg("scale") = py::none(), py::arg("mask") = nullptr, Release());
  m.def(
      "layernorm",
      [](const std::string& name, const Tensor& a, const Tensor* b, float eps, const Tensor* gamma, const Tensor* beta) {
        return dnn::layernorm(name, a, b, eps, gamma, beta);
      },
      Release());
  m.def("matmul", &dnn::matmul, Release());
  m.def("bmm", &dnn::bmm, Release());
  m.def(
      "matmul_into",
      [](const std::string& name, const Tensor& a, const Tensor& b, Layout layout) { return dnn::matmul_into(name, a, b, layout); },
      Release());
  m.def(
      "conv", [](const Tensor& a, const Tensor& b, const Dims& params, bool untilize_out) { return dnn::conv(a, b, params, untilize_out); },
      Release());
  m.def("conv_weight_to_matrix", &dnn::conv_weight_to_matrix, Release());
  m.def(
      "permute", [](const std::string& name, const Tensor& x, const Dims& dims) { return dnn::permute(name, x, dims); }, Release());
  m.def(
      "reshape", [](const Tensor& x, const Dims& shape) { return dnn::reshape(x, shape); }, Release());
  m.def(
      "to_layout", [](const std::string& name, const Tensor& x, Layout layout) { return dnn::to_layout(name, x, layout); }, Release());
  m.def(
      "pad",
      [](const std::string& name, const Tensor& x, const Dims& shape, const Dims& start, double value, std::optional<Layout> layout) {
        return dnn::pad(name, x, shape, start, value, layout);
      },
      Release());
  m.def(
      "unpad",
      [](const std::string& name, const Tensor& x, const Dims& start, const Dims& end, std::optional<Layout> layout) {
        return dnn::unpad(name, x, start, end, layout);
      },
      Release());
  m.def("fill_rm", &dnn::fill_rm, Release());
  m.def(
      "split_heads",
      [](const std::string& name, const Tensor& x, int64_t heads, bool transposed) { return dnn::split_heads(name, x, heads, transposed); },
      Release());
  m.def("concat_heads", &dnn::concat_heads, Release());
  m.def(
      "columns", [](const std::string& name, const Tensor& x, int64_t first, int64_t count) { return dnn::columns(name, x, first, count); },
      Release());
}

}  // namespace tt::bindings
