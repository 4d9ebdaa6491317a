#include "libtrust/emit/env.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "libtrust/emit/truststore.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kTruststoreProperty = "javax.net.ssl.trustStore=";

void check_directory(const std::string& directory) {
  const bool clean = std::all_of(directory.begin(), directory.end(),
                                 [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (clean && directory.starts_with('/')) return;
  throw Error(Code::invalid, "The store's directory \"" + shown(directory) +
                                 "\" cannot stand in a variable: it has to be absolute and "
                                 "without control characters");
}

std::string file_of(const std::string& directory, EnvFile file) {
  const std::string current = directory + "/current/";
  switch (file) {
    case EnvFile::bundle: return current + "bundle.pem";
    case EnvFile::extra: return current + "extra.pem";
    case EnvFile::hashed: return current + "hashed";
    case EnvFile::truststore: return current + "truststore.p12";
    case EnvFile::wgetrc: return current + "env/wgetrc";
  }
  return {};
}

// One word for the JVM, which splits at white space and joins what stands quoted side by side.
std::string java_word(const std::string& text) {
  if (text.find_first_of(" '\"") == std::string::npos) return text;
  std::string word;
  for (std::size_t i = 0; i < text.size();) {
    const char quote = text[i] == '\'' ? '"' : '\'';
    const std::size_t end = std::min(text.find(quote, i), text.size());
    word += quote + text.substr(i, end - i) + quote;
    i = end;
  }
  return word;
}

std::string java_options(const std::string& truststore) {
  return java_word("-D" + std::string(kTruststoreProperty) + truststore) +
         " -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=" +
         std::string(kTruststorePassword);
}

bool is_distribution_path(std::string_view value) {
  if (value.size() > 1 && value.ends_with('/')) value.remove_suffix(1);
  const auto& paths = distribution_paths();
  return std::find(paths.begin(), paths.end(), value) != paths.end();
}

std::string sh_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string fish_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

// Whether all readers of NAME=VALUE lines take the text for itself: some unquote, some expand,
// some cut at a comment, docker does nothing.
bool is_plain(std::string_view text) {
  return text.find_first_of("'\"\\$#`") == std::string_view::npos && !text.starts_with(' ') &&
         !text.ends_with(' ');
}

constexpr std::string_view kProfileHead =
    "# Made by trustd, anew with every change of the store; do not edit. Sourced from a profile,\n"
    "# it tells programs started from here to trust what the store trusts.\n";

} // namespace

const std::vector<EnvRow>& env_rows() {
  using enum EnvFile;
  using enum EnvEffect;
  using enum EnvUse;
  static const std::vector<EnvRow> rows{
      {"SSL_CERT_FILE", bundle, replaces_part, always,
       "OpenSSL, Python ssl and urllib, httpx, aiohttp, Go, Ruby, PHP streams, Perl, Rust, .NET, "
       "uv",
       "with SSL_CERT_DIR it replaces all roots; alone, the default directory is still read"},
      {"SSL_CERT_DIR", hashed, replaces_part, always,
       "OpenSSL, Python ssl, aiohttp, Go, Ruby, PHP streams, curl, Rust, .NET",
       "the other half of SSL_CERT_FILE, and the only way to take a root away"},
      {"REQUESTS_CA_BUNDLE", bundle, replaces, always, "requests, pip, Azure CLI, conda, twine",
       "a verify= on the call wins over it; it wins over Session.verify"},
      {"CURL_CA_BUNDLE", bundle, replaces_part, always, "curl, requests",
       "the directory that is built into curl is read still, so a distrusted root of the "
       "distribution stays trusted by curl; programs that use libcurl do not read it"},
      {"NODE_EXTRA_CA_CERTS", extra, adds, always, "Node.js, npm, Bun, Electron",
       "read once at start; not read where a program gives its own list"},
      {"DENO_CERT", extra, adds, always, "Deno", ""},
      {"GIT_SSL_CAINFO", bundle, replaces_part, always, "git, git-lfs",
       "http.<url>.sslCAInfo tells git for one server alone"},
      {"GIT_SSL_CAPATH", hashed, replaces_part, always, "git",
       "without it the default directory is read beside GIT_SSL_CAINFO"},
      {"PIP_CERT", bundle, replaces, always, "pip", ""},
      {"AWS_CA_BUNDLE", bundle, replaces, always, "AWS CLI, boto3, the AWS SDKs",
       "takes no directory"},
      {"HTTPLIB2_CA_CERTS", bundle, replaces, always, "httplib2, Google's API client", ""},
      {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", bundle, replaces, always, "gcloud", ""},
      {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", bundle, replaces, always, "gRPC, grpc-js", ""},
      {"CARGO_HTTP_CAINFO", bundle, replaces_part, always, "cargo", ""},
      {"YARN_HTTPS_CA_FILE_PATH", bundle, replaces, always, "yarn 2 and later", ""},
      {"COMPOSER_CAFILE", bundle, replaces_part, always, "Composer",
       "the directory that is built into curl is read still"},
      {"PERL_LWP_SSL_CA_FILE", bundle, replaces, always, "Perl LWP", ""},
      {"BUNDLE_SSL_CA_CERT", bundle, replaces, always, "bundler",
       "downloads of gems go by SSL_CERT_FILE"},
      {"HEX_CACERTS_PATH", bundle, replaces, always, "Hex, Mix", ""},
      {"JULIA_SSL_CA_ROOTS_PATH", bundle, replaces, always, "Julia", ""},
      {"SYSTEM_CERTIFICATE_PATH", bundle, replaces, always, "Haskell's crypton", ""},
      {"NIX_SSL_CERT_FILE", bundle, replaces, always, "Nix, OCaml's ca-certs", ""},
      {"SYSTEM_WGETRC", wgetrc, replaces, always, "wget",
       "wget with GnuTLS reads no variable that names certificates; this one names a file that "
       "stands for /etc/wgetrc and repeats it; ~/.wgetrc is read after it and wins"},
      {"JAVA_TOOL_OPTIONS", truststore, replaces, with_java, "every JVM from Java 5 on",
       "added to what is set; each JVM prints \"Picked up JAVA_TOOL_OPTIONS\" on standard error; "
       "Java does not obey the name constraints of an anchor"},
      {"JDK_JAVA_OPTIONS", truststore, replaces, never, "the java command from Java 9 on",
       "prints as much as JAVA_TOOL_OPTIONS and reaches fewer programs"},
      {"npm_config_cafile", bundle, replaces, never, "npm, pnpm, yarn 1",
       "npm reads NODE_EXTRA_CA_CERTS, which adds; with this one it would not"},
      {"SYSTEM_WGET2RC", wgetrc, replaces, never, "wget2",
       "wget2 reads no variable that names certificates, and not all that stands in a wgetrc; "
       "ca_certificate and ca_directory in ~/.wget2rc or ~/.config/wget/wget2rc tell it"},
      {"CONDA_SSL_VERIFY", bundle, replaces, never, "conda", "conda reads REQUESTS_CA_BUNDLE"},
      {"UV_SYSTEM_CERTS", bundle, replaces, never, "uv", "uv reads SSL_CERT_FILE"},
  };
  return rows;
}

const std::vector<std::string_view>& distribution_paths() {
  static const std::vector<std::string_view> paths{
      "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Gentoo
      "/etc/ssl/certs",
      "/etc/ssl/cert.pem", // Alpine
      "/usr/lib/ssl/cert.pem",
      "/usr/lib/ssl/certs",
      "/etc/pki/tls/certs/ca-bundle.crt", // Fedora
      "/etc/pki/tls/cert.pem",
      "/etc/pki/tls/certs",
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
      "/etc/ssl/ca-bundle.pem", // openSUSE
      "/var/lib/ca-certificates/ca-bundle.pem",
  };
  return paths;
}

std::vector<EnvValue> environment_for(const std::string& store_directory, const EnvFacts& facts,
                                      const EnvOptions& options) {
  check_directory(store_directory);
  std::vector<EnvValue> values;
  for (const EnvRow& row : env_rows()) {
    if (row.use == EnvUse::never || (row.use == EnvUse::with_java && !options.java)) continue;
    const bool holds_some =
        row.file == EnvFile::extra ? facts.extra_has_certificates : facts.bundle_has_certificates;
    if (!holds_some) continue;
    const std::string path = file_of(store_directory, row.file);
    // Directories stand in lists with colons between.
    if (row.file == EnvFile::hashed && path.find(':') != std::string::npos) continue;
    EnvValue value{std::string(row.variable), path, path, false};
    if (row.effect == EnvEffect::adds && facts.bundle_has_certificates) {
      value.instead_of_distribution = file_of(store_directory, EnvFile::bundle);
    }
    if (row.file == EnvFile::truststore) {
      value.value = value.instead_of_distribution = java_options(path);
      value.appends = true;
    }
    values.push_back(std::move(value));
  }
  return values;
}

EnvMerge merge_environment(const Environment& current, const std::vector<EnvValue>& wanted,
                           bool force) {
  EnvMerge merge;
  for (const EnvValue& value : wanted) {
    EnvValue final = value;
    const auto now = current(value.name);
    bool is_conflict = false;
    if (now && value.appends && now->find(value.value) != std::string::npos) {
      final.value = *now;
    } else if (now && value.appends) {
      is_conflict = now->find(kTruststoreProperty) != std::string::npos;
      final.value = *now + " " + value.value;
    } else if (now && *now == value.instead_of_distribution) {
      final.value = *now;
    } else if (now && is_distribution_path(*now)) {
      final.value = value.instead_of_distribution;
    } else if (now && *now != value.value) {
      is_conflict = true;
    }
    if (is_conflict) merge.conflicts.push_back({value.name, *now, final.value});
    if (!is_conflict || force) merge.set.push_back(std::move(final));
  }
  return merge;
}

std::string sh_text(const std::vector<EnvValue>& values) {
  std::string text;
  for (const EnvValue& value : values) {
    text += "export " + value.name + "=" + sh_quoted(value.value) + "\n";
  }
  return text;
}

std::string fish_text(const std::vector<EnvValue>& values) {
  std::string text;
  for (const EnvValue& value : values) {
    text += "set -gx " + value.name + " " + fish_quoted(value.value) + "\n";
  }
  return text;
}

std::string dotenv_text(const std::vector<EnvValue>& values) {
  std::string text;
  for (const EnvValue& value : values) {
    if (is_plain(value.value))
      text += value.name + "=" + value.value + "\n";
    else
      text += "# " + value.name + ": not every reader of this file would read its path alike\n";
  }
  return text;
}

std::string json_text(const std::vector<EnvValue>& values) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const EnvValue& value : values) object[value.name] = value.value;
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string sh_profile(const std::vector<EnvValue>& values) {
  std::string text(kProfileHead);
  text +=
      "_trustd_set() { # name, value, and what takes the place of the distribution's own\n"
      "  eval \"_trustd_old=\\${$1-}\"\n"
      "  case ${_trustd_old%/} in\n"
      "    '' | \"$2\") _trustd_new=$2 ;;\n"
      "    \"$3\") _trustd_new=$3 ;;\n";
  std::string paths;
  for (const std::string_view path : distribution_paths()) {
    paths += (paths.empty() ? "    " : " | \\\n    ") + std::string(path);
  }
  text += paths + ") _trustd_new=$3 ;;\n";
  text +=
      "    *)\n"
      "      case $- in\n"
      "        *i*) printf '%s\\n' \"trustd: $1 is set to something else, and left as it is\" >&2 "
      ";;\n"
      "      esac\n"
      "      return 0 ;;\n"
      "  esac\n"
      "  export \"$1=$_trustd_new\"\n"
      "}\n";
  for (const EnvValue& value : values) {
    if (value.appends) {
      text += "case ${" + value.name + "-} in\n  '') export " + value.name + "=" +
              sh_quoted(value.value) + " ;;\n  *" + std::string(kTruststoreProperty) +
              "*) ;;\n  *) export " + value.name + "=\"$" + value.name + " \"" +
              sh_quoted(value.value) + " ;;\nesac\n";
      continue;
    }
    text += "_trustd_set " + value.name + " " + sh_quoted(value.value) + " " +
            sh_quoted(value.instead_of_distribution) + "\n";
  }
  return text + "unset -f _trustd_set\nunset _trustd_old _trustd_new\n";
}

std::string fish_profile(const std::vector<EnvValue>& values) {
  std::string text(kProfileHead);
  text +=
      "function _trustd_set -a name value other\n"
      "    set -l new $value\n"
      "    set -l old ''\n"
      "    set -q $name; and set old (string join -- ':' $$name)\n"
      "    if test \"$old\" = \"$other\"\n"
      "        set new $other\n"
      "    else if contains -- (string replace -r '(.)/$' '$1' -- \"$old\")";
  for (const std::string_view path : distribution_paths()) text += " " + std::string(path);
  text +=
      "\n        set new $other\n"
      "    else if test -n \"$old\" -a \"$old\" != \"$value\"\n"
      "        status is-interactive; and echo \"trustd: $name is set to something else, and left "
      "as it is\" >&2\n"
      "        return 0\n"
      "    end\n"
      "    set -gx $name $new\n"
      "end\n";
  for (const EnvValue& value : values) {
    if (value.appends) {
      text += "if not string match -q -- '*" + std::string(kTruststoreProperty) + "*' \"$" +
              value.name + "\"\n    set -gx " + value.name + " (string trim -- \"$" + value.name +
              " \"" + fish_quoted(value.value) + ")\nend\n";
      continue;
    }
    text += "_trustd_set " + value.name + " " + fish_quoted(value.value) + " " +
            fish_quoted(value.instead_of_distribution) + "\n";
  }
  return text + "functions -e _trustd_set\n";
}

std::string wgetrc_text(const std::string& store_directory, std::string_view system_wgetrc) {
  check_directory(store_directory);
  std::string text = "# Made by trustd: /etc/wgetrc, and where certificates are.\n";
  while (!system_wgetrc.empty()) {
    const std::size_t end = std::min(system_wgetrc.find('\n'), system_wgetrc.size());
    const std::string_view line = system_wgetrc.substr(0, end);
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') text += std::string(line) + "\n";
    system_wgetrc.remove_prefix(std::min(end + 1, system_wgetrc.size()));
  }
  text += "ca_certificate = " + file_of(store_directory, EnvFile::bundle) + "\n";
  return text + "ca_directory = " + file_of(store_directory, EnvFile::hashed) + "\n";
}

} // namespace trust
