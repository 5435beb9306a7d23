// What is computed from a pairing code and from a run of CPace with it: the
// inputs that both sides bind, the sealed identities, the pairing secret.
// PAIRING.md is the authority.

#ifndef P2PCP_NET_SIGNALING_PAIRING_KEYS_H_
#define P2PCP_NET_SIGNALING_PAIRING_KEYS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/crypto/cpace.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/pairing_code.h"
#include "net/crypto/public_key.h"
#include "net/signaling/message.h"
#include "net/signaling/pairing_message.h"

namespace p2pcp::signaling {

enum class PairingRole : std::uint8_t { kDisplayer = 0, kEnterer = 1 };

// ADb: what the request says.
Bytes EntererData(const VersionRange& enterer,
                  const std::vector<std::uint8_t>& suites);
// ADa: what the share says, and the request as the displayer saw it.
Bytes DisplayerData(const VersionRange& displayer, std::uint8_t version,
                    std::uint8_t suite, ByteSpan enterer_data);

// One side of CPace for these nonces; the displayer is the initiator.
crypto::Cpace StartCpace(PairingRole role, const crypto::PairingCode& code,
                         const Nonce& displayer, const Nonce& enterer,
                         ByteSpan associated_data, Random& random);

// Who role is: its public key and a signature for this run, for the other
// alone.
PairingMessage::SealedIdentity SealIdentity(const crypto::CpaceSecret& secret,
                                            PairingRole role,
                                            const crypto::Identity& self,
                                            Random& random);
// nullopt unless the owner of that key sealed it in this run, as role.
std::optional<crypto::PublicKey> OpenIdentity(
    const crypto::CpaceSecret& secret, PairingRole role,
    const PairingMessage::SealedIdentity& sealed);

// What both keep beside each other's key.
crypto::Psk DerivePsk(const crypto::CpaceSecret& secret,
                      const crypto::PublicKey& displayer,
                      const crypto::PublicKey& enterer);

PairingMessage::DoneTag MakeDoneTag(const crypto::CpaceSecret& secret,
                                    bool kept);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_PAIRING_KEYS_H_
