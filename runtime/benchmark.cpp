#include "runtime/benchmark.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "memory/error.h"
#include "ops/autodiff.h"
#include "ops/build.h"
#include "parallel/fusion/fusion.h"
#include "parallel/partition.h"
#include "runtime/executor.h"
#include "runtime/initialize.h"
#include "runtime/launch.h"
#include "runtime/machine.h"
#include "runtime/median.h"
#include "runtime/plan_text.h"

namespace ctrain {
namespace {

constexpr std::uint64_t seed = 1024;
constexpr std::int64_t inner_ratio = 4;

// One rank's program with the graph that it was made from.
struct BenchmarkPlan {
  std::unique_ptr<Graph> graph;
  CompiledProgram compiled;
  [[nodiscard]] std::int64_t bytes() const { return compiled.memory.parameter_bytes + compiled.memory.arena_bytes; }
};

Value* build_mlp(Graph& graph, Value* x, int layers) {
  for (int i = 0; i < layers; ++i) {
    if (i > 0) x = activation(x, "gelu");
    const Name in{i % 2 == 0 ? 'h' : 'f'}, out{i % 2 == 0 ? 'f' : 'h'};
    const std::string name = fmt::format("dense_{}", i + 1);
    // He's bound keeps numbers of the same size through any number of layers: tiny ones would be slow.
    const Initializer weight{Initializer::Kind::uniform, std::sqrt(6 / static_cast<double>(graph.extent(in)))};
    x = linear(x, graph.parameter(name + ".weight", {in, out}, ParameterRole::linear, weight),
               graph.parameter(name + ".bias", {out}, ParameterRole::vector, {}));
  }
  return x;
}

BenchmarkPlan plan_mlp(const BenchmarkSizes& sizes, const Mode& mode, int rank) {
  BenchmarkPlan plan;
  plan.graph = std::make_unique<Graph>(DType::f32);
  Graph& graph = *plan.graph;
  graph.set_extent({'b'}, sizes.batch);
  graph.set_extent({'s'}, sizes.sequence);
  graph.set_extent({'h'}, sizes.dimension);
  graph.set_extent({'f'}, inner_ratio * sizes.dimension);
  Value* input = graph.input("input", "bsh", graph.real());
  input->initializer = {Initializer::Kind::uniform, 1};
  input->wants_gradient = true;
  // A sum of one term: from there on the input lies as activations do, not as a loader would bring it.
  Value* output = build_mlp(graph, graph.apply_one("add", {input}), sizes.layers);
  const Gradients gradients = backward(graph, output, output);

  PartitionOptions options{.seed = seed, .fetch = {gradients.at(input)}};
  for (const Value* parameter : graph.parameters()) options.fetch.push_back(gradients.at(parameter));
  Program program = partition(graph, mode, rank, options);
  fuse(program);
  plan.compiled = compile(std::move(program), Backend::cpu);
  return plan;
}

// Threads of one process do not notice that memory is short before the system ends them all.
void check_memory(const BenchmarkSizes& sizes, const Mode& mode) {
  const double largest =
      static_cast<double>(inner_ratio * sizes.dimension) *
      std::max(static_cast<double>(sizes.batch * sizes.sequence), static_cast<double>(sizes.dimension));
  if (largest > 0x1p48) throw running_error("out of memory: one of the tensors has {:.3g} elements", largest);
  const std::int64_t needed = plan_mlp(sizes, mode, 0).bytes(), ranks = mode.mesh.size();
  const std::int64_t available = host_memory().available;
  if (needed > available / ranks)
    throw running_error("out of memory: {} needed by each rank ({} here), {} available to all", bytes_text(needed),
                        ranks, bytes_text(available));
}

struct StepSeconds {
  double forward = 0, backward = 0;
};

class BenchmarkRank {
 public:
  BenchmarkRank(const BenchmarkPlan& plan, const Mode& mode, Communicator& world)
      : program_(plan.compiled.program),
        world_(world),
        on_(make_cpu_device()),
        store_(*on_.device, program_),
        arena_(*on_.device, static_cast<std::size_t>(plan.compiled.memory.arena_bytes)),
        mesh_(mode.mesh, program_.groups, world),
        executor_(plan.compiled, store_, arena_.data(), mesh_, on_) {
    for (const Block& block : program_.blocks)
      if (block.storage == Block::Storage::parameter) initialize(program_, block, seed, store_.data(block.value->name));
    for (const FeedBlock& feed : program_.feeds) {
      const Block& block = program_.blocks[static_cast<std::size_t>(feed.block)];
      inputs_.emplace_back(*on_.device, static_cast<std::size_t>(block.bytes()));
      initialize(program_, block, seed, inputs_.back().data());
    }
  }

  StepSeconds step() {
    for (std::size_t i = 0; i < inputs_.size(); ++i)  // the arena is used again behind their last reader
      std::memcpy(executor_.data(program_.feeds[i].block), inputs_[i].data(), inputs_[i].size());
    const std::size_t backward = program_.first(Phase::backward);
    const double forward = seconds_of(0, backward);
    return {forward, seconds_of(backward, program_.steps.size())};
  }

  [[nodiscard]] std::int64_t bytes_sent() const {
    std::int64_t bytes = 0;
    for (std::size_t axis = 0; axis < program_.mesh.axes().size(); ++axis)
      for (std::size_t c = 0; c < collective_count; ++c)
        bytes += mesh_.sent(static_cast<Axis>(axis), static_cast<Collective>(c));
    return bytes;
  }

