#include "runtime/pipeline_check.h"

#include <catch2/catch.hpp>

#include "ops/build.h"
#include "runtime/job.h"
#include "tests/runtime/config/config_text.h"
#include "tests/runtime/error_message.h"

namespace ctrain {
namespace {

// 24 samples, two data-parallel ranks, 2 micro-batches; 64 patches and the class token; 48 wide.
std::string refused(const std::string& mesh, const std::string& shape) {
  return usage_message([&] {
    const Configuration run = test::load("NUM_MICRO_BATCHES: 2\nparallel: {data: 2, pipeline: 2, tensor: " + mesh +
                                         "}\nTENSOR_SHAPE: " + shape + "\n");
    (void)job_options(run);
  });
}

TEST_CASE("TENSOR_SHAPE may be local, of a data-parallel rank or global, in either order", "[pipeline]") {
  const std::string grid = "{size: 4, mode: 2d}";
  for (const char* shape : {"[3, 65, 24]", "[6, 65, 48]", "[12, 65, 48]", "[65, 6, 48]", "[65, 3, 24]", "null"}) {
    INFO(shape);
    CHECK(refused(grid, shape) == "no error");
  }
  CHECK(refused(grid, "[6, 65, 24]") ==
        "run.yaml:8:15: TENSOR_SHAPE: '[6, 65, 24]': expected [3, 65, 24] or [6, 65, 48] or [12, 65, 48] or "
        "[65, 3, 24] or [65, 6, 48] or [65, 12, 48], of what a stage hands to the next for a micro-batch");
  CHECK(refused("1", "[6, 65, 48]") == "no error");
  CHECK(refused("{size: 2, mode: 1d}", "[6, 65, 48]") == "no error");
  CHECK(refused("1", "[6, 64, 48]") != "no error");
}

TEST_CASE("TENSOR_SHAPE says nothing without stages", "[pipeline]") {
  CHECK_NOTHROW(job_options(test::load("TENSOR_SHAPE: [1, 2]\n")));
}

// Its second block has no parameters.
class HalfEmpty final : public Model {
 public:
  [[nodiscard]] Value* build(Graph& graph, const ModelOptions&) const override {
    const Name width{'h'}, classes{'c'};
    graph.set_extent(width, 4);
    graph.set_extent(classes, 10);
    Value* images = graph.input("images", {Name{'b'}, width}, graph.real());
    Value* weight = graph.parameter("weight", {width, classes}, ParameterRole::embedding, {});
    Value* scores = linear(images, weight, nullptr);
    graph.set_block(1);
    return activation(scores, "relu");
  }
};

TEST_CASE("a stage without parameters is refused before anything starts", "[pipeline]") {
  const Configuration run = test::load("NUM_MICRO_BATCHES: 2\nparallel: {pipeline: 2}\n");
  JobOptions options = job_options(run);
  options.model = std::make_shared<HalfEmpty>();
  options.sample.extents = {4};
  Problems problems;
  check_pipeline(run.root, options, problems);
  REQUIRE(problems.lines().size() == 1);
  CHECK(
      problems.lines()[0] ==
      "run.yaml:7:22: parallel.pipeline: '2': part 1 of the pipeline, block 1 of the model, has no parameters; cut it "
      "elsewhere");
}

}  // namespace
}  // namespace ctrain
