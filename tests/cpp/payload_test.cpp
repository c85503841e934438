// The programs of tests/payloads, and those of shared/payloads, as JAX sends them: each is read and printed as the text beside it;
// damaged ones are refused.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "emulator/grayskull.hpp"
#include "executable/executable.hpp"
#include "stablehlo/reader.hpp"
#include "test.hpp"

namespace tt {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> samples() {
  std::vector<fs::path> folders{TT_TEST_PAYLOADS}, paths;
  if (const char* shared = std::getenv("JAX_TT_SHARED")) {
    folders.push_back(fs::path(shared) / "payloads");
  } else {
    std::cout << "JAX_TT_SHARED does not name the folder with payloads/: only those of tests/payloads are read\n";
  }
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".mlirbc") paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  EXPECT(paths.size() >= (folders.size() == 1 ? 6 : 38));
  return paths;
}

std::unique_ptr<ir::Module> read(std::string_view bytes) { return stablehlo::read(std::as_bytes(std::span(bytes))); }

TEST(payloads_print_as_jax_does) {
  for (const fs::path& path : samples()) {
    const fs::path file = fs::path(path).replace_extension(".mlir");
    if (!fs::exists(file)) continue;
    const std::string text = contents(file);
    const auto module = read(contents(path));
    ir::LocationNames names;
    const std::string printed = text.find(" loc(") != std::string::npos ? ir::print(*module, names) : ir::print(*module);
    if (printed != text) throw test::Failure(cat(path.filename(), " prints as\n", printed));
  }
}

TEST(every_prefix_of_a_payload_is_refused) {
  for (const fs::path& path : samples()) {
    const std::string bytes = contents(path);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const std::string message = test::message_of([&] { read(std::string(bytes, 0, length)); });
      EXPECT(message.starts_with("InvalidArgument: "));
    }
  }
}

// One bit changed: refused with an error, or compiled as another program. Nothing else may happen.
TEST(a_damaged_payload_is_compiled_or_refused) {
  const emulator::ChipSpec& chip = emulator::find_chip("e150");
  const auto allowed = {ErrorCategory::kInvalidArgument, ErrorCategory::kUnimplemented, ErrorCategory::kUnsupported,
                        ErrorCategory::kOutOfMemory};
  for (const fs::path& path : samples()) {
    const std::string bytes = contents(path);
    for (size_t at = 0; at < bytes.size(); at += 7) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      try {
        executable::compile(read(damaged), {}, chip, "");
      } catch (const Error& error) {
        if (std::find(allowed.begin(), allowed.end(), error.category()) == allowed.end())
          throw test::Failure(cat(path.filename(), ", bit ", at % 8, " of byte ", at, ": ", name(error.category()), ": ", error.what()));
      }
    }
  }
}

}  // namespace
}  // namespace tt
