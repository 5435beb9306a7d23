// The verdict on what limited a transfer, in words.

#ifndef P2PCP_CMD_BOTTLENECK_TEXT_H_
#define P2PCP_CMD_BOTTLENECK_TEXT_H_

#include <string>
#include <string_view>

#include "transfer/session/bottleneck.h"

namespace p2pcp::cmd {

// For programs: "path", "sender_disk", ... ; "unknown" for kNone.
std::string_view BottleneckName(Bottleneck bottleneck);

// For people: "limited by the path: 94 Mbit/s at 50 ms, 1.0 % lost, 1.1 % sent
// twice". Empty if nothing is known to have limited it. rate: of the files'
// bytes.
std::string BottleneckSentence(const TransferReport& report,
                               double bytes_per_second);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BOTTLENECK_TEXT_H_
