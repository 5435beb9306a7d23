// A delivery receipt from anybody, in one piece and in several: what is taken
// of it has paths that stay where they belong, and however it was cut, the
// answer is the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cmd/receipt/receipt_reader.h"
#include "cmd/receipt/receipt_text.h"
#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/result.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/path_policy.h"

namespace p2pcp {
namespace {

// What was understood of it, as a receipt has it again, and the outcome.
std::string Read(ByteSpan text, std::size_t step) {
  std::string lines;
  cmd::ReceiptReader reader([&](const cmd::ReceiptEntry& entry) {
    P2PCP_CHECK(entry.path.size() <= file::kMaxPath);
    P2PCP_CHECK(!entry.path.starts_with('/') && !entry.path.ends_with('/'));
    const std::string framed = "/" + std::string(entry.path) + "/";
    P2PCP_CHECK(framed.find("/../") == std::string::npos);
    P2PCP_CHECK(framed.find("/./") == std::string::npos);
    P2PCP_CHECK(framed.find("//") == std::string::npos);
    P2PCP_CHECK(framed.find('\n') == std::string::npos);
    lines += entry.is_folder
                 ? cmd::FolderLine(entry.path)
                 : cmd::FileLine(entry.path, entry.size, entry.digest);
  });
  for (std::size_t at = 0; at < text.size(); at += step) {
    const Status taken =
        reader.Take(text.subspan(at, std::min(step, text.size() - at)));
    if (!taken.ok()) return lines + taken.error().message;
  }
  const Result<cmd::ReceiptFacts> facts = reader.Finish();
  if (!facts.ok()) return lines + facts.error().message;
  return lines + cmd::FactLines(*facts);
}

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const p2pcp::ByteSpan text = p2pcp::fuzz::InputBytes(data, size);
  const std::string whole = p2pcp::Read(text, std::max<std::size_t>(size, 1));
  P2PCP_CHECK(p2pcp::Read(text, 7) == whole);
  // What was understood stands in it, word for word.
  const std::string_view input = p2pcp::AsText(text);
  for (std::string_view rest = whole; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    P2PCP_CHECK(input.find(rest.substr(0, end + 1)) != std::string_view::npos);
    rest.remove_prefix(end + 1);
  }
  return 0;
}
