// Works on steps, in order: scans stack their results so, and results of products are transposed so.
#include "lowering/writes.hpp"

#include <algorithm>
#include <optional>

#include "dnn/eltwise.hpp"
#include "dnn/matmul.hpp"
#include "dnn/matmul_view.hpp"
#include "dnn/program_cache.hpp"
#include "lowering/mentions.hpp"

namespace tt::lowering {
namespace {

using dnn::AccessMap;

constexpr size_t kFarthest = 64;  // steps between a write and what makes it: they are looked at for each write

// Whether the step stores its only operand, of which it reads each element once, and does nothing else.
bool is_write(const RunStep& run) {
  if (run.elementwise == nullptr || run.elementwise->parts.size() != 1) return false;
  const dnn::EltwisePart& part = run.elementwise->parts[0];
  return run.elementwise->chain.ops.empty() && part.operands.size() == 1 && part.results.size() == 1 && part.operands[0].buffer == 0 &&
         part.operands[0].type == part.results[0].type;
}

// Where element i of what a write reads goes, in the order in which it lies in memory.
std::optional<AccessMap> destination(const RunStep& write) {
  const dnn::EltwisePart& part = write.elementwise->parts[0];
  const AccessMap &from = part.operands[0].map, &to = part.results[0].map;
  if (!part.operands[0].indices.empty() || from.offset != 0 || from.is_padded() || to.is_padded()) return std::nullopt;
  std::vector<int64_t> sizes;
  std::vector<size_t> order;  // of the dimensions in memory
  for (size_t d = 0; d < from.dims.size(); ++d) {
    sizes.push_back(from.dims[d].size);
    if (sizes[d] != 1) order.push_back(d);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return from.dims[a].stride > from.dims[b].stride; });
  int64_t elements = 1;
  for (size_t i = order.size(); i-- > 0;) {
    if (from.dims[order[i]].stride != elements) return std::nullopt;
    elements *= sizes[order[i]];
  }
  const auto split = dnn::split_dims(to, sizes);
  if (!split || elements != part.elements) return std::nullopt;
  AccessMap map;
  map.offset = to.offset;
  for (const size_t d : order) map.dims.insert(map.dims.end(), (*split)[d].begin(), (*split)[d].end());
  return map.coalesced();
}

// The write's result among those of `maker`, beside `result` or instead of it, which becomes the write's. Returns the maker's slots with
// it; the buffers of `spec` change.
template <class Spec>
RunStep with_write(const RunStep& maker, const RunStep& write, Spec& spec, dnn::Result& result, bool instead) {
  const size_t inputs = spec.input_bytes.size();
  RunStep run;
  run.slots.assign(maker.slots.begin(), maker.slots.begin() + static_cast<int64_t>(inputs));
  const size_t old_buffer = result.buffer;
  result.indices = write.elementwise->parts[0].results[0].indices;
  for (dnn::DynamicIndex& index : result.indices) {
    const StorageId storage = write.slots[index.buffer];
    const auto found = static_cast<size_t>(std::find(run.slots.begin(), run.slots.end(), storage) - run.slots.begin());
    if (found == run.slots.size()) {
      spec.input_bytes.push_back(write.elementwise->input_bytes[index.buffer]);
      run.slots.push_back(storage);
    }
    index.buffer = found;
  }
  result.map = *destination(write);
  const auto more = static_cast<uint16_t>(run.slots.size() - inputs);
  for (const auto& [in, out] : maker.in_place) {
    if (!instead || out != inputs + old_buffer) run.in_place.emplace_back(in, static_cast<uint16_t>(out + more));
  }
  run.slots.insert(run.slots.end(), maker.slots.begin() + static_cast<int64_t>(inputs), maker.slots.end());
  if (instead) {
    run.slots[spec.input_bytes.size() + old_buffer] = write.slots.back();
    spec.output_bytes[old_buffer] = write.elementwise->output_bytes[0];
  } else {
    result.buffer = spec.output_bytes.size();
    run.slots.push_back(write.slots.back());
    spec.output_bytes.push_back(write.elementwise->output_bytes[0]);
  }
  return run;
}

// The result that is what the write reads, or the end.
std::vector<dnn::Result>::iterator find_result(std::vector<dnn::Result>& results, size_t inputs, const RunStep& maker,
                                               const RunStep& write) {
  return std::find_if(results.begin(), results.end(), [&](const dnn::Result& r) {
    return maker.slots[inputs + r.buffer] == write.slots[0] && r.indices.empty() && r.map.offset == 0 && r.map.is_contiguous() &&
           r.map.size() == write.elementwise->parts[0].elements;
  });
}

// What `write` does as one more of the results of `chain`, which `maker` has by `spec`, or `instead` of the one that nobody else reads.
template <class Spec>
std::optional<RunStep> add_write(const RunStep& maker, const RunStep& write, Spec& spec, std::vector<dnn::Result>& results,
                                 emulator::TileProgram& chain, bool instead) {
  const auto result = find_result(results, spec.input_bytes.size(), maker, write);
  if (result == results.end()) return std::nullopt;
  if (!instead) {
    if (chain.inputs.size() + chain.outputs.size() >= dnn::kMaxEltwiseBuffers) return std::nullopt;
    chain.outputs.push_back(chain.outputs[static_cast<size_t>(result - results.begin())]);
  }
  dnn::Result stored = *result;
  RunStep run = with_write(maker, write, spec, stored, instead);
  if (instead) {
    *result = std::move(stored);
  } else {
    results.push_back(std::move(stored));
  }
  return run;
}

std::optional<RunStep> joined(const RunStep& maker, const RunStep& write, bool instead, const emulator::ChipSpec& chip) {
  std::optional<RunStep> run;
  if (maker.product != nullptr) {
    dnn::MatmulSpec spec = *maker.product;
    const int64_t dims[3] = {spec.batch, spec.m, spec.n};
    if (!dnn::split_dims(*destination(write), dims)) return std::nullopt;
    run = add_write(maker, write, spec, spec.results, spec.epilogue, instead);
    if (!run) return std::nullopt;
    run->program = dnn::shared_program(dnn::matmul, spec, chip);
    run->product = std::make_shared<const dnn::MatmulSpec>(std::move(spec));
  } else if (maker.elementwise->parts.size() == 1) {
    dnn::EltwiseSpec spec = *maker.elementwise;
    run = add_write(maker, write, spec, spec.parts[0].results, spec.chain, instead);
    if (!run) return std::nullopt;
    run->program = dnn::shared_program(dnn::eltwise, spec, chip);
    run->elementwise = std::make_shared<const dnn::EltwiseSpec>(std::move(spec));
  }
  return run;
}

// The write at `at` joins the step before it that makes what is written: there, or where the write was.
struct Place {
  size_t maker, at;
};

std::optional<Place> place_of(const Sequence& steps, size_t at) {
  const auto run_at = [&](size_t i) { return std::get_if<RunStep>(&steps[i].action); };
  const RunStep& write = *run_at(at);
  size_t maker = at;
  while (true) {
    if (maker == 0 || at - maker == kFarthest || run_at(--maker) == nullptr) return std::nullopt;
    if (run_at(maker)->program != nullptr && writes(*run_at(maker), write.slots[0])) break;
  }
  if ((run_at(maker)->elementwise == nullptr && run_at(maker)->product == nullptr) || mentions(*run_at(maker), write.slots.back()))
    return std::nullopt;
  const auto makes = [&](StorageId storage) { return writes(*run_at(maker), storage); };
  if (std::any_of(write.slots.begin() + 1, write.slots.end(), makes)) return std::nullopt;  // an index: it must be there before
  // What reads an array after it was copied would keep the copy from taking over its memory: the whole array would be copied in every turn.
  const auto all_between = [&](const RunStep& moved) {
    for (size_t i = maker + 1; i < at; ++i) {
      const RunStep& between = *run_at(i);
      if (between.program == nullptr) continue;
      if (!independent(between, moved) || (between.is_copy && mentions(moved, between.slots[0]))) return false;
    }
    return true;
  };
  if (all_between(*run_at(maker))) return Place{maker, at};
  if (all_between(write)) return Place{maker, maker};
  return std::nullopt;
}

// A copy that fills what the write then changes comes earlier where it can, so that the write may go up. Not before others that read what
// it copies: the last reader may take over that memory, and the copy is gone.
void raise_copy(Sequence& steps, size_t at) {
  const StorageId to = std::get<RunStep>(steps[at].action).slots.back();
  for (size_t i = at; i-- > 0 && at - i <= kFarthest;) {
    const auto* copy = std::get_if<RunStep>(&steps[i].action);
    if (copy == nullptr) return;
    if (copy->program == nullptr || !mentions(*copy, to)) continue;
    if (!copy->is_copy || copy->slots[1] != to) return;
    const StorageId from = copy->slots[0];
    for (size_t steps_up = 0; i > 0 && steps_up < kFarthest; --i, ++steps_up) {
      const auto* before = std::get_if<RunStep>(&steps[i - 1].action);
      if (before == nullptr || (before->program != nullptr && (mentions(*before, from) || mentions(*before, to)))) return;
      std::swap(steps[i - 1], steps[i]);
    }
    return;
  }
}

class Pass {
 public:
  Pass(const Plan& plan, const emulator::ChipSpec& chip) : plan_(plan), chip_(chip), mentions_(plan) {}

