#include "runtime/checkpoint/manifest.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "runtime/file.h"
#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

Manifest example() { return {12, 1, 4, 768, 0.1, 3, 5, std::numeric_limits<std::uint64_t>::max(), "ctrain 0.1.0", {}}; }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A manifest comes back as it was written, with sizes and checksums of all files") {
  const TemporaryFolder folder;
  write_file(folder / "model.safetensors", "123456789");
  write_file(folder / "a.json", "");
  write_manifest(folder.path(), example());
  const Manifest manifest = verify_checkpoint(folder.path());
  CHECK(manifest.step == 12);
  CHECK(manifest.epoch == 1);
  CHECK(manifest.step_in_epoch == 4);
  CHECK(manifest.samples_seen == 768);
  CHECK(manifest.loss_sum == 0.1);
  CHECK(manifest.seed == std::numeric_limits<std::uint64_t>::max());
  CHECK(manifest.created_by == "ctrain 0.1.0");
  REQUIRE(manifest.files.size() == 2);
  CHECK(manifest.files[0].name == "a.json");
  CHECK(manifest.files[0].crc32 == 0);
  CHECK(manifest.files[1].name == "model.safetensors");
  CHECK(manifest.files[1].size == 9);
  CHECK(manifest.files[1].crc32 == 0xCBF43926);  // the check value of CRC-32 in every catalogue
}

TEST_CASE("Every file that is missing, cut off or changed is named") {
  const TemporaryFolder folder;
  for (const char* name : {"gone", "cut", "flipped", "whole"}) write_file(folder / name, std::string(3000000, 'x'));
  write_manifest(folder.path(), example());
  std::filesystem::remove(folder / "gone");
  std::filesystem::resize_file(folder / "cut", 2999999);
  write_file(folder / "flipped", std::string(2999999, 'x') + "y");
  const std::string message = running_message([&] { verify_checkpoint(folder.path()); });
  CHECK_THAT(message, Contains("does not agree with its manifest.json:"));
  CHECK_THAT(message, Contains("\n  gone is missing"));
  CHECK_THAT(message, Contains("\n  cut has 2999999 bytes instead of 3000000"));
  CHECK_THAT(message, Contains("\n  flipped has changed: crc32 "));
  CHECK_THAT(message, !Contains("whole"));
}

TEST_CASE("A folder without a manifest is the user's mistake, a damaged manifest is not") {
  const TemporaryFolder folder;
  CHECK_FALSE(has_manifest(folder.path()));
  CHECK_THAT(usage_message([&] { (void)read_manifest(folder.path()); }),
             EndsWith(": not a complete checkpoint: it has no manifest.json"));

  write_file(folder / "model.safetensors", "123");
  write_manifest(folder.path(), example());
  CHECK(has_manifest(folder.path()));
  const std::string good = read_file(folder / "manifest.json");
  const auto reading = [&](const std::string& text) {
    write_file(folder / "manifest.json", text);
    return running_message([&] { (void)read_manifest(folder.path()); });
  };
  CHECK(reading(good) == "no error");
  CHECK_THAT(reading(""), EndsWith("manifest.json: not a usable manifest: it is not a JSON object"));
  CHECK_THAT(reading(good.substr(0, good.size() / 2)), EndsWith("is not a JSON object"));
  CHECK_THAT(reading("[]"), EndsWith("is not a JSON object"));
  CHECK_THAT(reading(replaced(good, R"("format_version": 1)", R"("format_version": 2)")),
             EndsWith("has format_version 2; this ctrain reads version 1"));
  CHECK_THAT(reading(replaced(good, R"("step": 12)", R"("step": -12)")), EndsWith("has no number 'step'"));
  CHECK_THAT(reading(replaced(good, R"("step": 12)", R"("step": 1.5)")), EndsWith("has no number 'step'"));
  CHECK_THAT(reading(replaced(good, R"("step": 12)", R"("step": 18446744073709551615)")),
             EndsWith("has too large a 'step'"));
  CHECK_THAT(reading(replaced(good, "created_by", "made_by")), EndsWith("has no text 'created_by'"));
  CHECK_THAT(reading(replaced(good, "files", "filles")), EndsWith("has no list 'files'"));
  CHECK_THAT(reading(replaced(good, "\"model.safetensors\"", "3")), EndsWith("has no text 'name'"));
  for (const char* name : {"../x", "/etc/passwd", "..", ".", "", "a/b"}) {
    CHECK_THAT(reading(replaced(good, "model.safetensors", name)), EndsWith("which is not a file of this folder"));
  }
  CHECK_THAT(reading(replaced(good, R"("crc32": ")", R"("crc32": "x)")), Contains("has the crc32 'x"));
}

TEST_CASE("A checkpoint has plain files only") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  CHECK_THAT(running_message([&] { write_manifest(folder.path(), example()); }), Contains("sub: only plain files"));
}
