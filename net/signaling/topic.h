// The topics that two peers meet under: keyed hashes of who speaks, in which
// role, on which day. Nobody else can tell one from random letters, nor link
// those of two days or two directions.

#ifndef P2PCP_NET_SIGNALING_TOPIC_H_
#define P2PCP_NET_SIGNALING_TOPIC_H_

#include <cstdint>
#include <string>

#include "net/base/time.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

// Days since 1970-01-01 UTC, rounded down.
std::int64_t DayOf(UnixTime wall);
// When that day ends.
UnixTime EndOfDay(std::int64_t day);

// 32 letters and digits: base32 of BLAKE2b-160, without any constant part.
std::string TopicOf(const crypto::Key& topic_key,
                    const crypto::PublicKey& speaker, Role speaker_role,
                    std::int64_t day);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_TOPIC_H_
