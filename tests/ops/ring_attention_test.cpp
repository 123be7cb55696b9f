// The turns of a ring of two ranks on every backend that has a device here, against attention of the whole in fp64: odd
// and padded blocks, in order and zigzag, causal or not, with and without dropout, narrow and wide heads.
#include <catch2/catch.hpp>

#include "ops/philox.h"
#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

constexpr Name b{'b'}, s{'s'}, t{'t'}, n{'n'}, d{'d'}, key_s{'s', 1}, key_t{'t', 1};
constexpr std::int64_t ranks = 2;

struct Subject {
  std::int64_t tokens, width;
  bool causal, zigzag;
  double rate;
};

struct Tested {
  Backend backend;
  DType real;
  double tolerance;
};

// Statistics are fp32 where everything else is narrower.
DType of_statistics(DType real) { return real == DType::bf16 || real == DType::f16 ? DType::f32 : real; }

class Attention {
 public:
  explicit Attention(const Subject& subject)
      : extents_{{b, 2}, {s, subject.tokens}, {t, 3}, {n, 2}, {d, subject.width}, {key_s, subject.tokens}, {key_t, 2}},
        attributes_{{"causal", std::int64_t{subject.causal}}, {"rate", subject.rate}, {"key", "ring"}},
        blocks_(split(subject.tokens, ranks, subject.zigzag)) {}

  // Operands named by letters: x qkv, k keys and values, o, l lse. Uppercase: their gradients.
  [[nodiscard]] LocalNode node(const std::string& op, const std::string& inputs, const std::string& outputs, DType real,
                               const Block& block) const {
    LocalNode node;
    node.op = node.name = op;
    node.attributes = attributes_;
    node.extents = extents_;
    node.seed = 17;
    for (const auto& [name, extent] : extents_)
      node.segments[name] = block.contains(name) ? block.at(name) : whole(extent);
    for (const char name : inputs) node.inputs.push_back(operand(name, real, block));
    for (const char name : outputs) node.outputs.push_back(operand(name, real, block));
    return node;
  }
  [[nodiscard]] Names dims(char name) const {
    if (name == 'l') return "bns";
    if (name == 'k' || name == 'K') return {b, key_s, key_t, n, d};
    return name == 'o' || name == 'O' ? "bsnd" : "bstnd";
  }
  // What a rank sees at a turn, its keys coming from `origin`.
  [[nodiscard]] Block block(std::int64_t rank, std::int64_t origin) const {
    return {{s, blocks_[static_cast<std::size_t>(rank)]}, {key_s, blocks_[static_cast<std::size_t>(origin)]}};
  }
  // A rank's part of a whole tensor; keys and values out of the whole qkv.
  [[nodiscard]] Tensor part(char name, const Tensor& tensor, const Block& block) const {
    if (name != 'k' && name != 'K') return cut(tensor, dims(name), extents_, block, 0);
    const Tensor qkv = cut(tensor, "bstnd", extents_, {{s, block.at(key_s)}}, 0);
    const auto both = static_cast<std::size_t>(2 * extents_.at(n) * extents_.at(d));
    Tensor result;
    for (std::size_t token = 0; token < qkv.size(); token += both / 2 * 3)
      result.insert(result.end(), qkv.begin() + static_cast<std::ptrdiff_t>(token + both / 2),
                    qkv.begin() + static_cast<std::ptrdiff_t>(token + both / 2 + both));
    return result;
  }
  [[nodiscard]] Tensor draw(char name, DType real) const {
    Tensor tensor;
    const std::uint64_t key = random_key(9, std::string(1, name));
    for (std::int64_t i = 0; i < operand(name, real, {}).elements(); ++i)
      tensor.push_back(2 * random_uniform(key, static_cast<std::uint64_t>(i)) - 1);
    return rounded(tensor, real);
  }

 private:
  [[nodiscard]] Operand operand(char name, DType real, const Block& block) const {
    return {dims(name), name == 'l' ? of_statistics(real) : real, local_shape(dims(name), extents_, block)};
  }

  Extents extents_;
  Attributes attributes_;
  std::vector<Segments> blocks_;
};

std::vector<Tensor> run(const Tested& tested, LocalNode node, const std::vector<Tensor>& inputs,
                        const std::vector<Tensor>& before = {}) {
  node.accumulate = !before.empty();
  NodeRunner runner(node, {}, {.backend = tested.backend, .real = tested.real});
  for (std::size_t i = 0; i < before.size(); ++i) runner.set_output(i, before[i]);
  return runner.run(inputs);
}

