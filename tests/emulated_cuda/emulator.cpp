#include "tests/emulated_cuda/emulator.h"

#include <ucontext.h>
#include <algorithm>
#include <csetjmp>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "memory/error.h"
#include "ops/philox.h"
#include "tests/emulated_cuda/sanitizer_fibers.h"

namespace emulated_cuda {
namespace {

constexpr std::size_t stack_bytes = std::size_t{1} << 16;

std::string text(const Place& place) { return fmt::format("{}:{}", place.file_name(), place.line()); }

struct Fiber {
  std::jmp_buf point;  // where it goes on; ucontext only starts it: its switches ask the kernel for signal masks
  bool is_started = false;
  unsigned thread = 0;    // of the block
  Fiber* next = nullptr;  // in the queue that it stands in
  SanitizerFiber sanitizer;
};

struct Queue {
  [[nodiscard]] bool empty() const { return first == nullptr; }
  void push(Fiber& fiber) {
    fiber.next = nullptr;
    (empty() ? first : last->next) = &fiber;
    last = &fiber;
  }
  Fiber& pop() { return *std::exchange(first, first->next); }

  Fiber *first = nullptr, *last = nullptr;
};

// Threads that wait until others are here.
struct Meeting {
  void arrive(const Place& where) {
    if (arrived++ == 0) place = where;
    if (place.line() != where.line() || place.file_name() != std::string_view(where.file_name()))
      throw ctrain::running_error("emulated CUDA: threads that wait for each other stand at {} and at {}", text(place),
                                  text(where));
  }
  unsigned arrived = 0;
  Place place;  // of the first
  Queue waiting;
};

struct Warp {
  // A lane is never two exchanges ahead of another, so that two buffers do.
  Exchange& open() { return exchanges[done % 2]; }
  Meeting meeting;
  std::uint32_t mask = 0, live = 0;  // lanes: of the exchange, that have not ended
  unsigned done = 0;
  std::array<Exchange, 2> exchanges;
};

class Processor {
 public:
  static Processor& of_this_thread() {
    static thread_local Processor processor;
    return processor;
  }

  void run(dim3 grid, dim3 block, void (*thread)(const void*), const void* arguments) {
    thread_ = thread;
    arguments_ = arguments;
    gridDim = grid;
    blockDim = block;
    threads_ = block.x * block.y * block.z;
    const auto order = ctrain::random_word(0, launches_++);
    threads_backwards_ = (order & 1) != 0;
    const unsigned blocks = grid.x * grid.y * grid.z;
    for (unsigned i = 0; i < blocks; ++i) {
      const unsigned at = (order & 2) != 0 ? blocks - 1 - i : i;
      blockIdx = {at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y};
      run_block();
    }
  }

  void wait_for_block(const Place& place) {
    block_.arrive(place);
    if (block_.arrived == live_) return end(block_);
    suspend(block_);
  }

  const Exchange& exchange(std::uint32_t mask, std::uint64_t value, const Place& place) {
    Warp& warp = warps_[running_->thread / warp_size];
    const std::uint32_t lane = running_->thread % warp_size;
    if ((mask >> lane & 1) == 0)
      throw ctrain::running_error("emulated CUDA: lane {} is not in its mask {:#x} at {}", lane, mask, text(place));
    Exchange& exchanged = warp.open();
    if (warp.meeting.arrived == 0) {
      warp.mask = mask;
      exchanged.lanes = 0;
    }
    if (warp.mask != mask)
      throw ctrain::running_error("emulated CUDA: lanes with masks {:#x} and {:#x} at {}", warp.mask, mask,
                                  text(place));
    warp.meeting.arrive(place);
    exchanged.lanes |= 1U << lane;
    exchanged.values[lane] = value;
    if (!end_if_complete(warp)) suspend(warp.meeting);
    return exchanged;
  }

