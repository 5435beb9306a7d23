#include "cmd/receipt/receipt_text.h"

#include <fmt/format.h>

#include <chrono>

namespace p2pcp::cmd {
namespace {

constexpr std::string_view kLabel = "p2pcp/1 receipt";

}  // namespace

std::string BeginLines(const ReceiptId& id) {
  return fmt::format("{}id {}\n", kReceiptHead, Hex(id));
}

std::string FolderLine(std::string_view path) {
  return fmt::format("folder {}\n", path);
}

std::string FileLine(std::string_view path, std::uint64_t size,
                     const file::StrongDigest& digest) {
  return fmt::format("file {} {} {}\n", size, Hex(digest), path);
}

std::string FactLines(const ReceiptFacts& facts) {
  const ReceiptTotals& totals = facts.totals;
  return fmt::format("end {} {} {} {}\nfrom {}\nto {}\ntime {}\npath {}\n",
                     totals.files, totals.folders, totals.bytes, totals.missing,
                     facts.from.ToString(), facts.to.ToString(), facts.time,
                     PathWords(facts.relayed, facts.v6));
}

std::string SignatureLine(const crypto::Signature& signature) {
  return fmt::format("signature {}\n", Hex(signature));
}

std::string TimeText(UnixTime time) {
  const auto since = time.time_since_epoch();
  const auto days = std::chrono::floor<std::chrono::days>(since);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss clock(
      std::chrono::duration_cast<std::chrono::seconds>(since - days));
  return fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string PathWords(bool relayed, bool v6) {
  return fmt::format("{} {}", relayed ? "relayed" : "direct",
                     v6 ? "udp6" : "udp4");
}

Bytes SignedText(ByteSpan hash) {
  Bytes text(kLabel.size() + hash.size());
  ByteWriter writer(text);
  writer.WriteBytes(AsBytes(kLabel));
  writer.WriteBytes(hash);
  return text;
}

}  // namespace p2pcp::cmd
