// A folder of its own for a test, gone with the object.

#ifndef P2PCP_TESTS_SIM_TEMP_FOLDER_H_
#define P2PCP_TESTS_SIM_TEMP_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::sim {

class TempFolder {
 public:
  // In memory (/dev/shm) where there is such a place, else where tests may
  // write: simulated transfers sync each file, and a thousand of them would
  // wait for a disk.
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // A file of random bytes in it; its path.
  std::string AddFile(const std::string& name, std::uint64_t size,
                      Random& random);
  // Names of everything in it, sorted.
  std::vector<std::string> List() const;

 private:
  std::filesystem::path path_;
};

// Whether both exist and hold the same bytes.
bool SameContent(const std::filesystem::path& a,
                 const std::filesystem::path& b);

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_TEMP_FOLDER_H_
