#include "tests/sim/temp_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "net/base/bytes.h"
#include "net/base/check.h"

namespace p2pcp::sim {
namespace {

std::filesystem::path Parent() {
  if (access("/dev/shm", W_OK) == 0) return "/dev/shm";
  const char* const test = std::getenv("TEST_TMPDIR");
  return test != nullptr ? std::filesystem::path(test)
                         : std::filesystem::temp_directory_path();
}

Bytes ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  P2PCP_CHECK(file.good());
  Bytes bytes(std::filesystem::file_size(path));
  file.read(reinterpret_cast<char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  P2PCP_CHECK(file.good());
  return bytes;
}

}  // namespace

TempFolder::TempFolder() {
  std::string path = Parent() / "p2pcp-sim-XXXXXX";
  P2PCP_CHECK(mkdtemp(path.data()) != nullptr);
  path_ = path;
}

TempFolder::~TempFolder() { std::filesystem::remove_all(path_); }

std::string TempFolder::AddFile(const std::string& name, std::uint64_t size,
                                Random& random) {
  Bytes bytes(size);
  random.Fill(bytes);
  const std::filesystem::path path = path_ / name;
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  P2PCP_CHECK(file.good());
  return path;
}

std::vector<std::string> TempFolder::List() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool SameContent(const std::filesystem::path& a,
                 const std::filesystem::path& b) {
  if (!std::filesystem::exists(a) || !std::filesystem::exists(b)) return false;
  return ReadAll(a) == ReadAll(b);
}

}  // namespace p2pcp::sim
