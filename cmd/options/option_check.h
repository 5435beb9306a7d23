// What the options as they were typed mean, or why they mean nothing.

#ifndef P2PCP_CMD_OPTIONS_OPTION_CHECK_H_
#define P2PCP_CMD_OPTIONS_OPTION_CHECK_H_

#include "cmd/options/option_tables.h"
#include "cmd/options/option_values.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// kUsage, with words that say what to type.
Result<Options> CheckOptions(Verb verb, const RawOptions& raw);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTION_CHECK_H_
