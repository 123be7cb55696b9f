#include "runtime/checkpoint/initial_weights.h"

#include <algorithm>
#include <set>

#include "memory/error.h"
#include "ops/narrow_floats.h"
#include "runtime/checkpoint/public_tensor.h"
#include "runtime/checkpoint/safetensors.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view base_prefix = "transformer.";

fs::path file_of(const fs::path& path) { return fs::is_directory(path) ? path / "model.safetensors" : path; }

const StoredTensor* find_tensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* stored = file.find(name);
  if (stored == nullptr && name.starts_with(base_prefix)) stored = file.find(name.substr(base_prefix.size()));
  return stored;
}

bool may_be_left(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name == "lm_head.weight";
}

bool is_float(StoredType type) {
  return type == StoredType::f32 || type == StoredType::f64 || type == StoredType::bf16 || type == StoredType::f16;
}

std::vector<const Block*> parameters_of(const Program& program) {
  std::vector<const Block*> blocks;
  for (const Block& block : program.blocks)
    if (block.storage == Block::Storage::parameter) blocks.push_back(&block);
  return blocks;
}

template <typename To, typename From>
void convert(const std::vector<std::byte>& from, std::vector<std::byte>& to) {
  const auto* numbers = reinterpret_cast<const From*>(from.data());
  to.resize(from.size() / sizeof(From) * sizeof(To));
  std::transform(numbers, numbers + from.size() / sizeof(From), reinterpret_cast<To*>(to.data()),
                 [](From x) { return static_cast<To>(static_cast<Wide<From>>(x)); });
}

template <typename To>
void convert(const std::vector<std::byte>& from, StoredType type, std::vector<std::byte>& to) {
  if (type == StoredType::f64) return convert<To, double>(from, to);
  if (type == StoredType::bf16) return convert<To, Bfloat16>(from, to);
  if (type == StoredType::f16) return convert<To, Float16>(from, to);
  convert<To, float>(from, to);
}

std::string find_problems(const SafetensorsFile& file, const Program& program) {
  std::string problems;
  std::set<std::string> used;
  for (const Block* block : parameters_of(program)) {
    const StoredTensor wanted = public_tensor(*block);
    const StoredTensor* stored = find_tensor(file, wanted.name);
    if (stored == nullptr) {
      problems += fmt::format("\n  {} is missing", wanted.name);
      continue;
    }
    used.insert(stored->name);
    if (stored->shape != wanted.shape || !is_float(stored->type))
      problems += fmt::format("\n  {} is {}, expected {}", stored->name, text_of(*stored), text_of(wanted));
  }
  for (const StoredTensor& tensor : file.tensors())
    if (!used.contains(tensor.name) && !may_be_left(tensor.name))
      problems += fmt::format("\n  {} is of no parameter", tensor.name);
  return problems;
}

}  // namespace

void check_initial_weights(const Program& program, const fs::path& path, const std::string& key) {
  std::string problems;
  try {
    problems = find_problems(SafetensorsFile(file_of(path)), program);
  } catch (const Error& error) {  // no such file, or a damaged one
    throw usage_error("{}: {}", key, error.what());
  }
  if (!problems.empty()) throw usage_error("{}: {} is of another model:{}", key, path.string(), problems);
}

void load_initial_weights(
    const Program& program, const fs::path& path,
    const std::function<void(const std::string& name, const std::vector<std::byte>& part)>& write) {
  const SafetensorsFile file(file_of(path));
  std::vector<std::byte> stored, whole;
  for (const Block* block : parameters_of(program)) {
    if (!block->is_held) continue;
    const StoredTensor* tensor = find_tensor(file, block->value->name);
    require(tensor != nullptr, "{} is not in {}", block->value->name, path.string());
    stored.resize(byte_size(*tensor));
    file.read(tensor->name, stored);
    block->operand.dtype == DType::f64 ? convert<double>(stored, tensor->type, whole)
                                       : convert<float>(stored, tensor->type, whole);
    std::vector<std::byte> part(static_cast<std::size_t>(block->bytes()));
    from_whole(program, program.rank, *block, whole.data(), part.data());
    write(block->value->name, part);
  }
}

}  // namespace ctrain
