// Syncs files while others are being written: whoever writes does not wait for
// the device, as long as it keeps up.

#ifndef P2PCP_TRANSFER_FILE_SYNCER_H_
#define P2PCP_TRANSFER_FILE_SYNCER_H_

#include <memory>
#include <optional>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

class Syncer {
 public:
  virtual ~Syncer() = default;

  // Syncs the data of the files, one after another. REQUIRES: what was started
  // before has been taken.
  virtual void Start(std::vector<UniqueFd> files) = 0;
  // 0 or the errno of what was started, once it is done; with `wait` it waits.
  // Nothing: nothing was started, or it is not done yet.
  virtual std::optional<int> Take(bool wait) = 0;
  // Whether it is time to sync what was written: some seconds have passed
  // since Start().
  virtual bool due() const = 0;
};

// At once, in Start(); never due. For the simulator and tests.
class InlineSyncer final : public Syncer {
 public:
  explicit InlineSyncer(Syscalls* syscalls) : syscalls_(*syscalls) {}
  void Start(std::vector<UniqueFd> files) override;
  std::optional<int> Take(bool wait) override;
  bool due() const override { return false; }

 private:
  Syscalls& syscalls_;
  std::optional<int> done_;
};

// On a thread of its own. syscalls must outlive it.
Result<std::unique_ptr<Syncer>> StartThreadedSyncer(Syscalls* syscalls);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SYNCER_H_
