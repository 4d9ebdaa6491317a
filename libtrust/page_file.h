#pragma once
// A SQLite file that is read by descriptor, each page checked. The path is not looked up again,
// so the file is the one whose directory was checked, also after it was unlinked; nothing else is
// opened, locked or written. The last bytes of each page are a hash (page_hash.h), so that damage
// in an index is an error too, and not a row that is not found.
//
// Threads: as of a SQLite connection. Failure: Error{store_invalid} for a page that does not
// match, when it is read; Error as of sql.h.

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/sql.h"

namespace trust {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr int kPageHashBytes = 16;

// Opens `file` for reading, by a descriptor of the connection's own, and begins one transaction for
// all that is read: the file does not change, and the pages that were read stay.
Database open_page_file(int file, const std::string& name);

// Makes a database of the empty file at `path`, with room for the hashes, to be written by one
// process that nobody reads beside.
Database make_page_file(const std::string& path);
// The same of one that is there, sealed.
Database amend_page_file(const std::string& path);

// Copies one that is sealed, page by page, into the empty file `to`. Error{store_invalid} if a page
// does not match its hash: going on from it would seal the damage.
void copy_page_file(int from, int to, const std::string& name);

// Writes the hash of every page that lacks the right one into `file`, which is open for reading
// and writing and on which no connection is open; the SHA-256 of the whole.
Digest seal_page_file(int file, const std::string& name);

} // namespace trust
