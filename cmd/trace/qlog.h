// qlog (draft-ietf-quic-qlog-main-schema-02, -quic-events-02, version 0.3 as a
// JSON text sequence, RFC 7464): what viewers such as qvis open.
//
// Our frames go by the names that viewers know: DATA is a frame of stream 0,
// CONTROL of stream 1, CREDIT is max_data, CLOSE connection_close. Nothing of
// their contents is written.

#ifndef P2PCP_CMD_TRACE_QLOG_H_
#define P2PCP_CMD_TRACE_QLOG_H_

#include <string>

#include "cmd/trace/trace_block.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

// The first record. sender: of data, which viewers show as the client.
std::string QlogHeader(bool sender, UnixTime begin);

// Makes text of blocks, in order.
class QlogFormatter {
 public:
  // Appends the records of a block to text.
  void Format(const TraceBlock& block, std::string& text);

 private:
  std::string state_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRACE_QLOG_H_
