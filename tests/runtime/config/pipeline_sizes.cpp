// Keys of pipelines: what they mean together, and what is refused where.
#include "runtime/config/pipeline_sizes.h"

#include <catch2/catch.hpp>

#include "tests/runtime/config/config_text.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using ctrain::test::load;
using ctrain::test::problem;

namespace {

PipelineOptions pipeline(const std::string& more) { return load(more, {"model.depth=8"}).pipeline; }

}  // namespace

TEST_CASE("a pipeline's sizes follow from its keys", "[config][pipeline]") {
  const Configuration run = load(
      "parallel: {pipeline: 2, tensor: {size: 2, mode: 1d}}\nNUM_MICRO_BATCHES: 4\ngradient_accumulation: 3\n", {}, 8);
  CHECK((run.data == 2 && run.pipeline.stages == 2 && run.tensor == 2 && run.world_size() == 8));
  CHECK((run.pipeline.micro_batches == 4 && run.pipeline.chunks == 1 && run.pipeline.schedule == "1f1b"));
  CHECK((run.accumulation == 3 && run.global_batch == 24 && run.batch_per_data_rank == 12));
  CHECK(run.root.at("parallel.pipeline.schedule").text() == "1f1b");
  CHECK(run.root["NUM_CHUNKS"].integer() == 1);

  CHECK(load("NUM_MICRO_BATCHES: 4\n").pipeline.micro_batches == 4);  // without stages too
  CHECK(load("num_micro_batches: 4\n").pipeline.micro_batches == 4);
  CHECK(load("NUM_CHUNKS: null\nNUM_MICRO_BATCHES: null\n").root == load("").root);
}

TEST_CASE("schedules and chunks", "[config][pipeline]") {
  const std::string two = "parallel: {pipeline: 2}\nNUM_MICRO_BATCHES: 4\n";
  CHECK(pipeline(two + "NUM_CHUNKS: 2\n").schedule == "interleaved");
  CHECK(pipeline(two + "NUM_CHUNKS: 2\n").chunks == 2);
  CHECK(pipeline(two + "NUM_CHUNKS: 1\n").schedule == "1f1b");
  CHECK(load(two, {"model.depth=8", "model.num_chunks=4"}).pipeline.chunks == 4);
  const auto scheduled = [&](const std::string& name, const std::string& more = "") {
    return "parallel: {pipeline: {size: 2, schedule: " + name + "}}\nNUM_MICRO_BATCHES: 4\n" + more;
  };
  for (const char* name : {"gpipe", "1f1b", "zb_h1"}) CHECK(pipeline(scheduled(name)).chunks == 1);
  CHECK(pipeline(scheduled("zbv")).chunks == 2);
  CHECK(problem(scheduled("1f1b", "NUM_CHUNKS: 2\n")) ==
        "run.yaml:8:13: NUM_CHUNKS: '2': 2 chunks per stage: schedule 1f1b has 1");
  CHECK_THAT(problem(scheduled("interleaved")), Contains("run.yaml:6:42: NUM_CHUNKS") && Contains("takes 2 or more"));
  CHECK_THAT(problem(scheduled("gpip")), Contains("run.yaml:6:42: parallel.pipeline.schedule: 'gpip': expected one of "
                                                  "1f1b, gpipe, interleaved, zb_h1, zbv") &&
                                             Contains("did you mean 'gpipe'?"));
}

TEST_CASE("both keys of the chunks must agree", "[config][pipeline]") {
  const std::string model =
      "model: {type: vit, img_size: 32, hidden_size: 48, num_heads: 6, depth: 8, num_chunks: 4}\n";
  const std::string rest = test::valid_text.substr(test::valid_text.find('\n') + 1) +
                           "parallel: {pipeline: 2}\n"
                           "NUM_MICRO_BATCHES: 4\n";
  CHECK(load_configuration_text(model + rest, "run.yaml").pipeline.chunks == 4);
  CHECK(load_configuration_text(model + rest + "NUM_CHUNKS: 4\n", "run.yaml").pipeline.chunks == 4);
  std::string message;
  try {
    (void)load_configuration_text(model + rest + "NUM_CHUNKS: 2\n", "run.yaml");
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message == "run.yaml:1:87: model.num_chunks: '4': expected 2, as at run.yaml:8:13");
}

