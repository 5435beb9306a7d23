// Opening a path that a peer chose, without ever leaving a folder.

#ifndef P2PCP_TRANSFER_FILE_CONFINED_OPEN_H_
#define P2PCP_TRANSFER_FILE_CONFINED_OPEN_H_

#include <sys/types.h>

#include <string>

namespace p2pcp::file {

// Opens relative beneath the folder dirfd: no part of the path may be a
// symbolic link, lead out of the folder or onto another file system. Returns
// the fd, or -1 with errno: EXDEV or ELOOP where the path tries. Uses
// openat2(2), and OpenComponents() where the kernel has none.
int OpenBeneath(int dirfd, const std::string& relative, int flags, mode_t mode);

// The same by walking down one component after another.
int OpenComponents(int dirfd, const std::string& relative, int flags,
                   mode_t mode);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_CONFINED_OPEN_H_
