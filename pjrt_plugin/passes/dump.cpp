// Files of a compilation.
#include "passes/dump.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"

namespace tt::passes {
namespace {

std::string numbered(int number, int digits, std::string_view name) {
  char text[16];
  std::snprintf(text, sizeof(text), "%0*d", digits, number);
  return cat(text, '_', name);
}

// Names of modules and functions may hold anything.
std::string file_name(std::string_view name) {
  std::string out(name.substr(0, 80));
  for (char& c : out) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-' && c != '.') c = '_';
  }
  return out;
}

}  // namespace

Dump::Dump(const ir::Module& module) {
  static std::atomic<int> programs{0};
  const char* root = std::getenv("JAX_TT_DUMP");
  if (root == nullptr || *root == 0) return;
  folder_ = (std::filesystem::path(root) / numbered(programs++, 4, file_name(module.name))).string();
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  require(!error, "[JAX_TT_DUMP] cannot make ", folder_, ": ", error.message());
}

void Dump::write(std::string_view step, const ir::Module& module) {
  if (is_on()) write(numbered(next_++, 2, cat(step, ".mlir")), ir::print(module, names_));
}

void Dump::write(std::string_view file, std::string_view text) const {
  if (!is_on()) return;
  std::ofstream out(std::filesystem::path(folder_) / file);
  out << text;
  require(out.good(), "[JAX_TT_DUMP] cannot write ", folder_, "/", file);
}

}  // namespace tt::passes
