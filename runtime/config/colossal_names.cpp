#include "runtime/config/colossal_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "runtime/config/schema.h"

namespace ctrain {
namespace {

using Kind = Setting::Kind;
using Names = std::vector<std::string_view>;

// ---- the table
// -------------------------------------------------------------------------------------------------------
// `*` in a type is a tensor mode: 1D, 2D, 2p5D or 3D.

struct Renamed {
  std::string_view old_name, name;
};
constexpr Renamed losses[] = {{"CrossEntropyLoss*", "CrossEntropyLoss"}, {"GPTLMLoss", "CrossEntropyLoss"}};
constexpr Renamed hooks[] = {{"Accuracy*Hook", "AccuracyHook"}};

struct Part {
  std::string_view path;  // under `model`
  Names types, arguments;
};
const Part parts[] = {
    {"tensor_splitting_cfg", {"ViTInputSplitter*"}, {}},
    {"embedding_cfg",
     {"ViTPatchEmbedding*", "VanillaViTPatchEmbedding"},
     {"img_size", "patch_size", "in_chans", "embed_dim", "weight_init"}},
    {"token_fusion_cfg", {"ViTTokenFuser*"}, {"img_size", "patch_size", "embed_dim", "drop_rate"}},
    {"norm_cfg", {"LayerNorm*", "LayerNorm"}, {"normalized_shape", "eps"}},
    {"block_cfg", {"ViTBlock"}, {"checkpoint"}},
    {"block_cfg.attention_cfg",
     {"ViTSelfAttention*", "VanillaViTAttention"},
     {"hidden_size", "dim", "num_attention_heads", "num_heads", "attention_dropout_prob", "attn_drop",
      "hidden_dropout_prob", "proj_drop", "qkv_bias", "checkpoint", "weight_init"}},
    {"block_cfg.droppath_cfg", {"VanillaViTDropPath"}, {}},
    {"block_cfg.mlp_cfg",
     {"ViTMLP*", "VanillaViTMLP"},
     {"in_features", "mlp_ratio", "dropout_prob", "drop", "checkpoint", "weight_init"}},
    {"block_cfg.norm_cfg", {"LayerNorm*", "LayerNorm"}, {"normalized_shape", "eps"}},
    {"head_cfg",
     {"ViTHead*", "VanillaViTHead"},
     {"hidden_size", "in_features", "num_classes", "representation_size", "weight_init"}},
};

// Arguments of the parts as arguments of `vit`; those that are not here have the same name, or are its synonyms.
constexpr Renamed arguments[] = {
    {"attention_dropout_prob", "attention_dropout"},
    {"attn_drop", "attention_dropout"},
    {"dim", "hidden_size"},
    {"drop", "dropout"},
    {"dropout_prob", "dropout"},
    {"eps", "layer_norm_epsilon"},
    {"hidden_dropout_prob", "dropout"},
    {"in_features", "hidden_size"},
    {"normalized_shape", "hidden_size"},
    {"num_attention_heads", "num_heads"},
    {"proj_drop", "dropout"},
    {"weight_init", "init_method"},
};

constexpr Renamed moved[] = {
    {"schedule.num_microbatches", "NUM_MICRO_BATCHES"},
    {"model.num_chunks", "NUM_CHUNKS"},
    {"train_data.dataloader.sampler.shuffle", "train_data.dataloader.shuffle"},
    {"test_data.dataloader.sampler.shuffle", "test_data.dataloader.shuffle"},
};

struct Dropped {
  std::string_view path, value;  // "": any value
  std::string_view warning;      // "": nothing is lost
};
constexpr Dropped dropped[] = {
    {"logging.root_path", "", "is not read; the log is log.txt in the run folder"},
    {"train_data.dataset.download", "true", "nothing is downloaded; root must hold the files"},
    {"test_data.dataset.download", "true", "nothing is downloaded; root must hold the files"},
    {"train_data.dataset.download", "false", ""},
    {"test_data.dataset.download", "false", ""},
    {"train_data.dataloader.sampler.type", "DataParallelSampler", ""},
    {"test_data.dataloader.sampler.type", "DataParallelSampler", ""},
    {"loss.reduction", "true", ""},  // the mean, as it is anyway
};

// ---- the translation
// -------------------------------------------------------------------------------------------------

bool matches(std::string_view pattern, std::string_view type) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == type;
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  for (const std::string_view mode : {"1D", "2D", "2p5D", "3D"})
    if (type == fmt::format("{}{}{}", before, mode, after)) return true;
  return false;
}

bool is_type(const Setting& component, std::string_view type) {
  const Setting* name = component.find("type");
  return name != nullptr && name->kind() == Kind::text && name->text() == type;
}

Setting empty_mapping_at(const Setting& place) {
  Setting mapping = Setting::of(std::vector<Setting::Member>{});
  mapping.place(place.location(), place.key_location());
  return mapping;
}

void erase(Setting& mapping, std::string_view key) {
  std::erase_if(mapping.members(), [&](const Setting::Member& member) { return member.first == key; });
}

class Translator {
 public:
  Translator(Setting& root, Problems& problems, std::vector<std::string>& warnings)
      : root_(root), problems_(problems), warnings_(warnings) {}

