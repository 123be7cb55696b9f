#include "runtime/installation.h"

#include <fmt/format.h>

#include "memory/device.h"
#include "ops/cpu/cpu_backend.h"
#include "parallel/comm/mpi.h"
#include "parallel/comm/rendezvous_backend.h"
#include "parallel/tensor/mode.h"
#include "runtime/console/table.h"
#include "runtime/machine.h"

namespace ctrain {
namespace {

class Inspection {
 public:
  void begin(const std::string& group) { group_ = group; }
  void found(const std::string& name, const std::string& what) { parts_.push_back({group_, name, true, what}); }
  void missing(const std::string& name, const std::string& cure) { parts_.push_back({group_, name, false, cure}); }
  // There where `what` is not empty.
  void look(const std::string& name, const std::string& what, const std::string& cure) {
    parts_.push_back({group_, name, !what.empty(), what.empty() ? cure : what});
  }
  [[nodiscard]] std::vector<InstallationPart> parts() && { return std::move(parts_); }

 private:
  std::string group_;
  std::vector<InstallationPart> parts_;
};

void inspect_build(const BuildFacts& build, Inspection& inspection) {
  inspection.begin("build");
  inspection.found("ctrain", fmt::format("{}, commit {}", build.version, build.commit));
  inspection.found("compiler", fmt::format("{}, -march={}", build.compiler, build.architecture));
  inspection.found("kind", fmt::format("{}, {}", build.build_type.empty() ? "no build type" : build.build_type,
                                       build.sanitizers.empty() ? "no sanitizers" : "sanitizers " + build.sanitizers));
}

void inspect_machine(Inspection& inspection) {
  constexpr double gibibyte = 1 << 30;
  inspection.begin("machine");
  inspection.look("processor", processor_name(), "the system does not say");
  inspection.found("cores", fmt::format("{} usable by this process", usable_cores()));
  const HostMemory memory = host_memory();
  inspection.found("memory",
                   fmt::format("{:.1f} GiB, {:.1f} GiB available", static_cast<double>(memory.total) / gibibyte,
                               static_cast<double>(memory.available) / gibibyte));
  const VectorLevel built = built_vectors(), machine = machine_vectors();
  if (machine > built)
    inspection.missing("SIMD", fmt::format("{} of this processor, since the build uses {}: configure with "
                                           "-D CTRAIN_ARCH=native and build again",
                                           name_of(machine), name_of(built)));
  else
    inspection.found("SIMD", name_of(built));
}

void inspect_libraries(Inspection& inspection) {
  inspection.begin("libraries");
  inspection.found("oneDNN", onednn_version());
  inspection.found("MPI", MpiEnvironment::library());
  inspection.look("mpirun", find_program("mpirun"), "install openmpi-bin (Debian), or start ranks with ctrain run");
}

void inspect_gpus(const BuildFacts& build, Inspection& inspection) {
  inspection.begin("GPU");
  const DeviceKind* cuda = DeviceKinds::instance().find("cuda");
  if (cuda == nullptr) {
    inspection.missing("CUDA",
                       "this build is for the CPU alone: where the CUDA toolkit, cuDNN and NCCL are, configure with "
                       "-D CTRAIN_CUDA=ON and build again");
    return;
  }
  for (const auto& [name, version] :
       {std::pair{"CUDA toolkit", build.cuda}, {"cuDNN", build.cudnn}, {"NCCL", build.nccl}})
    inspection.found(name, version + " at build");
  const std::string runs = cuda->driver();
  inspection.look("driver", runs.empty() ? "" : fmt::format("{}, which can run {}", nvidia_driver(), runs),
                  "install NVIDIA's driver where there is a GPU");
  const int count = cuda->count();
  if (count == 0) inspection.missing("devices", "none that this build can use with this driver");
  for (int i = 0; i < count; ++i) {
    const DeviceDescription gpu = cuda->describe(i);
    const std::string text = fmt::format("{}, {}{}{}", gpu.name, gpu.text, gpu.note.empty() ? "" : "; ", gpu.note);
    const std::string name = fmt::format("device {}", i);
    gpu.is_usable ? inspection.found(name, text) : inspection.missing(name, text);
  }
}

void inspect_backends(const BuildFacts& build, Inspection& inspection) {
  inspection.begin("backends");
  inspection.found("local", "ranks are threads of one process");
  inspection.found("mpi", "ranks are processes that mpirun or srun starts");
  const bool has_gloo = RendezvousBackends::instance().find("gloo") != nullptr;
  inspection.look("gloo", has_gloo ? "ranks are processes that ctrain run, torchrun or srun starts" : "",
                  "install libgloo-dev (Debian), configure and build again");
  const bool has_gpus = DeviceKinds::instance().find("cuda") != nullptr && !build.nccl.empty();
  inspection.look("nccl", has_gpus ? "collectives of ranks that have a GPU each" : "", "a build with CUDA");
}

void inspect_modes(Inspection& inspection) {
  inspection.begin("modes");
  const auto& modes = Registry<ModeDefinition>::instance();
  for (const std::string& name : modes.names())
    if (name != "none") inspection.found(name, "ranks: " + modes.get(name).rule);
}

}  // namespace

std::vector<InstallationPart> inspect_installation(const BuildFacts& build) {
  Inspection inspection;
  inspect_build(build, inspection);
  inspect_machine(inspection);
  inspect_libraries(inspection);
  inspect_gpus(build, inspection);
  inspect_backends(build, inspection);
  inspect_modes(inspection);
  return std::move(inspection).parts();
}

std::string installation_table(const std::vector<InstallationPart>& parts) {
  Table table({{""}, {"part"}, {"state"}, {"what is there, or how to get it"}});
  std::string group;
  for (const InstallationPart& part : parts) {
    table.add_row({part.group == group ? "" : part.group, part.name, part.found ? "ok" : "missing", part.text});
    group = part.group;
  }
  return table.text();
}

}  // namespace ctrain
