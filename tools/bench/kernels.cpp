// bench_kernels [threads]: times the fp32 CPU kernels at the shapes of a ViT-Tiny step (images 32x32, patches 4x4,
// batch 64, width 192, 3 heads, MLP 768) and prints rate and share of the oneDNN matmul rate at 2048^3, measured in the
// same process. The best of several repetitions counts: other programs only ever make one slower.
#include <fmt/format.h>
#include <omp.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "memory/device.h"
#include "ops/kernel.h"

namespace ctrain {
namespace {

const std::map<Name, std::int64_t> vit_tiny{{{'b'}, 64},     {{'s'}, 65},  {{'h'}, 192},  {{'t'}, 3},    {{'n'}, 3},
                                            {{'d'}, 64},     {{'f'}, 768}, {{'c'}, 10},   {{'k'}, 48},   {{'i'}, 3},
                                            {{'y'}, 32},     {{'x'}, 32},  {{'p'}, 2048}, {{'q'}, 2048}, {{'r'}, 2048},
                                            {{'v'}, 5400000}};  // v: all parameters, flat

Operand operand(const Names& dims, DType dtype = DType::f32) {
  Operand result{dims, dtype, {}};
  for (const Name name : dims) result.shape.push_back(vit_tiny.at(name));
  return result;
}

struct Benchmark {
  std::string op, what;
  std::vector<Names> inputs, outputs;
  Attributes attributes;
  double flops = 0;  // 0: it is judged by the bytes of its operands
};

class Runner {
 public:
  explicit Runner(const Benchmark& benchmark) : device_(make_cpu_device()) {
    LocalNode node;
    node.op = benchmark.op;
    node.attributes = benchmark.attributes;
    for (const auto& [name, extent] : vit_tiny) {
      node.extents[name] = extent;
      node.segments[name] = {{{{0, extent}, {}}}};
    }
    for (const Names& dims : benchmark.inputs) {
      node.inputs.push_back(operand(dims));
      inputs_.push_back(allocate(node.inputs.back()));
    }
    for (const Names& dims : benchmark.outputs) {
      node.outputs.push_back(operand(dims));
      outputs_.push_back(allocate(node.outputs.back()));
    }
    kernel_ = KernelTable::instance().make(Backend::cpu, node);
    buffers_.emplace_back(*device_, kernel_.workspace + 64);
    workspace_ = buffers_.back().data();
  }

  [[nodiscard]] double bytes() const { return bytes_; }

  // Seconds of the fastest run, of as many as fit into `budget` seconds.
  double fastest(double budget) {
    using Clock = std::chrono::steady_clock;
    const auto seconds = [](Clock::time_point from) {
      return std::chrono::duration<double>(Clock::now() - from).count();
    };
    double best = 1e30;
    const auto start = Clock::now();
    for (int runs = 0; runs < 3 || seconds(start) < budget; ++runs) {
      const auto begin = Clock::now();
      kernel_.run({inputs_, outputs_, workspace_, &state_});
      best = std::min(best, seconds(begin));
    }
    return best;
  }

 private:
  void* allocate(const Operand& of) {
    const auto elements = static_cast<std::size_t>(of.elements());
    buffers_.emplace_back(*device_, elements * sizeof(float));
    auto* data = reinterpret_cast<float*>(buffers_.back().data());
    for (std::size_t i = 0; i < elements; ++i) data[i] = static_cast<float>(i % 17) / 17;
    bytes_ += static_cast<double>(elements * sizeof(float));
    return data;
  }

