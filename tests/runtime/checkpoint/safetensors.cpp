#include "runtime/checkpoint/safetensors.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Catch::Matchers::Contains;

namespace {

std::vector<std::byte> pattern(std::uint64_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + seed);
  return bytes;
}

// A file of this header and this many zero bytes of tensors.
std::string file_text(const std::string& header, std::size_t data_size) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + std::string(data_size, '\0');
}

// What opening such a file says.
std::string opening(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "m.safetensors", text);
  return running_message([&] { SafetensorsFile(folder / "m.safetensors"); });
}

}  // namespace

TEST_CASE("Tensors of every type and shape come back as they were written") {
  const TemporaryFolder folder;
  const std::vector<StoredTensor> tensors{{"scalar", StoredType::f64, {}},
                                          {"bytes", StoredType::u8, {7}},
                                          {"empty", StoredType::i64, {3, 0}},
                                          {"weight", StoredType::f32, {2, 3, 5}},
                                          {"half", StoredType::bf16, {3}},
                                          {"f16", StoredType::f16, {1, 1}},
                                          {"i32", StoredType::i32, {4}},
                                          {"i64", StoredType::i64, {2}},
                                          {"quoted \"name\" \xC3\xA4", StoredType::u8, {1}}};
  const StoredMetadata metadata{{"format", "pt"}, {"created_by", "a test"}};
  SafetensorsWriter writer(folder / "m.safetensors", tensors, metadata);
  for (unsigned i = 0; i < tensors.size(); ++i) writer.write(tensors[i].name, pattern(byte_size(tensors[i]), i));
  CHECK_FALSE(std::filesystem::exists(folder / "m.safetensors"));
  writer.finish();
  CHECK_FALSE(std::filesystem::exists(folder / "m.safetensors.tmp"));

  const SafetensorsFile file(folder / "m.safetensors");
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == tensors.size());
  for (unsigned i = 0; i < tensors.size(); ++i) {
    CAPTURE(tensors[i].name);
    const StoredTensor* found = file.find(tensors[i].name);
    REQUIRE(found != nullptr);
    CHECK(found->type == tensors[i].type);
    CHECK(found->shape == tensors[i].shape);
    std::vector<std::byte> bytes(byte_size(*found));
    file.read(tensors[i].name, bytes);
    CHECK(bytes == pattern(bytes.size(), i));
  }
  CHECK(file.find("bias") == nullptr);
  std::vector<std::byte> part(8);
  file.read("weight", part, 20);
  const auto whole = pattern(120, 3);
  CHECK(part == std::vector<std::byte>(whole.begin() + 20, whole.begin() + 28));
}

TEST_CASE("A header is padded to 8 bytes and says what the format's page says") {
  const std::string text = encode_header({{"a", StoredType::f32, {2, 2}}, {"b", StoredType::u8, {3}}}, {{"k", "v"}});
  std::uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  CHECK(text.size() == 8 + length);
  CHECK(length % 8 == 0);
  const std::string json = text.substr(8);
  CHECK(json.substr(0, json.find_last_not_of(' ') + 1) ==
        R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
        R"("b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}})");
}

TEST_CASE("A file without tensors is a file") {
  const TemporaryFolder folder;
  SafetensorsWriter(folder / "m.safetensors", {}, {}).finish();
  CHECK(SafetensorsFile(folder / "m.safetensors").tensors().empty());
}

