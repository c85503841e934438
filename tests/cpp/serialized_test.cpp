// Executables as bytes: what goes in comes out, and what is none of ours, or for another chip, is refused.
#include "pjrt/serialized.hpp"

#include "base/error.hpp"
#include "test.hpp"

namespace tt::pjrt {
namespace {

const std::string kPayload("ML\xefR\0payload", 12);
const std::string kAssignment("\x08\x01\x10\x01\x1a\x03\x0a\x01\x02", 9);  // device 2

std::string bytes_for(std::string_view chip) {
  return serialize(compile_key(kPayload, {.overrides = {{"jax_tt_no", "fuse_rows"}}, .num_replicas = 1, .num_partitions = 1}, chip),
                   kAssignment);
}

TEST(a_serialized_executable_holds_the_payload_and_its_options) {
  const std::string bytes = bytes_for("e150");
  const Deserialized program = deserialize(bytes, "e150");
  EXPECT(program.payload == kPayload);
  EXPECT(program.options.assignment == kAssignment);
  EXPECT_EQ(devices_of(program.options.assignment)[0], int64_t{2});
  EXPECT(program.options.compile.overrides == (std::map<std::string, std::string>{{"jax_tt_no", "fuse_rows"}}));
  EXPECT_EQ(program.options.compile.num_replicas, int64_t{1});
}

TEST(keys_differ_in_each_part) {
  const std::string key = compile_key("ab", {}, "e150");
  EXPECT(key == compile_key("ab", {}, "e150"));
  EXPECT(key != compile_key("abc", {}, "e150"));
  EXPECT(key != compile_key("ab", {}, "e75"));
  EXPECT(key != compile_key("ab", {.overrides = {{"jax_tt_no", ""}}}, "e150"));
  EXPECT(key != compile_key("ab", {.overrides = {}, .num_replicas = 2}, "e150"));
}

TEST(bytes_that_are_no_executable_are_refused) {
  EXPECT_ERROR(deserialize("pickle", "e150"), "[deserialize] these 6 bytes are no executable of tt; expected what tt has serialized");
  const std::string bytes = bytes_for("e150");
  for (size_t size = 14; size < bytes.size(); ++size) {
    EXPECT_ERROR(deserialize(std::string_view(bytes).substr(0, size), "e150"), "[deserialize] the executable ends early: ");
  }
}

TEST(executables_for_another_chip_or_of_another_version_are_refused) {
  std::string bytes = bytes_for("e75");
  EXPECT_ERROR(deserialize(bytes, "e150"), "[deserialize] the executable is for e75, the devices are e150: compile it again");
  bytes[bytes.find("jax_tt 0.1")] = 'J';
  EXPECT_ERROR(deserialize(bytes, "e75"), "[deserialize] the executable is of Jax_tt 0.1");
}

}  // namespace
}  // namespace tt::pjrt
