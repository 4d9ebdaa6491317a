#pragma once
// `trustctl add`: certificates out of files, directories and standard input, or from a server. A
// file's bytes are read, looked through for private keys and unpacked here; the daemon gets PEM. A
// server is dialled from this process, and what it presents is stored only once a person, or a
// fingerprint that was known before, has vouched for it; or, where the person says so with --tofu,
// at the first contact, and never again for that server.

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {

struct AddArguments {
  std::vector<std::string> sources;
  std::optional<std::string> fingerprint;
  std::string as; // "", "root", "leaf"
  std::vector<std::string> hosts;
  std::optional<std::string> label;
  std::string duration, until; // one of them, or neither
  std::string starttls;        // "", or what a server that begins in clear speaks
  bool pin = false;
  bool tofu = false;
  bool replace = false;
  bool skip_invalid = false;
  bool emit_signing = false;
};
int add_command(Context& context, const AddArguments& arguments);

// The members of the request that are the same for every source.
Json add_request(const Context& context, const AddArguments& arguments, UnixTime now);

// Prints what an answer to an addition says; `shown_before` are warnings that were seen already.
void print_addition(const Context& context, const Json& answer,
                    const std::vector<std::string>& shown_before);

void add_server(Context& context, const AddArguments& arguments, const Endpoint& endpoint);

}  // namespace trust
