#pragma once
// Files and directories used safely: whole or not at all, bounded, through directories that
// were checked, never through a symlink in the last component. Threads: functions are pure
// system calls. Failure: Error with the path and what the system said; a full disk is
// Error{storage_full}.

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/unsynced.h"

namespace trust {

// Whether what `uid` owns is as safe as what the system itself does with it: root and the effective
// user. In a user namespace also the uid that stands for everybody outside of it, for the machine's
// root looks like that there, and nothing tells it from others.
bool is_trusted_owner(uid_t uid);

// Makes `path` (and its parents, 0700 the missing ones) with exactly `mode`, and opens it.
// Refuses (Error{store_access}) a directory, or a parent, that somebody other than root and
// the effective user owns or may write to (sticky directories such as /tmp are accepted as
// parents).
Fd open_own_directory(const std::string& path, mode_t mode);

// Opens an existing directory under the same conditions, without making anything.
Fd open_checked_directory(const std::string& path);

// A published store's directory, for a reader. As above, but a symlink at the end is followed;
// below /var/lib/trustd the owner of that directory is trusted too; and on a read-only mount
// everybody is, for nobody can write there.
class StoreDirectory {
 public:
  explicit StoreDirectory(const std::string& path);

  int fd() const noexcept { return fd_.get(); }
  // Error{store_access} unless what `fd` is open on belongs to somebody trusted and nobody else may
  // write to it.
  void check(int fd, const std::string& name) const;

 private:
  Fd fd_;
  std::optional<uid_t> owner_; // besides root and the effective user
};

// The whole of a regular file, refused (Error{too_large}) over `max_bytes`. Not found is
// Error{not_found}; a directory, device or FIFO Error{invalid}. Follows symlinks: for paths
// that a person typed.
std::string read_file(const std::string& path, std::size_t max_bytes);

// The same, but refused (Error{store_access}) unless it belongs to root or the effective user and
// nobody else may write to it.
std::string read_own_file(const std::string& path, std::size_t max_bytes);

// Contents as above, below a directory, O_NOFOLLOW; none if there is no such file.
std::optional<std::string> read_file_at(int directory, const std::string& name,
                                        std::size_t max_bytes);

// A file that appears under its name complete or not at all: written beside as a temporary,
// fsync, rename, fsync of the directory. Destroyed before commit(), the temporary is removed.
// Hashes as it writes. Not thread-safe.
class NewFile {
 public:
  // `directory` stays the caller's and open. An existing file of that name is replaced.
  NewFile(int directory, std::string name, mode_t mode);
  // The same, with a temporary that has this name, in a directory of the same file system that
  // nobody else writes to or looks into. One that is there is used: to make a file takes time.
  struct Place {
    int directory;
    const char* name;
  };
  NewFile(const Place& temporary, int directory, std::string name, mode_t mode);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes);
  void write(ByteView bytes);
  // Written at once: no copy of a secret stays in a buffer.
  void write_secret(std::string_view bytes);
  std::uint64_t size() const noexcept { return size_; } // bytes written so far
  // SHA-256 of all that was written; ends writing.
  Digest digest();
  // `sync` false leaves both fsyncs to the caller, who syncs the directory's whole content
  // before it becomes visible.
  void commit(bool sync = true);
  // The same, but Error{conflict} if there is something of that name.
  void commit_new(bool sync = true);
  // Has its contents synced together with others', before commit(false).
  void sync_with(Unsynced& others);

 private:
  void flush();
  void put(std::string_view bytes);

  void begin(mode_t mode);

  int directory_;
  std::string name_;
  int temporary_directory_;
  std::string temporary_;
  Fd fd_;
  std::string buffer_;
  std::uint64_t size_ = 0;
  MdCtxPtr hash_;
  bool committed_ = false;
};

// NewFile of one piece.
Digest write_file_at(int directory, const std::string& name, std::string_view bytes, mode_t mode,
                     bool sync = true);

void sync_directory(int directory);

// The same file under another name; where the file system has no hard links, a copy.
void link_at(int from_directory, const std::string& from, int to_directory, const std::string& to);

// Points the symlink `name` at `target`, by one rename.
void switch_link(int directory, const std::string& name, const std::string& target);

// Every name in a directory but "." and "..", in no order; false from `visit` ends it.
void each_name(int directory, const std::function<bool(const std::string& name)>& visit);

// Removes a file or a directory with everything below it; nothing there is fine. Symlinks are
// removed, not followed.
void remove_tree_at(int directory, const std::string& name);

} // namespace trust
