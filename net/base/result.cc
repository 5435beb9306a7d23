#include "net/base/result.h"

#include <cstring>

namespace p2pcp {

Error Annotate(Error error, std::string_view context) {
  error.message.insert(0, ": ").insert(0, context);
  return error;
}

Error ErrnoError(ErrorCode code, std::string_view context, int os_errno) {
  char buffer[128];
  // The GNU variant: returns the text, which need not be in the buffer.
  const char* text = strerror_r(os_errno, buffer, sizeof(buffer));
  return Error{code, std::string(context) + ": " + text, os_errno};
}

}  // namespace p2pcp
