// A test runner in one header: TEST(name) { EXPECT(...); }, main() in main.cpp runs all of them or those whose name contains argv[1].
#pragma once

#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace tt::test {

struct Case {
  std::string name;
  std::function<void()> body;
};
std::vector<Case>& cases();
struct Register {
  Register(std::string name, std::function<void()> body) { cases().push_back({std::move(name), std::move(body)}); }
};
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The message of the Error that `body` throws; fails when it throws none.
inline std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return cat(name(error.category()), ": ", error.what());
  }
  throw Failure("expected an Error, none was thrown");
}

inline void expect_contains(std::string_view text, std::string_view part, const char* file, int line) {
  if (text.find(part) == std::string_view::npos) throw Failure(cat(file, ":", line, ": \"", part, "\" is not in \"", text, "\""));
}

}  // namespace tt::test

#define TEST(name)                                                       \
  static void test_##name();                                             \
  static const ::tt::test::Register register_##name(#name, test_##name); \
  static void test_##name()
#define EXPECT(condition) \
  if (!(condition)) throw ::tt::test::Failure(::tt::cat(__FILE__, ":", __LINE__, ": ", #condition))
#define EXPECT_EQ(a, b)                                                                                                             \
  do {                                                                                                                              \
    const auto va_ = (a); /* by value: (a) may lie in a temporary that ends here */                                                 \
    const auto vb_ = (b);                                                                                                           \
    if (!(va_ == vb_)) throw ::tt::test::Failure(::tt::cat(__FILE__, ":", __LINE__, ": ", #a, " == ", #b, ": ", va_, " != ", vb_)); \
  } while (0)
#define EXPECT_ERROR(body, part) ::tt::test::expect_contains(::tt::test::message_of([&] { body; }), part, __FILE__, __LINE__)
