#pragma once
// How to connect, as a value: it is copied when it is used. It only narrows what the store trusts.
// What is parsed here comes from a program's arguments; failure is Error{invalid}.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/host.h"
#include "libtrust/judge.h"
#include "libtrust/pin.h"

namespace trust {

// A certificate that we show to servers that ask, and its key. Immutable; copies share.
class ClientCertificate {
 public:
  // PEM: the chain, our own first, and the key. `password`: of an encrypted key; nobody is ever
  // asked for one. Error{invalid} also for a key that is another certificate's.
  static ClientCertificate parse(std::string_view chain_pem, std::string_view key_pem,
                                 const std::optional<std::string>& password);

  const std::vector<Certificate>& chain() const noexcept { return contents_->chain; }
  EVP_PKEY* key() const noexcept { return contents_->key.get(); }

 private:
  struct Contents {
    std::vector<Certificate> chain;
    PkeyPtr key;
  };
  explicit ClientCertificate(std::shared_ptr<const Contents> contents)
      : contents_(std::move(contents)) {}
  std::shared_ptr<const Contents> contents_;
};

struct ConnectionConfig {
  std::chrono::milliseconds connect_timeout{10'000}; // name resolution, TCP and handshake together
  std::chrono::milliseconds io_timeout{30'000}; // longest silence in a blocking call
  std::optional<Host> server_name; // verified, announced and pinned in place of the dialled host
  std::vector<std::string> alpn; // in order of preference
  int min_tls = 12; // or 13
  std::optional<ClientCertificate> client_certificate;
  JudgeOptions judge; // pins, require_pin
  bool resumption = true;
};

std::chrono::milliseconds parse_timeout(std::uint32_t ms); // not 0
std::vector<std::string> parse_alpn(std::string_view protocols); // "h2,http/1.1"; "": none
int parse_min_tls(int version); // 12 or 13

} // namespace trust
