#include "runtime/config/libraries.h"

#include <dlfcn.h>

#include <filesystem>

namespace ctrain {

void load_libraries(const Setting& root, Problems& problems) {
  const Setting* libraries = root.find("libraries");
  if (libraries == nullptr || libraries->kind() != Setting::Kind::list) return;  // another type is told later
  for (const Setting& library : libraries->list()) {
    if (library.kind() != Setting::Kind::text) continue;
    std::error_code error;
    const std::filesystem::path path = library.text();
    // Without a slash the loader would not look into the working directory.
    const std::string name =
        std::filesystem::exists(path, error) ? std::filesystem::absolute(path).string() : path.string();
    try {
      if (dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr)
        problems.add(library, "libraries", std::string("a shared library that can be loaded; ") + dlerror());
    } catch (const std::exception& failure) {  // of a Registration: a name that is taken
      problems.add(library, "libraries", std::string("names of its own; ") + failure.what());
    }
  }
}

}  // namespace ctrain