  std::unique_ptr<Device> device_;
  std::vector<Buffer> buffers_;
  std::vector<void*> inputs_, outputs_;
  void* workspace_ = nullptr;
  StepState state_{.step = 1, .learning_rate = 1e-3};
  Kernel kernel_;
  double bytes_ = 0;
};

double product(const Names& names) {
  double result = 1;
  for (const Name name : names) result *= static_cast<double>(vit_tiny.at(name));
  return result;
}

std::vector<Benchmark> benchmarks() {
  std::vector<Benchmark> list;
  const auto matmul = [&](const std::string& what, const Names& a, const Names& b, const Names& c) {
    Names all = a;
    for (const Name name : b)
      if (!all.contains(name)) all.push_back(name);
    list.push_back({"matmul", what, {a, b}, {c}, {}, 2 * product(all)});
  };
  // Forward, gradient of x, gradient of w, of x [rows] w.
  const auto linear = [&](const std::string& what, const Names& x, const Names& w, const Names& y, const Names& b) {
    list.push_back({"linear", what, {x, w, b}, {y}, {}, 2 * product(w) * product("bs")});
    matmul(what + " dx", y, w, x);
    matmul(what + " dw", x, y, w);
  };
  linear("patch", "bsk", "kh", "bsh", "h");
  linear("qkv", "bsh", "htnd", "bstnd", "tnd");
  linear("projection", "bsnd", "ndh", "bsh", "h");
  linear("fc1", "bsh", "hf", "bsf", "f");
  linear("fc2", "bsf", "fh", "bsh", "h");
  list.push_back({"linear", "class head", {"bh", "hc", "c"}, {"bc"}, {}, 2 * product("bhc")});
  const double fc = 2 * product("bshf");
  const Attributes gelu_tanh{{"kind", std::string("gelu_tanh")}};
  list.push_back({"linear_residual", "fc2", {"bsf", "fh", "h", "bsh"}, {"bsh"}, {}, fc});
  list.push_back({"linear_gelu", "fc1", {"bsh", "hf", "f"}, {"bsf", "bsf"}, gelu_tanh, fc});
  list.push_back({"matmul_gelu_grad", "fc2 dx", {"bsh", "fh", "bsf"}, {"bsf"}, gelu_tanh, fc});
  list.push_back({"linear_grad_weight", "fc1", {"bsh", "bsf"}, {"hf", "f"}, {}, fc});
  const double pairs = product("bnd") * product("s") * product("s");
  for (const double rate : {0.0, 0.1}) {
    const Attributes attributes{{"causal", std::int64_t{0}}, {"rate", rate}, {"key", std::string("key")}};
    const std::string what = rate == 0 ? "" : "with dropout";
    list.push_back({"attention", what, {"bstnd"}, {"bsnd", "bns"}, attributes, 4 * pairs});
    list.push_back({"attention_grad", what, {"bstnd", "bsnd", "bns", "bsnd"}, {"bstnd"}, attributes, 10 * pairs});
  }
  const Attributes epsilon{{"epsilon", 1e-6}}, gelu{{"kind", std::string("gelu")}};
  list.push_back({"layer_norm_fused", "", {"bsh", "h", "h"}, {"bsh", "bs", "bs"}, epsilon});
  list.push_back({"layer_norm_fused", "residual", {"bsh", "h", "h", "bsh"}, {"bsh", "bs", "bs", "bsh"}, epsilon});
  list.push_back({"layer_norm_grad_fused", "", {"bsh", "bsh", "bs", "bs", "h"}, {"bsh", "h", "h"}, epsilon});
  list.push_back(
      {"layer_norm_grad_fused", "residual", {"bsh", "bsh", "bs", "bs", "h", "bsh"}, {"bsh", "h", "h"}, epsilon});
  list.push_back({"layer_norm_sum", "", {"bsh"}, {"bs"}, {}});
  list.push_back({"layer_norm_squares", "", {"bsh", "bs"}, {"bs"}, {}});
  list.push_back({"layer_norm", "", {"bsh", "bs", "bs", "h", "h"}, {"bsh"}, epsilon});
  list.push_back({"layer_norm_grad_sums", "", {"bsh", "bsh", "bs", "bs", "h"}, {"bs", "bs"}, epsilon});
  list.push_back({"layer_norm_grad_input", "", {"bsh", "bsh", "bs", "bs", "h", "bs", "bs"}, {"bsh"}, epsilon});
  list.push_back({"layer_norm_grad_weight", "", {"bsh", "bsh", "bs", "bs"}, {"h"}, epsilon});
  list.push_back({"activation", "gelu", {"bsf"}, {"bsf"}, gelu});
  list.push_back({"activation_grad", "gelu", {"bsf", "bsf"}, {"bsf"}, gelu});
  list.push_back({"add", "residual", {"bsh", "bsh"}, {"bsh"}, {}});
  list.push_back({"bias", "fc1", {"bsf", "f"}, {"bsf"}, {}});
  list.push_back({"bias", "positions", {"bsh", "sh"}, {"bsh"}, {}});
  list.push_back({"sum", "fc1 bias", {"bsf"}, {"f"}, {{"output", std::string("f")}}});
  list.push_back({"sum", "positions", {"bsh"}, {"sh"}, {{"output", std::string("sh")}}});
  const auto dropout = [](const std::string& over) {
    return Attributes{{"rate", 0.1}, {"over", over}, {"key", std::string("key")}};
  };
  list.push_back({"dropout", "all", {"bsh"}, {"bsh"}, dropout("bsh")});
  list.push_back({"dropout", "drop path", {"bsh"}, {"bsh"}, dropout("b")});
  list.push_back({"patchify", "", {"biyx"}, {"bsk"}, {{"patch", std::int64_t{4}}}});
  list.push_back({"set_token", "", {"bsh", "h"}, {"bsh"}, {}});
  list.push_back({"clear_token", "", {"bsh"}, {"bsh"}, {}});
  list.push_back({"select_token", "", {"bsh"}, {"bh"}, {}});
  list.push_back({"place_token", "", {"bh"}, {"bsh"}, {}});
  list.push_back(
      {"adam_update",
       "all",
       {"v", "v", "v", "v"},
       {"v", "v", "v"},
       {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}, {"decay", 0.01}, {"decoupled", std::int64_t{1}}}});
  list.push_back({"sum_squares", "all", {"v"}, {{}}, {}});
  return list;
}

void print_all(double budget) {
  const Benchmark peak_matmul{"matmul", "2048^3", {"pq", "qr"}, {"pr"}, {}, 2 * product("pqr")};
  const double peak = peak_matmul.flops / Runner(peak_matmul).fastest(4 * budget);
  fmt::print("{} threads, matmul 2048^3: {:.1f} GFLOP/s\n\n", omp_get_max_threads(), peak * 1e-9);
  fmt::print("{:<24}{:<14}{:>10}{:>12}{:>12}{:>10}\n", "kernel", "shape", "ms", "GFLOP/s", "GB/s", "share %");
  for (const Benchmark& benchmark : benchmarks()) {
    Runner runner(benchmark);
    const double seconds = runner.fastest(budget), gigabytes = runner.bytes() / seconds * 1e-9;
    fmt::print("{:<24}{:<14}{:>10.3f}", benchmark.op, benchmark.what, seconds * 1e3);
    if (benchmark.flops == 0) {
      fmt::print("{:>12}{:>12.1f}\n", "", gigabytes);
    } else {
      const double rate = benchmark.flops / seconds;
      fmt::print("{:>12.1f}{:>12.1f}{:>10.1f}\n", rate * 1e-9, gigabytes, 100 * rate / peak);
    }
  }
}

}  // namespace
}  // namespace ctrain

int main(int argc, char** argv) {
  if (argc > 1) omp_set_num_threads(std::atoi(argv[1]));
  ctrain::print_all(0.1);
}
