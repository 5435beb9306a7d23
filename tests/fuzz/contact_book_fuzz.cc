// The file of contacts, whatever has happened to it.

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "net/base/check.h"
#include "net/base/result.h"
#include "net/crypto/contact_book.h"
#include "tests/fuzz/fuzz_folder.h"

namespace p2pcp {
namespace {

using crypto::ContactBook;

void Write(const std::filesystem::path& file, const void* data,
           std::size_t size) {
  const int fd = open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  P2PCP_CHECK(fd >= 0);
  P2PCP_CHECK(write(fd, data, size) == static_cast<ssize_t>(size));
  close(fd);
}

bool SameContacts(const ContactBook& a, const ContactBook& b) {
  if (a.contacts().size() != b.contacts().size()) return false;
  for (std::size_t i = 0; i < a.contacts().size(); ++i) {
    const crypto::Contact& x = a.contacts()[i];
    const crypto::Contact& y = b.contacts()[i];
    if (x.name != y.name || x.key != y.key ||
        x.psk.has_value() != y.psk.has_value() ||
        x.first_seen != y.first_seen || x.last_seen != y.last_seen ||
        !(x.rules == y.rules)) {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace p2pcp;
  static const FuzzFolder folder;
  const std::filesystem::path file = folder.path() / "peers";
  Write(file, data, size);
  const Result<ContactBook> book = ContactBook::Load(file);
  if (!book.ok()) {
    P2PCP_CHECK(!book.error().message.empty());
    return 0;
  }
  for (const crypto::Contact& contact : book->contacts()) {
    P2PCP_CHECK(ContactBook::IsValidName(contact.name));
    P2PCP_CHECK(book->Find(contact.name) == &contact);
    P2PCP_CHECK(book->FindByKey(contact.key) == &contact);
  }
  // What is understood is written so that it is understood again.
  const Status updated =
      ContactBook::Update(file, [](ContactBook&) { return Status(); });
  P2PCP_CHECK(updated.ok());
  const Result<ContactBook> again = ContactBook::Load(file);
  P2PCP_CHECK(again.ok() && SameContacts(*book, *again));
  return 0;
}