 private:
  // All ranks start together, so that no rank's time has what another did before.
  double seconds_of(std::size_t first, std::size_t last) {
    world_.barrier();
    const auto start = std::chrono::steady_clock::now();
    executor_.run({}, first, last);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  const Program& program_;
  Communicator& world_;
  RankDevice on_;
  ParameterStore store_;
  Buffer arena_;
  MeshCommunicators mesh_;
  Executor executor_;
  std::vector<Buffer> inputs_;  // one per feed
};

// Collective; rank 0 writes the result.
void measure(const BenchmarkOptions& options, const Mode& mode, Communicator& world, BenchmarkResult& result) {
  const BenchmarkPlan plan = plan_mlp(result.sizes, mode, world.rank());
  BenchmarkRank rank(plan, mode, world);
  for (int i = 0; i < options.warmup_steps; ++i) (void)rank.step();

  // What the slowest or largest rank has is a maximum: of each step's times, of memory and of bytes.
  const auto steps = static_cast<std::size_t>(options.profile_steps);
  std::vector<double> maxima(2 * steps);
  const std::int64_t sent_before = rank.bytes_sent();
  for (std::size_t i = 0; i < steps; ++i) {
    const StepSeconds seconds = rank.step();
    maxima[i] = seconds.forward;
    maxima[steps + i] = seconds.backward;
  }
  for (const std::int64_t bytes : {(rank.bytes_sent() - sent_before) / options.profile_steps,
                                   plan.compiled.memory.parameter_bytes, plan.compiled.memory.arena_bytes})
    maxima.push_back(static_cast<double>(bytes));
  const Span all{maxima.data(), static_cast<std::int64_t>(maxima.size()), DType::f64};
  world.reserve(maxima.size() * sizeof(double));
  world.all_reduce(all, all, Reduction::max);
  if (world.rank() != 0) return;

  const auto backward = maxima.begin() + static_cast<std::ptrdiff_t>(steps);
  const auto bytes = backward + static_cast<std::ptrdiff_t>(steps);
  result.forward_seconds = median({maxima.begin(), backward});
  result.backward_seconds = median({backward, bytes});
  result.bytes_sent = static_cast<std::int64_t>(bytes[0]);
  result.parameter_bytes = static_cast<std::int64_t>(bytes[1]);
  result.arena_bytes = static_cast<std::int64_t>(bytes[2]);
}

BenchmarkResult run_case(const BenchmarkCase& configuration, const BenchmarkOptions& options,
                         const WaitPolicy& policy) {
  BenchmarkResult result;
  result.configuration = configuration;
  result.sizes = options.sizes;
  try {
    const Mode mode = make_mode(configuration.mode, 1, configuration.tensor);
    result.sizes = round_up(options.sizes, mode);
    Launch launch;
    launch.ranks = configuration.tensor.size;
    launch.policy = policy;
    result.threads = threads_per_rank(0, launch.ranks_sharing_cores());
    check_memory(result.sizes, mode);
    launch_ranks(launch, {}, [&](Communicator& world) {
      omp_set_num_threads(result.threads);  // of the calling thread only
      measure(options, mode, world, result);
    });
  } catch (const std::exception& error) {
    result.failure = error.what();
  }
  return result;
}

std::int64_t multiple_of(std::int64_t divisor, std::int64_t value) { return (value + divisor - 1) / divisor * divisor; }

}  // namespace

std::string BenchmarkCase::text() const {
  const std::string ranks = tensor.size == 1 ? "one rank" : fmt::format("{} ranks", tensor.size);
  return fmt::format("{} on {}{}", mode, ranks, mode == "2.5d" ? fmt::format(" (depth {})", tensor.depth) : "");
}

std::vector<BenchmarkCase> benchmark_cases(int ranks) {
  std::vector<std::string> modes = {"1d", "2d", "2.5d", "3d"};  // in the documents' order
  for (const std::string& name : Registry<ModeDefinition>::instance().names())
    if (name != "none" && name != "sequence" && std::find(modes.begin(), modes.end(), name) == modes.end())
      modes.push_back(name);
  std::vector<BenchmarkCase> cases = {{}};
  for (const std::string& name : modes) {
    const auto& definition = Registry<ModeDefinition>::instance().get(name);
    const int depths = name == "2.5d" ? ranks : 2;  // below `ranks`: a grid of one rank is no grid
    for (int depth = 1; ranks > 1 && depth < depths; ++depth)
      if (takes(definition, {ranks, depth})) cases.push_back({name, {ranks, depth}});
  }
  return cases;
}

BenchmarkSizes round_up(const BenchmarkSizes& sizes, const Mode& mode) {
  BenchmarkSizes rounded = sizes;
  rounded.batch = multiple_of(mode.multiples.at('b'), sizes.batch);
  rounded.dimension = multiple_of(mode.widths, sizes.dimension);
  return rounded;
}

std::vector<BenchmarkResult> run_benchmark(const std::vector<BenchmarkCase>& cases, const BenchmarkOptions& options,
                                           const WaitPolicy& policy,
                                           const std::function<void(const BenchmarkCase&)>& starting) {
  std::vector<BenchmarkResult> results;
  for (const BenchmarkCase& configuration : cases) {
    starting(configuration);
    results.push_back(run_case(configuration, options, policy));
  }
  return results;
}

}  // namespace ctrain
