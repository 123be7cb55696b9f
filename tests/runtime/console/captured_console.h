// A console whose output a test can read.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

#include "runtime/console/console.h"

namespace ctrain {

class CapturedConsole {
 public:
  explicit CapturedConsole(bool is_terminal = false, int width = 80) : console(::fileno(file_), is_terminal, width) {}
  CapturedConsole(const CapturedConsole&) = delete;
  CapturedConsole& operator=(const CapturedConsole&) = delete;
  ~CapturedConsole() {
    console.keep_status();
    std::fclose(file_);
  }

  // What was written since the last call.
  std::string text() {
    std::string result(1 << 16, '\0');
    const ssize_t count = ::pread(::fileno(file_), result.data(), result.size(), read_);
    result.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    read_ += static_cast<off_t>(result.size());
    return result;
  }

 private:
  std::FILE* file_ = std::tmpfile();
  off_t read_ = 0;

 public:
  Console console;  // after the file that it writes to
};

}  // namespace ctrain