  void run(Sequence& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      if (const auto* loop = std::get_if<WhileStep>(&steps[i].action)) {
        run(*loop->body);
      } else if (const auto* branches = std::get_if<CaseStep>(&steps[i].action)) {
        for (const auto& branch : branches->branches) run(*branch);
      } else {
        fuse(steps, i);
      }
    }
    std::erase_if(steps, [](const Step& step) {
      const auto* run = std::get_if<RunStep>(&step.action);
      return run != nullptr && run->program == nullptr;
    });
  }

 private:
  void fuse(Sequence& steps, size_t at) {
    const auto run_at = [&](size_t i) -> RunStep& { return std::get<RunStep>(steps[i].action); };
    if (!is_write(run_at(at)) || !destination(run_at(at))) return;
    const StorageId value = run_at(at).slots[0];
    const Storage& memory = plan_.storages[value];
    if (memory.memory == emulator::BufferType::kHost) return;  // it is to come from there
    const bool only_reader = memory.kind == Storage::Kind::kTemporary && mentions_.only_between(value);
    if (!only_reader && run_at(at).is_copy) return;  // memory may be shared instead
    raise_copy(steps, at);
    const auto place = place_of(steps, at);
    if (!place) return;
    auto whole = joined(run_at(place->maker), run_at(at), only_reader, chip_);
    if (!whole) return;
    run_at(at).program = run_at(place->maker).program = nullptr;
    run_at(place->at) = *std::move(whole);
  }

  const Plan& plan_;
  const emulator::ChipSpec& chip_;
  Mentions mentions_;
};

}  // namespace

void fuse_writes(Plan& plan, const emulator::ChipSpec& chip) { Pass(plan, chip).run(plan.steps); }

}  // namespace tt::lowering
