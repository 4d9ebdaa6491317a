#include "daemon/token.h"

#include <fcntl.h>
#include <openssl/rand.h>

#include <array>

#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

constexpr char kName[] = "token";

} // namespace

Token::Token(const std::string& directory) : directory_(open_checked_directory(directory)) {
  std::array<std::uint8_t, 32> secret{};
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1) {
    throw Error(Code::internal, "no random bytes for the token");
  }
  text_ = hex(secret);
  write_file_at(directory_.get(), kName, text_ + "\n", 0600);
}

Token::~Token() {
  if (directory_) ::unlinkat(directory_.get(), kName, 0);
}

void Token::remove_stale(const std::string& directory) noexcept {
  ::unlink((directory + "/" + kName).c_str());
}

} // namespace trust
