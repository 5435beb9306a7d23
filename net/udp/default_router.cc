#include "net/udp/default_router.h"

#include <net/route.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace p2pcp::udp {

std::optional<IpAddress> DefaultRouter() {
  std::ifstream file("/proc/net/route");
  std::ostringstream text;
  text << file.rdbuf();
  return ParseDefaultRouter(text.view());
}

std::optional<IpAddress> ParseDefaultRouter(std::string_view table) {
  std::istringstream lines{std::string(table)};
  std::string line;
  std::getline(lines, line);  // The names of the columns.
  std::optional<IpAddress> best;
  unsigned best_metric = 0;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string interface;
    std::uint32_t destination = 0;
    std::uint32_t gateway = 0;
    unsigned flags = 0;
    unsigned references = 0;
    unsigned uses = 0;
    unsigned metric = 0;
    std::uint32_t mask = 0;
    fields >> interface >> std::hex >> destination >> gateway >> flags >>
        std::dec >> references >> uses >> metric >> std::hex >> mask;
    if (!fields || destination != 0 || mask != 0 ||
        (flags & (RTF_UP | RTF_GATEWAY)) != (RTF_UP | RTF_GATEWAY)) {
      continue;
    }
    if (best && metric >= best_metric) continue;
    // The kernel prints the address as the number that its bytes make here.
    best = IpAddress::V4(
        std::bit_cast<std::array<std::uint8_t, sizeof(gateway)>>(gateway));
    best_metric = metric;
  }
  return best;
}

}  // namespace p2pcp::udp
