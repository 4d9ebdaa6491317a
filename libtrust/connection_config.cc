#include "libtrust/connection_config.h"

#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/tls_fault.h"

namespace trust {
namespace {

constexpr std::size_t kMaxKeyBytes = 64 * 1024;

BioPtr reading(std::string_view text, std::size_t most, const char* what) {
  if (text.size() > most) {
    throw Error(Code::invalid,
                std::string(what) + " has more than " + std::to_string(most / 1024) + " KiB");
  }
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

std::vector<Certificate> read_chain(std::string_view pem) {
  const BioPtr bio = reading(pem, 4 * kMaxChainBytes, "the client certificate");
  std::vector<Certificate> chain;
  for (;;) {
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_bytes_read_bio(&data, &length, nullptr, PEM_STRING_X509, bio.get(), nullptr, nullptr) !=
        1) {
      if (ran_out_of_memory()) throw std::bad_alloc();
      if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) break;
      throw Error(Code::invalid, "block " + std::to_string(chain.size() + 1) +
                                     " of the client certificate is no PEM");
    }
    const OpensslBytes owned(data);
    if (chain.size() == kMaxChainCertificates) {
      throw Error(Code::invalid, "the client certificate has more than " +
                                     std::to_string(kMaxChainCertificates) + " in its chain");
    }
    chain.push_back(Certificate::from_der({data, static_cast<std::size_t>(length)}));
  }
  if (chain.empty()) throw Error(Code::invalid, "there is no client certificate in what was given");
  return chain;
}

struct Password {
  const std::optional<std::string>& text;
  bool was_asked = false;
};

// Without one of ours OpenSSL asks on the terminal.
int give_password(char* out, int size, int, void* argument) noexcept {
  auto& password = *static_cast<Password*>(argument);
  password.was_asked = true;
  if (!password.text || password.text->size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(out, password.text->data(), password.text->size());
  return static_cast<int>(password.text->size());
}

PkeyPtr read_key(std::string_view pem, const std::optional<std::string>& password_text) {
  const BioPtr bio = reading(pem, kMaxKeyBytes, "the client's key");
  Password password{password_text};
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &password));
  if (key) return key;
  if (ran_out_of_memory()) throw std::bad_alloc();
  if (!password.was_asked) {
    throw Error(Code::invalid, "there is no private key in PEM in what was given");
  }
  throw Error(Code::invalid,
              password_text ? "the password of the client's key is another"
                            : "the client's key is encrypted",
              "give the key's password");
}

} // namespace

ClientCertificate ClientCertificate::parse(std::string_view chain_pem, std::string_view key_pem,
                                           const std::optional<std::string>& password) {
  const ErrorQueueAside queue;
  const auto contents = std::make_shared<Contents>();
  contents->chain = read_chain(chain_pem);
  const Certificate& own = contents->chain.front();
  if (const auto& weakness = own.weakness()) {
    throw Error(Code::invalid, "the client certificate cannot be used: it has " + *weakness);
  }
  ERR_clear_error();
  contents->key = read_key(key_pem, password);
  ERR_clear_error();
  if (X509_check_private_key(own.x509(), contents->key.get()) != 1) {
    if (ran_out_of_memory()) throw std::bad_alloc();
    throw Error(Code::invalid, "the client's key is not the one of its certificate");
  }
  return ClientCertificate(contents);
}

std::chrono::milliseconds parse_timeout(std::uint32_t ms) {
  if (ms == 0) throw Error(Code::invalid, "a timeout of 0 ms leaves no time for anything");
  return std::chrono::milliseconds{ms};
}

std::vector<std::string> parse_alpn(std::string_view protocols) {
  constexpr std::size_t kMostBytes = 255; // of one name: RFC 7301
  constexpr std::size_t kMostNames = 64;
  std::vector<std::string> out;
  while (!protocols.empty()) {
    const std::size_t comma = protocols.find(',');
    const std::string_view name = protocols.substr(0, comma);
    const bool printable =
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (name.empty() || name.size() > kMostBytes || !printable || out.size() == kMostNames ||
        std::find(out.begin(), out.end(), name) != out.end() || comma == protocols.size() - 1) {
      throw Error(Code::invalid,
                  "protocols are names with commas between and nothing else, each once",
                  "for example \"h2,http/1.1\"");
    }
    out.emplace_back(name);
    if (comma == std::string_view::npos) break;
    protocols.remove_prefix(comma + 1);
  }
  return out;
}

int parse_min_tls(int version) {
  if (version != 12 && version != 13) {
    throw Error(Code::invalid,
                "the least version of TLS is 12 or 13, and not " + std::to_string(version));
  }
  return version;
}

} // namespace trust
