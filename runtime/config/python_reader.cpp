#include "runtime/config/python_reader.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/config/nearest.h"
#include "runtime/config/overrides.h"
#include "runtime/config/python_values.h"

namespace ctrain {
namespace {

using Kind = Setting::Kind;
using Token = PythonToken;

constexpr std::size_t most_copied_values = 100'000;

constexpr const char* allowed_lines =
    "expected an assignment (NAME = value, NAME['key'] = value), an import or a comment: the file is read, not run";

struct AlreadyReported {};  // the line that a name comes from has failed itself

class Reader {
 public:
  Reader(const std::string& file, const std::vector<std::string>& overrides, Problems& problems)
      : overrides_(overrides), problems_(problems) {
    root_.place({file, 1, 1}, {file, 1, 1});
  }

  void read(const std::vector<Token>& line) {
    targets_.clear();
    values_.start(line);
    try {
      return read_statement();
    } catch (const PythonFailure& failure) {
      problems_.refuse(failure.at, "", failure.value, failure.reason);
    } catch (const AlreadyReported&) {
    }
    failed_.insert(line.front().text);
    for (const Target& target : targets_) failed_.insert(target.name);
  }

  PythonFile finish() {
    merge_members_of_config();
    return {std::move(root_), std::move(used_)};
  }

 private:
  struct Target {
    std::string name;
    Location at;
    std::vector<Setting> subscripts = {};
  };

  void read_statement() {
    const Token& first = values_.next();
    if (first.at.column > 1) values_.fail(first, fmt::format("this line is indented; {}", allowed_lines));
    if (first.is_name("import") || first.is_name("from")) return pass_import();
    if (first.kind == Token::Kind::text) {  // a docstring
      values_.take_text("a text");
      if (!values_.at_end()) values_.fail(first, allowed_lines);
      return;
    }
    do {
      if (values_.next().kind != Token::Kind::name) values_.fail(first, allowed_lines);
      targets_.push_back(take_target());
    } while (values_.take(","));
    if (!values_.take("=")) values_.fail(first, allowed_lines);
    Setting value = values_.value_list();
    if (!values_.at_end()) values_.fail(values_.next(), "expected the end of the line");
    assign(value);
  }

  void pass_import() {
    for (; !values_.at_end(); values_.pass()) {
      const Token& word = values_.next();
      const bool belongs = word.kind == Token::Kind::name || word.is(".") || word.is(",") || word.is("(") ||
                           word.is(")") || word.is("*");
      if (!belongs) values_.fail(word, "expected the rest of an import");
    }
  }

  Target take_target() {
    Target target{values_.next().text, values_.next().at};
    values_.pass();
    while (values_.take("[")) {
      target.subscripts.push_back(values_.expression());
      values_.expect("]");
    }
    return target;
  }

  void assign(const Setting& value) {
    if (targets_.size() == 1) return assign(targets_.front(), value);
    if (value.kind() != Kind::list || value.list().size() != targets_.size())
      throw PythonFailure{value.location(), value.inline_text(),
                          fmt::format("expected {} values, one for each name", targets_.size())};
    for (std::size_t i = 0; i < targets_.size(); ++i) assign(targets_[i], value.list()[i]);
  }

  void assign(const Target& target, Setting value) {
    value.place(value.location(), target.at);
    if (target.subscripts.empty()) {
      failed_.erase(target.name);
      root_.set(target.name, std::move(value));
    } else {
      Setting* whole = &named(target.name, target.at);
      for (std::size_t i = 0; i + 1 < target.subscripts.size(); ++i)
        whole = &PythonValues::part(*whole, target.subscripts[i], target.at);
      const Setting& last = target.subscripts.back();
      if (whole->kind() == Kind::mapping && last.kind() == Kind::text)
        whole->set(last.text(), std::move(value));
      else
        PythonValues::part(*whole, last, target.at) = std::move(value);
    }
    Problems told_later;  // when the overrides are applied to the whole tree
    for (const std::string& assignment : overrides_)
      if (overrides_name(assignment, target.name)) apply_override(root_, assignment, told_later);
  }

  void merge_members_of_config() {
    const Setting* found = root_.find("CONFIG");
    if (found == nullptr) return;
    const Setting config = *found;
    std::erase_if(root_.members(), [](const Setting::Member& member) { return member.first == "CONFIG"; });
    if (config.kind() != Kind::mapping) return problems_.add(config, "CONFIG", "a dict(...) of keys");
    for (const auto& [key, value] : config.members()) {
      const Setting* other = root_.find(key);
      if (other == nullptr)
        root_.set(key, value);
      else if (!(*other == value))
        problems_.add(value, "CONFIG." + key,
                      fmt::format("{}, as at {}", other->inline_text(), other->location().text()));
    }
  }

  Setting look_up(const Token& name) {
    used_.insert(name.text);
    const Setting& value = named(name.text, name.at);
    copied_values_ += value.count();
    if (copied_values_ > most_copied_values)
      values_.fail(name, fmt::format("more than {} values by names", most_copied_values));
    return value;
  }

  Setting& named(const std::string& name, const Location& at) {
    if (failed_.contains(name)) throw AlreadyReported{};
    if (Setting* found = root_.find(name)) return *found;
    std::vector<std::string> names;
    for (const auto& member : root_.members()) names.push_back(member.first);
    const std::string near = nearest(name, names);
    throw PythonFailure{at, name,
                        fmt::format("no such name is assigned above; {}",
                                    near.empty() ? python_values : fmt::format("did you mean '{}'?", near))};
  }

  const std::vector<std::string>& overrides_;
  Problems& problems_;
  PythonValues values_{[this](const Token& name) { return look_up(name); }};
  std::vector<Target> targets_;   // of the line that is being read
  std::set<std::string> failed_;  // names whose line could not be read
  Setting root_ = Setting::of(std::vector<Setting::Member>{});
  std::set<std::string> used_;
  std::size_t copied_values_ = 0;
};

}  // namespace

PythonFile read_python(std::string_view text, const std::string& file, const std::vector<std::string>& overrides,
                       Problems& problems) {
  Reader reader(file, overrides, problems);
  for (const std::vector<Token>& line : split_python_lines(text, file)) reader.read(line);
  return reader.finish();
}

}  // namespace ctrain
