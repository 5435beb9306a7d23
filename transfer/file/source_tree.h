// What the user asked to send: files and folders, found one after another while
// the transfer runs. Nothing is listed in advance.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_TREE_H_
#define P2PCP_TRANSFER_FILE_SOURCE_TREE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/entry.h"
#include "transfer/file/ignore_rules.h"
#include "transfer/file/source_file.h"

namespace p2pcp::file {

struct TreeOptions {
  // Symbolic links are sent as what they point to, instead of being left out.
  bool follow = false;
  // Each folder's .gitignore holds for it, and .git is left out.
  bool gitignore = false;
  // What is left out of each folder that was named.
  IgnoreRules exclude;
};

// Something on the way that is not sent. The others are.
struct ScanNote {
  enum class Kind : std::uint8_t {
    kSymlink,     // Skipped.
    kLoop,        // With `follow`: a link to a folder that it lies in; skipped.
    kSpecial,     // A device, FIFO or socket.
    kBadName,     // No receiver takes it, or it is too deep.
    kUnreadable,  // A folder that can't be listed, a link that leads nowhere.
  };
  Kind kind = Kind::kSymlink;
  std::string path;
  Error error;

  // Links are left out because they were not asked for.
  bool counts() const { return kind != Kind::kSymlink && kind != Kind::kLoop; }
};

struct ScanItem {
  Entry entry;
  SourceFile source;  // Of a folder: its path and name.
};

struct ScanBatch {
  std::vector<ScanItem> items;
  std::vector<ScanNote> notes;
  bool end = false;  // There is no more.

  void Clear() {
    items.clear();
    notes.clear();
    end = false;
  }
};

class SourceTree {
 public:
  // Looks at each path once. Fails on the first that can't be sent:
  // kSourceUnreadable, if it does not exist, may not be read, or is neither a
  // file nor a folder (nor, with `follow`, a link to one); kUsage, if two have
  // the same name, or it has none that a receiver takes. Blocks on the file
  // system.
  static Result<SourceTree> Open(std::span<const std::string> paths,
                                 TreeOptions options);
  SourceTree(SourceTree&&) noexcept;
  SourceTree& operator=(SourceTree&&) noexcept;
  ~SourceTree();

  // Appends the next entries to the batch: at most max_items, or fewer. Blocks
  // on the file system.
  void Next(ScanBatch& batch, std::size_t max_items);
  // Begins anew.
  void Restart();

 private:
  class Walk;
  explicit SourceTree(std::unique_ptr<Walk> walk);
  std::unique_ptr<Walk> walk_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_TREE_H_
