#include "net/udp/train_sender.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/base/check.h"
#include "net/udp/sockaddr.h"
#include "net/udp/train_bounds.h"

namespace p2pcp::udp {
namespace {

constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

// A send reports an ICMP error that an earlier datagram earned, and clears it
// without sending. Several may be waiting; more than this is a storm.
constexpr int kPendingErrorRetries = 3;

bool IsWouldBlock(int os_errno) {
  return os_errno == EAGAIN || os_errno == EWOULDBLOCK || os_errno == ENOBUFS ||
         os_errno == ENOMEM;
}

// What Linux makes of ICMP and ICMPv6 errors (icmp_err_convert,
// icmpv6_err_convert), without EMSGSIZE, which has a meaning of its own.
bool IsIcmpError(int os_errno) {
  switch (os_errno) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES:
      return true;
    default:
      return false;
  }
}

// sendmsg says so when it cannot segment: no checksum offload (EIO), a tunnel
// or virtual device that mishandles it (EINVAL).
bool IsGsoRefusal(int os_errno) {
  return os_errno == EIO || os_errno == EINVAL;
}

}  // namespace

// Where to, and the ancillary data: what all messages of a train share.
struct TrainSender::Envelope {
  Envelope(const SocketAddress& to, int hop_limit) {
    name_size = ToSockaddr(to, &name);
    if (hop_limit == 0) return;
    if (to.ip.is_v6()) {
      Append(IPPROTO_IPV6, IPV6_HOPLIMIT, hop_limit);
    } else {
      Append(IPPROTO_IP, IP_TTL, hop_limit);
    }
  }

  template <typename T>
  void Append(int level, int type, T value) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof(T));
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::byte* const at = control.data() + control_size;
    std::memcpy(at, &header, sizeof(header));
    std::memcpy(at + CMSG_LEN(0), &value, sizeof(value));
    control_size += CMSG_SPACE(sizeof(T));
  }

  msghdr Message(iovec* bytes) {
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = name_size;
    message.msg_iov = bytes;
    message.msg_iovlen = 1;
    if (control_size > 0) {
      message.msg_control = control.data();
      message.msg_controllen = control_size;
    }
    return message;
  }

  Sockaddr name;
  socklen_t name_size;
  alignas(cmsghdr)
      std::array<std::byte, CMSG_SPACE(sizeof(int)) +
                                CMSG_SPACE(sizeof(std::uint16_t))> control{};
  std::size_t control_size = 0;
};

SendResult TrainSender::Send(const SocketAddress& to, ByteSpan train,
                             std::size_t segment_size, int hop_limit,
                             bool one_by_one) {
  P2PCP_CHECK(segment_size > 0 && !train.empty());
  P2PCP_CHECK(hop_limit >= 0 && hop_limit <= 255);
  Envelope envelope(to, hop_limit);
  const std::size_t batch_segments = std::clamp<std::size_t>(
      kMaxTrainBytes / segment_size, 1, kMaxTrainSegments);
  std::size_t sent = 0;
  while (!train.empty()) {
    const ByteSpan batch =
        train.first(std::min(train.size(), batch_segments * segment_size));
    const SendResult result =
        SendBatch(envelope, batch, segment_size, one_by_one);
    sent += result.segments;
    if (result.status != SendStatus::kSent) {
      return {result.status, sent, result.os_errno};
    }
    train = train.subspan(batch.size());
  }
  return {SendStatus::kSent, sent, 0};
}

SendResult TrainSender::SendBatch(Envelope& envelope, ByteSpan batch,
                                  std::size_t segment_size, bool one_by_one) {
  if (!gso_enabled_ || one_by_one || batch.size() <= segment_size) {
    return SendOneByOne(envelope, batch, segment_size);
  }
  const SendResult segmented = SendSegmented(envelope, batch, segment_size);
  if (segmented.status != SendStatus::kError ||
      !IsGsoRefusal(segmented.os_errno)) {
    return segmented;
  }
  ++stats_.gso_refusals;
  const SendResult single = SendOneByOne(envelope, batch, segment_size);
  // Segmentation is to blame only where single datagrams do get out; EINVAL
  // also means a segment larger than the path's MTU, or a bad address.
  if (single.segments > 0) gso_enabled_ = false;
  return single;
}

