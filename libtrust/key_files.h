#pragma once
// A private key and its certificate as the files of one directory: `key.pem` (0600 from its first
// byte) and `cert.pem` (0644). Two forms:
//
// - plain: two files;
// - renewable: both stand in `<name>/`, a directory of their own, `current` is a link to it, and
//   `key.pem` and `cert.pem` are links through `current`. A renewal writes another directory and
//   switches `current` by one rename. The pair before stays where it is until the next renewal,
//   so a server that reads `current` (its link) once, and then both files below what it names,
//   always has a key and a certificate that belong together.
//
// Threads: none shared; who writes to one directory twice at once is the caller's to prevent.
// Failure: Error; each file is whole or not there.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/file.h"
#include "libtrust/secret.h"

namespace trust {

inline constexpr const char* kKeyFile = "key.pem";
inline constexpr const char* kCertificateFile = "cert.pem";
inline constexpr const char* kCurrentPair = "current";

// Opens the directory, or makes it (0700). Error{store_access} if others may write to it or to one
// above it.
Fd open_key_directory(const std::string& path);

// Error{conflict} if a key or certificate is there already, naming it.
void refuse_existing_pair(int directory, const std::string& path);

// The plain form. Unless `replace`, nothing that is there is touched: Error{conflict}.
void write_pair(int directory, const std::string& path, const Secret& key, std::string_view pem,
                bool replace);

// The renewable form: writes the pair under a name, to be shown later. What a killed process left
// under that name is replaced.
void prepare_pair(int directory, const std::string& name, const Secret& key, std::string_view pem);
// Makes it the current one, whatever was before. Error{not_found} if it was not prepared.
void show_pair(int directory, const std::string& name);
std::optional<std::string> shown_pair(int directory);
// Removes the pairs but those named.
void remove_pairs_but(int directory, const std::vector<std::string>& names);
// Removes everything that is ours; false if something else is left in the directory.
bool remove_pairs(int directory);

// What a pair is called: the beginning of its certificate's fingerprint.
std::string pair_name(const Fingerprint& fingerprint);

// The key of the current pair.
Secret read_key(int directory, const std::string& path);

// A file with a secret, as a person names it: Error{store_access} unless it belongs to root or the
// effective user and nobody else may read it.
Secret read_secret_file(const std::string& path, std::size_t max_bytes);

} // namespace trust
