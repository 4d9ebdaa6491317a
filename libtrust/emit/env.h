#pragma once
// Which variable tells which tool about certificates: the table, as data, and what is made of it:
// the values for one store, what to do where a variable is set already, and the same as text for
// shells and programs. Paths are `<store>/current/…`: they never change while their contents do.
//
// Threads: pure functions; the table is constant. Failure: Error{invalid} for a store directory
// that is not absolute or has a control character in it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/layout.h"

namespace trust {

// What of `current/` a variable names.
enum class EnvFile { bundle, extra, hashed, truststore, wgetrc };

// What a variable does to the roots that the tool has anyway.
enum class EnvEffect {
  replaces,      //
  adds,          //
  replaces_part, // replaces the default file, or the default directory; the other is read still
};

enum class EnvUse {
  always,    // in env/* and under `trustctl run`
  with_java, // under `trustctl run`, and in `trustctl env --with java`: every JVM says on
             // standard error that it was told
  never,     // known, and left alone: the note says why
};

struct EnvRow {
  std::string_view variable;
  EnvFile file;
  EnvEffect effect;
  EnvUse use;
  std::string_view tools; // who reads it
  std::string_view note;  // for people; may be empty
};

const std::vector<EnvRow>& env_rows();

// What the published files hold. A variable whose file would hold no certificate is not set.
struct EnvFacts {
  bool bundle_has_certificates = true; // and so hashed/ and truststore.p12
  bool extra_has_certificates = true;
};

struct EnvOptions {
  bool java = false;
};

struct EnvValue {
  std::string name;
  std::string value;
  // Where the variable names the distribution's bundle and the tool adds: what takes its place
  // without loss; else the same as `value`.
  std::string instead_of_distribution;
  // Options among others (JAVA_TOOL_OPTIONS): added to what is set, not put in its place.
  bool appends = false;
};

// In the order of the table. `store_directory` holds `current`.
std::vector<EnvValue> environment_for(const std::string& store_directory, const EnvFacts& facts,
                                      const EnvOptions& options);

// The distribution's own bundles and directories, which programs find without being told.
const std::vector<std::string_view>& distribution_paths();

struct EnvMerge {
  struct Conflict {
    std::string name;
    std::string current; // set to this by somebody else
    std::string wanted;
  };
  std::vector<EnvValue> set;       // name and final value of what is to be set
  std::vector<Conflict> conflicts; // kept as they are; with `force`: in `set` all the same
};

// A variable that is set to something else is left as it is. One that names the distribution's own
// says no more than one that is not set, and is set. `force` sets all. What has the wanted value
// already is in `set` too.
EnvMerge merge_environment(const Environment& current, const std::vector<EnvValue>& wanted,
                           bool force);

// Plain assignments, for `eval "$(trustctl env)"`: name and value of each, nothing asked.
std::string sh_text(const std::vector<EnvValue>& values);   // POSIX
std::string fish_text(const std::vector<EnvValue>& values);
// NAME=VALUE lines that systemd's EnvironmentFile=, docker's --env-file and dotenv libraries read
// alike; a value that they would read differently stands as a comment that says so.
std::string dotenv_text(const std::vector<EnvValue>& values);
std::string json_text(const std::vector<EnvValue>& values); // one object

// env/env.sh and env/env.fish, to be sourced from a profile: the rules of merge_environment in
// the shell's own words. A variable that is kept is warned of in interactive shells only. Nothing
// but the variables is left behind; may be sourced twice, and under `set -eu`.
std::string sh_profile(const std::vector<EnvValue>& values);
std::string fish_profile(const std::vector<EnvValue>& values);

// env/wgetrc: wget built with GnuTLS listens to no variable that names certificates, but reads
// $SYSTEM_WGETRC in the place of /etc/wgetrc, whose text is `system_wgetrc` and which is kept.
std::string wgetrc_text(const std::string& store_directory, std::string_view system_wgetrc);

} // namespace trust
