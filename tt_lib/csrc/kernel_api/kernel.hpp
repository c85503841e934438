// The coroutine type of a kernel. A kernel is a free function `Kernel name(Dataflow k, Args a)` or `Kernel name(Compute k, Args a)`;
// `co_await` stands where the RISC-V core would spin, always as a full statement.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>

namespace tt {

namespace kernel_detail {
void* allocate_frame(std::size_t bytes);  // from a free list of the host thread
void free_frame(void* frame, std::size_t bytes);
}  // namespace kernel_detail

class Kernel {
 public:
  struct promise_type {
    std::exception_ptr error;

    Kernel get_return_object() { return Kernel(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { error = std::current_exception(); }
    static void* operator new(std::size_t bytes) { return kernel_detail::allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) { kernel_detail::free_frame(frame, bytes); }
  };

  explicit Kernel(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle() const { return handle_; }  // owned by the scheduler

 private:
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace tt
