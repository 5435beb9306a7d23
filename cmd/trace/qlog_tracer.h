// QlogTracer: notes what a connection tells, for a TraceFile to write.

#ifndef P2PCP_CMD_TRACE_QLOG_TRACER_H_
#define P2PCP_CMD_TRACE_QLOG_TRACER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "cmd/trace/trace_block.h"
#include "cmd/trace/trace_file.h"
#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/tracer.h"
#include "transfer/wire/frames.h"

namespace p2pcp::cmd {

class QlogTracer final : public ConnectionTracer {
 public:
  // Times in the trace count from begin. file must outlive it.
  QlogTracer(TimePoint begin, TraceFile* file);
  // Hands over what is left.
  ~QlogTracer() override;

  // Hands over what has been noted so far.
  void Flush();

  void OnPacketSent(TimePoint now, PacketNumber number,
                    ByteSpan payload) override;
  void OnDataSent(TimePoint now, PacketNumber number, std::size_t size,
                  StreamOffset offset, std::size_t length) override;
  void OnPacketReceived(TimePoint now, PacketNumber number,
                        ByteSpan payload) override;
  void OnPacketLost(TimePoint now, PacketNumber number,
                    std::size_t size) override;
  void OnMetrics(TimePoint now, const ConnectionStats& stats,
                 std::string_view state) override;
  void OnPathChange(TimePoint now, std::size_t max_payload) override;

 private:
  // What one record may take: more than any packet of ours. A peer that packs
  // more frames into one does not see them all recorded.
  static constexpr std::size_t kMaxRecordWords = 1024;

  // Whether there is room for a record.
  bool MakeRoom();
  void NoteMissed();
  void Note(TimePoint now, TraceKind kind,
            std::initializer_list<std::uint64_t> words);
  void NotePacket(TimePoint now, TraceKind kind, PacketNumber number,
                  ByteSpan payload);
  // frame_, at the end of the block.
  void NoteFrame();
  std::uint64_t Time(TimePoint now);

  const TimePoint begin_;
  TraceFile& file_;
  TraceBlock block_;
  std::uint64_t last_time_ = 0;
  std::uint64_t missed_ = 0;
  const char* state_ = nullptr;
  wire::Frame frame_;  // Scratch: an ACK's ranges are large.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRACE_QLOG_TRACER_H_
