// The table's models. Names and defaults of `vit` are timm's, with the documents' names as the main ones.
#include "runtime/config/presets.h"
#include "runtime/config/schema_tables.h"

namespace ctrain {
namespace {

Field init_from() {
  return {"init_from", nullable(text()), "null",
          "a safetensors file, or a checkpoint's folder, to start from; null: initial values drawn from SEED"};
}

Component vit() {
  return {
      "vit",
      "Vision Transformer with a class token; parameters carry timm's names and shapes",
      {
          {"img_size", integer(1), "224", "height and width of the images in pixels"},
          {"patch_size", integer(1), "16", "height and width of a patch; divides img_size"},
          {"in_channels", integer(1), "3", "colour channels", {"in_chans"}},
          {"num_classes", integer(1), "1000", "classes to tell apart"},
          {"hidden_size", integer(1), "768", "width of a token", {"embed_dim"}},
          {"depth", integer(1), "12", "number of blocks"},
          {"num_heads", integer(1), "12", "attention heads; divides hidden_size"},
          {"mlp_ratio", real(0), "4.0", "width inside a block's MLP, in units of hidden_size"},
          {"qkv_bias", boolean(), "true", "a bias on queries, keys and values"},
          {"representation_size", nullable(integer(1)), "null", "width of a layer before the head (null: none)"},
          {"dropout", real_below(0, 1), "0.0", "after embedding, attention output and MLP", {"drop_rate"}},
          {"attention_dropout", real_below(0, 1), "0.0", "on attention weights", {"attn_drop_rate"}},
          {"drop_path", real_below(0, 1), "0.0", "stochastic depth; rises linearly to this", {"drop_path_rate"}},
          {"init_method", choice({"torch", "timm"}, {"jax"}), "torch",
           "torch's layer defaults, or timm's truncated normal"},
          {"layer_norm_epsilon", real(0), "1e-06", "added to the variance"},
          init_from(),
          later("checkpoint", boolean(), {}, {"false"}),
      },
  };
}

Component mlp() {
  return {
      "mlp",
      "Linear layers with an activation between them; flattens its input",
      {
          {"dims", list_of(integer(1), 2), required, "widths from input to output"},
          {"activation", choice({"gelu", "relu", "tanh"}), "gelu", "between two layers"},
          {"bias", boolean(), "true", "a bias in every layer"},
          {"dropout", real_below(0, 1), "0.0", "after every activation"},
          init_from(),
      },
  };
}

// Sizes that are null are the preset's.
Component gpt2() {
  const Type size = nullable(integer(1));
  return {
      "gpt2",
      "GPT-2 and GPT-3; parameters carry the names and shapes of Hugging Face's GPT2LMHeadModel",
      {
          {"preset", choice(gpt2_presets()), "gpt2_small", "sizes of depth, hidden_size, num_heads and positions"},
          {"vocab_size", integer(1), "50257", "token ids are below this"},
          {"max_position_embeddings", size, "null", "the longest sequence", {"n_positions"}},
          {"hidden_size", size, "null", "width of a token", {"n_embd"}},
          {"depth", size, "null", "number of blocks", {"num_layers", "n_layer"}},
          {"num_heads", size, "null", "attention heads; divides hidden_size", {"num_attention_heads", "n_head"}},
          {"mlp_ratio", real(0), "4.0", "width inside a block's MLP, in units of hidden_size"},
          {"dropout", real_below(0, 1), "0.0", "after attention and MLP", {"drop_rate"}},
          {"attention_dropout", real_below(0, 1), "0.0", "on attention weights", {"attn_drop_rate"}},
          {"embed_dropout", real_below(0, 1), "0.0", "after the embeddings", {"embed_drop_rate"}},
          {"tie_word_embeddings", boolean(), "true", "the word table is the output head too"},
          {"layer_norm_epsilon", real(0), "1e-05", "added to the variance"},
          init_from(),
          later("checkpoint", boolean(), {}, {"false"}),
      },
  };
}

}  // namespace

const std::vector<Component>& model_components() {
  static const std::vector<Component> components = {vit(), mlp(), gpt2()};
  return components;
}

}  // namespace ctrain
