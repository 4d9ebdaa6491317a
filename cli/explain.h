#pragma once
// A decision, explained: what of an entry stands in the published files, what programs that read
// them do, and what would change it. Values, of which the text and the JSON of `trustctl why` are
// made. One thread; reads the published store.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/tool_verdict.h"
#include "libtrust/json.h"
#include "libtrust/judge.h"
#include "libtrust/snapshot.h"

namespace trust {

// How an entry stands in bundle.pem.
struct EmittedForm {
  std::string as = "nothing"; // "original", "shadow", "nothing"
  std::string why;            // if it is not itself: a clause
  std::vector<std::string> wider_by; // of a shadow: what it admits beyond the scope
};
// `system`: by the rules of a machine's store.
EmittedForm emitted_form(const Snapshot& snapshot, const Entry& entry, bool system, UnixTime now);

struct FileFact {
  std::string file; // "bundle.pem", "certs/….pem"
  std::string path;
  std::string holds;  // of the entry that decides, as EmittedForm::as
  std::string reader; // "requests", or "Java" of its own
  ToolVerdict verdict; // of that reader, for the chain
};

struct ToolFact {
  Tool tool;
  ToolVerdict verdict;
  std::string why; // where it is not what was decided; "" otherwise
};

struct Remedy {
  std::string what;
  std::string command; // to paste; "" where there is none
};

// A question with its answer, as far as explaining needs it.
struct Asked {
  Endpoint endpoint;
  std::string starttls; // "", or as dialled
  bool dialled = true;
  std::span<const Certificate> chain; // as presented
  const Judgement& judgement;
};

std::vector<FileFact> files_of(const Asked& asked, const EmittedForm& form, const ToolFiles& files,
                               UnixTime now);
std::vector<ToolFact> tools_of(const Asked& asked, const EmittedForm& form, const ToolFiles& files,
                               UnixTime now);
// Our words, hosts, labels and quoted paths: never a subject, nor a fingerprint of a peer that is
// refused.
std::vector<Remedy> remedies_of(const Asked& asked);
std::vector<Remedy> remedies_of(const Entry& entry);

// Which certificate of a path has the key, from 0.
std::optional<std::size_t> position_of(const Pin& pin, std::span<const Certificate> path);

Json json_of(const EmittedForm& form);
Json json_of(const FileFact& fact);
Json json_of(const ToolFact& fact);
Json json_of(const Remedy& remedy);

} // namespace trust
