// Records of a journal: appended one after another to a file that may end
// anywhere, or have been damaged.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------+---------------+---------------+
//   |     Length of the payload     |     Type      |  Payload ...  |
//   +-------------------------------+---------------+---------------+
//   |        Check (64): the first half of the XXH3-128 of what       |
//   |        stands before it, and of its place in the file           |
//   +-----------------------------------------------------------------+

#ifndef P2PCP_TRANSFER_FILE_RECORD_H_
#define P2PCP_TRANSFER_FILE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"

namespace p2pcp::file {

struct Record {
  // Payloads are at most so long.
  static constexpr std::size_t kMaxPayload = 8 << 10;
  // Bytes around each payload.
  static constexpr std::size_t kOverhead = 11;

  std::uint8_t type = 0;
  ByteSpan payload;
};

// Makes the bytes of records.
class RecordWriter {
 public:
  // Adds the record to out. at: where it will stand in the file, in bytes.
  // REQUIRES: the payload is not longer than kMaxPayload.
  void Append(std::uint64_t at, std::uint8_t type, ByteSpan payload,
              Bytes& out);

 private:
  Hasher hasher_;
};

// Reads records from the beginning of a file.
class RecordReader {
 public:
  // The bytes must outlive the reader.
  explicit RecordReader(ByteSpan file) : file_(file) {}

  // The next record; nothing at the end, and at the first one that is cut off
  // or damaged: nothing behind that is believed.
  std::optional<Record> Next();
  // Bytes up to the end of the last record that Next() gave.
  std::size_t good() const { return good_; }

 private:
  ByteSpan file_;
  std::size_t good_ = 0;
  Hasher hasher_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_RECORD_H_
