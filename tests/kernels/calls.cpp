// Small programs for tests of custom calls: one core, whose RISC-V core computes on DRAM.
#include <cstring>
#include <stdexcept>

#include "metal/custom_call.hpp"

using namespace tt;
using emulator::Role;

namespace {

struct Args {
  void (*work)(Dataflow& k, const std::vector<double>& numbers);
  const std::vector<double>* numbers;
  int64_t bytes;
};

Kernel works(Dataflow k, Args a) {
  k.charge({.read_bytes = a.bytes, .write_bytes = a.bytes, .riscv_cycles = static_cast<uint64_t>(a.bytes)});
  if (k.values()) a.work(k, *a.numbers);
  co_return;
}

metal::Program one_core(const metal::CustomCall& call, void (*work)(Dataflow&, const std::vector<double>&),
                        std::vector<double> numbers = {}) {
  metal::Program program = call.new_program();
  program.set_cores(metal::first_cores(call.chip, 1));
  program.add_kernel<Dataflow, Args>(Role::kReader, "works", works, {{work, program.keep(std::move(numbers)), 32}});
  return program;
}

float* floats(Dataflow& k, Slot slot) { return reinterpret_cast<float*>(k.dram(slot)); }
int64_t count(Dataflow& k, Slot slot) { return k.dram_size(slot) / 4; }

struct Waiting {
  Cb cb;
};
Kernel waits(Dataflow k, Waiting a) { co_await k.cb_wait_front(a.cb, 1); }

}  // namespace

// Input i to output i, bytes of any type.
extern "C" metal::Program copies(const metal::CustomCall& call) {
  return one_core(call,
                  [](Dataflow& k, const std::vector<double>& numbers) {
                    const auto arrays = static_cast<Slot>(numbers[0]);
                    for (Slot i = 0; i < arrays; ++i) {
                      if (k.dram_size(i) > 0)
                        std::memcpy(k.dram(static_cast<Slot>(i + arrays)), k.dram(i), static_cast<size_t>(k.dram_size(i)));
                    }
                  },
                  {static_cast<double>(call.inputs.size())});
}

// The attributes that the output has room for, one after the other.
extern "C" metal::Program attributes(const metal::CustomCall& call) {
  std::vector<double> all = {call.flag("flag") ? 1.0 : 0.0, static_cast<double>(call.integer("integer")), call.real("real"),
                             call.real("whole"), static_cast<double>(call.text("text").size())};
  for (const int64_t integer : call.integers("axes")) all.push_back(static_cast<double>(integer));
  for (const char* name : {"weights", "axes", "dict.inner"}) {
    for (const double real : call.reals(name)) all.push_back(real);
  }
  return one_core(
      call,
      [](Dataflow& k, const std::vector<double>& numbers) {
        for (size_t i = 0; i < numbers.size(); ++i) floats(k, 0)[i] = static_cast<float>(numbers[i]);
      },
      std::move(all));
}

// The first output has the first input already: adds the second to it.
extern "C" metal::Program adds_in_place(const metal::CustomCall& call) {
  return one_core(call, [](Dataflow& k, const std::vector<double>&) {
    for (int64_t i = 0; i < count(k, 2); ++i) floats(k, 2)[i] += floats(k, 1)[i];
  });
}

extern "C" metal::Program integer_of(const metal::CustomCall& call) {
  call.integer("real");
  return call.new_program();
}

extern "C" metal::Program missing_attribute(const metal::CustomCall& call) {
  call.real("scale");
  return call.new_program();
}

extern "C" metal::Program throws(const metal::CustomCall&) { throw std::runtime_error("no such thing"); }

extern "C" metal::Program no_cores(const metal::CustomCall& call) { return call.new_program(); }

extern "C" metal::Program other_slots(const metal::CustomCall& call) {
  metal::Program program("other");
  program.add_input("x", call.inputs[0].num_bytes());
  program.add_output("y", 8);
  return program;
}

extern "C" metal::Program deadlocks(const metal::CustomCall& call) {
  metal::Program program = call.new_program();
  const Cb cb = program.add_circular_buffer(2, 64, "never filled");
  program.set_cores(metal::first_cores(call.chip, 1));
  program.add_kernel<Dataflow, Waiting>(Role::kReader, "waits", waits, {{cb}});
  return program;
}
