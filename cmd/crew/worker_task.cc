#include "cmd/crew/worker_task.h"

#include <charconv>
#include <cstddef>

#include "net/base/bytes.h"

namespace p2pcp::cmd {
namespace {

constexpr char kNone[] = "-";
constexpr char kTells[] = "tells";
// The verb, peer, place, nonce and whether it tells.
constexpr std::size_t kOwnWords = 5;

std::optional<signaling::Nonce> ParseNonce(const std::string& text) {
  signaling::Nonce nonce{};
  if (text.size() != 2 * nonce.size()) return std::nullopt;
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    const char* const digits = text.data() + 2 * i;
    unsigned value = 0;
    if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      return std::nullopt;
    }
    nonce[i] = static_cast<std::byte>(value);
  }
  return nonce;
}

}  // namespace

std::vector<std::string> WorkerArguments(
    const WorkerTask& task, const std::vector<std::string>& command) {
  std::vector<std::string> words = {
      kWorkerVerb, task.peer, std::to_string(task.place),
      task.ready ? Hex(*task.ready) : kNone, task.tells ? kTells : kNone};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

std::optional<std::pair<WorkerTask, std::vector<std::string>>>
ParseWorkerArguments(const std::vector<std::string>& arguments) {
  if (arguments.size() < kOwnWords + 1 || arguments[0] != kWorkerVerb) {
    return std::nullopt;
  }
  WorkerTask task;
  task.peer = arguments[1];
  const std::string& place = arguments[2];
  const auto parsed =
      std::from_chars(place.data(), place.data() + place.size(), task.place);
  if (parsed.ec != std::errc() || parsed.ptr != place.data() + place.size()) {
    return std::nullopt;
  }
  if (arguments[3] != kNone) {
    task.ready = ParseNonce(arguments[3]);
    if (!task.ready) return std::nullopt;
  }
  task.tells = arguments[4] == kTells;
  if (!task.tells && arguments[4] != kNone) return std::nullopt;
  return std::pair(
      std::move(task),
      std::vector<std::string>(arguments.begin() + kOwnWords, arguments.end()));
}

}  // namespace p2pcp::cmd
