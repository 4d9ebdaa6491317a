#pragma once
// `trustctl new`, `renew`, `identity` and `ca`: certificates that trustd makes. With `--out` and
// without `--renew` the key is made in this process, as the user who calls; otherwise by the
// daemon, which keeps and renews it.

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"

namespace trust {

struct NewArguments {
  std::vector<std::string> names;
  std::string out; // "": the daemon's own place
  std::string key = "ecdsa-p256";
  std::string digest = "sha256";
  std::string key_format = "pkcs8";
  std::optional<std::string> passphrase_file;
  std::optional<std::string> label;
  std::string after_renew; // means `renew`
  std::optional<std::int64_t> days;
  bool ca = false;
  bool from_ca = false;
  bool trust = false;
  bool renew = false;
  bool force = false;
  bool emit_signing = false;
};
int new_command(Context& context, const NewArguments& arguments);

struct CaArguments {
  std::vector<std::string> permit;
  std::string key = "ecdsa-p256";
  std::string digest = "sha256";
  std::string name; // "": made up
  std::optional<std::string> label;
  std::optional<std::int64_t> days;
};
int ca_init_command(Context& context, const CaArguments& arguments);
int ca_show_command(Context& context);

int renew_command(Context& context, const std::string& id);
int identity_list_command(Context& context);
int identity_remove_command(Context& context, const std::string& id);

} // namespace trust
