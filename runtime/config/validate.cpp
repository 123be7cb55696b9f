#include "runtime/config/validate.h"

#include <fmt/format.h>

#include <numeric>
#include <string>
#include <vector>

#include "runtime/config/pipeline_sizes.h"

namespace ctrain {
namespace {

// A member of the right kind that is there and not null (the schema has dropped the wrong ones).
const Setting* given(const Setting& parent, std::string_view path) {
  const Setting* setting = parent.find_path(path);
  return setting == nullptr || setting->is_null() ? nullptr : setting;
}

bool is_type(const Setting& component, std::string_view type) {
  const Setting* name = component.find("type");
  return name != nullptr && name->text() == type;
}

// How many parts a width and the heads are cut into, and why.
struct Splits {
  std::int64_t width = 1, heads = 1;
  std::string rule;  // "mode 2d over 4 ranks"
};

Splits splits_of(const RunSizes& sizes) {
  Splits splits;
  if (sizes.tensor > 1) splits.rule = fmt::format("mode {} over {} ranks", sizes.tensor_mode, sizes.tensor);
  splits.width = sizes.width_ways;
  splits.heads = sizes.head_ways;
  return splits;
}

void require_multiple(const Setting& at, const std::string& path, std::int64_t divisor, const std::string& why,
                      Problems& problems) {
  if (at.integer() % divisor == 0) return;
  problems.add(
      at, path,
      fmt::format("a multiple of {} ({}); nearest {}", divisor, why, nearest_multiples(at.integer(), divisor)));
}

std::string split_rule(const Splits& splits, const std::string& what, std::int64_t ways) {
  return fmt::format("{} splits {} {} ways", splits.rule, what, ways);
}

// Heads, their width and the inner width of transformer blocks.
void validate_blocks(const Setting& model, const Splits& splits, Problems& problems) {
  const Setting *width = given(model, "hidden_size"), *heads = given(model, "num_heads");
  if (heads != nullptr)
    require_multiple(*heads, "model.num_heads", splits.heads, split_rule(splits, "heads", splits.heads), problems);
  if (width != nullptr) {
    const std::int64_t count = heads == nullptr ? 1 : heads->integer();
    std::string why = fmt::format("{} heads", count);
    if (splits.width > 1) why += "; " + split_rule(splits, "widths", splits.width);
    require_multiple(*width, "model.hidden_size", std::lcm(count, splits.width), why, problems);
  }
  const Setting* ratio = given(model, "mlp_ratio");
  if (width == nullptr || ratio == nullptr) return;
  const double inner_width = static_cast<double>(width->integer()) * ratio->real();
  if (inner_width < 1 || inner_width > 1e9) {
    problems.add(*ratio, "model.mlp_ratio",
                 fmt::format("hidden_size * mlp_ratio to be 1 to 10^9, not {}", inner_width));
  } else if (const auto inner = static_cast<std::int64_t>(inner_width); inner % splits.width != 0) {
    problems.add(
        *ratio, "model.mlp_ratio",
        fmt::format("hidden_size * mlp_ratio, here {}, to be a multiple of {} ({}); nearest {}", inner, splits.width,
                    split_rule(splits, "widths", splits.width), nearest_multiples(inner, splits.width)));
  }
}

void validate_vit(const Setting& model, const Splits& splits, Problems& problems) {
  const Setting *image = given(model, "img_size"), *patch = given(model, "patch_size");
  if (image != nullptr && patch != nullptr && image->integer() % patch->integer() != 0) {
    problems.add(*patch, "model.patch_size",
                 fmt::format("a divisor of img_size, {}; nearest img_size {}", image->integer(),
                             nearest_multiples(image->integer(), patch->integer())));
  }
  validate_blocks(model, splits, problems);
  if (const Setting* representation = given(model, "representation_size"))
    require_multiple(*representation, "model.representation_size", splits.width,
                     split_rule(splits, "widths", splits.width), problems);
}

// The scores of a classifier are never split. 1d splits every second width, and the one that a classifier reads; the
// others split all of them, the input fewer ways, since no bias lies over it.
void validate_mlp(const Setting& root, const Setting& model, bool classifies, const RunSizes& sizes,
                  const Splits& splits, Problems& problems) {
  const Setting *dims = given(model, "dims"), *mode = given(root, "parallel.tensor.mode");
  if (sizes.tensor_mode == "sequence" && mode != nullptr)
    problems.add(*mode, "parallel.tensor.mode", "another mode: sequence splits tokens, and an mlp has none");
  if (dims == nullptr) return;
  const std::size_t last = dims->list().size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool is_scores = classifies && i == last, is_last_hidden = classifies && i + 1 == last;
    std::int64_t ways = splits.width;
    if (is_scores) ways = 1;
    if (!is_scores && !is_last_hidden && i % 2 == 0 && (i == 0 || sizes.input_ways == 1)) ways = sizes.input_ways;
    require_multiple(dims->list()[i], fmt::format("model.dims.{}", i), ways,
                     fmt::format("{} splits this width {} ways", splits.rule, ways), problems);
  }
}

// A language model takes token sequences, and nothing else does.
void validate_tokens(const Setting& root, const Setting& model, Problems& problems) {
  const bool wants_tokens = is_type(model, "gpt2");
  for (const std::string part : {"train_data", "test_data"}) {
    const std::string path = part + ".dataset";
    const Setting* dataset = given(root, path);
    if (dataset == nullptr || given(*dataset, "type") == nullptr) continue;
    const Setting *length = given(*dataset, "seq_len"), *most = given(model, "max_position_embeddings");
    if (wants_tokens != (length != nullptr)) {
      problems.add((*dataset)["type"], path + ".type",
                   wants_tokens ? "a dataset of token sequences (with seq_len), which model gpt2 takes"
                                : "a dataset of images or features, or model gpt2, which takes token sequences");
    } else if (wants_tokens && most != nullptr && length->integer() > most->integer()) {
      problems.add(*length, path + ".seq_len",
                   fmt::format("at most model.max_position_embeddings, {}", most->integer()));
    }
  }
  const Setting* loss = given(root, "loss");
  if (wants_tokens && loss != nullptr && given(*loss, "type") != nullptr && !is_type(*loss, "CrossEntropyLoss"))
    problems.add((*loss)["type"], "loss.type", "CrossEntropyLoss, which compares with the next token");
}

// Blocks that a pipeline can be cut between; 0 of a model that only its builder knows.
int blocks_of(const Setting& model) {
  const Setting *depth = given(model, "depth"), *dims = given(model, "dims");
  if (is_type(model, "mlp")) return dims == nullptr ? 0 : static_cast<int>(dims->list().size()) - 1;
  const bool has_depth = is_type(model, "vit") || is_type(model, "gpt2");
  return has_depth && depth != nullptr ? static_cast<int>(depth->integer()) : 0;
}

void validate_loaders(const Setting& root, std::int64_t batch, Problems& problems) {
  for (const std::string part : {"train_data", "test_data"}) {
    const std::string path = part + ".dataloader.batch_size";
    const Setting* size = given(root, path);
    if (size != nullptr && size->integer() != batch)
      problems.add(*size, path, fmt::format("{}, the batch of a data-parallel rank", batch));
  }
}

// Images or features by `shape`, or token sequences.
void validate_synthetic(const Setting& dataset, const std::string& path, Problems& problems) {
  const Setting *shape = given(dataset, "shape"), *vocabulary = given(dataset, "vocab_size"),
                *length = given(dataset, "seq_len");
  if (shape != nullptr && (vocabulary != nullptr || length != nullptr)) {
    problems.add(*shape, path + ".shape", "either shape or vocab_size and seq_len, not both");
  } else if (shape == nullptr && (vocabulary == nullptr || length == nullptr)) {
    problems.refuse(dataset.location(), path + ".shape", "",
                    "is missing; expected shape (images or features), or vocab_size and seq_len (token sequences)");
  }
}

void validate_datasets(const Setting& root, Problems& problems) {
  const Setting* loss = given(root, "loss");
  for (const std::string part : {"train_data", "test_data"}) {
    const std::string path = part + ".dataset";
    const Setting* dataset = given(root, path);
    if (dataset == nullptr) continue;
    if (is_type(*dataset, "SyntheticDataset")) validate_synthetic(*dataset, path, problems);
    const Setting* target = given(*dataset, "target_shape");
    if (target != nullptr && given(*dataset, "num_classes") != nullptr)
      problems.add(*target, path + ".target_shape", "either num_classes or target_shape, not both");
    if (loss == nullptr) continue;
    if (is_type(*loss, "MSELoss") && target == nullptr)
      problems.add((*loss)["type"], "loss.type", fmt::format("CrossEntropyLoss, since {} gives class labels", path));
    if (is_type(*loss, "CrossEntropyLoss") && target != nullptr)
      problems.add((*loss)["type"], "loss.type", fmt::format("MSELoss, since {} has a target_shape", path));
  }
}

void validate_schedule(const Setting& root, Problems& problems) {
  const Setting* schedule = given(root, "lr_scheduler");
  if (schedule != nullptr) {
    const Setting *warmup = given(*schedule, "warmup_steps"), *total = given(*schedule, "total_steps");
    if (warmup != nullptr && total != nullptr && warmup->integer() >= total->integer())
      problems.add(*warmup, "lr_scheduler.warmup_steps", fmt::format("less than total_steps, {}", total->integer()));
  }
  const Setting* hooks = given(root, "hooks");
  if (hooks == nullptr) return;
  for (std::size_t i = 0; i < hooks->list().size(); ++i) {
    const Setting& hook = hooks->list()[i];
    if (!is_type(hook, "LRSchedulerHook")) continue;
    const std::string path = fmt::format("hooks.{}", i);
    if (root.find("lr_scheduler") == nullptr)
      problems.add(hook["type"], path + ".type", "an lr_scheduler in the configuration as well");
    const Setting* own = given(hook, "by_epoch");
    const Setting* other = schedule == nullptr ? nullptr : given(*schedule, "by_epoch");
    if (own != nullptr && other != nullptr && own->boolean() != other->boolean())
      problems.add(*own, path + ".by_epoch",
                   fmt::format("{}, as lr_scheduler.by_epoch says at {}", other->boolean(), other->location().text()));
  }
}

void validate_precision(const Setting& root, Problems& problems) {
  const Setting *mixed = given(root, "mixed_precision"), *type = given(root, "dtype");
  if (mixed != nullptr && type != nullptr && type->text() != "fp32")
    problems.add(*mixed, "mixed_precision", fmt::format("dtype: fp32, not {}", type->text()));
}

}  // namespace

void validate(const Setting& root, const std::optional<RunSizes>& sizes, Problems& problems) {
  if (const Setting* model = given(root, "model")) {
    const RunSizes known = sizes.value_or(RunSizes{});
    const Splits splits = splits_of(known);
    const Setting* loss = given(root, "loss");
    if (is_type(*model, "vit")) validate_vit(*model, splits, problems);
    if (is_type(*model, "gpt2")) validate_blocks(*model, splits, problems);
    validate_tokens(root, *model, problems);
    if (is_type(*model, "mlp"))
      validate_mlp(root, *model, loss != nullptr && is_type(*loss, "CrossEntropyLoss"), known, splits, problems);
    const int blocks = blocks_of(*model);
    if (sizes && blocks > 0) check_cut(root, sizes->pipeline, blocks, problems);
  }
  if (sizes && sizes->batch_per_data_rank > 0) validate_loaders(root, sizes->batch_per_data_rank, problems);
  validate_datasets(root, problems);
  validate_schedule(root, problems);
  validate_precision(root, problems);
}

}  // namespace ctrain
