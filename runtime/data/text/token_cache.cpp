#include "runtime/data/text/token_cache.h"

#include <fcntl.h>
#include <omp.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <system_error>

#include "memory/error.h"
#include "runtime/console/task_progress.h"
#include "runtime/data/text/fingerprint.h"
#include "runtime/environment.h"

namespace ctrain {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t batch_bytes = std::size_t{8} << 20;  // of text that is tokenised at a time

std::string name_of(const std::vector<fs::path>& files) {
  const std::string first = files.front().filename().string();
  return files.size() == 1 ? first : fmt::format("{} and {} more", first, files.size() - 1);
}

fs::path token_path(const fs::path& cache, const std::vector<fs::path>& files, TextFormat format,
                    const Tokenizer& tokenizer) {
  Fingerprint print;
  print.add(std::string_view("tokens 1"));
  print.add(static_cast<std::uint64_t>(format));
  print.add(fingerprint(tokenizer.vocabulary()));
  for (const fs::path& file : files) {
    std::error_code error;
    const fs::path path = fs::canonical(file, error);
    if (error) throw usage_error("{}: cannot be opened: {}", file.string(), error.message());
    if (!fs::is_regular_file(path, error)) throw usage_error("{}: expected a file of text", file.string());
    print.add(path.string());
    print.add(static_cast<std::uint64_t>(fs::file_size(path)));
    print.add(static_cast<std::uint64_t>(fs::last_write_time(path).time_since_epoch().count()));
  }
  return cache / fmt::format("{}-{:016x}.tokens", files.front().stem().string(), print.value());
}

// Held by one process of those that want the same tokens, where the file system has such locks; where it has none, each
// makes its own, and they replace each other by the same.
class BuildLock {
 public:
  BuildLock(fs::path path, const Logger* logger) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    if (logger != nullptr) logger->debug("waiting for another process, which tokenises the same text");
    while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) continue;
  }
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;
  ~BuildLock() {
    ::unlink(path_.c_str());
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

// A file that is put in place when it is complete, and otherwise removed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& final_path) : final_path_(final_path) {
    std::string name = final_path.string() + ".XXXXXX";
    const int descriptor = ::mkstemp(name.data());  // a name of its own, on shared file systems too
    if (descriptor < 0) throw running_error("{}: cannot create: {}", name, std::system_category().message(errno));
    ::close(descriptor);
    path_ = name;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code gone;
    fs::remove(path_, gone);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }
  void put_in_place() const { rename_durably(path_, final_path_); }

 private:
  fs::path final_path_, path_;
};

// Pieces of text, tokenised together on all cores.
class Batch {
 public:
  explicit Batch(const Tokenizer& tokenizer) {
    for (int i = 0; i < omp_get_max_threads(); ++i) encoders_.emplace_back(tokenizer);
  }

  // False at the end of the source.
  bool read(TextSource& source) {
    count_ = 0;
    for (std::size_t bytes = 0; bytes < batch_bytes; bytes += pieces_[count_++].content.size()) {
      if (count_ == pieces_.size()) pieces_.emplace_back();
      if (!source.next(pieces_[count_])) break;
    }
    return count_ > 0;
  }

  // The first problem in the order of the text is thrown.
  void encode(TextFormat format) {
    ids_.resize(std::max(ids_.size(), count_));
    problems_.assign(count_, nullptr);
#pragma omp parallel
    {
      Encoder& encoder = encoders_[static_cast<std::size_t>(omp_get_thread_num())];
      std::string storage;
#pragma omp for schedule(dynamic)
      for (std::size_t i = 0; i < count_; ++i) {
        ids_[i].clear();
        try {
          encoder.append(pieces_[i].text(format, storage), ids_[i]);
        } catch (...) {
          problems_[i] = std::current_exception();
        }
      }
    }
    for (const std::exception_ptr& problem : problems_)
      if (problem != nullptr) std::rethrow_exception(problem);
  }

  void write(TokenFileWriter& writer) const {
    for (std::size_t i = 0; i < count_; ++i) {
      writer.append(ids_[i]);
      if (pieces_[i].ends_document) writer.end_document();
    }
  }

 private:
  std::vector<Encoder> encoders_;  // of each thread
  std::vector<TextPiece> pieces_;
  std::size_t count_ = 0;  // pieces in use
  std::vector<std::vector<std::int32_t>> ids_;
  std::vector<std::exception_ptr> problems_;
};

void write_tokens(const fs::path& path, const std::vector<fs::path>& files, TextFormat format,
                  const Tokenizer& tokenizer, const Logger* logger) {
  const Clock::time_point start = Clock::now();
  TokenFileWriter writer(path, tokenizer.size(), tokenizer.vocabulary().end_of_text);
  {
    TaskProgress progress(logger, "tokenising " + name_of(files));
    TextSource source(files, format);
    for (Batch batch(tokenizer); batch.read(source);) {
      batch.encode(format);
      batch.write(writer);
      progress.update(source.share_read(), Clock::now());
    }
  }
  if (writer.tokens() == 0) throw usage_error("{}: there is no text in it", files.front().string());
  writer.finish();
  if (logger != nullptr)
    logger->info("tokenised {}: {} tokens, {} document{}, in {:.1f} s", name_of(files), writer.tokens(),
                 writer.documents(), writer.documents() == 1 ? "" : "s",
                 std::chrono::duration<double>(Clock::now() - start).count());
}

}  // namespace

fs::path cache_folder() {
  if (const std::string own = word_from_environment({"CTRAIN_CACHE"}); !own.empty()) return own;
  if (const std::string cache = word_from_environment({"XDG_CACHE_HOME"}); !cache.empty())
    return fs::path(cache) / "ctrain";
  if (const std::string home = word_from_environment({"HOME"}); !home.empty())
    return fs::path(home) / ".cache" / "ctrain";
  throw usage_error("no folder for tokens: expected one in the environment variable CTRAIN_CACHE");
}

TokenFile tokenise(const std::vector<fs::path>& files, TextFormat format, const Tokenizer& tokenizer,
                   const fs::path& cache, const Logger* logger) {
  const fs::path path = token_path(cache, files, format, tokenizer);
  if (auto ready = TokenFile::open(path)) return std::move(*ready);
  std::error_code error;
  fs::create_directories(cache, error);
  if (error || ::access(cache.c_str(), W_OK) != 0)
    throw usage_error("{}: tokens cannot be kept there: {}; expected a folder that can be written, in CTRAIN_CACHE",
                      cache.string(), error ? error.message() : "no permission");
  const BuildLock lock(path.string() + ".lock", logger);
  if (auto ready = TokenFile::open(path)) return std::move(*ready);  // while this process waited
  const TemporaryFile temporary(path);
  write_tokens(temporary.path(), files, format, tokenizer, logger);
  temporary.put_in_place();
  auto written = TokenFile::open(path);
  if (!written) throw running_error("{}: cannot be read again", path.string());
  return std::move(*written);
}

}  // namespace ctrain
