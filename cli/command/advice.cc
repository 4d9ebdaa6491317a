#include "cli/command/advice.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/command/entry.h"
#include "libtrust/error.h"

namespace trust {
namespace {

// The host of a scope that can stand in a command; a pattern is as good.
std::string first_host(const Json& entry) {
  const std::vector<std::string> hosts = texts_at(entry, "hosts");
  if (!hosts.empty()) return hosts.front();
  const std::vector<std::string> names = texts_at(entry, "names");
  return names.empty() ? "HOST" : shown(names.front());
}

}  // namespace

std::vector<std::string> consequences(const Json& entry, const std::vector<std::string>& warnings) {
  const auto is_said = [&warnings](std::string_view phrase) {
    return std::any_of(warnings.begin(), warnings.end(), [phrase](const std::string& warning) {
      return warning.find(phrase) != std::string::npos;
    });
  };
  std::vector<std::string> lines;
  const std::string trust = text_at(entry, "trust");
  const Json emitted = entry.is_object() && entry.contains("emitted") ? entry["emitted"] : Json();
  const std::string as = text_at(emitted, "as");
  if (trust == "distrusted") return lines;
  if (as == "nothing") {
    const std::string why = text_at(emitted, "why");
    lines.push_back("no published file holds it" + (why.empty() ? "" : ": " + printable(why)) +
                    "; requests, curl, Node and Java refuse it still");
    return lines;
  }
  // A shadow carries the end in its dates.
  if (!text_at(entry, "expires_at").empty() && as != "shadow" &&
      !is_said("do not end by themselves")) {
    lines.push_back("the daemon takes it out of the files when it ends, on " +
                    shown(text_at(entry, "expires_at")) +
                    "; files do not end by themselves while none runs");
  }
  // Why nobody verifies it yet is said already.
  if (is_said("refuse")) return lines;
  if (trust == "leaf") {
    if (flag_at(entry, "self_signed")) {
      lines.emplace_back("requests, curl, Node and Java verify this server now");
      if (flag_at(entry, "could_sign") && !is_said("could sign")) {
        lines.emplace_back(
            "it could sign: programs that read the files would believe what it signed, for any "
            "name");
      }
    } else {
      lines.push_back(
          "curl and Java verify this server now; requests and Node refuse it still: they want the "
          "CA that issued it:  trustctl add ca.pem --host " +
          shell_word(first_host(entry)));
    }
    return lines;
  }
  const bool scoped = !texts_at(entry, "hosts").empty();
  lines.push_back("requests, curl, Node and Java verify what it issued, for " +
                  (scoped ? scope_text(entry) : std::string("every name")));
  if (as == "shadow" && scoped && !is_said("Java does not obey")) {
    lines.emplace_back("Java does not obey that limit: it verifies what it issued for any name");
  }
  if (!is_said("more than the scope")) {
    for (const std::string& wider : texts_at(emitted, "wider_by")) {
      lines.push_back("in files the limit is wider: " + printable(wider));
    }
  }
  return lines;
}

std::string usage_text(const std::string& label) {
  const std::string word = shell_word(label);
  return "use it:  verify=\"$(trustctl path " + word +
         ")\"\n"
         "         eval \"$(trustctl env)\"     (for good: trustctl env --install)\n"
         "         trustctl run -- COMMAND";
}

}  // namespace trust