  void run() {
    if (Setting* loss = root_.find("loss")) rename_type(*loss, "loss", losses);
    if (Setting* list = root_.find("hooks"); list != nullptr && list->kind() == Kind::list) translate_hooks(*list);
    if (Setting* model = root_.find("model"); model != nullptr && is_type(*model, "VisionTransformerFromConfig"))
      translate_model(*model);
    for (const Dropped& row : dropped) drop(row);
    for (const Renamed& row : moved) move(row);
  }

 private:
  template <std::size_t N>
  void rename_type(Setting& written, const std::string& family, const Renamed (&table)[N]) {
    expand_shorthand(written, component(family));
    Setting* type = written.find("type");
    if (type == nullptr || type->kind() != Kind::text) return;
    for (const auto& [old_name, name] : table) {
      if (!matches(old_name, type->text())) continue;
      Setting renamed = Setting::of(std::string(name));
      renamed.place(type->location(), type->key_location());
      *type = std::move(renamed);
      return;
    }
  }

  // ---- members of the tree by path
  // -----------------------------------------------------------------------------------
  static std::string_view last_key(std::string_view path) { return path.substr(path.rfind('.') + 1); }
  Setting& above(std::string_view path) {
    const std::size_t end = path.rfind('.');
    return end == std::string_view::npos ? root_ : *root_.find_path(path.substr(0, end));
  }

  // Takes a member out of the tree; mappings that it leaves empty go too.
  void erase_path(std::string_view path) {
    for (bool empty = true; empty;) {
      Setting& mapping = above(path);
      erase(mapping, last_key(path));
      empty = mapping.members().empty() && &mapping != &root_;
      path = path.substr(0, std::min(path.rfind('.'), path.size()));
    }
  }

  void drop(const Dropped& row) {
    const Setting* found = root_.find_path(row.path);
    if (found == nullptr || (!row.value.empty() && found->inline_text() != row.value)) return;
    if (!row.warning.empty()) warn(found->key_location(), row.path, row.warning);
    erase_path(row.path);
  }

  void move(const Renamed& row) {
    const Setting* found = root_.find_path(row.old_name);
    if (found == nullptr) return;
    adopt(above(row.name), last_key(row.name), Setting(*found), row.old_name);
    erase_path(row.old_name);
  }

  void warn(const Location& at, std::string_view path, std::string_view warning) {
    warnings_.push_back(fmt::format("{}: {}: {}", at.text(), path, warning));
  }

  // A member of a mapping gets the value that stands at an old place.
  void adopt(Setting& mapping, std::string_view key, const Setting& value, std::string_view old_path) {
    const Setting* other = mapping.find(key);
    const auto is_number = [](const Setting& s) { return s.kind() == Kind::integer || s.kind() == Kind::real; };
    const auto is_override = [](const Setting& s) { return s.location().line == 0; };
    if (other == nullptr || (is_override(value) && !is_override(*other))) return mapping.set(key, value);
    const bool same = *other == value || (is_number(*other) && is_number(value) && other->real() == value.real());
    if (!same && is_override(*other) == is_override(value))
      problems_.add(value, old_path, fmt::format("{}, as at {}", other->inline_text(), other->location().text()));
  }

