// What p2pcp was asked for, on stdout.

#ifndef P2PCP_CMD_PRODUCT_H_
#define P2PCP_CMD_PRODUCT_H_

#include <string_view>

#include "net/base/result.h"

namespace p2pcp::cmd {

// Writes all of text to stdout at once; fails where nobody takes it (a closed
// pipe, a full disk).
Status WriteProduct(std::string_view text);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PRODUCT_H_
