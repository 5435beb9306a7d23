// A set of 64-bit hashes in as little memory as a table can have: for a million
// files that are done.

#ifndef P2PCP_TRANSFER_FILE_HASH_SET_H_
#define P2PCP_TRANSFER_FILE_HASH_SET_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace p2pcp::file {

// Open addressing: 8 to 22 bytes an element. The elements are spread already.
class HashSet {
 public:
  std::size_t size() const { return size_; }

  bool Contains(std::uint64_t hash) const {
    return !table_.empty() && table_[Find(Key(hash))] != 0;
  }
  void Insert(std::uint64_t hash) {
    if (size_ * 4 >= table_.size() * 3) Grow();
    std::uint64_t& slot = table_[Find(Key(hash))];
    size_ += slot == 0 ? 1 : 0;
    slot = Key(hash);
  }
  template <typename Visit>  // void(std::uint64_t hash)
  void ForEach(Visit visit) const {
    for (const std::uint64_t hash : table_) {
      if (hash != 0) visit(hash);
    }
  }

 private:
  // 0 is an empty place, so it stands under its neighbour.
  static std::uint64_t Key(std::uint64_t hash) { return hash == 0 ? 1 : hash; }

  std::size_t Find(std::uint64_t key) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t at = static_cast<std::size_t>(key) & mask;
    while (table_[at] != 0 && table_[at] != key) at = (at + 1) & mask;
    return at;
  }
  void Grow() {
    std::vector<std::uint64_t> old(table_.empty() ? 64 : 2 * table_.size());
    old.swap(table_);
    for (const std::uint64_t key : old) {
      if (key != 0) table_[Find(key)] = key;
    }
  }

  std::vector<std::uint64_t> table_;  // A power of two of them.
  std::size_t size_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_HASH_SET_H_
