// JAX_TT_DUMP=dir: every step of a compilation as a file, in a folder per program: dir/0003_jit_f/00_read.mlir ...
#pragma once

#include <string>
#include <string_view>

#include "ir/ir.hpp"

namespace tt::passes {

class Dump {
 public:
  explicit Dump(const ir::Module& module);  // reads the variable; InvalidArgument when the folder cannot be made
  bool is_on() const { return !folder_.empty(); }
  void write(std::string_view step, const ir::Module& module);     // NN_step.mlir, with locations: the same names in every step
  void write(std::string_view file, std::string_view text) const;  // a file of its own

 private:
  std::string folder_;
  ir::LocationNames names_;
  int next_ = 0;
};

}  // namespace tt::passes
