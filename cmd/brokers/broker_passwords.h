// --broker-password-file: passwords of brokers, which stand neither on the
// command line nor in the environment, where others could read them.
//
// The file (0600) has a line for each broker: its URL, with the user, a blank
// and the password. Where one user name is all there is, the password alone,
// on one line, does too.

#ifndef P2PCP_CMD_BROKERS_BROKER_PASSWORDS_H_
#define P2PCP_CMD_BROKERS_BROKER_PASSWORDS_H_

#include <filesystem>
#include <vector>

#include "net/base/result.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::cmd {

// Gives each broker that has a user its password. Lines for brokers that are
// not in the list are passed over. kUsage where a broker with a user gets none,
// where a line is not understood, and where others may use the file.
Status ReadBrokerPasswords(const std::filesystem::path& file,
                           std::vector<signaling::Broker>* brokers);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_BROKER_PASSWORDS_H_
