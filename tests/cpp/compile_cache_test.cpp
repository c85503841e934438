// The compile cache: one compilation per key, failures are not kept, the least recently used goes.
#include "pjrt/compile_cache.hpp"

#include "base/error.hpp"
#include "test.hpp"

namespace tt::pjrt {
namespace {

TEST(the_compile_cache_compiles_each_key_once) {
  CompileCache cache;
  int compiled = 0;
  const auto compile = [&](const std::string&) {
    ++compiled;
    return CompileCache::Compiled();
  };
  for (int i = 0; i < 3; ++i) cache.get("a", compile);
  cache.get("b", compile);
  EXPECT_EQ(compiled, 2);
  EXPECT_EQ(cache.size(), size_t{2});
}

TEST(a_failed_compilation_is_tried_again) {
  CompileCache cache;
  EXPECT_ERROR(cache.get("a", [](const std::string&) -> CompileCache::Compiled { fail(ErrorCategory::kUnimplemented, "no"); }), "no");
  EXPECT_EQ(cache.size(), size_t{0});
  bool tried = false;
  cache.get("a", [&](const std::string&) {
    tried = true;
    return CompileCache::Compiled();
  });
  EXPECT(tried);
}

TEST(the_least_recently_used_program_goes_first) {
  CompileCache cache;
  const auto nothing = [](const std::string&) { return CompileCache::Compiled(); };
  for (size_t i = 0; i < CompileCache::kCapacity; ++i) cache.get(cat("key ", i), nothing);
  cache.get("key 0", nothing);
  cache.get("one more", nothing);
  EXPECT_EQ(cache.size(), CompileCache::kCapacity);
  bool again = false;
  cache.get("key 0", [&](const std::string&) {
    again = true;
    return CompileCache::Compiled();
  });
  EXPECT(!again);
  cache.get("key 1", [&](const std::string&) {
    again = true;
    return CompileCache::Compiled();
  });
  EXPECT(again);
}

TEST(programs_with_large_keys_make_room_for_each_other) {
  CompileCache cache;
  const auto nothing = [](const std::string&) { return CompileCache::Compiled(); };
  const std::string large(CompileCache::kMaxBytes / 3, 'x');
  for (int i = 0; i < 10; ++i) cache.get(cat(i, large), nothing);
  EXPECT_EQ(cache.size(), size_t{2});
  cache.get(large + large + large + large, nothing);
  EXPECT_EQ(cache.size(), size_t{1});
  cache.get("small", nothing);
  EXPECT_EQ(cache.size(), size_t{1});
}

}  // namespace
}  // namespace tt::pjrt
