// One walk notes who makes and who reads each value, a second one builds the programs of those that stay in tiles again.
#include "lowering/layouts.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "dnn/matmul.hpp"
#include "dnn/matmul_tiles.hpp"
#include "dnn/program_cache.hpp"
#include "dnn/tilize_operand.hpp"
#include "emulator/fpu.hpp"

namespace tt::lowering {
namespace {

bool is_plain(const AccessMap& map, bool has_indices) { return !has_indices && map.offset == 0 && map.is_contiguous(); }
bool whole_tiles(int64_t size) { return size % dnn::kTileSide == 0; }

// What is known of a value: how many rows and columns it has, in whose tiles.
struct Value {
  int64_t rows = 0, columns = 0;  // of whole tiles; 0: it has to be row-major
  DataType type = DataType::kF32;
  int makers = 0, readers = 0;
};

class Layouts {
 public:
  Layouts(Plan& plan, const emulator::ChipSpec& chip)
      : plan_(plan), chip_(chip), values_(plan.storages.size()), row_major_(plan.storages.size()) {}

  void run() {
    for (const StorageId storage : plan_.parameters) row_major_[storage] = true;
    for (const StorageId storage : plan_.results) row_major_[storage] = true;
    note(plan_.steps);
    for_each_run(plan_.steps, [&](const RunStep& run) { note(run); });
    for (StorageId storage = 0; storage < values_.size(); ++storage) {
      const Value& value = values_[storage];
      plan_.storages[storage].in_tiles |=
          plan_.storages[storage].is_internal() && !row_major_[storage] && value.makers == 1 && value.readers > 0;
    }
    rebuild(plan_.steps);
  }

 private:
  void note(const Sequence& steps) {  // what steps other than programs look at
    for (const Step& step : steps) {
      if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        for (const auto& [argument, next] : loop->carried) row_major_[argument] = row_major_[next] = true;
        for (const Counter& counter : loop->counters) row_major_[counter.storage] = true;
        row_major_[loop->predicate] = true;
        note(*loop->condition);
        note(*loop->body);
      } else if (const auto* branches = std::get_if<CaseStep>(&step.action)) {
        row_major_[branches->selector] = true;
        for (const auto& branch : branches->branches) note(*branch);
      }
    }
  }

  void note(const RunStep& run) {
    std::set<StorageId> fits;
    if (run.product != nullptr) note(run, *run.product, fits);
    for (const StorageId storage : run.slots) {
      if (!fits.contains(storage)) row_major_[storage] = true;
    }
  }

  // The storages that may be in tiles as far as this product is concerned.
  void note(const RunStep& run, const dnn::MatmulSpec& spec, std::set<StorageId>& fits) {
    const size_t inputs = spec.input_bytes.size();
    const DataType operand = emulator::matmul_operand_type(spec.compute_type);
    if (spec.results.size() == 1 && run.slots.size() == inputs + 1) {
      const dnn::Result& result = spec.results[0];
      if (is_plain(result.map, !result.indices.empty()) && meet(run.slots[inputs], spec.batch * spec.m, spec.n, spec.m, result.type)) {
        ++values_[run.slots[inputs]].makers;
        fits.insert(run.slots[inputs]);
      }
    }
    const auto read = [&](const dnn::Operand& matrix, bool in_tiles, int64_t rows, int64_t columns) {
      if (in_tiles || matrix.buffer == dnn::kNoBuffer || !matrix.pad.empty() || matrix.type != operand) return;
      const StorageId storage = run.slots[matrix.buffer];
      const bool alone =
          std::count_if(spec.extras.begin(), spec.extras.end(), [&](const auto& e) { return e.buffer == matrix.buffer; }) == 0;
      if (!alone || !is_plain(matrix.map, !matrix.indices.empty()) || !meet(storage, spec.batch * rows, columns, rows, matrix.type)) return;
      ++values_[storage].readers;
      fits.insert(storage);
    };
    if (spec.a.buffer == spec.b.buffer) return;
    read(spec.a, spec.a_in_tiles, spec.m, spec.k);
    if (dnn::tiles_alike(operand)) read(spec.b, spec.b_in_tiles, spec.k, spec.n);
  }

  // Whether the value can be tiles of rows x columns, as all who name it see it.
  bool meet(StorageId storage, int64_t rows, int64_t columns, int64_t rows_of_batch, DataType type) {
    Value& value = values_[storage];
    if (!whole_tiles(rows_of_batch) || !whole_tiles(columns) || rows == 0) return false;
    if (value.rows == 0) value = {rows, columns, type, value.makers, value.readers};
    return value.rows == rows && value.columns == columns && value.type == type;
  }

  void rebuild(Sequence& steps) {
    for (Step& step : steps) {
      if (auto* run = std::get_if<RunStep>(&step.action)) {
        if (run->product != nullptr) rebuild(*run);
      } else if (const auto* loop = std::get_if<WhileStep>(&step.action)) {
        rebuild(*loop->condition);
        rebuild(*loop->body);
      } else {
        for (const auto& branch : std::get<CaseStep>(step.action).branches) rebuild(*branch);
      }
    }
  }

  void rebuild(RunStep& run) {
    const auto in_tiles = [&](size_t slot) { return plan_.storages[run.slots[slot]].in_tiles; };
    dnn::MatmulSpec spec = *run.product;
    const bool a = in_tiles(spec.a.buffer) && !spec.a_in_tiles, b = in_tiles(spec.b.buffer) && !spec.b_in_tiles,
               result = spec.results.size() == 1 && in_tiles(spec.input_bytes.size());
    if (!a && !b && !result) return;
    spec.a_in_tiles |= a;
    spec.b_in_tiles |= b;
    spec.result_in_tiles |= result;
    run.program = dnn::shared_program(dnn::matmul, spec, chip_);
    run.product = std::make_shared<const dnn::MatmulSpec>(std::move(spec));
  }

  Plan& plan_;
  const emulator::ChipSpec& chip_;
  std::vector<Value> values_;
  std::vector<bool> row_major_;
};

}  // namespace

void assign_layouts(Plan& plan, const emulator::ChipSpec& chip) { Layouts(plan, chip).run(); }

}  // namespace tt::lowering
