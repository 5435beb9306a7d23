// A folder for one test, with what tests do in it.

#ifndef P2PCP_TRANSFER_FILE_TEST_FOLDER_H_
#define P2PCP_TRANSFER_FILE_TEST_FOLDER_H_

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "net/base/check.h"
#include "net/base/random.h"

namespace p2pcp::file {

// Removed with all its content when it goes away.
class TestFolder {
 public:
  TestFolder() {
    const char* base = getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/p2pcp-XXXXXX";
    P2PCP_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all,
                                 ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

  // Makes a file and returns its path.
  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool Has(const std::string& name) const {
    return std::filesystem::symlink_status(*this / name).type() !=
           std::filesystem::file_type::not_found;
  }
  // All names in it, sorted.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
};

// Reproducible content that does not repeat.
inline std::string RandomText(std::size_t size, std::uint64_t seed) {
  std::string text(size, '\0');
  SeededRandom random(seed);
  random.Fill(std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_TEST_FOLDER_H_
