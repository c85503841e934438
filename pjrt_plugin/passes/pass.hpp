// The passes over the IR, in the order in which they run.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ir/ir.hpp"
#include "passes/dump.hpp"

namespace tt::passes {

struct Pass {
  std::string_view name;
  void (*run)(ir::Module&);  // null: a choice that lowering makes, named here so that it can be left out
  bool required = false;     // lowering needs what it leaves
};

void inline_calls(ir::Module& module);        // leaves main alone, without calls and composites
void partition(ir::Module& module);           // the program of each device instead of the one of all
void rewrite_deprecated(ir::Module& module);  // dot, einsum ... as what took their place
void resolve_tuples(ir::Module& module);
void resolve_sizes(ir::Module& module);
void decompose(ir::Module& module);             // into other operations: batch normalisation, random numbers ...
void canonicalize(ir::Module& module);          // operations that return an operand as it is
void simplify_comparisons(ir::Module& module);  // of floats in the order that has one zero and one NaN
void fold_concatenates(ir::Module& module);     // that elementwise operations read, into these
void eliminate_common_subexpressions(ir::Module& module);
void hoist_invariants(ir::Module& module);     // out of loops whose turns do not change them
void hoist_products(ir::Module& module);       // of slices, out of loops over all of them
void join_products(ir::Module& module);        // with an operand in common, where only loops read them
void fold_transposes(ir::Module& module);      // into the products before them
void reduce_dots(ir::Module& module);          // products of single rows, and of rows and vectors
void transpose_stacks(ir::Module& module);     // of loops, that only a transpose reads
void eliminate_dead_code(ir::Module& module);  // operations without effect whose results nobody reads

std::span<const Pass> pipeline();

// The passes that are left out: their names, separated by commas. InvalidArgument on a name that is none of those.
class Selection {
 public:
  explicit Selection(std::string_view left_out);
  bool has(std::string_view pass) const;

 private:
  std::vector<std::string_view> off_;
};

void run_pipeline(ir::Module& module, const Selection& selection, Dump& dump);

}  // namespace tt::passes
