// Threads beside the one that runs the loop.

#ifndef P2PCP_TRANSFER_FILE_START_THREAD_H_
#define P2PCP_TRANSFER_FILE_START_THREAD_H_

#include <functional>
#include <thread>

#include "net/base/result.h"

namespace p2pcp::file {

// A thread that runs body with every signal blocked: signals are for the thread
// that runs the loop. Fails where the system has no more threads to give.
Result<std::thread> StartThread(std::function<void()> body);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_START_THREAD_H_
