// Works on steps, in order: scans stack their results so.
#include "lowering/writes.hpp"

#include <algorithm>
#include <optional>

#include "dnn/eltwise.hpp"

namespace tt::lowering {
namespace {

constexpr size_t kFarthest = 64;  // steps between a write and what makes it: they are looked at for each write

bool mentions(const RunStep& run, StorageId storage) { return std::find(run.slots.begin(), run.slots.end(), storage) != run.slots.end(); }

// The only output of a step that stores its only whole operand somewhere, as it is.
bool is_plain_write(const RunStep& run) {
  if (run.elementwise == nullptr || run.elementwise->parts.size() != 1) return false;
  const dnn::EltwiseSpec& spec = *run.elementwise;
  const dnn::EltwisePart& part = spec.parts[0];
  if (!spec.chain.ops.empty() || part.operands.size() != 1 || part.results.size() != 1) return false;
  const dnn::Operand& from = part.operands[0];
  return from.buffer == 0 && from.indices.empty() && from.map.offset == 0 && from.map.is_contiguous() && from.type == part.results[0].type;
}

// `maker` with what `write` does as one more result.
std::optional<RunStep> joined(const RunStep& maker, const RunStep& write, const emulator::ChipSpec& chip) {
  const dnn::EltwiseSpec &made = *maker.elementwise, &copy = *write.elementwise;
  if (made.parts.size() != 1 || made.parts[0].elements != copy.parts[0].elements) return std::nullopt;
  const size_t inputs = made.input_bytes.size();
  const auto& results = made.parts[0].results;
  const auto result = std::find_if(results.begin(), results.end(), [&](const dnn::Result& r) {
    return maker.slots[inputs + r.buffer] == write.slots[0] && r.indices.empty() && r.map.offset == 0 && r.map.is_contiguous();
  });
  if (result == results.end()) return std::nullopt;

  dnn::EltwiseSpec spec = made;
  RunStep run;
  run.slots.assign(maker.slots.begin(), maker.slots.begin() + static_cast<int64_t>(inputs));
  dnn::Result stored = copy.parts[0].results[0];
  for (dnn::DynamicIndex& index : stored.indices) {
    const StorageId storage = write.slots[index.buffer];
    const auto found = std::find(run.slots.begin(), run.slots.end(), storage);
    if (found == run.slots.end()) spec.input_bytes.push_back(copy.input_bytes[index.buffer]);
    index.buffer = static_cast<size_t>(found - run.slots.begin());
    if (found == run.slots.end()) run.slots.push_back(storage);
  }
  stored.buffer = spec.output_bytes.size();
  spec.output_bytes.push_back(copy.output_bytes[0]);
  spec.chain.outputs.push_back(made.chain.outputs[static_cast<size_t>(result - results.begin())]);
  spec.parts[0].results.push_back(std::move(stored));
  if (spec.chain.inputs.size() + spec.chain.outputs.size() > dnn::kMaxEltwiseBuffers) return std::nullopt;

  const auto more = static_cast<uint16_t>(run.slots.size() - inputs);
  for (const auto& [in, out] : maker.in_place) run.in_place.emplace_back(in, static_cast<uint16_t>(out + more));
  run.slots.insert(run.slots.end(), maker.slots.begin() + static_cast<int64_t>(inputs), maker.slots.end());
  run.slots.push_back(write.slots.back());
  run.program = std::make_shared<const metal::Program>(dnn::eltwise(spec, chip));
  run.elementwise = std::make_shared<const dnn::EltwiseSpec>(std::move(spec));
  return run;
}

bool writes(const RunStep& run, StorageId storage) {
  for (size_t slot = 0; slot < run.slots.size(); ++slot) {
    if (run.slots[slot] == storage && run.program->slots()[slot].is_output) return true;
  }
  return false;
}

// Whether the steps can come one after the other in either order.
bool independent(const RunStep& a, const RunStep& b) {
  return std::none_of(a.slots.begin(), a.slots.end(), [&](StorageId storage) { return writes(b, storage); }) &&
         std::none_of(b.slots.begin(), b.slots.end(), [&](StorageId storage) { return writes(a, storage); });
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
  if (run_at(maker)->elementwise == nullptr || mentions(*run_at(maker), write.slots.back())) return std::nullopt;
  const auto all_between = [&](const RunStep& moved) {
    for (size_t i = maker + 1; i < at; ++i) {
      if (run_at(i)->program != nullptr && !independent(*run_at(i), moved)) return false;
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
    if (copy == nullptr || copy->program == nullptr) return;
    if (!mentions(*copy, to)) continue;
    if (!copy->is_copy || copy->slots[1] != to) return;
    const StorageId from = copy->slots[0];
    for (size_t steps_up = 0; i > 0 && steps_up < kFarthest; --i, ++steps_up) {
      const auto* before = std::get_if<RunStep>(&steps[i - 1].action);
      if (before == nullptr || before->program == nullptr || mentions(*before, from) || mentions(*before, to)) return;
      std::swap(steps[i - 1], steps[i]);
    }
    return;
  }
}

void fuse(Sequence& steps, const emulator::ChipSpec& chip) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (const auto* loop = std::get_if<WhileStep>(&steps[i].action)) {
      fuse(*loop->body, chip);
      continue;
    }
    if (const auto* branches = std::get_if<CaseStep>(&steps[i].action)) {
      for (const auto& branch : branches->branches) fuse(*branch, chip);
      continue;
    }
    if (!is_plain_write(std::get<RunStep>(steps[i].action))) continue;
    raise_copy(steps, i);
    const auto place = place_of(steps, i);
    if (!place) continue;
    auto whole = joined(std::get<RunStep>(steps[place->maker].action), std::get<RunStep>(steps[i].action), chip);
    if (!whole) continue;
    std::get<RunStep>(steps[i].action).program = std::get<RunStep>(steps[place->maker].action).program = nullptr;
    steps[place->at].action = *std::move(whole);
  }
  std::erase_if(steps, [](const Step& step) {
    const auto* run = std::get_if<RunStep>(&step.action);
    return run != nullptr && run->program == nullptr;
  });
}

}  // namespace

void fuse_writes(Plan& plan, const emulator::ChipSpec& chip) { fuse(plan.steps, chip); }

}  // namespace tt::lowering
