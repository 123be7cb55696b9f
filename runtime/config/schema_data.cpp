// The table's datasets and transforms; transforms have torchvision's names, arguments and defaults.
#include "runtime/config/schema_tables.h"

namespace ctrain {
namespace {

Field train_field() {
  return {"train", nullable(boolean()), "null", "the training part or the test part; null: by where it stands"};
}

Field transforms_field() {
  return {"transform_pipeline", list_of(component("transform")), "[]", "what is done to an image, in order"};
}

Component image_files(std::string type, std::string meaning, std::string default_root) {
  return {std::move(type),
          std::move(meaning),
          {{"root", text(), std::move(default_root), "folder of the files"}, train_field(), transforms_field()}};
}

Component synthetic() {
  return {
      "SyntheticDataset",
      "made-up samples that can be learned, for tests and benchmarks",
      {
          {"shape", nullable(list_of(integer(1), 1)), "null",
           "of one input: [channels, height, width] or [features]; or give vocab_size and seq_len"},
          {"num_classes", nullable(integer(1)), "null", "labels 0 to num_classes - 1 (10 without target_shape)"},
          {"target_shape", nullable(list_of(integer(1), 1)), "null", "of one target; instead of num_classes"},
          {"size", integer(1), "1024", "number of samples"},
          {"seed", integer(0, std::numeric_limits<double>::infinity()), "0", "of the samples"},
          {"vocab_size", nullable(integer(2)), "null", "token sequences instead: ids are below this"},
          {"seq_len", nullable(integer(1)), "null", "tokens of a sequence"},
      },
  };
}

// Token sequences of text files: one form of the files, or another.
Component text_files(std::string type, std::string meaning) {
  const Type file = nullable(text());
  const Field tokenizer = {
      "tokenizer",
      nullable(mapping({{"vocab", file, "null", "GPT-2's vocab.json"},
                        {"merges", file, "null", "and its merges.txt"},
                        {"file", file, "null", "instead: Hugging Face's tokenizer.json, or a folder with both files"}},
                       "file")),
      "null",
      "how text becomes ids (`ctrain tokenizer train` makes one); null: each byte is an id, and <|endoftext|> is 256"};
  return {
      std::move(type),
      std::move(meaning),
      {
          {"path", one_or_list_of(text(), 1, 1 << 20), required,
           "the file, or a list of files; compressed with gzip or not. Their tokens are kept in $CTRAIN_CACHE "
           "(default: ~/.cache/ctrain)"},
          {"origin", nullable(text()), "null", "how to get the files; said where one is missing"},
          {"seq_len", integer(1, 1 << 24), "1024", "tokens of a sample"},
          tokenizer,
          {"packing", boolean(), "true",
           "samples are cut from all documents, joined with <|endoftext|>; false: a sample is a document, cut or "
           "padded to seq_len"},
          {"split", nullable(choice({"all", "train", "test"})), "null",
           "the part that is used: all, train (the text without its end), or test (its end); null: where train_data "
           "and test_data have the same path each its part, else all"},
          {"test_size", real_below(0, 1), "0.1", "share of the text (in tokens) that is its end"},
      }};
}

std::vector<Field> padding_fields(Field padding) {
  return {
      std::move(padding),
      {"fill", integer(0, 255), "0", "value of the added pixels"},
      {"padding_mode", choice({"constant"}, {"edge", "reflect", "symmetric"}), "constant", "how they are filled"},
  };
}

std::vector<Field> crop_fields() {
  const Type sides = one_or_list_of(integer(0), 1, 4);
  std::vector<Field> fields =
      padding_fields({"padding", nullable(sides), "null",
                      "pixels added first: [all], [left/right, top/bottom] or [left, top, right, bottom]"});
  fields.insert(fields.begin(), {"size", one_or_list_of(integer(1), 1, 2), required, "[side] or [height, width]"});
  fields.push_back({"pad_if_needed", boolean(), "false", "pad images that are too small", {}, {"false"}});
  return fields;
}

std::vector<Field> resize_fields() {
  const std::vector<std::string> later_filters = {"nearest", "nearest-exact", "bicubic", "box", "hamming", "lanczos"};
  return {
      {"size", one_or_list_of(integer(1), 1, 2), required, "[length of the shorter edge] or [height, width]"},
      {"interpolation", choice({"bilinear"}, later_filters), "bilinear", "the filter"},
      {"antialias", boolean(), "true", "as Pillow does when it makes images smaller", {}, {"true"}},
  };
}

std::vector<Component> make_transforms() {
  const Field sides = {"padding", one_or_list_of(integer(0), 1, 4), required,
                       "[all], [left/right, top/bottom] or [left, top, right, bottom]"};
  const Type per_channel = one_or_list_of(real(-1e30, 1e30), 1, 1000);
  std::vector<Component> components = {
      {"Pad", "adds a border", padding_fields(sides)},
      {"Resize", "scales to a size", resize_fields()},
      {"RandomCrop", "cuts out a part at a random place", crop_fields()},
      {"RandomHorizontalFlip", "mirrors at random", {{"p", real(0, 1), "0.5", "probability"}}},
      {"ToTensor", "bytes 0 to 255 to numbers 0 to 1"},
      {"Normalize",
       "subtracts the mean and divides by the standard deviation, per channel",
       {{"mean", per_channel, required, "one for each channel"},
        {"std", per_channel, required, "one for each channel"}}},
      {"Gray2RGB", "repeats a grey channel three times"},
  };
  for (const char* type : {"AutoAugment", "CenterCrop", "ColorJitter", "GaussianBlur", "Grayscale", "RandAugment",
                           "RandomAffine", "RandomErasing", "RandomGrayscale", "RandomResizedCrop", "RandomRotation",
                           "RandomVerticalFlip", "TrivialAugmentWide"})
    components.push_back(later_component(type));
  return components;
}

}  // namespace

const std::vector<Component>& dataset_components() {
  static const std::vector<Component> components = {
      image_files("CIFAR10Dataset", "CIFAR-10, binary version", required),
      image_files("FashionMNISTDataset", "Fashion-MNIST", "/usr/share/datasets/fashion-mnist"),
      image_files("MNISTDataset", "MNIST or any other pair of IDX files", required),
      synthetic(),
      later_component("ImageFolderDataset"),
      text_files("WebtextDataset", "text of JSON lines: {\"text\": ...} for each document"),
      text_files("TextDataset", "plain text; a file is a document"),
  };
  return components;
}

const std::vector<Component>& transform_components() {
  static const std::vector<Component> components = make_transforms();
  return components;
}

}  // namespace ctrain
