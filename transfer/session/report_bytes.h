// The reports on what limited a transfer, as they stand in DONE and FINISHED
// (PROTOCOL.md, "Reports").

#ifndef P2PCP_TRANSFER_SESSION_REPORT_BYTES_H_
#define P2PCP_TRANSFER_SESSION_REPORT_BYTES_H_

#include "net/base/bytes.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::message {

// Where bytes are missing the reader has failed, and the result means nothing.
ReceiverReport ReadReceiverReport(ByteReader& reader);
void WriteReceiverReport(ByteWriter& writer, const ReceiverReport& report);
// A bottleneck that is not known reads as none.
TransferReport ReadTransferReport(ByteReader& reader);
void WriteTransferReport(ByteWriter& writer, const TransferReport& report);

}  // namespace p2pcp::message

#endif  // P2PCP_TRANSFER_SESSION_REPORT_BYTES_H_
