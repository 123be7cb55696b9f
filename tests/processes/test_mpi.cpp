// test_mpi <case>: what the ranks of one mpirun do; run_case.cmake checks how it ends.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "memory/allocation_counter.h"
#include "memory/error.h"
#include "parallel/comm/local.h"
#include "parallel/comm/mpi.h"
#include "tests/support/collective_script.h"

namespace ctrain {
namespace {

// The same bits as threads of this process get, also where a span needs several messages.
void collectives(Communicator& world) {
  const std::vector<std::byte> here = run_collective_script(world);
  std::vector<std::vector<std::byte>> expected(static_cast<std::size_t>(world.size()));
  run_local_ranks(world.size(), {.timeout = 60}, [&](Communicator& local) {
    expected[static_cast<std::size_t>(local.rank())] = run_collective_script(local);
  });
  require(here == expected[static_cast<std::size_t>(world.rank())], "other bits than `local` on rank {}", world.rank());
}

void allocations_of_calls(Communicator& world) {
  std::vector<double> data(10000, 1), all(40000, 1);
  const auto step = [&] {
    world.all_reduce(view(data), view(data), Reduction::max);
    world.all_gather(view(data), view(all));
    world.reduce_scatter(view(all), view(data), Reduction::sum);
    world.shift(view(data).part(0, 5000), view(data).part(5000, 5000));
    world.all_reduce(view(data).part(0, 3), view(data).part(0, 3), Reduction::sum);
    world.broadcast(view(data), 1);
  };
  world.reserve(all.size() * sizeof(double));
  const std::int64_t before = allocation_count().own_calls;
  for (int i = 0; i < 3; ++i) step();
  const std::int64_t after = allocation_count().own_calls;
  require(after == before, "{} allocations in three steps", after - before);
}

void all_reduce_for_ever(Communicator& world, const std::function<void(int)>& each) {
  std::vector<float> data(100000, 0);
  for (int i = 0;; ++i) {
    world.all_reduce(view(data), view(data), Reduction::sum);
    each(i);
  }
}

void killed(Communicator& world) {
  all_reduce_for_ever(world, [&](int i) {
    if (world.rank() == 2 && i == 20) std::raise(SIGKILL);
  });
}

void failing(Communicator& world) {
  all_reduce_for_ever(world, [&](int i) {
    if (world.rank() == 2 && i == 20) throw std::runtime_error("the third rank is out of order");
  });
}

// Rank 3 does not come, or comes with another size, or with another collective.
void stall(Communicator& world) {
  std::vector<double> data(5, 0);
  if (world.rank() == 3)
    std::this_thread::sleep_for(std::chrono::seconds(60));
  else
    world.all_reduce(view(data), view(data), Reduction::sum);
}

void other_size(Communicator& world) {
  std::vector<double> data(world.rank() == 3 ? 7 : 5, 0);
  world.all_reduce(view(data), view(data), Reduction::sum);
  world.barrier();
}

void other_collective(Communicator& world) {
  std::vector<double> data(5, 0), all(20, 0);
  if (world.rank() == 3)
    world.all_gather(view(data), view(all));
  else
    world.all_reduce(view(data), view(data), Reduction::sum);
}

int run_case(const std::string& name) {
  const std::map<std::string, std::function<void(Communicator&)>> cases = {
      {"collectives", collectives}, {"allocations", allocations_of_calls},
      {"killed", killed},           {"abort", failing},
      {"unwound", failing},         {"stall", stall},
      {"other_size", other_size},   {"other_collective", other_collective}};
  require(MpiEnvironment::is_launched(), "start this program by mpirun");
  const WaitPolicy policy = {.timeout = name == "stall" ? 0.3 : 60};
  MpiEnvironment environment(policy, 1000);  // so that longer spans go as several messages
  if (name == "unwound") cases.at(name)(environment.world());
  try {
    cases.at(name)(environment.world());
  } catch (const std::exception& error) {
    environment.world().abort(error.what());
  }
  return 0;
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  try {
    return ctrain::run_case(argc > 1 ? argv[1] : "");
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}
