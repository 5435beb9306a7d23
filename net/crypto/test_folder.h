// A folder with mode 0700 that goes with the test.

#ifndef P2PCP_NET_CRYPTO_TEST_FOLDER_H_
#define P2PCP_NET_CRYPTO_TEST_FOLDER_H_

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/check.h"

namespace p2pcp::crypto {

class TestFolder {
 public:
  TestFolder() {
    std::string name = testing::TempDir() + "/p2pcp-XXXXXX";
    P2PCP_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const {
    return path_ / name;
  }
  // The names in it, hidden ones too.
  std::vector<std::string> List() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline std::string ReadText(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Writes with mode 0600.
inline void WriteText(const std::filesystem::path& file,
                      const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
  P2PCP_CHECK(chmod(file.c_str(), 0600) == 0);
}

inline mode_t ModeOf(const std::filesystem::path& path) {
  struct stat status;
  P2PCP_CHECK(lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_TEST_FOLDER_H_