TEST_CASE("micro-batches are required, divide the batch as the mode splits it, and fit the schedule",
          "[config][pipeline]") {
  CHECK(problem("parallel: {pipeline: 2}\n") ==
        "run.yaml:6:22: NUM_MICRO_BATCHES: is missing; expected into how many micro-batches the batch of a "
        "data-parallel rank is cut, since parallel.pipeline.size is 2");
  CHECK(problem("parallel: {pipeline: 2}\nNUM_MICRO_BATCHES: 5\n") ==
        "run.yaml:7:20: NUM_MICRO_BATCHES: '5': expected a divisor of the batch of a data-parallel rank, 24; nearest 4 "
        "and 6");
  CHECK(
      problem("parallel: {pipeline: 2, tensor: {size: 4, mode: 2d}}\nNUM_MICRO_BATCHES: 8\n") ==
      "run.yaml:7:20: NUM_MICRO_BATCHES: '8': expected a divisor of the batch of a data-parallel rank, 24 / 2 (mode 2d "
      "over 4 ranks splits each micro-batch 2 ways); nearest 6 and 12");
  CHECK_THAT(problem("NUM_MICRO_BATCHES: 48\n"), Contains("nearest 24"));
  CHECK(
      problem("parallel: {pipeline: 2}\nNUM_MICRO_BATCHES: 3\nNUM_CHUNKS: 2\n", {"model.depth=4"}) ==
      "run.yaml:7:20: NUM_MICRO_BATCHES: '3': 3 micro-batches: schedule interleaved takes a multiple of its 2 stages; "
      "nearest 2 and 4");
}

TEST_CASE("the model must have a block for every part", "[config][pipeline]") {
  const std::string text = "parallel: {pipeline: 4}\nNUM_MICRO_BATCHES: 4\n";
  CHECK(problem(text) ==
        "run.yaml:6:22: parallel.pipeline.size: '4': 2 blocks over 4 pipeline stages: expected at most 2 stages");
  CHECK_THAT(problem(text + "NUM_CHUNKS: 2\n", {"model.depth=6"}), Contains("6 blocks over 4 pipeline stages with 2 "));
  CHECK_THAT(problem(text + "NUM_CHUNKS: 2\n", {"model.depth=9"}), Contains("a multiple of the chunks; nearest 8"));
  CHECK(problem(text + "NUM_CHUNKS: 2\n", {"model.depth=9", "parallel.pipeline.partition=balanced"}).empty());
  CHECK_THAT(problem("parallel: {pipeline: 3}\nNUM_MICRO_BATCHES: 4\n", {"model={type: mlp, dims: [3072, 32, 10]}"}),
             Contains("2 blocks over 3 pipeline stages"));
  // All at once.
  CHECK_THAT(problem("parallel: {pipeline: 4}\n", {"model.num_heads=5"}),
             Contains("3 problems") && Contains("NUM_MICRO_BATCHES: is missing") && Contains("2 blocks over 4") &&
                 Contains("model.hidden_size"));
}

TEST_CASE("customized partitions", "[config][pipeline]") {
  const auto cut = [](const std::string& pipeline) {
    return "parallel: {pipeline: {size: 3, " + pipeline + "}}\nNUM_MICRO_BATCHES: 4\n";
  };
  const std::vector<std::string> deep = {"model.depth=8"};
  CHECK(load(cut("partition: customized, cuts: [1, 5]"), deep).pipeline.cuts == std::vector<int>{1, 5});
  CHECK_THAT(problem(cut("partition: customized, cuts: [5]"), deep),
             Contains("run.yaml:6:61: parallel.pipeline.cuts: '[5]'") && Contains("are cut at 2"));
  CHECK_THAT(problem(cut("partition: customized, cuts: [5, 5]"), deep), Contains("ascending numbers from 1 to 7"));
  CHECK(problem(cut("cuts: [1, 5]"), deep) ==
        "run.yaml:6:38: parallel.pipeline.cuts: '[1, 5]': expected partition: customized with it, not uniform");
  CHECK_THAT(problem(cut("partition: equal"), deep), Contains("uniform, balanced, balanced_flops, customized"));
}

TEST_CASE("ranks of a pipeline", "[config][pipeline]") {
  const std::string text = "NUM_MICRO_BATCHES: 2\nparallel: {pipeline: 2, tensor: {size: 2, mode: 1d}}\n";
  CHECK(load(text).world_size() == 4);
  CHECK(problem(text, {}, 6) ==
        "run.yaml:7:40: parallel.tensor.size: '2': expected pipeline * tensor, 2 * 2, to be a divisor of the number of "
        "ranks, 6; nearest numbers of ranks for these sizes: 4 and 8");
  CHECK(
      problem(text, {"parallel.tensor=1"}, 3) ==
      "run.yaml:7:22: parallel.pipeline.size: '2': expected pipeline * tensor, 2 * 1, to be a divisor of the number of "
      "ranks, 3; nearest numbers of ranks for these sizes: 2 and 4");
  CHECK(
      problem(text, {"parallel.data=3"}, 8) ==
      "--set: parallel.data: '3': expected data * pipeline * tensor to be the number of ranks, 8, but 3 * 2 * 2 is 12");
}
