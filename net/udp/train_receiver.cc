#include "net/udp/train_receiver.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "net/udp/sockaddr.h"
#include "net/udp/train_bounds.h"

namespace p2pcp::udp {
namespace {

// A datagram socket reports the ICMP errors that its datagrams earned one by
// one before it gives out more; more than this in a row wait for the next call.
constexpr int kPendingErrorsPerCall = 16;

struct Ancillary {
  std::size_t segment_size = 0;  // 0: not a super-packet.
  std::optional<std::uint32_t> overflow;
};

Ancillary ReadAncillary(msghdr& header) {
  Ancillary ancillary;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
      int value;
      std::memcpy(&value, CMSG_DATA(control), sizeof(value));
      if (value > 0) ancillary.segment_size = static_cast<std::size_t>(value);
    } else if (control->cmsg_level == SOL_SOCKET &&
               control->cmsg_type == SO_RXQ_OVFL) {
      std::uint32_t value;
      std::memcpy(&value, CMSG_DATA(control), sizeof(value));
      ancillary.overflow = value;
    }
  }
  return ancillary;
}

}  // namespace

struct TrainReceiver::Storage {
  // The largest ancillary data that can come: UDP_GRO and SO_RXQ_OVFL.
  struct Control {
    alignas(cmsghdr) std::byte
        bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint32_t))];
  };

  Storage()
      : buffer(std::make_unique_for_overwrite<std::byte[]>(kBuffers *
                                                           kBufferSize)) {
    for (std::size_t i = 0; i < kBuffers; ++i) {
      vectors[i] = {buffer.get() + i * kBufferSize, kBufferSize};
    }
  }

  // The kernel changes the lengths; each call starts afresh.
  void Reset() {
    for (std::size_t i = 0; i < kBuffers; ++i) {
      msghdr& header = messages[i].msg_hdr;
      header = {};
      header.msg_name = &names[i];
      header.msg_namelen = sizeof(names[i]);
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = controls[i].bytes;
      header.msg_controllen = sizeof(controls[i].bytes);
      names[i].any.sa_family = AF_UNSPEC;
    }
  }

  // Untouched pages cost no memory, so a quiet socket holds little.
  std::unique_ptr<std::byte[]> buffer;
  std::array<iovec, kBuffers> vectors;
  std::array<Sockaddr, kBuffers> names;
  std::array<Control, kBuffers> controls;
  std::array<mmsghdr, kBuffers> messages;
  std::array<ReceivedTrain, kBuffers> trains;
};

TrainReceiver::TrainReceiver(Syscalls* syscalls, int fd)
    : syscalls_(syscalls), fd_(fd), storage_(std::make_unique<Storage>()) {}
TrainReceiver::~TrainReceiver() = default;
TrainReceiver::TrainReceiver(TrainReceiver&&) noexcept = default;
TrainReceiver& TrainReceiver::operator=(TrainReceiver&&) noexcept = default;

std::span<const ReceivedTrain> TrainReceiver::Receive() {
  Storage& storage = *storage_;
  // Again where all that came was discarded, lest "nothing" be taken to mean
  // that nothing waits; bounded, lest garbage keep the loop here.
  for (int attempt = 0; attempt < kPendingErrorsPerCall; ++attempt) {
    storage.Reset();
    const int received = syscalls_->RecvMmsg(fd_, storage.messages.data(),
                                             kBuffers, MSG_DONTWAIT);
    if (received < 0) {
      if (received == -EAGAIN || received == -EWOULDBLOCK) return {};
      if (received == -EINTR) continue;
      if (received == -ENOMEM || received == -ENOBUFS || received == -EBADF ||
          received == -EINVAL || received == -EFAULT) {
        ++stats_.errors;
        return {};
      }
      ++stats_.icmp_errors;
      continue;
    }
    std::size_t count = 0;
    for (int i = 0; i < received; ++i) {
      msghdr& header = storage.messages[i].msg_hdr;
      const std::size_t size = storage.messages[i].msg_len;
      const Ancillary ancillary = ReadAncillary(header);
      if (ancillary.overflow) {
        // A counter of the socket's whole life that wraps.
        (refusing_ ? stats_.refused : stats_.overflows) +=
            *ancillary.overflow - last_overflow_;
        last_overflow_ = *ancillary.overflow;
      }
      const std::optional<SocketAddress> from = FromSockaddr(storage.names[i]);
      if (size == 0 || !from ||
          (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        ++stats_.discarded;
        continue;
      }
      std::size_t segment_size = ancillary.segment_size;
      if (segment_size == 0 || segment_size > size) segment_size = size;
      std::byte* const bytes =
          static_cast<std::byte*>(storage.vectors[i].iov_base);
      storage.trains[count++] = {*from, {bytes, size}, segment_size};
      stats_.datagrams += CountSegments(size, segment_size);
      stats_.bytes += size;
    }
    stats_.trains += count;
    if (count > 0) return std::span(storage.trains).first(count);
  }
  return {};
}

}  // namespace p2pcp::udp
