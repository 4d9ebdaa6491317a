#pragma once
// certs/, by-label/ and hashed/, with a name for every certificate, and env/: directories shared
// by generations, so that a change costs what it changes. `gen-N/certs` is a link to `certs-M`.
//
// As long as names only come, they are added to the directory that the generation before has: a
// reader of that one may then see a name more than its manifest lists, and every name that it lists
// stays as it is. When a name goes or gets other contents, a new directory is made, of hard links.
//
// Threads: none shared. Failure: Error, and the directory may have names too many; see tidy().

#include <string>
#include <string_view>

#include "libtrust/file.h"
#include "libtrust/snapshot.h"

namespace trust {

inline constexpr std::string_view kNameDirectories[] = {"by-label", "certs", "env", "hashed"};

class NameDirectory {
 public:
  // The one that a generation, open as `generation`, has as `kind` ("certs").
  static NameDirectory of(int store, int generation, std::string_view kind);
  // A new, empty one.
  static NameDirectory make(int store, std::string_view kind, GenerationNumber generation);

  int fd() const noexcept { return fd_.get(); }
  const std::string& name() const noexcept { return name_; } // "certs-42"
  bool is_new() const noexcept { return new_; }

  // `spare`: a temporary to use, unless the directory is new.
  void write(const std::string& name, std::string_view bytes,
             const NewFile::Place* spare = nullptr);
  // The same file under a name here.
  void link(const NameDirectory& from, const std::string& from_name, const std::string& name);

  // Removes the names that `snapshot` does not list, left by a publication that was not finished.
  // False if one that it lists is missing.
  bool tidy(const Snapshot& snapshot) const;

 private:
  NameDirectory(std::string kind, std::string name, Fd fd, bool is_new)
      : kind_(std::move(kind)), name_(std::move(name)), fd_(std::move(fd)), new_(is_new) {}

  std::string kind_;
  std::string name_;
  Fd fd_;
  bool new_;
};

// The directory that a generation's link `kind` names; "" if it has none of the right form.
std::string name_directory_of(int generation, std::string_view kind);
// Whether `name` is that of such a directory: "certs-42" or "certs-42-1".
bool is_name_directory(std::string_view name);

} // namespace trust
