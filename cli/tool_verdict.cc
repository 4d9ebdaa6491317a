#include "cli/tool_verdict.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <new>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr std::size_t kMostSameSubject = 1000; // of one name in a hashed directory
constexpr int kSecurityLevel = 2;              // of Debian's OpenSSL

// How a program asks OpenSSL.
struct Asking {
  std::vector<std::string> directories; // hashed
  std::vector<std::string> files;       // PEM; small ones, for each is read as a whole
  bool partial_chain = false;           // any certificate of these ends a path
  bool common_name = true;              // a CN stands for a name where there is no SAN
  bool obeys_anchors = true;            // the name constraints of an anchor hold
};

struct ToolFacts {
  Tool tool;
  std::string_view name;
  std::string_view reads;
};

constexpr std::array<ToolFacts, 5> kFacts{{
    {Tool::requests, "requests", "REQUESTS_CA_BUNDLE: bundle.pem"},
    {Tool::curl, "curl", "CURL_CA_BUNDLE: bundle.pem, and its built-in directory"},
    {Tool::node, "Node", "NODE_EXTRA_CA_CERTS: extra.pem, beside its own roots"},
    {Tool::java, "Java", "JAVA_TOOL_OPTIONS: truststore.p12"},
    {Tool::go, "Go", "SSL_CERT_FILE and SSL_CERT_DIR: bundle.pem and hashed/"},
}};

bool has_constraints(X509* certificate) {
  return X509_get_ext_by_NID(certificate, NID_name_constraints, -1) >= 0;
}

// For who ignores the constraints of an anchor, and of it alone.
int without_anchor(int ok, X509_STORE_CTX* context) noexcept {
  if (ok != 0) return ok;
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX: break;
    default: return 0;
  }
  const STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
  for (int i = 0; i + 1 < sk_X509_num(path); ++i) {
    if (has_constraints(sk_X509_value(path, i))) return 0;
  }
  return 1;
}

X509StorePtr store_of(const Asking& asking) {
  X509StorePtr store(X509_STORE_new());
  if (!store) throw std::bad_alloc();
  X509_LOOKUP* const directories = X509_STORE_add_lookup(store.get(), X509_LOOKUP_hash_dir());
  X509_LOOKUP* const files = X509_STORE_add_lookup(store.get(), X509_LOOKUP_file());
  if (directories == nullptr || files == nullptr) throw std::bad_alloc();
  for (const std::string& directory : asking.directories) {
    X509_LOOKUP_add_dir(directories, directory.c_str(), X509_FILETYPE_PEM);
  }
  for (const std::string& file : asking.files) {
    X509_LOOKUP_load_file(files, file.c_str(), X509_FILETYPE_PEM); // may be empty
  }
  return store;
}

std::string openssl_says(int error) { return X509_verify_cert_error_string(error); }

ToolVerdict ask(std::span<const Certificate> chain, const Asking& asking, UnixTime now) {
  const ErrorQueueGuard queue;
  const X509StorePtr store = store_of(asking);
  const BorrowedX509StackPtr others(sk_X509_new_null());
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  if (!others || !context) throw std::bad_alloc();
  for (const Certificate& certificate : chain.subspan(1)) {
    if (sk_X509_push(others.get(), certificate.x509()) == 0) throw std::bad_alloc();
  }
  if (X509_STORE_CTX_init(context.get(), store.get(), chain.front().x509(), others.get()) != 1 ||
      X509_STORE_CTX_set_default(context.get(), "ssl_server") != 1) {
    throw std::bad_alloc();
  }
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  X509_VERIFY_PARAM_set_time(parameters, now);
  if (asking.partial_chain) X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (!asking.common_name) {
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  }
  if (!asking.obeys_anchors) X509_STORE_CTX_set_verify_cb(context.get(), without_anchor);
  if (X509_verify_cert(context.get()) == 1) return {true, {}};
  return {false, openssl_says(X509_STORE_CTX_get_error(context.get()))};
}

Asking asking_of(Tool tool, const ToolFiles& files) {
  Asking asking;
  asking.directories = {files.store + "/current/hashed"}; // bundle.pem, but read by need
  switch (tool) {
    case Tool::requests: break;
    case Tool::curl:
      asking.directories.push_back(files.distribution);
      asking.partial_chain = true;
      break;
    case Tool::node:
      asking.directories = {files.distribution};
      asking.files = {files.store + "/current/extra.pem"};
      break;
    case Tool::java:
      asking.partial_chain = true;
      asking.obeys_anchors = false;
      break;
    case Tool::go:
      asking.partial_chain = true;
      asking.common_name = false;
      break;
  }
  return asking;
}

// Whether that very certificate is in a hashed directory.
bool holds(const std::string& directory, const Certificate& certificate) {
  std::array<char, 9> hash{};
  std::snprintf(hash.data(), hash.size(), "%08x", certificate.subject_hash());
  for (std::size_t i = 0; i < kMostSameSubject; ++i) {
    std::string text;
    try {
      text = read_file(directory + "/" + hash.data() + "." + std::to_string(i),
                       2 * kMaxCertificateBytes);
    } catch (const Error&) {
      return false; // the numbers have no gaps
    }
    if (text.find(certificate.pem()) != std::string::npos) return true;
  }
  return false;
}

bool same_name(std::string name, const Host& host) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (name == host.text()) return true;
  const std::size_t dot = host.text().find('.');
  return name.starts_with("*.") && dot != std::string::npos && !host.is_address() &&
         name.substr(1) == host.text().substr(dot);
}

// Whether a program takes the certificate to be for that host.
bool is_for(Tool tool, const Certificate& leaf, const Host& host) {
  if (leaf.covers(host)) return true;
  switch (tool) {
    case Tool::go: return false;
    case Tool::requests: // with urllib3 1, which Debian has
    case Tool::curl: return !leaf.has_names() && same_name(leaf.common_name(), host);
    case Tool::node:
    case Tool::java:
      return !host.is_address() && leaf.dns_names().empty() && same_name(leaf.common_name(), host);
  }
  return false;
}

ToolVerdict with_name(ToolVerdict verdict, Tool tool, const Certificate& leaf, const Host& host) {
  if (verdict.accepts && !is_for(tool, leaf, host)) {
    return {false, leaf.has_names() ? "its names do not cover " + host.text()
                                    : "it names no host in a SAN"};
  }
  return verdict;
}

} // namespace

std::string_view name_of(Tool tool) noexcept {
  return kFacts.at(static_cast<std::size_t>(tool)).name;
}

std::string_view reads_of(Tool tool) noexcept {
  return kFacts.at(static_cast<std::size_t>(tool)).reads;
}

ToolVerdict verdict_of(Tool tool, std::span<const Certificate> chain, const Host& host,
                       const ToolFiles& files, UnixTime now) {
  const Asking asking = asking_of(tool, files);
  ToolVerdict verdict;
  // Java asks nothing of a certificate that its truststore holds, not even its dates.
  if (tool == Tool::java && holds(asking.directories.front(), chain.front())) {
    verdict.accepts = true;
  } else {
    verdict = ask(chain, asking, now);
  }
  return with_name(std::move(verdict), tool, chain.front(), host);
}

ToolVerdict verdict_by_file(std::span<const Certificate> chain, const Host& host,
                            const ToolFiles& files, const std::string& file, UnixTime now) {
  Asking asking = asking_of(Tool::requests, files);
  if (file != "bundle.pem") {
    asking.directories.clear();
    asking.files = {files.store + "/current/" + file};
  }
  return with_name(ask(chain, asking, now), Tool::requests, chain.front(), host);
}

} // namespace trust
