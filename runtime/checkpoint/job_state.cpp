#include "runtime/checkpoint/job_state.h"

#include <vector>

#include "memory/error.h"
#include "parallel/block_runs.h"
#include "runtime/checkpoint/safetensors.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

struct TensorFile {
  const char* name;
  Block::Storage storage;
};
constexpr TensorFile model_file{"model.safetensors", Block::Storage::parameter};
constexpr TensorFile optimizer_file{"optimizer.safetensors", Block::Storage::state};

// The parameter whose public form a parameter or state has.
const Value& form_of(const Block& block) { return block.value->like != nullptr ? *block.value->like : *block.value; }

// Blocks of one kind, in the order of the graph.
std::vector<const Block*> blocks_of(const Program& program, Block::Storage storage) {
  std::vector<const Block*> blocks;
  for (const Block& block : program.blocks)
    if (block.storage == storage) blocks.push_back(&block);
  return blocks;
}

std::vector<StoredTensor> stored_tensors(const std::vector<const Block*>& blocks) {
  std::vector<StoredTensor> tensors;
  for (const Block* block : blocks) {
    const StoredType type = block->operand.dtype == DType::f64 ? StoredType::f64 : StoredType::f32;
    tensors.push_back({block->value->name, type, form_of(*block).form.shape});
  }
  return tensors;
}

// Elements between a rank's block and the whole tensor in its public order; `to_whole` says which way.
template <typename T>
void exchange(const Program& program, int rank, const Block& block, T* part, T* whole, bool to_whole) {
  visit_runs(program, rank, block, form_of(block).form.order, [&](const BlockRun& run) {
    for (std::int64_t i = 0; i < run.length; ++i) {
      T &inside = part[run.local + i], &outside = whole[run.logical + i * run.stride];
      to_whole ? outside = inside : inside = outside;
    }
  });
}

void exchange(const Program& program, int rank, const Block& block, std::byte* part, std::byte* whole, bool to_whole) {
  if (block.operand.dtype == DType::f64) {
    exchange(program, rank, block, reinterpret_cast<double*>(part), reinterpret_cast<double*>(whole), to_whole);
  } else {
    exchange(program, rank, block, reinterpret_cast<float*>(part), reinterpret_cast<float*>(whole), to_whole);
  }
}

void save_file(const Rank& rank, Communicator& world, const fs::path& folder, const TensorFile& file) {
  const Program& program = rank.plan().training.compiled.program;
  const std::vector<const Block*> blocks = blocks_of(program, file.storage);
  const std::vector<StoredTensor> tensors = stored_tensors(blocks);
  std::unique_ptr<SafetensorsWriter> writer;
  if (world.rank() == 0)
    writer = std::make_unique<SafetensorsWriter>(folder / file.name, tensors, StoredMetadata{{"format", "pt"}});
  std::vector<std::byte> parts, whole;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = *blocks[i];
    const auto bytes = static_cast<std::size_t>(block.bytes());
    parts.resize(bytes * static_cast<std::size_t>(world.size()));
    world.reserve(parts.size());
    const std::int64_t count = block.operand.elements();
    const std::vector<std::byte> own = rank.read(block.value->name);
    world.all_gather({own.data(), count, block.operand.dtype},
                     {parts.data(), count * world.size(), block.operand.dtype});
    if (writer == nullptr) continue;
    whole.resize(byte_size(tensors[i]));
    for (int r = 0; r < world.size(); ++r)
      exchange(program, r, block, parts.data() + bytes * static_cast<std::size_t>(r), whole.data(), true);
    writer->write(tensors[i].name, whole);
  }
  if (writer != nullptr) writer->finish();
}

std::string text_of(const StoredTensor& tensor) {
  return fmt::format("{} [{}]", type_name(tensor.type), fmt::join(tensor.shape, ", "));
}

// Every difference between what the file holds and what the model needs.
void check_file(const SafetensorsFile& file, const fs::path& path, const std::vector<StoredTensor>& wanted) {
  std::string problems;
  for (const StoredTensor& tensor : wanted) {
    const StoredTensor* stored = file.find(tensor.name);
    if (stored == nullptr) {
      problems += fmt::format("\n  {} is missing", tensor.name);
    } else if (stored->shape != tensor.shape || stored->type != tensor.type) {
      problems += fmt::format("\n  {} is {}, expected {}", tensor.name, text_of(*stored), text_of(tensor));
    }
  }
  if (file.tensors().size() > wanted.size())
    problems += fmt::format("\n  {} tensors, expected {}", file.tensors().size(), wanted.size());
  if (!problems.empty()) throw usage_error("{} is of another model:{}", path.string(), problems);
}

void check_file(const Plan& plan, const fs::path& folder, const TensorFile& description) {
  const Program& program = plan.training.compiled.program;
  const fs::path path = folder / description.name;
  check_file(SafetensorsFile(path), path, stored_tensors(blocks_of(program, description.storage)));
}

void load_file(const Rank& rank, const fs::path& folder, const TensorFile& description) {
  const Program& program = rank.plan().training.compiled.program;
  const std::vector<const Block*> blocks = blocks_of(program, description.storage);
  const std::vector<StoredTensor> tensors = stored_tensors(blocks);
  const SafetensorsFile file(folder / description.name);
  std::vector<std::byte> whole;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    whole.resize(byte_size(tensors[i]));
    file.read(tensors[i].name, whole);
    std::vector<std::byte> part(static_cast<std::size_t>(blocks[i]->bytes()));
    exchange(program, program.rank, *blocks[i], part.data(), whole.data(), false);
    rank.write(tensors[i].name, part);
  }
}

}  // namespace

void save_tensors(const Rank& rank, Communicator& world, const fs::path& folder) {
  for (const TensorFile& file : {model_file, optimizer_file}) save_file(rank, world, folder, file);
}

void check_tensors(const Plan& plan, const fs::path& folder) {
  for (const TensorFile& file : {model_file, optimizer_file}) check_file(plan, folder, file);
}

void load_tensors(const Rank& rank, const fs::path& folder, bool optimizer) {
  check_file(rank.plan(), folder, model_file);
  if (optimizer) check_file(rank.plan(), folder, optimizer_file);
  load_file(rank, folder, model_file);
  if (optimizer) load_file(rank, folder, optimizer_file);
}

}  // namespace ctrain
