// A compiled program: its signature, what it costs, and how to run it on a device.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/sharding.hpp"
#include "ir/types.hpp"
#include "metal/device.hpp"

namespace tt::ir {
struct Module;
}
namespace tt::metal {
class Peers;
}

namespace tt::executable {

struct CompileOptions {
  std::map<std::string, std::string> overrides;  // jax.jit(compiler_options=...): {"jax_tt_no": "fuse_rows"}
  int64_t num_replicas = 1;
  int64_t num_partitions = 1;
  std::vector<int64_t> processes = {};  // by partition, whose card runs it; none: all of one process
};

struct Cost {
  double flops = 0;
  double bytes_accessed = 0;
  double l1_bytes_accessed = 0;  // of these, in buffers that are spread over L1
  double cycles = 0;             // modelled, on the card's clock
  double seconds = 0;            // modelled
};

struct MemoryUse {
  int64_t argument_bytes = 0;
  int64_t output_bytes = 0;
  int64_t alias_bytes = 0;
  int64_t temporary_bytes = 0;
  int64_t host_argument_bytes = 0;  // in memory of the host, and in none of the numbers above
  int64_t host_output_bytes = 0;
  int64_t host_temporary_bytes = 0;
  int64_t generated_code_bytes = 0;
};

struct Execution {
  std::vector<std::shared_ptr<metal::Buffer>> outputs;
  metal::Event done;
};

// Which of the cards of a run this is.
struct Part {
  std::shared_ptr<metal::Peers> peers;  // null: the only one
  size_t card = 0;
};

class Executable {
 public:
  virtual ~Executable() = default;

  virtual const std::string& name() const = 0;
  virtual std::span<const ir::Type> parameters() const = 0;  // a token counts as tensor<0xi1>; of several partitions: the pieces of one
  virtual std::span<const ir::Type> results() const = 0;
  virtual const std::vector<uint8_t>& donated_parameters() const = 0;  // may be reused; deleted by execute
  virtual emulator::BufferType parameter_memory(size_t i) const = 0;   // DRAM or memory of the host
  virtual emulator::BufferType result_memory(size_t i) const = 0;
  virtual int64_t num_partitions() const { return 1; }
  virtual std::span<const ir::Sharding> parameter_shardings() const { return {}; }  // none for a token
  virtual std::span<const ir::Sharding> result_shardings() const { return {}; }
  virtual const std::string& fingerprint() const = 0;  // of payload and options
  virtual std::string text() const = 0;                // the kernel programs, for people
  virtual Cost cost() const = 0;                       // estimates on first use
  virtual MemoryUse memory() const = 0;
  virtual bool calls_host() const { return false; }  // functions of this process, which live as long as whoever compiled the program

  // Enqueues one run, or one card's part in it: the parts of all cards must be enqueued before any other run of several of these cards.
  // `arguments[i]` has the bytes of parameters()[i]; `may_donate[i]` says that the caller gives it up. Arguments whose producer failed fail
  // the run, and so its outputs, with the same error.
  virtual Execution execute(metal::Device& device, std::span<const std::shared_ptr<metal::Buffer>> arguments,
                            std::span<const uint8_t> may_donate, const Part& part = {}) const = 0;
};

std::string_view memory_kind(emulator::BufferType memory);  // as JAX names it: "device", "pinned_host"

// Compiles; one Error lists every unsupported operation of the program with its Python line.
std::shared_ptr<const Executable> compile(std::unique_ptr<ir::Module> module, const CompileOptions& options, const emulator::ChipSpec& chip,
                                          std::string fingerprint);

}  // namespace tt::executable
