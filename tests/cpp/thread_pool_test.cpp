// Who comes to a parallel section.
#include "base/thread_pool.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include "test.hpp"

namespace tt::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How many threads come to a section that is open until two have come, or for a while.
int visitors(ThreadPool& pool, double seconds, milliseconds open) {
  std::atomic<int> came = 0;
  const std::function<void(int)> task = [&](int) {
    ++came;
    const auto end = steady_clock::now() + open;
    while (came < 2 && steady_clock::now() < end) std::this_thread::yield();
  };
  pool.run(task, seconds);
  return came;
}

TEST(workers_that_sleep_are_woken_for_long_sections_alone) {
  constexpr double kShort = 1e-6, kLong = 1;
  constexpr milliseconds kNap{50}, kPatience{5000};  // they have stopped spinning by then
  ThreadPool pool(2);
  std::this_thread::sleep_for(kNap);
  EXPECT_EQ(visitors(pool, kShort, milliseconds(5)), 1);
  std::this_thread::sleep_for(kNap);
  EXPECT_EQ(visitors(pool, kLong, kPatience), 2);
}

TEST(callers_of_several_pools_go_alone) {
  constexpr milliseconds kNap{50}, kPatience{5000};
  ThreadPool busy(2), pool(2);
  std::atomic<bool> inside = false, done = false;
  std::thread other([&] {
    busy.run(
        [&](int) {
          inside = true;
          while (!done) std::this_thread::yield();
        },
        0);
  });
  while (!inside) std::this_thread::yield();
  EXPECT_EQ(visitors(pool, 1, kNap), 1);
  done = true;
  other.join();
  EXPECT_EQ(visitors(pool, 1, kPatience), 2);
}

TEST(many_short_sections_in_a_row_wake_the_workers) {
  constexpr double kShort = 1e-6;
  ThreadPool pool(2);
  std::this_thread::sleep_for(milliseconds(50));
  std::atomic<bool> helped = false;
  const std::function<void(int)> task = [&](int thread) { helped = helped || thread == 1; };
  const auto end = steady_clock::now() + std::chrono::seconds(5);
  while (!helped && steady_clock::now() < end) pool.run(task, kShort);
  EXPECT(helped);
}

}  // namespace
}  // namespace tt::test
