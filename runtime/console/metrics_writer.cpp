#include "runtime/console/metrics_writer.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "memory/error.h"

namespace ctrain {

namespace {

// Takes off what a run wrote after `step`: from the first later line on, or the last one where its newline is missing.
void cut_after(const std::filesystem::path& path, std::int64_t step) {
  std::ifstream lines(path, std::ios::binary);
  if (!lines) return;  // a new run
  std::uintmax_t kept = 0;
  int number = 1;
  for (std::string line; std::getline(lines, line) && !lines.eof(); ++number) {
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) {
      throw running_error("{}:{}: not a line of metrics", path.string(), number);
    }
    if (record["step"].get<std::int64_t>() > step) break;
    kept += line.size() + 1;
  }
  std::error_code error;
  std::filesystem::resize_file(path, kept, error);
  if (error) throw running_error("{}: cannot shorten: {}", path.string(), error.message());
}

}  // namespace

// One object being written into the buffer.
class MetricsWriter::Line {
 public:
  Line(Buffer& buffer, std::string_view kind) : buffer_(buffer) {
    buffer_.clear();
    buffer_.append(R"({{"kind":"{}")", kind);
  }
  void add(std::string_view key, std::string_view text) { buffer_.append(R"(,"{}":"{}")", key, text); }
  void add(std::string_view key, std::int64_t number) { buffer_.append(",\"{}\":{}", key, number); }
  void add(std::string_view key, double number) {
    if (std::isfinite(number)) {
      buffer_.append(",\"{}\":{}", key, number);
    } else {
      buffer_.append(",\"{}\":null", key);
    }
  }
  void add(std::string_view key, const std::optional<double>& number) {
    if (number) add(key, *number);
  }
  std::string_view finish() {
    buffer_.append("}}\n");
    return buffer_.view();
  }

 private:
  Buffer& buffer_;
};

MetricsWriter::MetricsWriter(const std::filesystem::path& path, std::int64_t resumed_step)
    : file_((cut_after(path, resumed_step), File::append(path))) {}

void MetricsWriter::write(const StepMetrics& metrics) {
  Line line(buffer_, "step");
  line.add("step", metrics.step);
  line.add("epoch", metrics.epoch);
  line.add("loss", metrics.loss);
  line.add("lr", metrics.lr);
  line.add("grad_norm", metrics.grad_norm);
  line.add("loss_scale", metrics.loss_scale);
  line.add("samples_per_second", metrics.samples_per_second);
  line.add("step_ms", metrics.step_ms);
  line.add("tokens_per_second", metrics.tokens_per_second);
  line.add("mfu", metrics.mfu);
  line.add("mfu_full_attention", metrics.mfu_full_attention);
  line.add("mfu_with_recompute", metrics.mfu_with_recompute);
  file_.write(line.finish());
}

void MetricsWriter::write(const EpochMetrics& metrics) {
  Line line(buffer_, metrics.kind == EpochMetrics::Kind::epoch ? "epoch" : "eval");
  line.add("step", metrics.step);
  line.add("epoch", metrics.epoch);
  line.add("split", std::string_view(metrics.split == EpochMetrics::Split::train ? "train" : "test"));
  line.add("loss", metrics.loss);
  line.add("accuracy", metrics.accuracy);
  line.add("bits_per_byte", metrics.bits_per_byte);
  file_.write(line.finish());
}

}  // namespace ctrain
