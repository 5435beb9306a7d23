#include "transfer/file/start_thread.h"

#include <signal.h>

#include <system_error>
#include <utility>

namespace p2pcp::file {

Result<std::thread> StartThread(std::function<void()> body) {
  // A thread begins with the mask of the one that starts it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<std::thread> thread = [&]() -> Result<std::thread> {
    try {
      return std::thread(std::move(body));
    } catch (const std::system_error& error) {
      return ErrnoError(ErrorCode::kOther, "cannot start a thread",
                        error.code().value());
    }
  }();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace p2pcp::file
