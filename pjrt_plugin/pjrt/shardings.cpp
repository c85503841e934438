// The Shardings extension: how the arguments and results of a program lie on its devices.
#include <map>

#include "pjrt/extension.hpp"
#include "pjrt/objects.hpp"
#include "pjrt/proto.hpp"

namespace tt::pjrt {
namespace {

// xla.OpSharding: {type = 1, tile_assignment_dimensions = 3, tile_assignment_devices = 4, replicate_on_last_tile_dim = 6,
// last_tile_dims = 8}. Devices are listed by piece, then by copy, then by addend.
std::string op_sharding(const ir::Sharding& sharding) {
  constexpr uint64_t kReplicated = 0, kOther = 3, kUnreduced = 6;
  ProtoBytes out;
  if (sharding.is_replicated()) {
    out.number(1, kReplicated);
    return out.take();
  }
  std::map<std::pair<int64_t, int64_t>, std::vector<uint64_t>> owners;  // by piece and addend
  for (size_t p = 0; p < sharding.partitions(); ++p) owners[{sharding.tile_of(p), sharding.addend_of[p]}].push_back(p);
  const size_t copies = owners.begin()->second.size();
  std::vector<uint64_t> dims(sharding.counts.begin(), sharding.counts.end()), devices, last;
  for (int64_t tile = 0; tile < sharding.num_tiles(); ++tile) {
    for (size_t copy = 0; copy < copies; ++copy) {
      for (int64_t addend = 0; addend < sharding.addends; ++addend) devices.push_back(owners.at({tile, addend}).at(copy));
    }
  }
  if (copies > 1) {
    dims.push_back(copies);
    last.push_back(kReplicated);
  }
  if (sharding.addends > 1) {
    dims.push_back(static_cast<uint64_t>(sharding.addends));
    last.push_back(kUnreduced);
  }
  out.number(1, kOther);
  out.numbers(3, dims);
  out.numbers(4, devices);
  if (sharding.addends > 1) {
    out.numbers(8, last);
  } else if (copies > 1) {
    out.number(6, 1);
  }
  return out.take();
}

struct ListShardings : Head {
  ExecutableHandle* executable;
  size_t count;  // out, like what follows
  const char* const* shardings;
  const size_t* sizes;
};

// On one device there is nothing to say.
void list(ListShardings& args, size_t first, size_t count) {
  const bool some = count > 0 && args.executable->program.compiled->num_partitions() > 1;
  args.count = some ? count : 0;
  args.shardings = some ? args.executable->sharding_data.data() + first : nullptr;
  args.sizes = some ? args.executable->sharding_sizes.data() + first : nullptr;
}

void parameter_shardings(ListShardings& args) { list(args, 0, args.executable->program.compiled->parameters().size()); }
void result_shardings(ListShardings& args) {
  const executable::Executable& program = *args.executable->program.compiled;
  list(args, program.parameters().size(), program.results().size());
}

}  // namespace

void describe_shardings(ExecutableHandle& handle) {
  const executable::Executable& program = *handle.program.compiled;
  if (program.num_partitions() == 1) return;
  for (const auto& shardings : {program.parameter_shardings(), program.result_shardings()}) {
    for (const ir::Sharding& sharding : shardings) handle.shardings.push_back(op_sharding(sharding));
  }
  for (const std::string& sharding : handle.shardings) {
    handle.sharding_data.push_back(sharding.data());
    handle.sharding_sizes.push_back(sharding.size());
  }
}

void install_shardings(Api& api) {
  constexpr int kShardings = 19;
  static Extension<2> extension{0, kShardings, nullptr, {guarded<&parameter_shardings>(), guarded<&result_shardings>()}};
  install(api, extension);
}

}  // namespace tt::pjrt
