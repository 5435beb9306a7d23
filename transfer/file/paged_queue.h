// A queue for thousands of large elements that come and go.

#ifndef P2PCP_TRANSFER_FILE_PAGED_QUEUE_H_
#define P2PCP_TRANSFER_FILE_PAGED_QUEUE_H_

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

// As std::deque, whose pages of 512 bytes would be allocated and freed for
// each element. The last page that got empty is kept for what comes next.
// Elements stay where they are in memory.
template <typename T>
class PagedQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  // REQUIRES: index < size().
  T& operator[](std::size_t index) { return *Place(head_ + index); }
  const T& operator[](std::size_t index) const { return *Place(head_ + index); }
  // REQUIRES of all: !empty().
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  void pop_front() {
    P2PCP_CHECK(!empty());
    Place(head_).reset();
    --size_;
    if (++head_ < kPage) return;
    head_ = 0;
    spare_ = std::move(pages_.front());
    pages_.pop_front();
  }

  void push_back(T element) {
    const std::size_t at = head_ + size_;
    if (at == pages_.size() * kPage) {
      pages_.push_back(spare_ != nullptr ? std::move(spare_)
                                         : std::make_unique<Page>());
    }
    Place(at).emplace(std::move(element));
    ++size_;
  }

 private:
  static constexpr std::size_t kPage = 64;
  using Page = std::array<std::optional<T>, kPage>;

  std::optional<T>& Place(std::size_t at) {
    return (*pages_[at / kPage])[at % kPage];
  }
  const std::optional<T>& Place(std::size_t at) const {
    return (*pages_[at / kPage])[at % kPage];
  }

  std::deque<std::unique_ptr<Page>> pages_;
  std::unique_ptr<Page> spare_;
  std::size_t head_ = 0;  // Where the first is in the first page.
  std::size_t size_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_PAGED_QUEUE_H_
