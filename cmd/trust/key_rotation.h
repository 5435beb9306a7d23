// `p2pcp id --rotate`: a new key for this device, which the peers get to know
// one by one. The old key is kept meanwhile, beside the new one.
//
// A contact is marked "old-key" at the rotation. Whoever meets it waits under
// both keys (net/connect): under the old one it is handed the new one, signed
// by both; once it comes under the new one the mark goes, and with the last
// mark, or after 90 days, the old key.

#ifndef P2PCP_CMD_TRUST_KEY_ROTATION_H_
#define P2PCP_CMD_TRUST_KEY_ROTATION_H_

#include <optional>

#include "cmd/console.h"
#include "cmd/home.h"
#include "net/base/result.h"
#include "net/connect/connector.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"

namespace p2pcp::cmd {

// Makes the new key and says who will be told. kUsage if an older key still
// waits for peers. Whatever fails or is killed half-way, the device has one
// valid key, and running it again goes on.
Result<crypto::Identity> RotateKey(const Home& home, Console& console);

// Gives up the peers that have not been told.
Status ForgetOldKey(const Home& home, Console& console);

// The old key, if this contact may know no other.
Result<std::optional<crypto::Identity>> LoadOldKey(
    const Home& home, const crypto::Contact& contact);

// What a handshake with this contact has shown: writes down its new key, or
// that it knows ours. A book that can't be written is told, and costs nothing
// but that the same happens at the next meeting.
void NoteKeys(const Home& home, const crypto::Contact& contact,
              const connect::HandshakeDone& done, Console& console);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRUST_KEY_ROTATION_H_
