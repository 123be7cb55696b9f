// SaveCheckpointHook: a checkpoint every `interval` epochs, or steps with `save_by_iter`.
#include "runtime/hooks/hook.h"

namespace ctrain {
namespace {

class SaveCheckpointHook final : public Hook {
 public:
  SaveCheckpointHook(const Setting& arguments, const HookContext& context)
      : Hook(arguments["priority"].integer()),
        interval_(arguments["interval"].integer()),
        by_step_(arguments["save_by_iter"].boolean()),
        folder_(context.run_folder / arguments["checkpoint_dir"].text()) {}

  void after_train_step(TrainingState& state) override {
    if (by_step_ && state.step % interval_ == 0) state.save(folder_);
  }
  void after_train_epoch(TrainingState& state) override {
    if (!by_step_ && (state.epoch + 1) % interval_ == 0) state.save(folder_);
  }

 private:
  std::int64_t interval_;
  bool by_step_;
  std::filesystem::path folder_;
};

const HookRegistration registration("SaveCheckpointHook", [](const Setting& arguments, const HookContext& context) {
  return std::make_unique<SaveCheckpointHook>(arguments, context);
});

}  // namespace
}  // namespace ctrain
