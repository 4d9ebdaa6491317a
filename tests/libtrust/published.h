#pragma once
// What a published store shows, for tests: every file of the current generation by name, checked
// against the manifest. Throws std::runtime_error naming what does not fit.

#include <map>
#include <string>

namespace trust::testing {

struct Published {
  std::string store_id;
  std::uint64_t generation = 0;
  std::string audit_head;
  std::map<std::string, std::string> files; // name to contents, trust.db included

  bool has(const std::string& name) const { return files.contains(name); }
  const std::string& at(const std::string& name) const { return files.at(name); }
};

// Reads `current` once and all below it. `exact`: no file that the manifest does not list may be
// there either.
Published read_published(const std::string& store, bool exact = true);
// One generation's directory, by its path.
Published read_generation(const std::string& directory, bool exact);

// Makes the trust.db at `path` one of another form, as a program of another release writes it.
void set_form(const std::string& path, int form);

// How many certificates a PEM text has.
std::size_t count_certificates(const std::string& pem);

} // namespace trust::testing
