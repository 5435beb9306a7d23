#include "tests/sim/connection_peer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/base/check.h"
#include "net/base/packet_number.h"

namespace p2pcp::sim {
namespace {

constexpr std::size_t kNumberSize = 6;
constexpr std::size_t kChecksumSize = 8;

// FNV-1a over words: fast, and enough to notice the simulator's damage. salt
// tells the directions apart, so that what is reflected is noticed too.
std::uint64_t Checksum(std::uint64_t salt, ByteSpan bytes) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ salt ^ bytes.size();
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 29;
    bytes = bytes.subspan(8);
  }
  for (std::byte byte : bytes) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return hash ^ hash >> 32;
}

}  // namespace

Bytes Pattern(std::uint64_t size) {
  Bytes bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 0x9e3779b97f4a7c15) >> 56);
  }
  return bytes;
}

PatternSource::PatternSource(Simulator& simulator, std::uint64_t size,
                             double absent, Duration latency)
    : simulator_(simulator),
      bytes_(Pattern(size)),
      absent_(absent),
      latency_(latency) {}

ByteSpan PatternSource::Read(StreamOffset offset, std::size_t max_size) {
  P2PCP_CHECK(max_size > 0 && offset.value() < bytes_.size());
  if (fetching_) return {};
  if (absent_ > 0 && simulator_.random().NextDouble() < absent_) {
    fetching_ = true;
    simulator_.ScheduleIn(latency_, [this] {
      fetching_ = false;
      if (on_ready_) on_ready_();
    });
    return {};
  }
  std::size_t size =
      std::min<std::uint64_t>(max_size, bytes_.size() - offset.value());
  // Now and then a buffer ends in the middle.
  if (absent_ > 0 && simulator_.random().NextDouble() < absent_) {
    size = 1 + simulator_.random().Below(size);
  }
  return ByteSpan(bytes_).subspan(offset.value(), size);
}

PatternSink::PatternSink(Simulator& simulator, std::uint64_t size,
                         double refuse, Duration latency)
    : simulator_(simulator),
      expected_(Pattern(size)),
      have_(size),
      refuse_(refuse),
      latency_(latency) {}

bool PatternSink::Write(StreamOffset offset, ByteSpan bytes) {
  if (refuse_ > 0 && simulator_.random().NextDouble() < refuse_) return false;
  if (offset.value() + bytes.size() > have_.size()) {
    wrong_ = "bytes beyond the end";
    return true;
  }
  if (std::memcmp(&expected_[offset.value()], bytes.data(), bytes.size()) !=
      0) {
    wrong_ = "other bytes than were sent";
  }
  char* const have = &have_[offset.value()];
  if (std::memchr(have, 1, bytes.size()) != nullptr) {
    wrong_ = "a byte that was there already";
  }
  std::memset(have, 1, bytes.size());
  received_ += bytes.size();
  simulator_.ScheduleIn(latency_, [this, n = bytes.size()] {
    if (on_release_) on_release_(n);
  });
  return true;
}

ConnectionPeer::ConnectionPeer(Simulator& simulator, Host& host,
                               const SocketAddress& peer,
                               const Connection::Config& config,
                               ByteSource* source, ByteSink* sink)
    : simulator_(simulator),
      host_(host),
      peer_(peer),
      sends_data_(source != nullptr),
      timer_(simulator.AddTimer([this] {
        ++timeouts_;
        connection_.HandleTimeout(simulator_.now());
        Turn();
      })),
      connection_(simulator.now(), config, source, sink),
      out_(kNumberSize + Connection::kMaxPayload + kChecksumSize) {
  host_.Bind(peer_.port,
             [this](const SocketAddress&, const SocketAddress&,
                    MutableByteSpan datagram) { HandleDatagram(datagram); });
}

ConnectionPeer::~ConnectionPeer() {
  host_.Close(peer_.port);
  simulator_.RemoveTimer(timer_);
}

void ConnectionPeer::HandleDatagram(MutableByteSpan datagram) {
  if (datagram.size() <= kOverhead) return;
  const ByteSpan covered = datagram.first(datagram.size() - kChecksumSize);
  ByteReader trailer(datagram.subspan(covered.size()));
  if (trailer.ReadU64() != Checksum(sends_data_ ? 2 : 1, covered)) return;
  const std::uint64_t number = ByteReader(covered).ReadU48();
  if (number >= seen_.size()) seen_.resize(2 * number + 64);
  if (seen_[number]) return;
  seen_[number] = true;
  connection_.HandlePacket(simulator_.now(), PacketNumber(number),
                           covered.subspan(kNumberSize));
  Turn();
}

void ConnectionPeer::Turn() {
  const TimePoint now = simulator_.now();
  while (auto message = connection_.PollControl()) {
    heard_.push_back(*std::move(message));
  }
  const MutableByteSpan frames =
      MutableByteSpan(out_).subspan(kNumberSize, Connection::kMaxPayload);
  while (const auto packet = connection_.PollTransmit(
             now, PacketNumber(next_number_), frames)) {
    ByteWriter(MutableByteSpan(out_).first(kNumberSize)).WriteU48(next_number_);
    ++next_number_;
    CopyBytes(packet->data, frames.subspan(packet->frames_size));
    const std::size_t size = kNumberSize + packet->size();
    const std::uint64_t checksum =
        Checksum(sends_data_ ? 1 : 2, ByteSpan(out_).first(size));
    ByteWriter(MutableByteSpan(out_).subspan(size, kChecksumSize))
        .WriteU64(checksum);
    host_.Send(peer_.port, peer_, ByteSpan(out_).first(size + kChecksumSize));
  }
  simulator_.SetTimer(timer_, connection_.PollTimeout());
}

}  // namespace p2pcp::sim