SendResult TrainSender::SendSegmented(Envelope& envelope, ByteSpan batch,
                                      std::size_t segment_size) {
  iovec bytes{const_cast<std::byte*>(batch.data()), batch.size()};
  const std::size_t control_size = envelope.control_size;
  envelope.Append(IPPROTO_UDP, UDP_SEGMENT,
                  static_cast<std::uint16_t>(segment_size));
  const msghdr message = envelope.Message(&bytes);
  envelope.control_size = control_size;
  for (int retries = 0;;) {
    const ssize_t sent = syscalls_->SendMsg(fd_, message, kFlags);
    if (sent >= 0) {
      const std::size_t size = static_cast<std::size_t>(sent);
      const std::size_t segments = CountSegments(size, segment_size);
      stats_.datagrams += segments;
      stats_.bytes += size;
      ++stats_.segmented_sends;
      if (size == batch.size()) return {SendStatus::kSent, segments, 0};
      return Failed(segments, EAGAIN);
    }
    const int os_errno = static_cast<int>(-sent);
    if (os_errno == EINTR) continue;
    if (IsGsoRefusal(os_errno)) return {SendStatus::kError, 0, os_errno};
    if (!IsIcmpError(os_errno)) return Failed(0, os_errno);
    ++stats_.icmp_errors;
    if (++retries > kPendingErrorRetries) return Failed(0, os_errno);
  }
}

SendResult TrainSender::SendOneByOne(Envelope& envelope, ByteSpan batch,
                                     std::size_t segment_size) {
  std::array<iovec, kMaxTrainSegments> bytes;
  std::array<mmsghdr, kMaxTrainSegments> messages;
  const std::size_t count = CountSegments(batch.size(), segment_size);
  P2PCP_CHECK(count <= kMaxTrainSegments);
  for (std::size_t i = 0; i < count; ++i) {
    const ByteSpan rest = batch.subspan(i * segment_size);
    bytes[i] = {const_cast<std::byte*>(rest.data()),
                std::min(segment_size, rest.size())};
    messages[i] = {envelope.Message(&bytes[i]), 0};
  }
  std::size_t done = 0;
  int retries = 0;
  while (done < count) {
    int sent;
    if (count - done == 1) {
      const ssize_t size =
          syscalls_->SendMsg(fd_, messages[done].msg_hdr, kFlags);
      sent = size < 0 ? static_cast<int>(size) : 1;
    } else {
      sent = syscalls_->SendMmsg(fd_, &messages[done],
                                 static_cast<unsigned>(count - done), kFlags);
    }
    if (sent > 0) {
      for (int i = 0; i < sent; ++i, ++done) {
        stats_.bytes += bytes[done].iov_len;
      }
      stats_.datagrams += static_cast<std::size_t>(sent);
      retries = 0;
      continue;
    }
    const int os_errno = sent == 0 ? EAGAIN : -sent;
    if (os_errno == EINTR) continue;
    if (!IsIcmpError(os_errno)) return Failed(done, os_errno);
    ++stats_.icmp_errors;
    if (++retries > kPendingErrorRetries) return Failed(done, os_errno);
  }
  return {SendStatus::kSent, done, 0};
}

SendResult TrainSender::Failed(std::size_t segments, int os_errno) {
  if (IsWouldBlock(os_errno)) {
    ++stats_.would_block;
    return {SendStatus::kWouldBlock, segments, os_errno};
  }
  if (os_errno == EMSGSIZE) return {SendStatus::kTooBig, segments, os_errno};
  ++stats_.errors;
  return {SendStatus::kError, segments, os_errno};
}

}  // namespace p2pcp::udp
