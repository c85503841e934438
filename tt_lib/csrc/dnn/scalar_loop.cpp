// One data-movement kernel on one core.
#include "dnn/scalar_loop.hpp"

#include <array>
#include <cstring>

#include "base/error.hpp"
#include "dnn/text.hpp"

namespace tt::dnn {
namespace {

struct Plan {
  ScalarLoop loop;
  int64_t nominal_iterations;
};

struct Args {
  const Plan* plan;
};

Kernel scalar_loop_kernel(Dataflow k, Args a) {
  const ScalarLoop& loop = a.plan->loop;
  const std::vector<DataType>& types = loop.body.inputs;
  int64_t iterations = a.plan->nominal_iterations;
  Dataflow::Bulk work;
  work.transactions = static_cast<int64_t>(2 * types.size());
  for (const DataType type : types) {
    work.read_bytes += size_of(type);
    work.write_bytes += size_of(type);
  }
  if (k.values()) {
    std::vector<std::array<std::byte, 16>> values(types.size());
    std::vector<std::byte*> carried;
    for (size_t i = 0; i < types.size(); ++i) {
      std::memcpy(values[i].data(), k.dram(static_cast<Slot>(i)), static_cast<size_t>(size_of(types[i])));
      carried.push_back(values[i].data());
    }
    iterations = emulator::run_scalar_loop(loop, carried);
    for (size_t i = 0; i < types.size(); ++i) {
      std::memcpy(k.dram(static_cast<Slot>(types.size() + i)), values[i].data(), static_cast<size_t>(size_of(types[i])));
    }
  }
  work.riscv_cycles = static_cast<uint64_t>(iterations) * emulator::scalar_loop_cycles(loop);
  k.charge(work);
  co_return;
}

}  // namespace

Program scalar_loop(const ScalarLoop& loop, int64_t nominal_iterations, const ChipSpec& chip) {
  check(emulator::is_scalar_loop(loop), "[scalar_loop] chains that do not fit together");
  Program program("scalar_loop");
  const std::vector<DataType>& types = loop.body.inputs;
  for (size_t i = 0; i < types.size(); ++i) program.add_input(cat("carried", i), size_of(types[i]));
  for (size_t i = 0; i < types.size(); ++i) program.add_output(cat("final", i), size_of(types[i]));
  program.add_note("while");
  for (const std::string& line : lines(emulator::to_string(loop.condition))) program.add_note("  " + line);
  program.add_note("do");
  for (const std::string& line : lines(emulator::to_string(loop.body))) program.add_note("  " + line);
  const Plan* kept = program.keep(Plan{loop, nominal_iterations});
  program.set_cores(metal::first_cores(chip, 1));
  program.add_kernel<Dataflow, Args>(Role::kReader, "scalar_loop_kernel", scalar_loop_kernel, {Args{kept}});
  program.flops = static_cast<double>(nominal_iterations) * static_cast<double>(loop.body.ops.size());
  program.validate(chip);
  return program;
}

}  // namespace tt::dnn
