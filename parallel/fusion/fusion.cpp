#include "parallel/fusion/fusion.h"

#include "parallel/fusion/program_editor.h"

namespace ctrain {

void fuse(Program& program) {
  ProgramEditor editor(program);
  for (const auto& pass : {fuse_linear, fuse_residual, fuse_gelu, fuse_bias_gradient, fuse_layer_norm,
                           fuse_layer_norm_residual, fuse_cross_entropy, fuse_tensor_lists})
    pass(editor);
  editor.finish();
}

}  // namespace ctrain
