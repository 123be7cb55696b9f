// What a plan comes to: the numbers behind plan.txt, `ctrain plan` and its JSON. All are counted from the programs and
// arenas that a rank would run, not estimated beside them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/plan.h"

namespace ctrain {

// Multiplications and additions of one step. A product of [M, K] and [K, N] is 2 M N K, attention two such products
// per head forward and five backward, in full or, where causal, half of each. Elementwise work, sums and norms are not
// counted, nor are updates.
struct Flops {
  double forward = 0, backward = 0;
  [[nodiscard]] double total() const { return forward + backward; }
};
[[nodiscard]] Flops logical_flops(const Graph& graph);   // of the step as a whole, each product once
[[nodiscard]] Flops rank_flops(const Program& program);  // of one rank: with padding, and what several ranks do alike

// What a step of a model costs by the conventions of utilisation: a backward pass is two forward passes, whatever its
// kernels compute again. With F the forward products (2 M N K each, attention among them, causal halves), and A what
// causal attention would take more in full:
//   causal 3 F; full attention 3 (F + A) (Chowdhery et al., "PaLM", 2022, appendix B); with recompute 4 (F + A), the
//   forward pass counted again (Narayanan et al., "Efficient Large-Scale Language Model Training", 2021)
struct ModelFlops {
  double causal = 0, full_attention = 0, with_recompute = 0;
};
[[nodiscard]] ModelFlops model_flops(const Graph& graph);

// What one rank sends in one run, by collective and mesh axis; bytes as in bytes_sent().
struct Traffic {
  std::int64_t calls = 0, bytes = 0;
};
using TrafficTable = std::map<std::pair<Collective, Axis>, Traffic>;
[[nodiscard]] TrafficTable rank_traffic(const Program& program);
[[nodiscard]] Traffic total(const TrafficTable& traffic);

// What the arena holds.
enum class ArenaKind : std::uint8_t {
  input,               // what the data loader brings
  activation,          // computed forward
  gradient,            // computed backward: of activations
  parameter_copy,      // of parameters in the shorter type of activations
  parameter_gradient,  // of parameters
  communication,       // panels, packed parts, and copies in layouts that are not their value's home
  workspace,           // of kernels
};
inline constexpr std::size_t arena_kind_count = 7;
[[nodiscard]] std::string_view name_of(ArenaKind kind);  // "parameter_gradient"

// Bytes by kind, without the arena's gaps.
struct ArenaUse {
  int fullest_step = 0;  // where most bytes are live, as many as the arena's lower bound
  std::array<std::int64_t, arena_kind_count> at_fullest{};
  std::array<std::int64_t, arena_kind_count> most{};  // of each kind on its own, at any step
};
[[nodiscard]] ArenaUse arena_use(const CompiledProgram& compiled);

// A local part of a logical value in the arena, in one layout.
struct ArenaTensor {
  std::string name;  // the value's; a parameter's with .grad for its gradient, .bf16 for its copy
  const Block* block = nullptr;
  ArenaKind kind = ArenaKind::activation;
  std::string made_by;  // the op, or the collective and its axis
  int count = 1;        // how many of it a step makes: one for every micro-batch, or whenever it is wanted again
};
[[nodiscard]] std::vector<ArenaTensor> arena_tensors(const Program& program);  // in the order in which they are made

}  // namespace ctrain
