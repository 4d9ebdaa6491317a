#pragma once
// What the runners of conformance suites share: a store made of a case's trusted certificates by
// the product's own writer, the product's judge over it, and the account of what differs.

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/judge_extras.h"
#include "libtrust/view.h"

namespace trust::conformance {

// Stores of trusted certificates, on a tmpfs where there is one; the last ones are kept.
class Stores {
 public:
  Stores();
  Stores(const Stores&) = delete;
  Stores& operator=(const Stores&) = delete;
  ~Stores();

  // Trusts what can be read of these, as base roots.
  const View& of(const std::vector<Bytes>& certificates);

 private:
  std::string directory_;
  std::size_t made_ = 0;
  std::list<std::pair<std::string, std::unique_ptr<View>>> recent_;
};

struct Case {
  std::string id;
  bool expected = false;         // to be trusted
  std::vector<Bytes> trusted;
  std::vector<Bytes> presented;  // the peer's own first
  std::string host;              // "": none is asked
  UnixTime now = 0;
  JudgeExtras extras;
  std::vector<X509CrlPtr> crls;          // none: revocation is not asked
  bool unreadable = false;       // something else of the case cannot be read
};

// "agree N of M, wrong accepts A, wrong rejects R", and what differs.
class Account {
 public:
  // `list`: a file of "ID  reason" lines; "": there is none.
  explicit Account(const std::string& list);

  void run(Stores& stores, const Case& one);
  // The exit status: 1 if something differs that is not listed, or is listed and does not.
  int finish();

 private:
  std::map<std::string, std::string> listed_;
  std::vector<std::string> differences_, surprises_;
  std::size_t cases_ = 0;
  std::size_t wrong_accepts_ = 0;
  std::size_t wrong_rejects_ = 0;
  double slowest_ms_ = 0;
  std::string slowest_;
};

// What `command` writes; throws if it fails.
std::string output_of(const std::string& command);
// A word for the shell.
std::string shell_word(const std::string& text);

} // namespace trust::conformance
