#pragma once
// What conformance suites ask of a judge and no caller of ours may: other purposes and names,
// revocation lists, a depth, policies. For tests; the judge is the same.

#include <string>
#include <vector>

#include "libtrust/handles.h"
#include "libtrust/judge.h"

namespace trust {

// What one judgement cost, by what is counted and bounded.
struct JudgeWork {
  std::size_t signature_checks = 0;
  std::size_t effort = 0; // of those, see path.h
  std::size_t paths = 0;
  std::size_t steps = 0;
  std::size_t name_comparisons = 0;
};

struct JudgeExtras {
  bool client = false;             // purpose: TLS client in place of server
  bool any_purpose = false;        // no purpose at all
  bool ask_host = true;            // whether the leaf must be for the host
  std::vector<std::string>
      emails; // RFC 822 names: the leaf must have one of them, if there are any
  int security_level = 2;          // of OpenSSL; 0 leaves weakness aside
  int most_intermediates = -1;     // not self-issued; -1: any number
  std::vector<X509_CRL*> crls; // borrowed; none: revocation is not asked
  std::vector<Certificate> crl_issuers;     // who may have signed them, beside the path
  // Of what is presented, in place of kMaxChainCertificates and kMaxChainBytes: a suite gives a
  // pool of certificates to search, which no server sends.
  std::size_t most_certificates = kMaxChainCertificates;
  std::size_t most_bytes = kMaxChainBytes;
  // Checks of RFC 5280's and the CA/Browser Forum's profile beyond path validation.
  bool profile = true;
  JudgeWork* work = nullptr; // borrowed; told at the end

  bool policies = false; // RFC 5280 section 6.1.1 (c), (e) to (g)
  std::vector<std::string> initial_policies; // dotted; none: any policy
  bool explicit_policy = false;
  bool inhibit_mapping = false;
  bool inhibit_any = false;
};

Judgement judge(std::span<const Certificate> chain, const Host& host, Port port, const View& view,
                const JudgeOptions& options, UnixTime now, const JudgeExtras& extras);

} // namespace trust
