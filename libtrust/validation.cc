#include "libtrust/validation.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

#include "libtrust/handles.h"
#include "libtrust/profile.h"

namespace trust {
namespace {

using Path = std::span<const Certificate* const>;

// What is asked of OpenSSL, for its callbacks.
struct Question {
  Path path;
  Layer anchor;
};

const Question& question_of(X509_STORE_CTX* context) {
  return *static_cast<const Question*>(X509_STORE_CTX_get_app_data(context));
}

// So that the path which is judged is the one that was found: OpenSSL may find another in the same
// certificates, for which our signatures were not checked.
int next_in_path(X509_STORE_CTX* context, X509* certificate, X509* issuer) {
  // The path of one who signs revocation lists is OpenSSL's own affair.
  if (X509_STORE_CTX_get_app_data(context) == nullptr)
    return X509_check_issued(issuer, certificate) == X509_V_OK ? 1 : 0;
  const Path& path = question_of(context).path;
  for (std::size_t i = 0; i < path.size(); ++i)
    if (path[i]->x509() == certificate)
      return path[std::min(i + 1, path.size() - 1)]->x509() == issuer ? 1 : 0;
  return 0;
}

int signatures_are_checked_elsewhere(X509_STORE_CTX*) { return 1; }

// What an anchor may lack.
bool is_form_of_an_anchor(int error, Layer layer) {
  switch (error) {
    // That it has no keyUsage, as what `openssl req -x509` makes, takes nothing from it.
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE: return true;
    case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER: // TWCA Global Root
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL:          // Go Daddy Class 2
      return layer == Layer::base;
    default: return false;
  }
}

int overlook(int good, X509_STORE_CTX* context) {
  if (good == 1) return 1;
  if (X509_STORE_CTX_get_app_data(context) == nullptr) return 0;
  const Question& question = question_of(context);
  return X509_STORE_CTX_get_error_depth(context) == static_cast<int>(question.path.size()) - 1 &&
                 is_form_of_an_anchor(X509_STORE_CTX_get_error(context), question.anchor)
             ? 1
             : 0;
}

// Holds callbacks and no certificate. Never freed: it may be needed while the process ends.
X509_STORE* empty_store() {
  static X509_STORE* const store = [] {
    X509_STORE* made = X509_STORE_new();
    if (made == nullptr) throw std::bad_alloc();
    X509_STORE_set_check_issued(made, next_in_path);
    X509_STORE_set_verify(made, signatures_are_checked_elsewhere);
    X509_STORE_set_verify_cb(made, overlook);
    return made;
  }();
  return store;
}

BorrowedX509StackPtr new_stack() {
  BorrowedX509StackPtr stack(sk_X509_new_null());
  if (!stack) throw std::bad_alloc();
  return stack;
}

void push(const BorrowedX509StackPtr& stack, X509* certificate) {
  if (sk_X509_push(stack.get(), certificate) == 0) throw std::bad_alloc();
}

bool has_extension(const Certificate& certificate, int nid) {
  return X509_get_ext_by_NID(certificate.x509(), nid, -1) >= 0;
}

// Policies cost a tree, and without one of these nothing comes of them.
bool demands_policies(Path path) {
  return std::any_of(path.begin(), path.end(), [](const Certificate* certificate) {
    return has_extension(*certificate, NID_policy_constraints);
  });
}

unsigned long flags_for(Path path, const JudgeExtras& extras) {
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
  if (extras.profile) flags |= X509_V_FLAG_X509_STRICT;
  if (extras.policies || demands_policies(path)) flags |= X509_V_FLAG_POLICY_CHECK;
  if (extras.explicit_policy) flags |= X509_V_FLAG_EXPLICIT_POLICY;
  if (extras.inhibit_mapping) flags |= X509_V_FLAG_INHIBIT_MAP;
  if (extras.inhibit_any) flags |= X509_V_FLAG_INHIBIT_ANY;
  if (!extras.crls.empty())
    flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_EXTENDED_CRL_SUPPORT |
             X509_V_FLAG_USE_DELTAS;
  return flags;
}

void set_parameters(X509_STORE_CTX* context, Path path, UnixTime now, const JudgeExtras& extras) {
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  const unsigned long flags = flags_for(path, extras);
  X509_VERIFY_PARAM_set_flags(parameters, flags);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_VERIFY_PARAM_set_auth_level(parameters, extras.security_level);
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(kMaxChainCertificates) + 1);
  X509_VERIFY_PARAM_set_time(parameters, now);
  if ((flags & X509_V_FLAG_POLICY_CHECK) == 0) return;
  std::vector<std::string> policies = extras.initial_policies;
  if (policies.empty()) policies.push_back("2.5.29.32.0"); // any policy
  for (const std::string& policy : policies) {
    ASN1_OBJECT* object = OBJ_txt2obj(policy.c_str(), 1);
    if (object == nullptr || X509_VERIFY_PARAM_add0_policy(parameters, object) != 1)
      throw std::bad_alloc();
  }
}

PathFault fault_of(int error, int depth) {
  PathFault fault;
  fault.index = depth < 0 ? 0 : static_cast<std::size_t>(depth);
  switch (error) {
    case X509_V_ERR_OUT_OF_MEM: throw std::bad_alloc();
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: fault.verdict = Verdict::weak; break;
    default: break;
  }
  switch (error) {
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA: fault.why = "is used as a CA and is none"; break;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      fault.why = "allows fewer CAs beneath it than there are";
      break;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
      fault.why = "has a name that the constraints of a CA above it do not permit";
      break;
    default: fault.why = std::string("breaks a rule: ") + X509_verify_cert_error_string(error);
  }
  return fault;
}

std::optional<PathFault> ask_openssl(Question question, UnixTime now, const JudgeExtras& extras) {
  const Path path = question.path;
  const BorrowedX509StackPtr between = new_stack(), anchors = new_stack();
  for (std::size_t i = 1; i + 1 < path.size(); ++i) push(between, path[i]->x509());
  push(anchors, path.back()->x509());
  // The paths of those who sign revocation lists are built from a store.
  X509StorePtr own;
  if (!extras.crls.empty()) {
    own.reset(X509_STORE_new());
    if (!own || X509_STORE_add_cert(own.get(), path.back()->x509()) != 1) throw std::bad_alloc();
    X509_STORE_set_check_issued(own.get(), next_in_path);
    X509_STORE_set_verify_cb(own.get(), overlook);
    for (const Certificate& other : extras.crl_issuers) push(between, other.x509());
    for (X509_CRL* crl : extras.crls)
      if (X509_STORE_add_crl(own.get(), crl) != 1) throw std::bad_alloc();
  }
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), own ? own.get() : empty_store(),
                                      path.front()->x509(), between.get()) != 1)
    throw std::bad_alloc();
  if (X509_STORE_CTX_set_app_data(context.get(), &question) != 1) throw std::bad_alloc();
  X509_STORE_CTX_set0_trusted_stack(context.get(), anchors.get());
  set_parameters(context.get(), path, now, extras);
  if (X509_verify_cert(context.get()) != 1)
    return fault_of(X509_STORE_CTX_get_error(context.get()),
                    X509_STORE_CTX_get_error_depth(context.get()));
  const STACK_OF(X509)* built = X509_STORE_CTX_get0_chain(context.get());
  bool same = static_cast<std::size_t>(sk_X509_num(built)) == path.size();
  for (std::size_t i = 0; same && i < path.size(); ++i)
    same = sk_X509_value(built, static_cast<int>(i)) == path[i]->x509();
  if (!same) return PathFault{Verdict::bad_chain, 0, "has a path that can be read in two ways"};
  return std::nullopt;
}

