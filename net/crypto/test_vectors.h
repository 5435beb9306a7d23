// Reads the standard vectors of testdata/: lines "name = hex", a blank line
// after each vector, comments from '#'. For tests.

#ifndef P2PCP_NET_CRYPTO_TEST_VECTORS_H_
#define P2PCP_NET_CRYPTO_TEST_VECTORS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"

namespace p2pcp::crypto {

class TestVector {
 public:
  void Set(std::string name, std::string value) {
    fields_[std::move(name)] = std::move(value);
  }
  bool empty() const { return fields_.empty(); }
  bool Has(const std::string& name) const { return fields_.count(name) > 0; }
  // REQUIRES: Has(name).
  const std::string& Text(const std::string& name) const;
  // The field's hexadecimal digits as bytes. REQUIRES: Has(name).
  Bytes Get(const std::string& name) const;

 private:
  std::map<std::string, std::string> fields_;
};

// path is relative to the workspace. REQUIRES: the file is there (a `data` of
// the test) and well-formed.
std::vector<TestVector> ReadTestVectors(const std::string& path);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_TEST_VECTORS_H_
