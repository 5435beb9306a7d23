#include "net/crypto/test_vectors.h"

#include <fstream>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::crypto {

const std::string& TestVector::Text(const std::string& name) const {
  const auto field = fields_.find(name);
  P2PCP_CHECK(field != fields_.end());
  return field->second;
}

Bytes TestVector::Get(const std::string& name) const {
  const std::string& hex = Text(name);
  Bytes bytes = Unhex(hex);
  P2PCP_CHECK(bytes.size() * 2 == hex.size());
  return bytes;
}

std::vector<TestVector> ReadTestVectors(const std::string& path) {
  std::ifstream file(path);
  P2PCP_CHECK(file.is_open());
  std::vector<TestVector> vectors;
  TestVector vector;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    if (line.empty()) {
      if (!vector.empty()) vectors.push_back(std::exchange(vector, {}));
      continue;
    }
    const std::size_t sign = line.find(" =");
    P2PCP_CHECK(sign != std::string::npos);
    const bool has_value = line.size() > sign + 3;
    vector.Set(line.substr(0, sign), has_value ? line.substr(sign + 3) : "");
  }
  if (!vector.empty()) vectors.push_back(std::move(vector));
  P2PCP_CHECK(!vectors.empty());
  return vectors;
}

}  // namespace p2pcp::crypto
