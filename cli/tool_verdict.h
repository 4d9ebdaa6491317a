#pragma once
// What programs that read the published files do with a chain: requests, curl, Node, Java and Go,
// as Debian 12 ships them and with the variables of `trustctl env` set. Found by asking OpenSSL as
// each of them asks it, of the very files that each reads; where one has rules of its own (names,
// Java's anchors) those are applied. Nothing here decides what is trusted: `judge` does.
//
// One thread. Reads files of the store and of the distribution. Error{io} for want of memory only:
// a file that is not there holds nothing.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {

enum class Tool { requests, curl, node, java, go };
inline constexpr Tool kTools[] = {Tool::requests, Tool::curl, Tool::node, Tool::java, Tool::go};
std::string_view name_of(Tool tool) noexcept;  // "requests", "curl", "Node", "Java", "Go"
std::string_view reads_of(Tool tool) noexcept; // "REQUESTS_CA_BUNDLE: bundle.pem"

struct ToolVerdict {
  bool accepts = false;
  std::string why; // not: a clause, "unable to get local issuer certificate"
};

struct ToolFiles {
  std::string store; // the directory that holds `current`
  // The distribution's roots: curl's built-in directory, which CURL_CA_BUNDLE leaves as it is; and
  // much the same as those that are compiled into Node.
  std::string distribution = "/etc/ssl/certs";
};

// `chain`: as presented, the server's own first; not empty.
ToolVerdict verdict_of(Tool tool, std::span<const Certificate> chain, const Host& host,
                       const ToolFiles& files, UnixTime now);

// requests with verify=FILE: one of `bundle.pem`, `extra.pem`, `certs/….pem` of the store.
ToolVerdict verdict_by_file(std::span<const Certificate> chain, const Host& host,
                            const ToolFiles& files, const std::string& file, UnixTime now);

} // namespace trust
