#include "net/udp/port_mapper.h"

#include <algorithm>

namespace p2pcp::udp {
namespace {

// An address that somebody on the other side of the router can send to. A
// private one is: the peer may be behind the same carrier.
bool IsUsable(const IpAddress& ip) {
  return ip.is_v4() && !ip.IsUnspecified() && !ip.IsLoopback() &&
         !ip.IsMulticast() && !ip.IsBroadcast() && !ip.IsLinkLocal();
}

std::uint32_t Seconds(Duration duration) {
  return static_cast<std::uint32_t>(duration / 1s);
}

}  // namespace

PortMapper::PortMapper(TimePoint now, const IpAddress& client,
                       std::uint16_t port, Random& random) {
  request_.client = client;
  request_.nonce = random.Array<std::tuple_size_v<PcpNonce>>();
  request_.inside_port = port;
  request_.outside_port = port;
  request_.lifetime = Seconds(kLease);
  Begin(now);
}

void PortMapper::Begin(TimePoint now) {
  tries_ = 0;
  pcp_ = way_ != Way::kNatPmp;
  nat_pmp_ = way_ == Way::kNatPmp;
  Queue(now);
}

void PortMapper::Queue(TimePoint now) {
  send_pcp_ = pcp_;
  send_map_ = send_address_ = nat_pmp_;
  retry_at_ = now + kFirstRetry * (1 << tries_);
  ++tries_;
}

void PortMapper::HandleTimeout(TimePoint now) {
  if (released_) return;
  if (way_ != Way::kNone && now >= expires_) way_ = Way::kNone;
  if (retry_at_ && now >= *retry_at_) {
    if (tries_ < kMaxTries) {
      // A router that knows no PCP may well say nothing to it.
      if (way_ == Way::kNone) nat_pmp_ = true;
      Queue(now);
    } else {
      retry_at_.reset();
      renew_at_ = now + kAgain;
    }
  }
  if (!retry_at_ && now >= renew_at_) Begin(now);
}

std::optional<TimePoint> PortMapper::PollTimeout() const {
  if (released_) return std::nullopt;
  TimePoint next = retry_at_.value_or(renew_at_);
  if (way_ != Way::kNone) next = std::min(next, expires_);
  return next;
}

void PortMapper::HandleDatagram(TimePoint now, ByteSpan datagram) {
  if (released_) return;
  const auto response = ReadPcpResponse(datagram);
  if (!response) return;
  const Duration lease = std::clamp<Duration>(
      std::chrono::seconds(response->lifetime), kMinLease, kMaxLease);
  switch (response->kind) {
    case PcpResponse::Kind::kUnsupported:
      // Only as an answer: what we ask, nobody need refuse twice.
      if (!pcp_ || !retry_at_ || way_ != Way::kNone) return;
      pcp_ = false;
      nat_pmp_ = true;
      tries_ = 0;
      Queue(now);
      return;
    case PcpResponse::Kind::kPcpMap:
      if (!retry_at_ || !pcp_ || response->nonce != request_.nonce ||
          response->inside_port != request_.inside_port) {
        return;
      }
      refused_ = response->result;
      if (response->result != 0) {
        pcp_ = false;
        if (!nat_pmp_) tries_ = kMaxTries;
        return;
      }
      if (response->outside.port == 0 || !IsUsable(response->outside.ip)) {
        return;
      }
      outside_ip_ = response->outside.ip;
      OnMapped(now, Way::kPcp, response->outside.port, lease);
      return;
    case PcpResponse::Kind::kNatPmpAddress:
      if (!nat_pmp_ || response->result != 0 || way_ == Way::kPcp ||
          !IsUsable(response->outside.ip)) {
        return;
      }
      outside_ip_ = response->outside.ip;
      if (way_ == Way::kNatPmp) retry_at_.reset();
      return;
    case PcpResponse::Kind::kNatPmpMap:
      if (!retry_at_ || !nat_pmp_ ||
          response->inside_port != request_.inside_port) {
        return;
      }
      refused_ = response->result;
      if (response->result != 0) {
        nat_pmp_ = false;
        if (!pcp_) tries_ = kMaxTries;
        return;
      }
      if (response->outside.port == 0) return;
      OnMapped(now, Way::kNatPmp, response->outside.port, lease);
      return;
  }
}

void PortMapper::OnMapped(TimePoint now, Way way, std::uint16_t port,
                          Duration lease) {
  way_ = way;
  outside_port_ = port;
  // The same again, where it is renewed.
  request_.outside_port = port;
  expires_ = now + lease;
  renew_at_ = now + lease / 2;
  // NAT-PMP tells the address by itself; until then it is asked on.
  if (way == Way::kPcp || outside_ip_) retry_at_.reset();
}

std::optional<std::size_t> PortMapper::PollTransmit(MutableByteSpan out) {
  if (send_pcp_) {
    send_pcp_ = false;
    WritePcpMap(request_, out);
    return kPcpMapSize;
  }
  if (send_address_) {
    send_address_ = false;
    WriteNatPmpAddress(out);
    return kNatPmpAddressSize;
  }
  if (send_map_) {
    send_map_ = false;
    WriteNatPmpMap(request_, out);
    return kNatPmpMapSize;
  }
  return std::nullopt;
}

std::optional<SocketAddress> PortMapper::mapped() const {
  if (released_ || way_ == Way::kNone || !outside_ip_) return std::nullopt;
  return SocketAddress{*outside_ip_, outside_port_, 0};
}

std::string_view PortMapper::protocol() const {
  switch (way_) {
    case Way::kNone:
      return "";
    case Way::kPcp:
      return "PCP";
    case Way::kNatPmp:
      return "NAT-PMP";
  }
  return "";
}

void PortMapper::Release() {
  if (released_) return;
  released_ = true;
  request_.lifetime = 0;
  // Also what was asked for and not answered: it may have been granted.
  send_pcp_ = way_ == Way::kPcp || (way_ == Way::kNone && pcp_);
  send_map_ = way_ == Way::kNatPmp || (way_ == Way::kNone && nat_pmp_);
  send_address_ = false;
}

}  // namespace p2pcp::udp