  // ---- hooks
  // ---------------------------------------------------------------------------------------------------------
  void translate_hooks(Setting& list) {
    for (std::size_t i = 0; i < list.list().size(); ++i) {
      Setting& hook = list.list()[i];
      rename_type(hook, "hook", hooks);
      if (!is_type(hook, "LRSchedulerHook") || !hook.has("lr_scheduler_cfg")) continue;
      Setting schedule = *hook.find("lr_scheduler_cfg");
      expand_shorthand(schedule, component("lr_scheduler"));
      if (schedule.kind() != Kind::mapping) continue;  // the table refuses it
      erase(hook, "lr_scheduler_cfg");
      if (!root_.has("lr_scheduler")) root_.set("lr_scheduler", empty_mapping_at(schedule));
      Setting& target = *root_.find("lr_scheduler");
      expand_shorthand(target, component("lr_scheduler"));
      if (target.kind() != Kind::mapping) continue;
      for (const auto& [key, value] : schedule.members())
        adopt(target, key, value, fmt::format("hooks.{}.lr_scheduler_cfg.{}", i, key));
    }
  }

  // ---- VisionTransformerFromConfig
  // -----------------------------------------------------------------------------------
  void translate_model(Setting& model) {
    Setting vit = empty_mapping_at(model);
    Setting type = Setting::of("vit");
    type.place(model["type"].location(), model["type"].key_location());
    vit.set("type", type);
    translate_part(model, "", vit);
    // Only the memory of a run depends on it, so that old files need not be changed.
    if (const Setting* checkpoint = vit.find("checkpoint")) {
      if (checkpoint->inline_text() == "true")
        warn(checkpoint->key_location(), "checkpoint",
             "activation checkpointing is not built yet in this version; results are the same, but take more memory");
      erase(vit, "checkpoint");
    }
    model = std::move(vit);
  }

  // Path: of the part under `model`, "" for the model itself, whose other members are arguments of `vit`.
  void translate_part(const Setting& part, const std::string& path, Setting& vit) {
    const Part* row = find_part(path);
    for (const auto& [key, value] : part.members()) {
      const std::string inner = path.empty() ? key : fmt::format("{}.{}", path, key);
      if (key == "type") {
        if (row != nullptr) check_type(*row, value, inner);
      } else if (find_part(inner) != nullptr && value.kind() == Kind::mapping) {
        translate_part(value, inner, vit);
      } else if (row == nullptr ||
                 std::find(row->arguments.begin(), row->arguments.end(), key) != row->arguments.end()) {
        adopt(vit, argument_of_vit(key), value, "model." + inner);
      } else {
        problems_.add(
            value.key_location(), "model." + inner, value.inline_text(),
            row->arguments.empty() ? "no arguments here" : fmt::format("one of {}", fmt::join(row->arguments, ", ")));
      }
    }
  }

  void check_type(const Part& row, const Setting& type, const std::string& path) {
    for (const std::string_view known : row.types)
      if (type.kind() == Kind::text && matches(known, type.text())) return;
    problems_.add(type, "model." + path, fmt::format("{} (*: 1D, 2D, 2p5D or 3D)", fmt::join(row.types, " or ")));
  }

  static const Part* find_part(std::string_view path) {
    for (const Part& row : parts)
      if (row.path == path) return &row;
    return nullptr;
  }
  static std::string argument_of_vit(const std::string& name) {
    for (const Renamed& row : arguments)
      if (row.old_name == name) return std::string(row.name);
    const Field* field = find_field(find_component("model", "vit")->fields, name);
    return field == nullptr ? name : field->name;
  }

  Setting& root_;
  Problems& problems_;
  std::vector<std::string>& warnings_;
};

}  // namespace

void translate_colossal_names(Setting& root, Problems& problems, std::vector<std::string>& warnings) {
  if (root.kind() == Kind::mapping) Translator(root, problems, warnings).run();
}

}  // namespace ctrain
