// One line for a terminal, in pieces, each in a colour or in none. Where there
// is no colour its text is the same.

#ifndef P2PCP_CMD_STYLED_LINE_H_
#define P2PCP_CMD_STYLED_LINE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace p2pcp::cmd {

enum class Style : std::uint8_t {
  kPlain,
  kGood,     // Green.
  kWarning,  // Yellow.
  kBad,      // Red, bold.
};

struct StyledPiece {
  std::string text;  // Escaped.
  Style style = Style::kPlain;
};
using StyledLine = std::vector<StyledPiece>;

inline std::string PlainText(const StyledLine& line) {
  std::string text;
  for (const StyledPiece& piece : line) text += piece.text;
  return text;
}

// With the control sequences of ECMA-48 (SGR) for the colours.
inline std::string ColouredText(const StyledLine& line) {
  std::string text;
  for (const StyledPiece& piece : line) {
    switch (piece.style) {
      case Style::kPlain:
        text += piece.text;
        continue;
      case Style::kGood:
        text += "\x1b[32m";
        break;
      case Style::kWarning:
        text += "\x1b[33m";
        break;
      case Style::kBad:
        text += "\x1b[1;31m";
        break;
    }
    text += piece.text + "\x1b[m";
  }
  return text;
}

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_STYLED_LINE_H_
