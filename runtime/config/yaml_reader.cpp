#include "runtime/config/yaml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "memory/error.h"
#include "runtime/config/nearest.h"
#include "runtime/config/reference_mask.h"
#include "runtime/config/scalar.h"

namespace ctrain {
namespace {

constexpr std::size_t most_values = 100'000;
constexpr std::size_t deepest = 100;

// Builds the tree from the parser's events: unlike yaml-cpp's own nodes they show duplicate keys, quotes and aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const ReferenceMask& mask, const std::string& file, Problems& problems)
      : mask_(mask), file_(file), problems_(problems) {}

  Setting take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw failure(mark, "one document; a second one begins here");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (awaits_key()) throw failure(mark, "a key");
    // The mark of an empty value is that of whatever follows: its key says better where it stands.
    const bool after_key = !open_.empty() && open_.back().key;
    close({}, after_key ? open_.back().key_location : location(mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (awaits_key()) throw failure(mark, "a key, not an alias");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw failure(mark, "an alias of something finished, not of what it stands in");
    count(mark, found->second.count());
    close(found->second, location(mark), YAML::NullAnchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag == "?";
    if (!plain) refuse_tag(mark, tag);
    const std::string text = mask_.restore(value);
    if (awaits_key()) {
      if (anchor != YAML::NullAnchor) throw failure(mark, "a key without an anchor");
      if (text.empty() || text.find("${") != std::string::npos) throw failure(mark, "a plain name as a key");
      open_.back().key = text;
      open_.back().key_location = location(mark);
      return;
    }
    close(plain ? parse_scalar(text) : Setting::of(text), location(mark), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Setting::of(std::vector<Setting>{}), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close_innermost(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Setting::of(std::vector<Setting::Member>{}), mark, tag, anchor);
  }
  void OnMapEnd() override {
    for (const Setting& merged : std::exchange(open_.back().merged, {})) merge(merged);
    close_innermost();
  }

 private:
  struct Open {  // a list or mapping whose end has not come yet
    Setting value;
    Location place;
    YAML::anchor_t anchor;
    std::optional<std::string> key = {};  // of the member that comes next
    Location key_location = {};
    std::vector<Setting> merged = {};  // the mappings of `<<`
  };

  [[nodiscard]] Location location(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
  [[nodiscard]] Error failure(const YAML::Mark& mark, std::string_view expected) const {
    return usage_error("{}: expected {}", location(mark).text(), expected);
  }
  [[nodiscard]] bool awaits_key() const {
    return !open_.empty() && open_.back().value.kind() == Setting::Kind::mapping && !open_.back().key;
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "!" && tag != "?") throw failure(mark, fmt::format("no YAML tag ({})", tag));
  }
  void count(const YAML::Mark& mark, std::size_t values) {
    values_ += values;
    if (values_ > most_values) throw failure(mark, fmt::format("at most {} values", most_values));
  }

  void open(Setting value, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (awaits_key()) throw failure(mark, "a plain name as a key");
    if (open_.size() == deepest) throw failure(mark, fmt::format("at most {} levels", deepest));
    open_.push_back({std::move(value), location(mark), anchor});
  }
  void close_innermost() {
    Open done = std::move(open_.back());
    open_.pop_back();
    close(std::move(done.value), done.place, done.anchor);
  }

  // A value is complete: it becomes an item, a member or the root.
  void close(Setting value, const Location& place, YAML::anchor_t anchor) {
    count({}, 1);
    const bool is_member = !open_.empty() && open_.back().key;
    value.place(place, is_member ? open_.back().key_location : place);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = value;
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (is_member) {
      add_member(std::move(value));
    } else {
      open_.back().value.list().push_back(std::move(value));
    }
  }
  void add_member(Setting value) {
    Open& mapping = open_.back();
    if (*mapping.key == "<<") {
      keep_for_merging(value);
    } else if (const Setting* first = mapping.value.find(*mapping.key)) {
      problems_.refuse(
          mapping.key_location, path_of_key(), value.inline_text(),
          fmt::format("this key stands twice; expected it once (first at {})", first->key_location().text()));
    } else {
      mapping.value.members().emplace_back(*mapping.key, std::move(value));
    }
    mapping.key.reset();
  }
  void keep_for_merging(const Setting& value) {
    const bool several = value.kind() == Setting::Kind::list;
    for (const Setting& source : several ? value.list() : std::vector<Setting>{value}) {
      if (source.kind() != Setting::Kind::mapping)
        throw usage_error("{}: expected a mapping, or a list of mappings, to merge", value.location().text());
      open_.back().merged.push_back(source);
    }
  }
  void merge(const Setting& source) {
    for (const auto& [key, value] : source.members())
      if (open_.back().value.find(key) == nullptr) open_.back().value.members().emplace_back(key, value);
  }
  [[nodiscard]] std::string path_of_key() const {
    std::vector<std::string> keys;
    for (const Open& level : open_)
      keys.push_back(level.key ? *level.key : fmt::format("{}", level.value.list().size()));
    return fmt::format("{}", fmt::join(keys, "."));
  }

  const ReferenceMask& mask_;
  const std::string& file_;
  Problems& problems_;
  Setting root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Setting> anchors_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

}  // namespace

Setting read_yaml(std::string_view text, const std::string& file, Problems& problems) {
  const ReferenceMask mask(text, file);
  TreeBuilder builder(mask, file, problems);
  std::istringstream stream(mask.masked());
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) continue;
  } catch (const YAML::Exception& error) {
    const Location at{file, error.mark.line + 1, error.mark.column + 1};
    throw usage_error("{}: expected well-formed YAML: {}", at.text(), error.msg);
  }
  Setting root = builder.take_root();
  if (root.location().file.empty()) root.place({file, 1, 1}, {file, 1, 1});  // no document at all
  return root;
}

std::string read_configuration_file(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw usage_error("{}: expected a file, but this is a folder", path.string());
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::vector<std::string> names;
    for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored))
      names.push_back(entry->path().filename().string());
    std::sort(names.begin(), names.end());  // the order of a folder is arbitrary
    const std::string near = nearest(path.filename().string(), names);
    const std::string hint =
        near.empty() ? "" : fmt::format("; did you mean '{}'?", (path.parent_path() / near).string());
    throw usage_error("{}: expected a configuration file, but it {}{}", path.string(),
                      fs::exists(path, ignored) ? "cannot be read" : "does not exist", hint);
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace ctrain
