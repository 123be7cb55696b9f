// The main job's statement 6, configuration: one message with file:line:column, key, value, what was expected.
#include <catch2/catch.hpp>

#include "program.h"

namespace ctrain {
namespace {

struct Bad {
  const char *from, *to;  // a change of small_vit()
  std::vector<std::string> parts;
};

TEST_CASE("A wrong configuration is told in one message, and nothing is written") {
  const std::vector<Bad> table = {
      {"  num_heads", "  num_haeds", {"bad.yaml:11:3: model.num_haeds", "did you mean 'num_heads'?"}},
      {"BATCH_SIZE", "BACH_SIZE", {"bad.yaml:2:1: BACH_SIZE", "did you mean 'BATCH_SIZE'?"}},
      {"depth: 1", "depth: one", {"bad.yaml:10:10: model.depth: 'one': expected an integer"}},
      {"BATCH_SIZE: 4", "BATCH_SIZE: 4.5", {"bad.yaml:2:13: BATCH_SIZE: '4.5': expected an integer"}},
      {"depth: 1", "depth: 1\n  depth: 2", {"bad.yaml:11:3: model.depth", "twice", "bad.yaml:10:3"}},
      {"{size: 4, mode: 2d}", "4", {"bad.yaml:1:20: parallel.tensor: '4'", "mode", "1d, 2.5d, 2d, 3d"}},
      {"mode: 2d",
       "mode: 4d",
       {"bad.yaml:1:36: parallel.tensor.mode: '4d': expected one of 1d, 2.5d, 2d", "did you mean"}},
      {"size: 4", "size: 5", {"bad.yaml:1:27: parallel.tensor.size: '5': expected a square", "nearest 4 and 9"}},
      {"mode: 2d", "mode: 3d", {"bad.yaml:1:27: parallel.tensor.size: '4': expected a cub", "mode 3d", "nearest 8"}},
      {"num_heads: 4", "num_heads: 1", {"bad.yaml:11:14: model.num_heads: '1': expected a multiple of 2", "nearest 2"}},
      {"hidden_size: 16",
       "hidden_size: 18",
       {"bad.yaml:9:16: model.hidden_size: '18': expected a multiple of 4", "nearest 16 and 20"}},
      {"BATCH_SIZE: 4",
       "BATCH_SIZE: 5",
       {"bad.yaml:2:13: BATCH_SIZE: '5': expected a multiple of 2", "nearest 4 and 6"}},
      {"patch_size: 4", "patch_size: 3", {"bad.yaml:6:15: model.patch_size: '3': expected a divisor of img_size"}},
      {"type: vit", "type: vitt", {"bad.yaml:4:9: model.type: 'vitt'", "did you mean 'vit'?"}},
      {"type: SGD", "type: SDG", {"bad.yaml:17:19: optimizer.type: 'SDG'", "did you mean 'SGD'?"}},
      {"LossHook", "LosHook", {"bad.yaml:18:9: hooks.0.type: 'LosHook'", "did you mean 'LossHook'?"}},
      {"SyntheticDataset", "SynteticDataset", {"bad.yaml:13:19: train_data.dataset.type", "'SyntheticDataset'"}},
      {"[1, 8, 8]", "[1, 9, 9]", {"bad.yaml:13:12: train_data.dataset: '[1, 9, 9]'", "[1, 8, 8]"}},
      {"BATCH_SIZE: 4", "BATCH_SIZE: ${SIZE}", {"bad.yaml:2:13", "SIZE"}},
      {"BATCH_SIZE: 4", "BATCH_SIZE: [4", {"bad.yaml:", ": expected"}},
  };
  const Workplace place;
  for (const Bad& bad : table) {
    INFO(bad.to);
    place.write("bad.yaml", with(small_vit(), bad.from, bad.to));
    check_refused(place, {"--config", "bad.yaml"}, bad.parts);
  }
}

TEST_CASE("All problems of a file come at once") {
  const Workplace place;
  place.write("bad.yaml", with(with(small_vit(), "depth: 1", "depth: x"), "LossHook", "LosHook"));
  check_refused(place, {"--config", "bad.yaml"}, {"2 problems", "bad.yaml:10:10: ", "bad.yaml:18:9: "});
}

TEST_CASE("Keys and values that are not built yet are refused by their names") {
  const Workplace place;
  for (const Bad& bad : {Bad{"hooks", "zero: {}\nhooks", {"bad.yaml:18:7: zero"}},
                         Bad{"hooks", "mixed_precision: fp16\nhooks", {"bad.yaml:18:18: mixed_precision: 'fp16'"}},
                         Bad{"type: SGD", "type: Lamb", {"bad.yaml:17:19: optimizer.type: 'Lamb'"}},
                         Bad{"LossHook", "TensorboardHook", {"bad.yaml:18:9: hooks.0.type: 'TensorboardHook'"}}}) {
    INFO(bad.to);
    place.write("bad.yaml", with(small_vit(), bad.from, bad.to));
    std::vector<std::string> parts = bad.parts;
    parts.emplace_back("not built yet");
    check_refused(place, {"--config", "bad.yaml"}, parts);
  }
}

TEST_CASE("Ranks that do not fit, a file that is not there") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  check_refused(place, {"--config", "good.yaml", "--ranks", "3"},
                {"good.yaml:1:27: parallel.tensor.size: '4'", "number of ranks, 3", "nearest"});
  check_refused(place, {"--config", "good.yaml", "--set", "parallel.data=2", "--ranks", "4"},
                {"parallel.data: '2'", "4", "8"});
  check_refused(place, {"--config", "nowhere.yaml"}, {"nowhere.yaml", "does not exist"});
  check_refused(place, {"config", "--config", "nowhere.yaml"}, {"nowhere.yaml", "does not exist"});
}

TEST_CASE("A .py file is told its line, its missing components, the recipes that are there") {
  const Workplace place;
  place.write("bad.py", "BATCH_SIZE = 4\nfor i in range(3):\n    print(i)\n");
  check_refused(place, {"--config", "bad.py"}, {"2 problems", "bad.py:2:1: 'for': expected", "bad.py:3:5: 'print'"});
  place.write("sizes.py", "BATCH_SIZE = 4\n");
  check_refused(place, {"--config", "sizes.py"}, {"sizes.py: ", "hyper-parameters only", "--recipe vit_cifar10|gpt2"});
  check_refused(place, {"--config", "sizes.py", "--recipe", "gpt2"},
                {"--recipe gpt2:", "train_data.dataset.path", "the environment has no variable DATA"});
  check_refused(place, {"--config", "sizes.py", "--recipe", "vit"}, {"--recipe: 'vit'", "vit_cifar10|gpt2"});
}

}  // namespace
}  // namespace ctrain
