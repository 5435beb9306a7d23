// A folder for what a fuzz target keeps in files.

#ifndef P2PCP_TESTS_FUZZ_FUZZ_FOLDER_H_
#define P2PCP_TESTS_FUZZ_FUZZ_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "net/base/check.h"

namespace p2pcp {

// Ours alone, for the life of the process, in memory where possible: a disk
// would be what a target waits for.
class FuzzFolder {
 public:
  FuzzFolder() {
    std::string path = (std::filesystem::exists("/dev/shm")
                            ? std::filesystem::path("/dev/shm")
                            : std::filesystem::temp_directory_path()) /
                       "p2pcp-fuzz-XXXXXX";
    P2PCP_CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace p2pcp

#endif  // P2PCP_TESTS_FUZZ_FUZZ_FOLDER_H_
