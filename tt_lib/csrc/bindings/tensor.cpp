// Tensors: construction from lists and bytes, moves, conversions.
#include "tensor/tensor.hpp"

#include <cstring>

#include "base/error.hpp"
#include "bindings/bindings.hpp"

namespace py = pybind11;

namespace tt::bindings {

using tensor::BufferType;
using tensor::Card;
using tensor::Layout;
using tensor::MemoryConfig;
using tensor::Tensor;
using tensor::TensorSpec;

namespace {

Tensor from_list(const std::vector<double>& data, Dims shape, DataType type, Layout layout, std::shared_ptr<Card> card,
                 MemoryConfig memory) {
  py::gil_scoped_release release;
  const Tensor host = Tensor::from_values({std::move(shape), type, layout}, data);
  return card == nullptr ? host : host.to_card(card, memory);
}

Tensor from_buffer(const py::buffer& data, Dims shape, DataType type, Layout layout) {
  const py::buffer_info info = data.request();
  const auto* const begin = static_cast<const std::byte*>(info.ptr);
  return Tensor::on_host({std::move(shape), type, layout}, std::vector<std::byte>(begin, begin + info.size * info.itemsize));
}

py::list data_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.values();
  py::list list(values.size());
  const bool integers = tensor.type() != DataType::kBFP8B && !is_float(tensor.type());
  for (size_t i = 0; i < values.size(); ++i) {
    if (integers) {
      list[i] = py::int_(static_cast<int64_t>(values[i]));
    } else {
      list[i] = py::float_(values[i]);
    }
  }
  return list;
}

// The machine that Python runs on: a tag.
struct Host {};

using Release = py::call_guard<py::gil_scoped_release>;

// Memory of a tensor that numpy (and JAX) may read without a copy; it keeps the tensor's storage.
struct SharedMemory {
  std::shared_ptr<metal::Buffer> buffer;
  int64_t bytes;
};

}  // namespace

void init_tensor(py::module_& m) {
  py::enum_<Layout>(m, "Layout", "How the elements of a tensor lie in storage.")
      .value("ROW_MAJOR", Layout::kRowMajor)
      .value("TILE", Layout::kTile)
      .value("CHANNELS_LAST", Layout::kChannelsLast);
  py::enum_<BufferType>(m, "BufferType", "Which memory of the card a tensor is in.")
      .value("DRAM", BufferType::kDram)
      .value("L1", BufferType::kL1);
  py::class_<MemoryConfig>(m, "MemoryConfig", "Where a tensor is placed: spread over all banks, or in one.")
      .def(py::init([](bool interleaved, int bank_id, BufferType type) {
             return MemoryConfig{interleaved, bank_id, type};
           }),
           py::arg("interleaved") = true, py::arg("bank_id") = -1, py::arg("buffer_type") = BufferType::kDram)
      .def_readonly("interleaved", &MemoryConfig::interleaved)
      .def_readonly("bank_id", &MemoryConfig::bank_id)
      .def_readonly("buffer_type", &MemoryConfig::buffer_type)
      .def(
          "__eq__", [](const MemoryConfig& a, const MemoryConfig& b) { return a == b; }, py::is_operator())
      .def("__repr__", [](const MemoryConfig& c) {
        return cat("MemoryConfig(interleaved=", c.interleaved ? "True" : "False", ", bank_id=", c.bank_id, ", buffer_type=BufferType.",
                   c.buffer_type == BufferType::kL1 ? "L1" : "DRAM", ")");
      });
  py::class_<Host>(m, "Host", "The machine that Python runs on.").def(py::init<>());
  py::class_<SharedMemory>(m, "SharedMemory", py::buffer_protocol()).def_buffer([](SharedMemory& memory) {
    return py::buffer_info(memory.buffer->data(), 1, "B", 1, {memory.bytes}, {1}, /*readonly=*/true);
  });

  auto type = py::enum_<DataType>(m, "DataType", "The type of a tensor's elements.");
  for (const auto& [value, name] : tensor::data_types()) type.value(std::string(name).c_str(), value);

  m.def("fits_on_card", [](const Tensor& t) { return tensor::fits_on_card(t.spec()); });
  py::class_<Tensor>(m, "Tensor", "A 4-D array [W, Z, Y, X] on the host or on a card.")
      .def(py::init(&from_list), py::arg("data"), py::arg("shape"), py::arg("data_type"), py::arg("layout"),
           py::arg("device") = std::shared_ptr<Card>(), py::arg("mem_config") = MemoryConfig{})
      .def_static("from_bytes", &from_buffer, py::arg("data"), py::arg("shape"), py::arg("data_type"), py::arg("layout"))
      .def_static("adopt",
                  [](uintptr_t pointer, Dims shape, DataType element, const std::shared_ptr<Card>& card) {
                    const auto buffer = card->device()->find_published(reinterpret_cast<const std::byte*>(pointer));
                    require(buffer != nullptr, "[from_jax] the array's memory is not on ", card->chip(), " in slot ", card->slot());
                    return Tensor::on_card({std::move(shape), element, Layout::kRowMajor}, card, buffer);
                  })
      .def("shared_memory",
           [](const Tensor& tensor) {
             const auto buffer = tensor.buffer("to_jax");
             {
               py::gil_scoped_release release;
               buffer->ready().wait();
             }
             buffer->device()->publish(buffer);
             return SharedMemory{buffer, tensor::num_bytes(tensor.spec())};
           })
      .def("raw_bytes",
           [](const Tensor& tensor) {
             const auto bytes = tensor.bytes();
             return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
           })
      .def("shape", [](const Tensor& t) { return t.shape(); })
      .def("dtype", &Tensor::type)
      .def("layout", &Tensor::layout)
      .def("on_host", &Tensor::is_on_host)
      .def("device", &Tensor::card)
      .def("buffer_type", [](const Tensor& t) { return t.spec().memory.buffer_type; })
      .def("memory_config", [](const Tensor& t) { return t.spec().memory; })
      .def("data", &data_of)
      .def(
          "to", [](const Tensor& t, const Host&) { return t.to_host(); }, py::arg("host"), Release())
      .def("to", &Tensor::to_card, py::arg("device"), py::arg("mem_config") = MemoryConfig{}, Release())
      .def("to", &Tensor::to_layout, py::arg("layout"), Release())
      .def("cpu", &Tensor::to_host, Release())
      .def("pad", [](const Tensor& t, const Dims& shape, const Dims& start, double value) { return t.pad(shape, start, value); })
      .def("unpad", [](const Tensor& t, const Dims& start, const Dims& end) { return t.unpad(start, end); })
      .def("pad_to_tile", &Tensor::pad_to_tile)
      .def("unpad_from_tile", [](const Tensor& t, const Dims& shape) { return t.unpad_from_tile(shape); })
      .def(
          "print", [](const Tensor& t, Layout layout) { py::print(tensor::to_text(t, layout)); },
          py::arg("print_layout") = Layout::kRowMajor)
      .def("pretty_print", [](const Tensor& t) { py::print(tensor::to_nested_text(t)); })
      .def("__repr__", [](const Tensor& t) {
        return cat("<Tensor ", tensor::to_string(t.spec()), t.is_on_host() ? " on the host>" : " on the card>");
      });
}

}  // namespace tt::bindings
