// Names from a peer: what the policy takes never leaves the folder it is
// opened in, as the kernel sees it; and a manifest of such names keeps its
// bounds.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/entry.h"
#include "transfer/file/path_policy.h"

namespace p2pcp {
namespace {

// A folder in an empty folder; holds nothing between two inputs.
class Sandbox {
 public:
  Sandbox() {
    std::string path =
        std::filesystem::temp_directory_path() / "p2pcp-fuzz-XXXXXX";
    P2PCP_CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
    std::filesystem::create_directory(path_ / "in");
    fd_ = open((path_ / "in").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    P2PCP_CHECK(fd_ >= 0);
  }
  ~Sandbox() {
    close(fd_);
    std::filesystem::remove_all(path_);
  }

  // A plain name must make a file in the folder, and only there.
  void Create(std::string_view name) {
    const std::string text(name);
    open_how how{};
    how.flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
    how.mode = 0600;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const long fd = syscall(SYS_openat2, fd_, text.c_str(), &how, sizeof(how));
    // Kernels before 5.6 and some sandboxes have no openat2.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return;
    P2PCP_CHECK(fd >= 0);
    close(static_cast<int>(fd));
    int files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(path_ / "in")) {
      P2PCP_CHECK(entry.path().filename().native() == name);
      ++files;
    }
    P2PCP_CHECK(files == 1);
    P2PCP_CHECK(unlinkat(fd_, text.c_str(), 0) == 0);
  }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

void CheckPolicy(std::string_view name) {
  using file::NameProblem;
  const NameProblem problem = file::CheckComponent(name);
  P2PCP_CHECK(!file::Describe(problem).empty());
  if (problem != NameProblem::kNone) return;
  // A second opinion on the rules, by another way.
  const std::filesystem::path parsed(name);
  P2PCP_CHECK(parsed.is_relative() && parsed.lexically_normal() == parsed);
  P2PCP_CHECK(parsed.filename() == parsed && !parsed.empty());
  P2PCP_CHECK(name != "." && name != "..");
  P2PCP_CHECK(name.size() <= file::kMaxComponent);
  P2PCP_CHECK(name.find('\0') == std::string_view::npos);
  static Sandbox sandbox;
  sandbox.Create(name);
}

// Wherever a stream of entries leads, it stays within its bounds.
void CheckEntries(fuzz::FuzzInput input) {
  file::EntryChecker checker;
  std::uint64_t total = 0;
  std::uint64_t entries = 0;
  while (!input.empty()) {
    file::Entry entry;
    const std::uint8_t kind = input.TakeU8();
    if ((kind & 1) != 0) entry.kind = file::Entry::Kind::kFolder;
    entry.up = (kind >> 1) & 7;
    entry.size = input.TakeU64() >> (input.TakeU8() % 64);
    entry.name = AsText(input.TakeBytes(input.TakeU8()));
    if (!checker.Add(entry)) return;
    if (!entry.is_folder()) total += entry.size;
    P2PCP_CHECK(checker.entries() == ++entries);
    P2PCP_CHECK(checker.total() == total && total <= file::kMaxTotal);
    P2PCP_CHECK(checker.depth() < file::kMaxDepth);
    const std::string& path = checker.path();
    P2PCP_CHECK(path.size() <= file::kMaxPath);
    P2PCP_CHECK(path.ends_with(entry.name));
    const std::filesystem::path parsed(path);
    P2PCP_CHECK(parsed.is_relative() && parsed.lexically_normal() == parsed);
    P2PCP_CHECK(static_cast<std::size_t>(std::distance(
                    parsed.begin(), parsed.end())) == checker.depth() + 1);
  }
}

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  p2pcp::CheckPolicy(p2pcp::AsText(input));
  p2pcp::CheckEntries(p2pcp::fuzz::FuzzInput(input));
  return 0;
}
