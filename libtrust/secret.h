#pragma once
// Bytes that nobody is to find in memory afterwards: a private key, a passphrase. Cleansed when
// they are let go of; moved, never copied. One thread at a time.

#include <openssl/crypto.h>

#include <string_view>
#include <utility>
#include <vector>

namespace trust {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      cleanse();
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { cleanse(); }

  bool empty() const noexcept { return bytes_.empty(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  const char* data() const noexcept { return bytes_.data(); }
  std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
  void cleanse() noexcept {
    if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
  }

  std::vector<char> bytes_;
};

} // namespace trust
