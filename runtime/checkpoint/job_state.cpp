#include "runtime/checkpoint/job_state.h"

#include <vector>

#include "memory/error.h"
#include "parallel/tensor/mode.h"
#include "runtime/checkpoint/public_tensor.h"
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

// Blocks of one kind, in the order of the graph.
std::vector<const Block*> blocks_of(const Program& program, Block::Storage storage) {
  std::vector<const Block*> blocks;
  for (const Block& block : program.blocks)
    if (block.storage == storage) blocks.push_back(&block);
  return blocks;
}

std::vector<StoredTensor> stored_tensors(const std::vector<const Block*>& blocks) {
  std::vector<StoredTensor> tensors;
  for (const Block* block : blocks) tensors.push_back(public_tensor(*block));
  return tensors;
}

// The ranks that bring a block to a file: those of the first stage that has it.
std::vector<int> ranks_that_bring(const Program& program, const Block& block) {
  const std::optional<Axis> pipe = program.mesh.find(pipeline_axis);
  std::vector<int> ranks;
  for (int rank = 0; rank < program.mesh.size(); ++rank)
    if (!pipe || program.mesh.coordinate(rank, *pipe) == block.stage) ranks.push_back(rank);
  return ranks;
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
    const std::vector<std::byte> own = block.is_held ? rank.read(block.value->name) : std::vector<std::byte>(bytes);
    world.all_gather({own.data(), count, block.operand.dtype},
                     {parts.data(), count * world.size(), block.operand.dtype});
    if (writer == nullptr) continue;
    whole.resize(byte_size(tensors[i]));
    for (const int r : ranks_that_bring(program, block))
      to_whole(program, r, block, parts.data() + bytes * static_cast<std::size_t>(r), whole.data());
    writer->write(tensors[i].name, whole);
  }
  if (writer != nullptr) writer->finish();
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
    if (!blocks[i]->is_held) continue;
    whole.resize(byte_size(tensors[i]));
    file.read(tensors[i].name, whole);
    std::vector<std::byte> part(static_cast<std::size_t>(blocks[i]->bytes()));
    from_whole(program, program.rank, *blocks[i], whole.data(), part.data());
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