// The queries' part of a gradient [b, s, q|k|v, n, d]: the rest is not the kernel's.
Tensor queries(const Tensor& dqkv, std::int64_t row) {
  Tensor result;
  for (std::size_t i = 0; i < dqkv.size(); ++i)
    if (static_cast<std::int64_t>(i) / row % 3 == 0) result.push_back(dqkv[i]);
  return result;
}

void check_ring(const Tested& tested, const Subject& subject) {
  const Attention attention(subject);
  const Tested reference{Backend::reference, DType::f64, 0};
  const DType real = tested.real;
  const Tensor qkv = attention.draw('x', real), d_o = attention.draw('O', real);
  const auto whole_outputs = run(reference, attention.node("attention", "x", "ol", DType::f64, {}), {qkv});
  const Tensor o = rounded(whole_outputs[0], real), lse = rounded(whole_outputs[1], of_statistics(real));
  const Tensor gradient =
      run(reference, attention.node("attention_grad", "xolO", "X", DType::f64, {}), {qkv, o, lse, d_o})[0];

  std::vector<std::vector<Tensor>> outputs(ranks), of_queries(ranks);
  std::vector<Tensor> of_keys(ranks);
  for (std::int64_t turn = 0; turn < ranks; ++turn)
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      const auto at = static_cast<std::size_t>(rank);
      const auto origin = static_cast<std::size_t>((rank - turn + ranks) % ranks);
      const Block block = attention.block(rank, static_cast<std::int64_t>(origin));
      const Tensor x = attention.part('x', qkv, block), kv = attention.part('k', qkv, block);
      outputs[at] = run(tested, attention.node("ring_attention", "xk", "ol", real, block), {x, kv}, outputs[at]);
      std::vector<Tensor> before;
      if (turn > 0) before = {of_queries[at][0], of_keys[origin]};
      of_queries[at] =
          run(tested, attention.node("ring_attention_grad", "xolOk", "XK", real, block),
              {x, attention.part('o', o, block), attention.part('l', lse, block), attention.part('O', d_o, block), kv},
              before);
      of_keys[origin] = of_queries[at][1];
    }

  const std::int64_t row = 2 * subject.width;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const auto at = static_cast<std::size_t>(rank);
    const Block block = attention.block(rank, rank);
    const auto valid = [&](char name, const Tensor& tensor) {  // queries that are padding have no meaning
      return attention.part(name, Tensor(tensor.size(), 1), block);
    };
    for (std::size_t i = 0; i < 2; ++i) {
      const char name = i == 0 ? 'o' : 'l';
      Tensor actual = outputs[at][i];
      const Tensor there = valid(name, whole_outputs[i]);
      for (std::size_t j = 0; j < actual.size(); ++j)
        if (there[j] == 0) actual[j] = 0;
      CHECK(relative_error(actual, attention.part(name, whole_outputs[i], block)) < tested.tolerance);
    }
    CHECK(relative_error(queries(of_queries[at][0], row), queries(attention.part('X', gradient, block), row)) <
          tested.tolerance);
    CHECK(relative_error(of_keys[at], attention.part('K', gradient, block)) < tested.tolerance);
  }
}

TEST_CASE("turns of a ring add up to attention of the whole") {
  for (const Tested& tested : {Tested{Backend::reference, DType::f32, 1e-5}, Tested{Backend::cpu, DType::f32, 1e-5},
                               Tested{Backend::cuda, DType::f32, 1e-5}, Tested{Backend::cuda, DType::bf16, 1e-2},
                               Tested{Backend::cuda, DType::f16, 1e-2}}) {
    if (!has_device(tested.backend)) continue;
    for (const std::int64_t width : {7, 48, 96, 200})
      for (const bool causal : {false, true})
        for (const bool zigzag : {false, true})
          for (const double rate : {0.0, 0.25}) {
            INFO(name_of(tested.real) << " on backend " << static_cast<int>(tested.backend) << ", width " << width
                                      << (causal ? ", causal" : "") << (zigzag ? ", zigzag" : "")
                                      << (rate > 0 ? ", dropout" : ""));
            check_ring(tested, {width == 48 ? 135 : 37, width, causal, zigzag, rate});
          }
  }
}

}  // namespace
}  // namespace ctrain::testing
