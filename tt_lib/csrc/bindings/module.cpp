// The Python module: errors become Python exceptions here and nowhere else.
#include "base/error.hpp"
#include "bindings/bindings.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_C, m) {
  m.doc() = "tt_lib's C++ core: devices, tensors and ttDNN.";
  // Kept for the life of the process: errors may still pass while the interpreter exits.
  static const py::handle error = py::exception<tt::Error>(m, "Error", PyExc_RuntimeError).release();
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const tt::Error& e) {
      py::object value = error(e.what());
      value.attr("category") = std::string(tt::name(e.category()));
      PyErr_SetObject(error.ptr(), value.ptr());
    }
  });
  tt::bindings::init_device(m);
  tt::bindings::init_tensor(m);
  tt::bindings::init_ops(m);
}
