// Devices: the seed API's functions over tensor::Card.
#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "tensor/card.hpp"

namespace py = pybind11;

namespace tt::bindings {

using tensor::Card;

namespace {

// Dropping the last handle closes the card, which waits for work that may itself wait for the interpreter.
void drop(Card* card) {
  if (!PyGILState_Check()) return void(delete card);
  py::gil_scoped_release release;
  delete card;
}

std::shared_ptr<Card> new_card(std::string chip, int slot) { return {new Card(std::move(chip), slot), &drop}; }

}  // namespace

void init_device(py::module_& m) {
  py::class_<Card, std::shared_ptr<Card>>(m, "Device", "A slot with a Grayskull card; creating it does not touch the card.")
      .def(py::init(&new_card), py::arg("chip"), py::arg("slot"))
      .def_property_readonly("chip", &Card::chip)
      .def("id", &Card::slot, "The slot the device was created for.")
      .def("is_initialized", &Card::is_open)
      .def("__repr__", [](const Card& card) {
        return cat("<Device Grayskull ", card.chip(), ", slot ", card.slot(), card.is_open() ? "" : ", not initialized", ">");
      });
  m.def("initialize_device", &Card::open, py::arg("device"), py::call_guard<py::gil_scoped_release>());
  m.def("close_device", &Card::close, py::arg("device"), py::call_guard<py::gil_scoped_release>());
  m.def(
      "synchronize", [](const Card& card) { card.device()->finish(); }, py::arg("device"), py::call_guard<py::gil_scoped_release>());
  m.def("set_default_device", &tensor::set_default_card, py::arg("device").none(true));
  m.def("default_device", &tensor::default_card);
  m.def("set_program_cache_enabled", &tensor::set_program_cache_enabled);
  m.def("program_cache_enabled", &tensor::program_cache_enabled);
  m.def("num_programs", &Card::num_programs, py::arg("device"));
  m.def("clear_programs", &Card::clear_programs, py::arg("device"));
  m.def(
      "memory_stats",
      [](const Card& card) {
        const metal::MemoryStats stats = card.device()->memory_stats();
        py::dict out;
        out["bytes_in_use"] = stats.bytes_in_use;
        out["peak_bytes_in_use"] = stats.peak_bytes_in_use;
        out["bytes_limit"] = stats.bytes_limit;
        out["num_allocs"] = stats.num_allocations;
        out["largest_free_block_bytes"] = stats.largest_free_block;
        return out;
      },
      py::arg("device"));
}

}  // namespace tt::bindings
