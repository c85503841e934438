// The engine of one instruction set: the table its sources fill.
#include "emulator/simd/engine.hpp"

#include "emulator/simd/vec.hpp"

namespace tt::emulator::TT_SIMD {

const Engine& engine() {
  static const Engine table = [] {
    Engine made;
    install_f32(made);
    install_f32_functions(made);
    install_f64(made);
    install_integers(made);
    install_joined(made);
    install_complex(made);
    install_formats(made);
    install_converts(made);
    install_matmul(made);
    install_layout(made);
    install_rows(made);
    install_select(made);
    return made;
  }();
  return table;
}

}  // namespace tt::emulator::TT_SIMD
