#include "runtime/file.h"

#include <catch2/catch.hpp>

#include "tests/runtime/error_message.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Catch::Matchers::EndsWith;

TEST_CASE("A file is replaced as a whole and leaves nothing beside it") {
  const TemporaryFolder folder;
  write_file(folder / "a", "old content");
  write_file(folder / "a", "new");
  CHECK(read_file(folder / "a") == "new");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("Appending begins at the end, and reading at any place") {
  const TemporaryFolder folder;
  File::append(folder / "a").write("12");
  File file = File::append(folder / "a");
  file.write("345");
  CHECK(file.size() == 5);
  std::string middle(3, ' ');
  File::open(folder / "a").read_at(1, std::as_writable_bytes(std::span(middle)));
  CHECK(middle == "234");
}

TEST_CASE("Every failure names the file and the reason") {
  const TemporaryFolder folder;
  CHECK_THAT(running_message([&] { File::open(folder / "x"); }),
             EndsWith("/x: cannot open: No such file or directory"));
  CHECK_THAT(running_message([&] { write_file(folder / "no" / "x", "1"); }),
             EndsWith("/x.tmp: cannot create: No such file or directory"));
  CHECK_THAT(running_message([&] { (void)read_file(folder.path()); }), EndsWith(": cannot read: Is a directory"));
  CHECK_THAT(running_message([] { File::append("/dev/full").write("1"); }),
             EndsWith("cannot write: No space left on device"));
  write_file(folder / "short", "123");
  std::string five(5, ' ');
  CHECK_THAT(running_message([&] { File::open(folder / "short").read_at(0, std::as_writable_bytes(std::span(five))); }),
             EndsWith("/short: ends at byte 3, 2 bytes early"));
  CHECK_THAT(running_message([&] { rename_durably(folder / "x", folder / "y"); }),
             EndsWith("No such file or directory"));
}
