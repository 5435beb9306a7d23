// A set of 64-bit hashes in as little memory as a table can have: for a million
// files that are done.

#ifndef P2PCP_TRANSFER_FILE_HASH_SET_H_
#define P2PCP_TRANSFER_FILE_HASH_SET_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace p2pcp::file {

// Open addressing in many small tables, each of which grows by half when it is
// three quarters full: 11 to 16 bytes an element, and next to nothing besides
// while it grows. The elements are spread already.
class HashSet {
 public:
  std::size_t size() const { return size_; }

  bool Contains(std::uint64_t hash) const {
    const Table& table = tables_[IndexOf(Key(hash))];
    return table.used > 0 && table.places[Find(table, Key(hash))] != 0;
  }
  void Insert(std::uint64_t hash) {
    Table& table = tables_[IndexOf(Key(hash))];
    if (table.used * 4 >= table.places.size() * 3) Grow(table);
    std::uint64_t& place = table.places[Find(table, Key(hash))];
    if (place != 0) return;
    place = Key(hash);
    ++table.used;
    ++size_;
  }
  template <typename Visit>  // void(std::uint64_t hash)
  void ForEach(Visit visit) const {
    for (const Table& table : tables_) {
      for (const std::uint64_t hash : table.places) {
        if (hash != 0) visit(hash);
      }
    }
  }

 private:
  struct Table {
    std::vector<std::uint64_t> places;
    std::size_t used = 0;
  };
  static constexpr unsigned kIndexBits = 6;
  static constexpr std::size_t kMinPlaces = 16;

  // 0 is an empty place, so it stands under its neighbour.
  static std::uint64_t Key(std::uint64_t hash) { return hash == 0 ? 1 : hash; }
  static std::size_t IndexOf(std::uint64_t key) {
    return static_cast<std::size_t>(key >> (64 - kIndexBits));
  }

  // Where the key is, or would be. REQUIRES: a place is free.
  static std::size_t Find(const Table& table, std::uint64_t key) {
    const std::size_t count = table.places.size();
    // The lower half of the key as a part of the whole, of which that is the
    // place.
    std::size_t at =
        static_cast<std::size_t>((key & 0xffff'ffff) * count >> 32);
    while (table.places[at] != 0 && table.places[at] != key) {
      if (++at == count) at = 0;
    }
    return at;
  }
  static void Grow(Table& table) {
    std::vector<std::uint64_t> old(
        std::max(kMinPlaces, table.places.size() * 3 / 2));
    old.swap(table.places);
    for (const std::uint64_t key : old) {
      if (key != 0) table.places[Find(table, key)] = key;
    }
  }

  std::array<Table, std::size_t{1} << kIndexBits> tables_;
  std::size_t size_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_HASH_SET_H_
