// Programs over rows: how rows lie in pages, the circular buffers of the values of a RowSpec, and the steps on the rows of one unit.
#pragma once

#include <array>
#include <span>

#include "dnn/fused_rows.hpp"

namespace tt::dnn {

inline constexpr size_t kMaxRowBuffers = 28;  // operands and results; four more hold what stays in L1
inline constexpr size_t kMaxRowInputs = 30;   // of one step

// A unit of work is a few whole rows: several of them to a page where they are short, several pages to one where they are long.
struct RowShape {
  int64_t rows, n;
  int64_t group;          // no unit holds rows of two groups
  int64_t pages_per_row;  // 1: short rows
  int64_t rows_per_page;  // 1: long rows
  int64_t rows_per_unit;

  int64_t pages_of(int64_t count) const { return pages_per_row > 1 ? count * pages_per_row : div_up(count, rows_per_page); }
  int64_t pages_per_unit() const { return pages_of(rows_per_unit); }
  int64_t units_per_group() const { return div_up(group, rows_per_unit); }
  int64_t units() const { return rows / group * units_per_group(); }
  bool is_one_group() const { return group == rows; }  // then nothing is divided
  int64_t start_in_group(int64_t unit) const { return (is_one_group() ? unit : unit % units_per_group()) * rows_per_unit; }
  int64_t first_row(int64_t unit) const { return (is_one_group() ? 0 : unit / units_per_group() * group) + start_in_group(unit); }
  int64_t rows_in(int64_t unit) const { return std::min(rows_per_unit, group - start_in_group(unit)); }
  int64_t pages_in(int64_t unit) const { return pages_of(rows_in(unit)); }
  // Of page g of a unit: its first row in the unit, rows (1 for a part of a row), elements, and its first element in [rows, n].
  int64_t page_row(int64_t g) const { return pages_per_row > 1 ? g / pages_per_row : g * rows_per_page; }
  int64_t page_rows(int64_t unit, int64_t g) const { return std::min(rows_per_page, rows_in(unit) - page_row(g)); }
  int64_t page_elements(int64_t unit, int64_t g) const {
    return pages_per_row > 1 ? std::min<int64_t>(kTileElements, n - page_column(g)) : page_rows(unit, g) * n;
  }
  int64_t page_start(int64_t unit, int64_t g) const { return (first_row(unit) + page_row(g)) * n + page_column(g); }
  // Where a row of a unit starts: the page, and the element there.
  int64_t page_of(int64_t row) const { return pages_per_row > 1 ? row * pages_per_row : row / rows_per_page; }
  int64_t place_of(int64_t row) const { return pages_per_row > 1 ? 0 : row % rows_per_page * n; }

 private:
  int64_t page_column(int64_t g) const { return pages_per_row > 1 ? g % pages_per_row * static_cast<int64_t>(kTileElements) : 0; }
};
RowShape shape_of_rows(int64_t rows, int64_t n);  // one page to a unit of short rows, one row to a unit of long ones

struct RowPages {
  Cb cb = 0;
  uint32_t first = 0;  // page
};

struct RowStream {
  bool per_row;     // one element per row
  bool stationary;  // the same for all units: read once
  RowPages at;
  uint32_t pages = 0;  // per unit
  bool made = false;   // in L1, by the compute kernel: nobody reads it from DRAM

  bool moves() const { return !stationary && !made; }  // is read for each unit
};

struct RowSink {
  bool per_row;
  Slot slot;
  AccessMap map;
  DataType type;
  RowPages at = {};
  uint32_t pages = 0;  // per unit
  bool stays = false;  // in L1, for the compute kernel: nobody writes it to DRAM
};

struct RowPlan {
  struct Step {
    RowStep::Kind kind;
    TileChain chain;
    emulator::TileOpcode fold;
    std::vector<RowValue> inputs, outputs;
    std::vector<size_t> input_sizes;  // bytes of an element
  };
  RowShape shape;
  std::vector<Operand> operands;
  std::vector<RowStream> streams;  // one per operand
  std::vector<RowSink> sinks;      // one per result
  std::vector<Step> steps;
  std::vector<RowPages> pages;  // that stay in L1
  Cb elements = 0, repeated = 0;
  std::vector<std::pair<Cb, uint32_t>> resident;  // these buffers and their pages: written and read by the compute kernel alone
  double flops = 0;

  bool has_one_per_row(const RowValue& value) const;
};

// Operands and results are `depth` units deep. Other parts of the program make the first `made` operands in L1, and they may read results
// there: those without a buffer are not written.
int64_t row_l1_bytes(const RowSpec& spec, const RowShape& shape, int64_t depth, size_t made = 0);
// Adds the circular buffers.
RowPlan plan_rows(const RowSpec& spec, const RowShape& shape, int64_t depth, size_t made, Program& program);
void add_row_notes(const RowSpec& spec, const RowPlan& plan, Program& program);

// What a unit needs of an operand goes to the back of its circular buffer, which has room.
void read_rows(Dataflow& k, const RowPlan& plan, const Operands& operands, size_t stream, int64_t unit);
// A unit of a result, at the front of its circular buffer, goes to DRAM.
void write_rows(Dataflow& k, const RowPlan& plan, const RowSink& sink, int64_t unit);

// The steps on the rows of a unit. Streams hold its pages, sinks have room for them.
class RowUnit {
 public:
  RowUnit(Compute& k, const RowPlan& plan) : k_(k), p_(plan), g_(plan.shape.pages_per_unit()) {}
  void run(int64_t unit);
  // Where the rows of an operand that is made here lie, or of a result of the last run: each in one piece.
  void find_rows(const RowValue& value, std::span<std::byte*> rows);

 private:
  const std::byte* input(const RowValue& value, int64_t page);
  std::byte* output(const RowValue& value, int64_t page);
  void run_pages(const RowPlan::Step& step);
  void run_elements(const RowPlan::Step& step);
  void run_fold(const RowPlan::Step& step);

  Compute& k_;
  const RowPlan& p_;
  int64_t g_, unit_ = 0;
  std::array<const std::byte*, kMaxRowInputs> inputs_{};
  std::array<std::byte*, kMaxRowBuffers> outputs_{};
  std::vector<const std::byte*> pages_ = std::vector<const std::byte*>(static_cast<size_t>(g_));  // of the operand of a fold
  std::vector<std::byte*> results_ = std::vector<std::byte*>(p_.sinks.size() * static_cast<size_t>(g_));
};

}  // namespace tt::dnn
