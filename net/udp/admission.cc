#include "net/udp/admission.h"

namespace p2pcp::udp {
namespace {

// A filter of a UDP socket sees the datagram with its header.
constexpr std::uint32_t kUdpHeader = 8;
// How much of the datagram is kept.
constexpr std::uint32_t kAll = 0xffffffff;
constexpr std::uint32_t kNothing = 0;

}  // namespace

AdmissionProgram::AdmissionProgram(const Admission& admission) {
  // The last two instructions; jumps are counted from the one after them.
  const std::size_t refuse = code_.size() - 2;
  const std::size_t take = code_.size() - 1;
  std::size_t at = 0;
  const auto add = [&](std::uint16_t code, std::uint32_t operand) {
    code_[at++] = {code, 0, 0, operand};
  };
  const auto add_jump = [&](std::uint16_t code, std::uint32_t operand,
                            std::size_t if_true, std::size_t if_false) {
    const std::size_t next = at + 1;
    code_[at++] = {code, static_cast<std::uint8_t>(if_true - next),
                   static_cast<std::uint8_t>(if_false - next), operand};
  };
  add(BPF_LD | BPF_W | BPF_LEN, 0);
  add_jump(BPF_JMP | BPF_JGT | BPF_K, kUdpHeader + Admission::kMaxRefused, take,
           at + 1);
  // A load from behind the end of the datagram refuses it.
  add(BPF_LD | BPF_B | BPF_ABS, kUdpHeader);
  add_jump(BPF_JMP | BPF_JGE | BPF_K, admission.first_byte_below, at + 1, take);
  for (std::size_t i = 0; i < Admission::kPrefix; ++i) {
    add(BPF_LD | BPF_B | BPF_ABS, kUdpHeader + static_cast<std::uint32_t>(i));
    add(BPF_ALU | BPF_AND | BPF_K,
        std::to_integer<std::uint32_t>(admission.mask[i]));
    add_jump(
        BPF_JMP | BPF_JEQ | BPF_K,
        std::to_integer<std::uint32_t>(admission.prefix[i] & admission.mask[i]),
        i + 1 < Admission::kPrefix ? at + 1 : take, refuse);
  }
  add(BPF_RET | BPF_K, kNothing);
  add(BPF_RET | BPF_K, kAll);
}

}  // namespace p2pcp::udp
