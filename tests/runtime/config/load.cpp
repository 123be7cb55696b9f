// Whole configurations: overrides, files, the resolved dump.
#include "runtime/config/load.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "runtime/config/expressions.h"
#include "runtime/config/yaml_reader.h"
#include "runtime/config/yaml_writer.h"
#include "tests/runtime/config/config_text.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using ctrain::test::load;
using ctrain::test::problem;

namespace {

const std::filesystem::path configs = std::filesystem::path(CTRAIN_SOURCE_DIR) / "configs";

void check_round_trip(const Configuration& run) {
  const Configuration again = load_configuration_text(to_yaml(run), "config.yaml");
  CHECK(again.root == run.root);
  CHECK(again.warnings.empty());
  CHECK((again.data == run.data && again.global_batch == run.global_batch && again.tensor_mode == run.tensor_mode));
}

}  // namespace

TEST_CASE("overrides replace and add values under any name of a key", "[config]") {
  const Configuration run = load(
      "hooks: [LossHook, {type: LogMetricByEpochHook, interval: 2}]\nWIDTH: 12\n",
      {"model.embed_dim=${WIDTH * 4}", "hooks.1.interval=5", "hooks.0.priority=3", "num_epochs=4", "optimizer.lr=1e-2",
       "checkpoints.every=10", "lr_scheduler={type: LinearWarmupLR}", "optimizer.lr=3e-2", "loss.label_smoothing=0.1"});
  CHECK(run.root.at("model.hidden_size").integer() == 48);
  CHECK(run.root.at("hooks.1.interval").integer() == 5);
  CHECK(run.root.at("hooks.0.priority").integer() == 3);
  CHECK(run.root["NUM_EPOCHS"].integer() == 4);
  CHECK(run.root.at("optimizer.lr").real() == 3e-2);  // the last one counts
  CHECK(run.root.at("loss.label_smoothing").real() == 0.1);
  CHECK(run.root["checkpoints"].inline_text() == "{every: 10, keep_last: null, keep_every: null}");
  CHECK(run.root.at("optimizer.lr").location().text() == "--set");
  CHECK(load("parallel: {tensor: 4}\n", {"parallel.tensor.mode=2d"}).head_ways == 2);
}

TEST_CASE("overrides that cannot be applied", "[config]") {
  CHECK(problem("", {"NUM_EPOCHS"}) == "--set: 'NUM_EPOCHS': expected KEY.PATH=VALUE");
  CHECK(problem("", {"=3"}) == "--set: '=3': expected KEY.PATH=VALUE");
  CHECK(problem("", {"model.depth.x=3"}) ==
        "--set: model.depth.x: '3': there is no such place: what stands above it is no mapping");
  CHECK_THAT(problem("hooks: [LossHook]\n", {"hooks.1.interval=3"}),
             Contains("--set: hooks.1.interval: '3': there is no such place"));
  CHECK_THAT(problem("", {"SEED={a: 1"}), Contains("--set: SEED: '{a: 1': --set:1:"));
}

TEST_CASE("every configuration that comes along loads, and its resolved form loads as the same", "[config]") {
  unsetenv("DATA");
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(configs)) {
    if (entry.path().extension() != ".yaml" && entry.path().extension() != ".py") continue;
    INFO(entry.path().string());
    ++count;
    const Configuration run = load_configuration(entry.path());
    CHECK(run.warnings.empty());
    CHECK(run.name == entry.path().stem());
    check_round_trip(run);
  }
  CHECK(count >= 6);
}

TEST_CASE("the configurations say what the documents say", "[config]") {
  setenv("DATA", "/data/cifar", 1);
  const Configuration documented = load_configuration(configs / "colossal" / "vit_2d.yaml", {}, 4);
  unsetenv("DATA");
  CHECK((documented.tensor_mode == "2d" && documented.tensor == 4 && documented.batch_per_data_rank == 512));
  CHECK(documented.root.at("train_data.dataset.root").text() == "/data/cifar");
  CHECK(documented.root.at("lr_scheduler.by_epoch").boolean());
  CHECK(documented.root.at("model.num_heads").integer() == 2);
  CHECK_FALSE(documented.root.at("test_data.dataset.train").boolean());

  const Configuration quick = load_configuration(configs / "vit_2d.yaml");
  CHECK((quick.world_size() == 4 && quick.head_ways == 2));
  CHECK(quick.root.at("test_data.dataset.train").boolean() == false);
  const Configuration serial = load_configuration(configs / "vit_serial.yaml"),
                      line = load_configuration(configs / "vit_1d.yaml");
  for (const char* key : {"model", "train_data", "test_data", "loss", "optimizer", "lr_scheduler", "hooks"}) {
    CHECK(serial.root[key] == quick.root[key]);
    CHECK(line.root[key] == quick.root[key]);
  }
  CHECK((line.tensor_mode == "1d" && line.tensor == 2 && serial.world_size() == 1));
  CHECK(load_configuration(configs / "mlp_2d.yaml").root.at("model.dims").inline_text() == "[256, 1024, 256]");
}

TEST_CASE("files that are no configuration", "[config]") {
  CHECK_THROWS_WITH(load_configuration(configs / "vit2d.yaml"),
                    Contains("does not exist; did you mean '" + (configs / "vit_2d.yaml").string() + "'?"));
  CHECK_THROWS_WITH(load_configuration(configs / "colossal" / "vit2d.py"),
                    Contains("does not exist; did you mean '" + (configs / "colossal" / "vit_2d.py").string() + "'?"));
}

namespace {

// Lists and mappings of odd values, up to `depth` levels.
Setting random_value(std::mt19937& random, int depth) {
  static const std::vector<std::string> texts = {"a b",
                                                 "${A}",
                                                 "$${x",
                                                 "yes",
                                                 "null",
                                                 "1e5",
                                                 "007",
                                                 "",
                                                 " x ",
                                                 "a: b # c",
                                                 "'\"\\",
                                                 "\t\n\x01",
                                                 "na\u00efve/\u30c7",
                                                 "-",
                                                 "[x",
                                                 "2d",
                                                 "./data"};
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  switch (draw(depth > 0 ? 7 : 5)) {
    case 0:
      return {};
    case 1:
      return Setting::of(draw(2) == 0);
    case 2:
      return Setting::of(static_cast<std::int64_t>(random()) * (draw(2) == 0 ? 1 : -1'000'000'007));
    case 3:
      return Setting::of(std::ldexp(static_cast<double>(random()), draw(200) - 100));
    case 4:
      return Setting::of(texts[static_cast<std::size_t>(draw(static_cast<int>(texts.size())))]);
    case 5: {
      std::vector<Setting> items;
      for (int i = draw(4); i > 0; --i) items.push_back(random_value(random, depth - 1));
      return Setting::of(items);
    }
    default: {
      std::vector<Setting::Member> members;
      for (int i = draw(4); i > 0; --i)
        members.emplace_back("key " + std::to_string(i), random_value(random, depth - 1));
      return Setting::of(members);
    }
  }
}

}  // namespace

TEST_CASE("any tree is read back as it was written", "[config]") {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const Setting tree =
        Setting::of(std::vector<Setting::Member>{{"a", random_value(random, 4)}, {"on", random_value(random, 4)}});
    const std::string text = to_yaml(tree);
    INFO(text);
    Problems problems;
    Setting again = read_yaml(text, "f.yaml", problems);
    resolve_references(again, problems);
    problems.throw_if_any();
    REQUIRE(again == tree);
  }
}
