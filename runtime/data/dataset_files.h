// What datasets that read a folder of files share.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/data/arguments.h"

namespace ctrain {

// Whether a file stands there that could be opened; false, never an exception, where that cannot be found out.
bool is_file(const std::filesystem::path& path);

// The usage error of a `root` folder without the files that are needed; `wanted` lists them, `source` says where to get
// them (a package, or an address with checksums).
Error missing_files(const Arguments& arguments, const std::string& root, std::string_view wanted,
                    std::string_view source);

}  // namespace ctrain
