#pragma once
// What `trustctl verify` and `trustctl why` have in common: a server is dialled from this process,
// or a file is read, and the chain is judged by the published store. No daemon is asked.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "libtrust/dial.h"
#include "libtrust/judge.h"

namespace trust {

struct VerifyArguments {
  std::string host;     // HOST[:PORT]
  std::string chain;    // a file, or "-"; empty: the host is dialled
  std::string starttls; // "", "smtp", "imap", "postgres"
};

struct Decided {
  Endpoint endpoint;
  std::vector<Certificate> presented;
  std::optional<Presented> dialled; // none: out of a file
  StoreChoice store;
  std::shared_ptr<const View> view;
  UnixTime now = 0;
  Judgement judgement;
};

// `--starttls`, if it was given. Error{usage}.
std::optional<StartTls> starttls_of(const std::string& text);
// HOST[:PORT], of which the port is what the protocol has, or 443.
Endpoint endpoint_of(const std::string& host, const std::optional<StartTls>& starttls);

Decided judge_as_asked(const Context& context, const VerifyArguments& arguments);

// "the entry dev (leaf), since generation 3": what trusted or forbade it; "" for nothing.
std::string decider_text(const Judgement& judgement);

// A refused one as the Error that ends a command with status 3.
Error refusal_of(const Judgement& judgement);

} // namespace trust
