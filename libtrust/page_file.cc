#include "libtrust/page_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/page_hash.h"

namespace trust {
namespace {

constexpr const char* kVfsName = "trust-page-file";
constexpr std::size_t kContentBytes = kPageBytes - kPageHashBytes;

static_assert(sizeof(PageHash) == kPageHashBytes);

// What SQLite allocates for an open file: its own part first.
struct OpenFile {
  sqlite3_file base;
  int fd;
};

OpenFile& open_file(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

int close_file(sqlite3_file* file) {
  const Fd closed(open_file(file).fd);
  return SQLITE_OK;
}

int read_file_part(sqlite3_file* file, void* buffer, int amount, sqlite3_int64 offset) {
  OpenFile& self = open_file(file);
  auto* bytes = static_cast<std::uint8_t*>(buffer);
  const auto wanted = static_cast<std::size_t>(amount);
  std::size_t have = 0;
  while (have < wanted) {
    const ssize_t count =
        ::pread(self.fd, bytes + have, wanted - have, offset + static_cast<sqlite3_int64>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SQLITE_IOERR_READ;
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  if (have < wanted) {
    std::memset(bytes + have, 0, wanted - have); // SQLite asks for this
    return SQLITE_IOERR_SHORT_READ;
  }
  // Parts of the header are read by themselves; the page that they belong to is read whole later.
  if (wanted != kPageBytes) return SQLITE_OK;
  const auto number = static_cast<std::uint64_t>(offset) / kPageBytes;
  return page_matches(bytes, kContentBytes, number) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  struct stat facts;
  if (::fstat(open_file(file).fd, &facts) != 0) return SQLITE_IOERR_FSTAT;
  *size = facts.st_size;
  return SQLITE_OK;
}

int refuse_write(sqlite3_file*, const void*, int, sqlite3_int64) { return SQLITE_READONLY; }
int refuse_truncate(sqlite3_file*, sqlite3_int64) { return SQLITE_READONLY; }
int nothing_to_sync(sqlite3_file*, int) { return SQLITE_OK; }
int no_lock(sqlite3_file*, int) { return SQLITE_OK; }
int nobody_locks(sqlite3_file*, int* answer) {
  *answer = 0;
  return SQLITE_OK;
}
int no_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_bytes(sqlite3_file*) { return static_cast<int>(kPageBytes); }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_IMMUTABLE; }

constexpr sqlite3_io_methods kMethods{
    1,       close_file, read_file_part, refuse_write, refuse_truncate, nothing_to_sync, file_size,
    no_lock, no_lock,    nobody_locks,   no_control,   sector_bytes,    characteristics, nullptr,
    nullptr, nullptr,    nullptr,        nullptr,      nullptr,
};

// The name is the descriptor's number, with a slash before it, for URIs have one.
int open_descriptor(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  OpenFile& self = open_file(file);
  self.base.pMethods = nullptr; // until all is well: SQLite does not close it then
  if (name == nullptr || (flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
  const char* end = name + std::strlen(name);
  int borrowed = -1;
  if (name == end || std::from_chars(name + 1, end, borrowed).ptr != end) return SQLITE_CANTOPEN;
  Fd own(::fcntl(borrowed, F_DUPFD_CLOEXEC, 3)); // not a number that programs think is theirs
  if (!own) return SQLITE_CANTOPEN;
  self.fd = own.release();
  self.base.pMethods = &kMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int refuse_delete(sqlite3_vfs*, const char*, int) { return SQLITE_IOERR_DELETE; }
int nothing_there(sqlite3_vfs*, const char*, int, int* answer) {
  *answer = 0; // no journal lies beside a descriptor
  return SQLITE_OK;
}
int same_name(sqlite3_vfs*, const char* name, int room, char* out) {
  const std::size_t length = std::strlen(name);
  if (length >= static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}

// SQLite finds a way of reading files by name only. It is listed while a connection opens and no
// longer, so that nothing points at this code after a library that holds it was unloaded.
class ListedVfs {
 public:
  ListedVfs() : lock_(mutex()) {
    static sqlite3_vfs vfs = [] {
      const sqlite3_vfs* usual = sqlite3_vfs_find(nullptr);
      if (usual == nullptr) throw Error(Code::internal, "SQLite cannot read files here");
      sqlite3_vfs ours = *usual; // for random numbers and the time
      ours.pNext = nullptr;
      ours.zName = kVfsName;
      ours.szOsFile = sizeof(OpenFile);
      ours.xOpen = open_descriptor;
      ours.xDelete = refuse_delete;
      ours.xAccess = nothing_there;
      ours.xFullPathname = same_name;
      return ours;
    }();
    vfs_ = &vfs;
    if (sqlite3_vfs_register(vfs_, 0) != SQLITE_OK) throw std::bad_alloc();
  }
  ~ListedVfs() { sqlite3_vfs_unregister(vfs_); }
  ListedVfs(const ListedVfs&) = delete;
  ListedVfs& operator=(const ListedVfs&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex held;
    return held;
  }
  std::lock_guard<std::mutex> lock_;
  sqlite3_vfs* vfs_ = nullptr;
};

// For one writer and no reader: what a crash leaves is thrown away, so no journal lies on disk. A
// defensive connection takes no `OFF`, and would keep one.
constexpr const char* kWriterPragmas =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"
    "PRAGMA cache_size = -2048;";

constexpr std::size_t kPagesAtOnce = 16;

// As many whole pages as fit into `pages`, from the one with this number on; their bytes, 0 at the
// end.
std::size_t read_pages(int file, std::uint64_t number, std::vector<std::uint8_t>& pages,
                       const std::string& name) {
  const ssize_t count =
      ::pread(file, pages.data(), pages.size(), static_cast<off_t>(number * kPageBytes));
  if (count < 0) throw system_error("cannot read " + name, errno);
  if (static_cast<std::size_t>(count) % kPageBytes != 0)
    throw Error(Code::store_invalid, name + " does not end with a whole page");
  return static_cast<std::size_t>(count);
}

} // namespace

Database open_page_file(int file, const std::string& name) {
  const std::string uri = "file:/" + std::to_string(file) + "?vfs=" + kVfsName;
  const ListedVfs listed;
  Database database(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, name);
  // SQLite makes room for twenty pages at its first, and touches it, unless its cache is tiny then:
  // a process that asks little fills half of it.
  database.run("PRAGMA cache_size = 2; PRAGMA temp_store = MEMORY");
  sqlite3_db_release_memory(database.get());
  database.run("BEGIN; PRAGMA user_version; PRAGMA cache_size = -768");
  return database;
}

Database make_page_file(const std::string& path) {
  Database database(path, SQLITE_OPEN_READWRITE, path);
  int reserve = kPageHashBytes;
  sqlite3_file_control(database.get(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve);
  database.run(("PRAGMA page_size = " + std::to_string(kPageBytes)).c_str());
  database.run(kWriterPragmas);
  return database;
}

Database amend_page_file(const std::string& path) {
  Database database(path, SQLITE_OPEN_READWRITE, path);
  database.run(kWriterPragmas);
  return database;
}

void copy_page_file(int from, int to, const std::string& name) {
  std::vector<std::uint8_t> pages(kPagesAtOnce * kPageBytes);
  for (std::uint64_t number = 0;;) {
    const auto offset = static_cast<off_t>(number * kPageBytes);
    const std::size_t size = read_pages(from, number, pages, name);
    if (size == 0) return;
    for (std::size_t at = 0; at < size; at += kPageBytes, ++number) {
      if (!page_matches(pages.data() + at, kContentBytes, number))
        throw Error(Code::store_invalid, name + " is damaged: a page does not match its hash");
    }
    for (std::size_t done = 0; done < size;) {
      const ssize_t written =
          ::pwrite(to, pages.data() + done, size - done, offset + static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw system_error("cannot copy " + name, errno);
      done += static_cast<std::size_t>(written);
    }
  }
}

Digest seal_page_file(int file, const std::string& name) {
  const MdCtxPtr whole(EVP_MD_CTX_new());
  if (!whole || EVP_DigestInit_ex(whole.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  std::vector<std::uint8_t> pages(kPagesAtOnce * kPageBytes);
  for (std::uint64_t number = 0;;) {
    const std::size_t size = read_pages(file, number, pages, name);
    if (size == 0) break;
    for (std::size_t at = 0; at < size; at += kPageBytes, ++number) {
      const PageHash hash = page_hash(pages.data() + at, kContentBytes, number);
      std::uint8_t* kept = pages.data() + at + kContentBytes;
      if (std::memcmp(kept, hash.data(), hash.size()) == 0) continue;
      std::memcpy(kept, hash.data(), hash.size());
      if (::pwrite(file, hash.data(), hash.size(),
                   static_cast<off_t>(number * kPageBytes + kContentBytes)) !=
          static_cast<ssize_t>(hash.size()))
        throw system_error("cannot write " + name, errno);
    }
    if (EVP_DigestUpdate(whole.get(), pages.data(), size) != 1) throw std::bad_alloc();
  }
  Digest digest;
  if (EVP_DigestFinal_ex(whole.get(), digest.data(), nullptr) != 1) throw std::bad_alloc();
  return digest;
}

} // namespace trust
