// tt_lib._C: one function per noun.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace tt::bindings {

void init_device(pybind11::module_& m);
void init_tensor(pybind11::module_& m);
void init_ops(pybind11::module_& m);

}  // namespace tt::bindings