 private:
  void run_block() {
    started_ = 0;
    live_ = threads_;
    block_ = {};
    for (unsigned i = 0; i * warp_size < threads_; ++i) {
      const unsigned lanes = std::min(warp_size, threads_ - i * warp_size);
      warps_[i].meeting = {};
      warps_[i].live = lanes == warp_size ? ~0U : (1U << lanes) - 1;
    }
    while (live_ > 0 && failure_ == nullptr) {
      if (ready_.empty() && started_ == threads_) {
        failure_ = std::make_exception_ptr(deadlock());
      } else {
        resume(ready_.empty() ? idle_fiber() : ready_.pop());
      }
    }
    if (failure_ == nullptr) return;
    fibers_ = std::make_unique<Fibers>();  // those of the broken block stand in the middle of it
    ready_ = idle_ = {};
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  ctrain::Error deadlock() const {
    std::string message =
        fmt::format("emulated CUDA: threads wait for ever, {} of {} have ended", threads_ - live_, threads_);
    if (block_.arrived > 0) message += fmt::format("; {} wait for the block at {}", block_.arrived, text(block_.place));
    for (unsigned i = 0; i * warp_size < threads_; ++i)
      if (const Meeting& meeting = warps_[i].meeting; meeting.arrived > 0)
        message += fmt::format("; {} of warp {} wait for lanes {:#x} at {}", meeting.arrived, i, warps_[i].mask,
                               text(meeting.place));
    return ctrain::running_error("{}", message);
  }

  void end(Meeting& meeting) {
    meeting.arrived = 0;
    while (!meeting.waiting.empty()) ready_.push(meeting.waiting.pop());
  }

  bool end_if_complete(Warp& warp) {
    if (warp.meeting.arrived == 0 || warp.open().lanes != (warp.mask & warp.live)) return false;
    end(warp.meeting);
    ++warp.done;
    return true;
  }

  // What fibers do: one thread after the other, until one waits.
  void run_threads(Fiber& self) {
    while (true) {
      while (ready_.empty() && started_ < threads_ && failure_ == nullptr) {
        const unsigned next = started_++;
        self.thread = threads_backwards_ ? threads_ - 1 - next : next;
        set_coordinates();
        try {
          thread_(arguments_);
        } catch (...) {
          failure_ = std::current_exception();
        }
        --live_;
        Warp& warp = warps_[self.thread / warp_size];
        warp.live &= ~(1U << self.thread % warp_size);
        end_if_complete(warp);
        if (block_.arrived > 0 && block_.arrived == live_) end(block_);
      }
      idle_.push(self);
      leave(self);
    }
  }

  void set_coordinates() {
    const unsigned thread = running_->thread;
    threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
  }

  void suspend(Meeting& meeting) {
    Fiber& self = *running_;
    meeting.waiting.push(self);
    leave(self);
    set_coordinates();
  }

  Fiber& idle_fiber() {
    if (!idle_.empty()) return idle_.pop();
    return fibers_->fibers[fibers_->used++];
  }

  void resume(Fiber& fiber) {
    running_ = &fiber;
    std::byte* stack = fibers_->stack(fiber);
    main_sanitizer_.leave_for(stack, stack_bytes);
    if (_setjmp(main_) == 0) {
      if (fiber.is_started) _longjmp(fiber.point, 1);
      fiber.is_started = true;
      ucontext_t context;
      getcontext(&context);
      context.uc_stack.ss_sp = stack;
      context.uc_stack.ss_size = stack_bytes;
      makecontext(
          &context, [] { of_this_thread().start(); }, 0);
      setcontext(&context);
    }
    main_sanitizer_.enter();
  }

  void start() {
    running_->sanitizer.enter_first(main_stack_, main_stack_bytes_);
    run_threads(*running_);
  }

  void leave(Fiber& self) {
    self.sanitizer.leave_for(main_stack_, main_stack_bytes_);
    if (_setjmp(self.point) == 0) _longjmp(main_, 1);
    self.sanitizer.enter();
  }

  struct Fibers {
    std::byte* stack(const Fiber& fiber) { return stacks.get() + (&fiber - fibers.data()) * stack_bytes; }
    unsigned used = 0;
    std::array<Fiber, most_threads> fibers;
    std::unique_ptr<std::byte[]> stacks = std::make_unique_for_overwrite<std::byte[]>(most_threads * stack_bytes);
  };

  void (*thread_)(const void*) = nullptr;
  const void* arguments_ = nullptr;
  std::uint64_t launches_ = 0;
  bool threads_backwards_ = false;
  unsigned threads_ = 0, started_ = 0, live_ = 0;  // of the block: all, begun, not ended
  Meeting block_;
  std::array<Warp, most_threads / warp_size> warps_;
  std::unique_ptr<Fibers> fibers_ = std::make_unique<Fibers>();
  Fiber* running_ = nullptr;
  Queue ready_, idle_;
  std::exception_ptr failure_;
  std::jmp_buf main_;
  SanitizerFiber main_sanitizer_;
  const void* main_stack_ = nullptr;  // for the address sanitizer
  std::size_t main_stack_bytes_ = 0;
};

}  // namespace

void run_grid(dim3 grid, dim3 block, void (*thread)(const void*), const void* arguments) {
  Processor::of_this_thread().run(grid, block, thread, arguments);
}

void wait_for_block(const Place& place) { Processor::of_this_thread().wait_for_block(place); }

const Exchange& exchange(std::uint32_t mask, std::uint64_t value, const Place& place) {
  return Processor::of_this_thread().exchange(mask, value, place);
}

std::uint64_t value_of_lane(const Exchange& exchanged, unsigned lane, const Place& place) {
  if ((exchanged.lanes >> lane & 1) == 0)
    throw ctrain::running_error("emulated CUDA: lane {} is read, but does not take part, at {}", lane, text(place));
  return exchanged.values[lane];
}

}  // namespace emulated_cuda