std::optional<PathFault> ask_dates(Path path, UnixTime now) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    // RFC 5280 section 4.1.2.5: both ends are within.
    if (now > path[i]->not_after())
      return PathFault{Verdict::expired, i, "ended on " + rfc3339(path[i]->not_after())};
    if (now < path[i]->not_before())
      return PathFault{Verdict::not_yet_valid, i,
                       "is valid from " + rfc3339(path[i]->not_before()) + " on"};
  }
  return std::nullopt;
}

} // namespace

std::optional<PathFault> validate(Path path, Layer anchor, UnixTime now, const JudgeExtras& extras,
                                  PathLedger& ledger) {
  const ErrorQueueGuard queue;
  if (extras.most_intermediates >= 0) {
    const auto counted = std::count_if(
        path.begin() + 1, std::max(path.begin() + 1, path.end() - 1),
        [](const Certificate* certificate) { return !certificate->is_self_issued(); });
    if (counted > extras.most_intermediates)
      return PathFault{Verdict::bad_chain, 0, "has too many CAs above it"};
  }
  if (auto fault = check_constraints(path, ledger)) return fault;
  if (!extras.any_purpose)
    if (auto fault = check_purpose(path, extras.client)) return fault;
  if (extras.profile)
    if (auto fault = check_profile(path, ledger)) return fault;
  if (auto fault = ask_openssl({path, anchor}, now, extras)) return fault;
  return ask_dates(path, now);
}

} // namespace trust
