#include "runtime/config/expressions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "memory/error.h"
#include "runtime/config/arithmetic.h"
#include "runtime/config/nearest.h"
#include "runtime/config/scalar.h"
#include "runtime/config/schema.h"

namespace ctrain {
namespace {

constexpr std::size_t longest_chain = 200, longest_text = 1 << 16, most_copied_values = 100'000;

struct AlreadyReported {};  // what a value needs has failed itself

bool has_reference(const Setting& value) {
  return value.kind() == Setting::Kind::text && value.text().find("${") != std::string::npos;
}

Setting from_environment(std::string_view name_and_default) {
  const std::size_t separator = name_and_default.find(":-");
  const std::string name(name_and_default.substr(0, separator));
  const char* value = std::getenv(name.c_str());
  if (value != nullptr && *value != '\0') return Setting::of(value);
  if (separator != std::string_view::npos) return Setting::of(std::string(name_and_default.substr(separator + 2)));
  if (value != nullptr) return Setting::of("");
  throw usage_error("the environment has no variable {0}; set it, or give a default: ${{env:{0}:-default}}", name);
}

class Resolver {
 public:
  Resolver(Setting& root, Problems& problems) : root_(root), problems_(problems) {}

  ReferenceResult run() {
    resolve(root_, "");
    return std::move(result_);
  }

 private:
  enum class State {
    in_progress,
    done,
    replaced,
    failed
  };  // replaced: its members were copied, and hold no references

  // Replaces all references in a value that has not been looked at yet.
  void resolve(Setting& node, const std::string& path) {
    states_[&node] = State::in_progress;
    chain_.push_back(path);
    State outcome = State::done;
    const auto resolve_part = [&](Setting& part, std::string_view key) {
      if (!states_.contains(&part)) resolve(part, path.empty() ? std::string(key) : fmt::format("{}.{}", path, key));
      if (states_[&part] == State::failed) outcome = State::failed;
    };
    if (has_reference(node)) {
      outcome = replace(node, path) ? State::replaced : State::failed;
    } else if (node.kind() == Setting::Kind::list) {
      for (std::size_t i = 0; i < node.list().size(); ++i) resolve_part(node.list()[i], std::to_string(i));
    } else if (node.kind() == Setting::Kind::mapping) {
      for (auto& [key, value] : node.members()) resolve_part(value, key);
    }
    chain_.pop_back();
    states_[&node] = outcome;
  }

  // The same on behalf of a reference to it.
  void require_resolved(Setting& node, const std::string& path) {
    const auto known = states_.find(&node);
    if (known == states_.end()) {
      if (chain_.size() > longest_chain) throw usage_error("more than {} references in a row", longest_chain);
      resolve(node, path);
    }
    const State state = states_[&node];
    if (state == State::in_progress) throw usage_error("this refers to itself: {}", cycle_to(path));
    if (state == State::failed) throw AlreadyReported{};
  }

  // Whether the references of a text could be replaced; if not, that has been reported.
  bool replace(Setting& node, const std::string& path) {
    try {
      Setting value = value_of(node.text());
      copied_values_ += value.count();
      if (copied_values_ > most_copied_values)
        throw usage_error("more than {} values by references", most_copied_values);
      value.place(node.location(), node.key_location());
      node = std::move(value);
      return true;
    } catch (const Error& error) {
      problems_.refuse(node, path, error.what());
    } catch (const AlreadyReported&) {
    }
    result_.failed = true;
    return false;
  }

  Setting value_of(const std::string& text) {
    const std::size_t first_end = text.find('}');
    if (text.starts_with("${") && first_end == text.size() - 1) {
      const std::string_view body = std::string_view(text).substr(2, first_end - 2);
      const Setting value = evaluate(body);
      return body.starts_with("env:") ? parse_scalar(value.text()) : value;
    }
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
      const std::string_view rest = std::string_view(text).substr(i);
      if (rest.starts_with("$${")) {
        result += "${";
        i += 3;
      } else if (rest.starts_with("${")) {
        const std::size_t end = rest.find('}');
        if (end == std::string_view::npos) throw usage_error("'}}' is missing; a literal '${{' is written '$${{'");
        result += as_text(evaluate(rest.substr(2, end - 2)));
        i += end + 1;
      } else {
        result += text[i++];
      }
      if (result.size() > longest_text) throw usage_error("this becomes longer than {} characters", longest_text);
    }
    return Setting::of(result);
  }

  static std::string as_text(const Setting& value) {
    using Kind = Setting::Kind;
    if (value.kind() == Kind::text) return value.text();
    if (value.kind() == Kind::list || value.kind() == Kind::mapping || value.is_null())
      throw usage_error("{} cannot stand inside a text", value.inline_text());
    return value.inline_text();
  }

  Setting evaluate(std::string_view body) {
    if (body.starts_with("env:")) return from_environment(body.substr(4));
    return evaluate_expression(body, [this](std::string_view name) { return look_up(name); });
  }

  Setting look_up(std::string_view name) {
    SettingPlace place = root_place(root_);
    result_.used.emplace(name.substr(0, name.find('.')));
    bool literal = false;  // inside what came from a reference: resolved already
    for (std::string_view rest = name; !rest.empty();) {
      const std::string_view key = rest.substr(0, rest.find('.'));
      rest.remove_prefix(std::min(rest.size(), key.size() + 1));
      place = step_into(place, key);
      const std::string path(name.substr(0, name.size() - rest.size() - (rest.empty() ? 0 : 1)));
      if (place.setting == nullptr && place.field == nullptr) throw usage_error("{}", unknown(name));
      if (place.setting == nullptr || literal) continue;
      if (rest.empty() || has_reference(*place.setting)) require_resolved(*place.setting, path);
      const auto state = states_.find(place.setting);
      literal = state != states_.end() && state->second == State::replaced;
    }
    if (place.setting != nullptr) return *place.setting;
    if (place.field == nullptr || place.field->fallback == required || place.field->fallback == absent)
      throw usage_error("{}", unknown(name));
    return default_of(*place.field);
  }

  [[nodiscard]] std::string unknown(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& [key, value] : root_.members()) names.push_back(key);
    const std::string near = name.find('.') == std::string_view::npos ? nearest(name, names) : "";
    return fmt::format("there is no value '{}'{}", name, near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }

  [[nodiscard]] std::string cycle_to(const std::string& path) const {
    std::string steps;
    for (auto it = chain_.rbegin(); it != chain_.rend(); ++it) {
      steps.insert(0, *it + " -> ");
      if (*it == path) break;
    }
    return steps + path;
  }

  Setting& root_;
  Problems& problems_;
  ReferenceResult result_;
  std::unordered_map<const Setting*, State> states_;
  std::vector<std::string> chain_;  // the paths of what is being resolved, outermost first
  std::size_t copied_values_ = 0;
};

}  // namespace

ReferenceResult resolve_references(Setting& root, Problems& problems) { return Resolver(root, problems).run(); }

}  // namespace ctrain
