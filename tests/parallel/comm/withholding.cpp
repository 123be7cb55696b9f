// The mutation that tests of equality use: the call chosen brings nothing of the others, and only that call.
#include "tests/support/withholding_communicator.h"

#include <catch2/catch.hpp>

#include "tests/support/collective_script.h"
#include "tests/support/run_ranks.h"

using namespace ctrain;

namespace {

struct Run {
  std::vector<std::vector<std::byte>> logs;
  std::int64_t calls = 0;
};

constexpr int n = 4;

Run run_withholding(std::int64_t withheld_call) {
  Run run{std::vector<std::vector<std::byte>>(n)};
  run_ranks(n, [&](Communicator& world) {
    const auto plan = std::make_shared<WithholdingPlan>(WithholdingPlan{withheld_call});
    WithholdingCommunicator wrapped(world, plan);
    const auto half = wrapped.subgroup(world.rank() < n / 2 ? std::vector{0, 1} : std::vector{2, 3}, "half");
    auto& log = run.logs[static_cast<std::size_t>(world.rank())];
    append_script<double>(wrapped, 40, log);
    append_script<float>(*half, 40, log);
    if (world.rank() == 0) run.calls = plan->calls;
  });
  return run;
}

}  // namespace

TEST_CASE("withholding nothing changes nothing; withholding any call shows on some rank") {
  const Run whole = run_withholding(-1);
  REQUIRE(whole.calls > 0);
  CHECK((run_withholding(whole.calls).logs == whole.logs));  // not for Catch2 to print
  for (std::int64_t call = 0; call < whole.calls; ++call) {
    const Run part = run_withholding(call);
    INFO("call " << call << " of " << whole.calls);
    CHECK(part.calls == whole.calls);
    CHECK((part.logs != whole.logs));
    for (std::size_t rank = 0; rank < whole.logs.size(); ++rank)
      CHECK(part.logs[rank].size() == whole.logs[rank].size());
  }
}

TEST_CASE("what is withheld is the others' part") {
  std::vector<std::vector<float>> gathered(2), summed(2), received(2);
  run_ranks(2, [&](Communicator& world) {
    const auto me = static_cast<std::size_t>(world.rank());
    const auto withheld = [&](const auto& call) {
      WithholdingCommunicator wrapped(world, std::make_shared<WithholdingPlan>(WithholdingPlan{0}));
      call(wrapped);
    };
    std::vector<float> mine(2, static_cast<float>(me + 1));
    gathered[me].resize(4), summed[me] = mine, received[me] = mine;
    withheld([&](Communicator& comm) { comm.all_gather(view(mine), view(gathered[me])); });
    withheld([&](Communicator& comm) { comm.all_reduce(view(summed[me]), view(summed[me]), Reduction::sum); });
    withheld([&](Communicator& comm) { comm.broadcast(view(received[me]), 0); });
  });
  CHECK(gathered == std::vector<std::vector<float>>{{1, 1, 0, 0}, {0, 0, 2, 2}});
  CHECK(summed == std::vector<std::vector<float>>{{1, 1}, {2, 2}});
  CHECK(received == std::vector<std::vector<float>>{{1, 1}, {0, 0}});
}
