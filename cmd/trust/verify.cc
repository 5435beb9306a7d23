#include "cmd/trust/verify.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cmd/signals.h"
#include "net/crypto/verify_digits.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {
namespace {

constexpr std::size_t kRows = 5;
// Each digit three columns wide.
constexpr std::array<std::array<const char*, kRows>, 10> kDigits = {{
    {"###", "# #", "# #", "# #", "###"},
    {" # ", "## ", " # ", " # ", "###"},
    {"###", "  #", "###", "#  ", "###"},
    {"###", "  #", "###", "  #", "###"},
    {"# #", "# #", "###", "  #", "  #"},
    {"###", "#  ", "###", "  #", "###"},
    {"###", "#  ", "###", "# #", "###"},
    {"###", "  #", "  #", " # ", " # "},
    {"###", "# #", "###", "# #", "###"},
    {"###", "# #", "###", "  #", "###"},
}};

// A line of the terminal; nullopt where there is none to ask on. signal is set
// if one came first.
std::optional<std::string> AskOnTerminal(Console& console,
                                         const std::string& question,
                                         std::optional<ExitCode>* signal) {
  const udp::FileDescriptor terminal(
      open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // Whoever reads it from the background is stopped.
  if (!terminal.valid() || tcgetpgrp(terminal.get()) != getpgrp()) {
    return std::nullopt;
  }
  console.Error(question);
  Signals signals;
  std::string line;
  for (;;) {
    std::array<pollfd, 2> ready = {
        {{terminal.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
    poll(ready.data(), ready.size(), -1);
    if (*signal = signals.Take(); *signal) return line;
    char c = 0;
    const ssize_t n = read(terminal.get(), &c, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    // A terminal that is gone has not said yes.
    if (n <= 0) return "";
    if (c == '\n') return line;
    if (line.size() < 8) line += c;
  }
}

}  // namespace

std::string LargeDigits(std::string_view digits) {
  std::string text;
  for (std::size_t row = 0; row < kRows; ++row) {
    text += "   ";
    for (std::size_t i = 0; i < digits.size(); ++i) {
      // In two groups, as people read them out.
      text += i == 3 ? "    " : " ";
      text += kDigits[static_cast<std::size_t>(digits[i] - '0')][row];
    }
    while (text.ends_with(' ')) text.pop_back();
    text += '\n';
  }
  return text;
}

Result<std::optional<ExitCode>> VerifyPeer(const crypto::PublicKey& self,
                                           const crypto::Contact& peer,
                                           Console& console) {
  std::string shown;
  if (peer.psk) {
    const std::string digits = crypto::VerifyDigits(*peer.psk);
    shown = fmt::format(
        "{0}'s side must show the same six digits (--verify there too). "
        "Compare "
        "them\nby voice, or however else you know that it is {0}:\n\n{1}\n"
        "    {2} {3}\n",
        peer.name, LargeDigits(digits), digits.substr(0, 3), digits.substr(3));
  } else {
    shown = fmt::format(
        "{0}'s key was carried by hand, so there is no pairing to verify. "
        "Compare "
        "the\nkeys: the two lines must stand on {0}'s side too, the other way "
        "round.\n\n"
        "    this device  {1}\n    {0:<11}  {2}\n",
        peer.name, Fingerprint(self), Fingerprint(peer.key));
  }
  console.Error(shown);
  std::optional<ExitCode> signal;
  const auto answer =
      AskOnTerminal(console, "Are they the same? [y/N]", &signal);
  if (signal) return signal;
  if (!answer || *answer == "y" || *answer == "Y" || *answer == "yes") {
    return std::optional<ExitCode>();
  }
  return Error{
      ErrorCode::kAuthenticationFailed,
      fmt::format("not verified: if they differ, somebody stands "
                  "between the two of you.\nThen forget the key on both "
                  "sides, and pair again by a code that nobody else "
                  "hears:\n  p2pcp peers remove {0}\n  p2pcp pair {0}",
                  peer.name)};
}

}  // namespace p2pcp::cmd