TEST_CASE("The writer takes the announced tensors only, in their order, and leaves nothing when it is given up") {
  const TemporaryFolder folder;
  {
    SafetensorsWriter writer(folder / "m.safetensors", {{"a", StoredType::u8, {2}}, {"b", StoredType::u8, {2}}}, {});
    CHECK_THAT(running_message([&] { writer.write("b", pattern(2, 0)); }), Contains("'b' was given where 'a' was due"));
    CHECK_THAT(running_message([&] { writer.write("a", pattern(3, 0)); }), Contains("has 3 bytes instead of 2"));
    writer.write("a", pattern(2, 0));
    CHECK_THAT(running_message([&] { writer.finish(); }), Contains("1 of 2 tensors were written"));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK_THAT(running_message([&] {
               SafetensorsWriter(folder / "m", {{"a", StoredType::u8, {}}, {"a", StoredType::u8, {}}}, {});
             }),
             Contains("'a' cannot be stored twice"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("Several threads read one file") {
  const TemporaryFolder folder;
  std::vector<StoredTensor> tensors;
  for (int i = 0; i < 40; ++i) tensors.push_back({fmt::format("t{}", i), StoredType::u8, {1000 + i}});
  SafetensorsWriter writer(folder / "m", tensors, {});
  for (unsigned i = 0; i < tensors.size(); ++i) writer.write(tensors[i].name, pattern(byte_size(tensors[i]), i));
  writer.finish();
  const SafetensorsFile file(folder / "m");
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> readers;
    for (unsigned r = 0; r < wrong.size(); ++r) {
      readers.emplace_back([&, r] {
        for (unsigned i = 0; i < tensors.size(); ++i) {
          std::vector<std::byte> bytes(byte_size(tensors[i]));
          file.read(tensors[i].name, bytes);
          wrong[r] += bytes != pattern(bytes.size(), i);
        }
      });
    }
  }
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("A hostile file is refused with the file's and the tensor's name") {
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return fmt::format(R"({{"fc.w":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
  };
  REQUIRE(opening(file_text(tensor("F32", "[2]", "[0,8]"), 8)) == "no error");

  struct Case {
    std::string header;
    std::size_t data_size;
    std::string message;
  };
  const std::vector<Case> cases{
      {tensor("F32", "[3]", "[0,8]"), 8, "tensor \"fc.w\" has shape [3] of F32, which is 12 bytes, but 8 in the file"},
      {tensor("F32", "[2]", "[0,8]"), 7, "tensor \"fc.w\" ends at byte 8, but the file holds 7 bytes"},
      {tensor("F32", "[2]", "[0,8]"), 9, "1 bytes follow its last tensor"},
      {tensor("F32", "[2]", "[4,12]"), 12, "tensor \"fc.w\" begins at byte 4, where byte 0 was expected"},
      {tensor("F32", "[2]", "[8,0]"), 8, "tensor \"fc.w\" has data_offsets other than"},
      {tensor("F32", "[2]", "[0]"), 8, "tensor \"fc.w\" has data_offsets other than"},
      {tensor("F32", "[2]", "[0,8,8]"), 8, "tensor \"fc.w\" has data_offsets other than"},
      {tensor("F32", "[2]", "[0,8.0]"), 8, "data_offsets with other items than whole numbers"},
      {tensor("F32", "[-2]", "[0,8]"), 8, "shape with other items than whole numbers"},
      {tensor("F32", "[[]]", "[0,8]"), 8, "shape with other items than whole numbers"},
      {tensor("F32", "[[2]]", "[0,8]"), 8, "nested too deeply"},
      {tensor("F32", "2", "[0,8]"), 8, "tensor \"fc.w\" has no shape"},
      {tensor("F32", "[4611686018427387904,4]", "[0,0]"), 0, "larger than any file"},
      {tensor("F32", "[4294967296,4294967296]", "[0,0]"), 0, "larger than any file"},
      {tensor("U8", "[18446744073709551615]", "[0,18446744073709551615]"), 0, "larger than any file"},
      {tensor("U8", "[99999999999999999999]", "[0,0]"), 0, "other items than whole numbers"},
      {tensor("F8_E4M3", "[2]", "[0,2]"), 2, "tensor \"fc.w\" has dtype \"F8_E4M3\", which is not supported"},
      {R"({"w":{"shape":[0],"data_offsets":[0,0]}})", 0, "tensor \"w\" has no dtype"},
      {R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":1}})", 0, "has the unknown key \"more\""},
      {R"({"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "\"dtype\" occurs twice"},
      {R"({"w":3})", 0, "tensor \"w\" is not described"},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "\"w\" occurs twice"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "tensor \"b\" begins at byte 1, where byte 2 was expected"},
      {R"({"__metadata__":{"k":1}})", 0, "the value of \"k\" in its __metadata__"},
      {R"({"__metadata__":[]})", 0, "__metadata__ is not a JSON object"},
      {"[]", 0, "its header is not a JSON object"},
      {"{\"w\":", 0, "its header is not valid JSON"},
      {"{\"\xFF\":1}", 0, "its header is not valid JSON"},
      {"{\"w\":1e999}", 0, "its header is not valid JSON"},
      {"", 0, "its header is not valid JSON"},
      {std::string(100000, '['), 0, "nested too deeply"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.header.substr(0, 200));
    const std::string message = opening(file_text(c.header, c.data_size));
    CHECK_THAT(message, Contains("m.safetensors: not a usable safetensors file: "));
    CHECK_THAT(message, Contains(c.message));
  }
  SECTION("names are printed so that they cannot play with the terminal") {
    const std::string message = opening(file_text(fmt::format(R"({{"\u001b[2J{:x>500}":1}})", ""), 0));
    CHECK_THAT(message, Contains("tensor \"\\u001b[2Jxxx"));
    CHECK(message.size() < 400);
  }
  SECTION("lengths of the header that cannot be") {
    CHECK_THAT(opening("abc"), Contains("it has only 3 bytes"));
    CHECK_THAT(opening(std::string(8, '\xFF')), Contains("a header of 18446744073709551615 bytes does not fit"));
    CHECK_THAT(opening(std::string("\x09\0\0\0\0\0\0\0{}", 10)), Contains("a header of 9 bytes does not fit"));
  }
}

TEST_CASE("A missing file, a missing tensor and a file cut off later are told") {
  const TemporaryFolder folder;
  CHECK_THAT(running_message([&] { SafetensorsFile(folder / "none"); }), Contains("none: cannot open: No such file"));
  SafetensorsWriter writer(folder / "m", {{"a", StoredType::u8, {8}}}, {});
  writer.write("a", pattern(8, 0));
  writer.finish();
  const SafetensorsFile file(folder / "m");
  std::vector<std::byte> bytes(8);
  CHECK_THAT(running_message([&] { file.read("b", bytes); }), Contains("m: holds no tensor 'b'"));
  CHECK_THAT(running_message([&] { file.read("a", bytes, 1); }), Contains("bytes 1 to 9 of tensor 'a'"));
  std::filesystem::resize_file(folder / "m", std::filesystem::file_size(folder / "m") - 2);
  CHECK_THAT(running_message([&] { file.read("a", bytes); }), Contains("2 bytes early"));
}
