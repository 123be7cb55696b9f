// Hides ${...} from a YAML parser: {q: ${A}} is no YAML. Each reference is replaced by as many other bytes, so that
// lines and columns stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ctrain {

class ReferenceMask {
 public:
  // Masks every "${" to the first "}" of its line; one without "}" stays. Throws a usage Error where the text holds
  // characters of Unicode's private plane 15, which mark the masked places.
  ReferenceMask(std::string_view text, const std::string& file);

  [[nodiscard]] const std::string& masked() const { return masked_; }
  [[nodiscard]] std::string restore(std::string_view scalar) const;  // a scalar as it was before masking

 private:
  std::string masked_;
  std::vector<std::string> references_;
};

}  // namespace ctrain
