#pragma once
// Makes keys and certificates, and the files they are in, for those who ask and for renewals. What
// is made here is not stored yet.
//
// Any thread; who makes files takes turns.

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/readers.h"
#include "libtrust/issue.h"
#include "libtrust/layout.h"
#include "libtrust/request.h"

namespace trust {

class Identities {
 public:
  Identities(Layout layout, Clock clock, Readers& readers)
      : layout_(std::move(layout)), clock_(std::move(clock)), readers_(readers) {}

  // What is to be stored. Its files are there and shown already; who does not get it stored hands
  // it to discard().
  struct Prepared {
    Identity identity;
    Certificate certificate;
    std::optional<Addition::Item> trusted;
    bool emit_signing = false;
    std::vector<std::string> warnings;
  };
  // Whether the hook is known and the directory may be named is for the caller to have looked at.
  Prepared prepare(const IdentityRequest& request);
  Prepared prepare_ca(const CaRequest& request);
  void discard(const Prepared& prepared) noexcept;

  struct Minted {
    PrivateKey key;
    Certificate certificate;
  };
  // A new key and certificate with an identity's settings, from now on.
  Minted mint(const Identity& identity);

  // Removes the files of an identity that was forgotten, if they are below our own state.
  void forget_files(const Identity& identity);

 private:
  Certificate sign_by_ca(const ServerCertificate& wish, ByteView spki);
  // What was said, if no identity has it, else a free one like `wanted`.
  std::string label_for(const std::string& said, const std::string& wanted);
  void write_files(Identity& identity, const Minted& minted, bool replace);

  const Layout layout_;
  const Clock clock_;
  Readers& readers_;
  std::mutex making_;
};

// Two thirds of a lifetime after its start, for those that renew themselves.
std::optional<UnixTime> next_renewal_of(const Identity& identity);

} // namespace trust
