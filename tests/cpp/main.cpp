// Runs the C++ floor tests.
#include <cstdlib>

#include "test.hpp"

namespace tt::test {
std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
}  // namespace tt::test

int main(int argc, char** argv) {
  unsetenv("JAX_TT_NUM_DEVICES");  // tests of several devices say so
  int run = 0, failed = 0;
  for (const auto& test : tt::test::cases()) {
    if (argc > 1 && test.name.find(argv[1]) == std::string::npos) continue;
    ++run;
    try {
      test.body();
    } catch (const std::exception& error) {
      ++failed;
      std::cout << "FAILED " << test.name << ": " << error.what() << "\n";
    }
  }
  std::cout << run - failed << " of " << run << " tests passed\n";
  return failed != 0 || run == 0;
}
