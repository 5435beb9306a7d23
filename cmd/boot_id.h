// Which boot of the machine this is.

#ifndef P2PCP_CMD_BOOT_ID_H_
#define P2PCP_CMD_BOOT_ID_H_

#include "transfer/file/journal_state.h"

namespace p2pcp::cmd {

// As the kernel tells; where it does not, one that no other call gives, since
// then nothing may be taken for what this boot wrote.
file::BootId CurrentBoot();

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BOOT_ID_H_
