#include "runtime/hooks/hook.h"

#include <algorithm>
#include <cmath>

namespace ctrain {

MetricBoard::Metric& MetricBoard::publish(const std::string& name) {
  for (Metric& metric : metrics_)
    if (metric.name == name) return metric;
  return metrics_.emplace_back(Metric{name, std::nan(""), std::nan("")});
}

void Totals::add(const StepResult& step) {
  loss += step.loss * step.samples;
  correct += step.correct;
  samples += step.samples;
}

std::vector<std::unique_ptr<Hook>> make_hooks(const Setting& hooks, const HookContext& context) {
  std::vector<std::unique_ptr<Hook>> result;
  for (const Setting& hook : hooks.list())
    result.push_back(Registry<HookFactory>::instance().get(hook["type"].text())(hook, context));
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return a->priority() < b->priority(); });
  return result;
}

}  // namespace ctrain
