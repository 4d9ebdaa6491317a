#include "libtrust/hash_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/little_endian.h"
#include "libtrust/page_hash.h"

namespace trust {
namespace {

constexpr std::string_view kMagic = "TRSTHASH";
constexpr std::uint32_t kForm = 1;
constexpr std::size_t kIdBytes = 32;
constexpr std::size_t kHashPageBytes = 1024;
constexpr std::size_t kContent = kHashPageBytes - sizeof(PageHash);
constexpr std::size_t kPageHead = 6;   // next, used
constexpr std::size_t kRecordHead = 4; // sizes of key and value
constexpr std::size_t kRoom = kContent - kPageHead;
// A pin is some 130 bytes: a page in two of a thousand is then full.
constexpr std::uint64_t kValuesOfChain = 4;
constexpr std::uint64_t kFewPages = 16;
constexpr std::size_t kPagesOfBlock = 64;
constexpr std::uint64_t kMostPages = 0xFFFF'FFFF;

[[noreturn]] void damaged(const std::string& name) {
  throw Error(Code::store_invalid, name + " is damaged: a page does not match its hash");
}

void write_at(int file, ByteView bytes, std::uint64_t at, const std::string& name) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pwrite(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot write " + name, errno);
    done += static_cast<std::size_t>(count);
  }
}

class Page {
 public:
  // One of a chain that holds nothing.
  Page() { bytes_.fill(0); }
  static Page read(int file, std::uint64_t number, const std::string& name) {
    Page page{Unset()};
    ssize_t count = -1;
    do {
      count = ::pread(file, page.bytes_.data(), page.bytes_.size(),
                      static_cast<off_t>(number * kHashPageBytes));
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw system_error("cannot read " + name, errno);
    if (count != static_cast<ssize_t>(kHashPageBytes) ||
        !page_matches(page.bytes_.data(), kContent, number))
      damaged(name);
    return page;
  }
  void write(int file, std::uint64_t number, const std::string& name) {
    seal(number);
    write_at(file, bytes_, number * kHashPageBytes, name);
  }
  void seal(std::uint64_t number) {
    const PageHash hash = page_hash(bytes_.data(), kContent, number);
    std::memcpy(bytes_.data() + kContent, hash.data(), hash.size());
  }

  std::uint8_t* at(std::size_t offset) { return bytes_.data() + offset; }
  const std::uint8_t* at(std::size_t offset) const { return bytes_.data() + offset; }

  std::uint32_t next() const { return little_at<std::uint32_t>(at(0)); }
  void set_next(std::uint32_t number) { put_little(at(0), number); }
  std::size_t used() const { return little_at<std::uint16_t>(at(4)); }
  bool has_room(std::size_t bytes) const { return used() + bytes <= kRoom; }

  void append(std::string_view key, ByteView value) {
    std::uint8_t* to = at(kPageHead + used());
    put_little(to, static_cast<std::uint16_t>(key.size()));
    put_little(to + 2, static_cast<std::uint16_t>(value.size()));
    std::memcpy(to + kRecordHead, key.data(), key.size());
    std::memcpy(to + kRecordHead + key.size(), value.data(), value.size());
    set_used(used() + kRecordHead + key.size() + value.size());
  }
  // Calls `visit(value, offset, size)` for each record under the key until it says false.
  template <typename Visit>
  bool each(std::string_view key, const std::string& name, const Visit& visit) const {
    if (used() > kRoom) damaged(name);
    for (std::size_t offset = 0; offset < used();) {
      const std::uint8_t* record = at(kPageHead + offset);
      const std::size_t left = used() - offset;
      if (left < kRecordHead) damaged(name);
      const std::size_t key_size = little_at<std::uint16_t>(record);
      const std::size_t value_size = little_at<std::uint16_t>(record + 2);
      const std::size_t size = kRecordHead + key_size + value_size;
      if (size > left) damaged(name);
      const std::uint8_t* value = record + kRecordHead + key_size;
      if (key_size == key.size() && std::memcmp(record + kRecordHead, key.data(), key_size) == 0 &&
          !visit(ByteView(value, value_size), offset, size))
        return false;
      offset += size;
    }
    return true;
  }
  void erase(std::size_t offset, std::size_t size) {
    std::uint8_t* from = at(kPageHead + offset);
    const std::size_t after = used() - offset - size;
    std::memmove(from, from + size, after);
    std::memset(from + after, 0, size);
    set_used(used() - size);
  }

 private:
  struct Unset {};
  explicit Page(Unset) {} // NOLINT(cppcoreguidelines-pro-type-member-init): read over
  void set_used(std::size_t bytes) { put_little(at(4), static_cast<std::uint16_t>(bytes)); }

  std::array<std::uint8_t, kHashPageBytes> bytes_;
};

// Keys that fall into one chain in one store do not in the next.
std::uint64_t seed_of(const HashFileId& id) {
  std::uint64_t seed = 0;
  std::from_chars(id.store_id.data(),
                  id.store_id.data() + std::min<std::size_t>(id.store_id.size(), 16), seed, 16);
  return seed;
}

std::uint64_t chain_of(std::string_view key, std::uint64_t seed, std::uint32_t chains) {
  return 1 + key_hash(key, seed) % chains;
}

struct Head {
  std::uint32_t chains = 0;
  std::uint64_t pages = 0;
  std::uint64_t values = 0;
};

enum HeadOffset : std::size_t {
  kFormAt = 8,
  kChainsAt = 12,
  kPagesAt = 16,
  kValuesAt = 24,
  kStoreAt = 32,
  kGenerationAt = 64
};

Head read_head(int file, const std::string& name, const HashFileId& id) {
  const Page page = Page::read(file, 0, name);
  if (std::memcmp(page.at(0), kMagic.data(), kMagic.size()) != 0 ||
      little_at<std::uint32_t>(page.at(kFormAt)) != kForm)
    throw Error(Code::store_invalid, name + " has another form than this program reads",
                "use programs and a daemon of the same release");
  const std::string_view store(reinterpret_cast<const char*>(page.at(kStoreAt)), kIdBytes);
  if (store != id.store_id || little_at<std::uint64_t>(page.at(kGenerationAt)) != id.generation)
    throw Error(Code::store_invalid, name + " belongs to another trust.db");
  const Head head{little_at<std::uint32_t>(page.at(kChainsAt)),
                  little_at<std::uint64_t>(page.at(kPagesAt)),
                  little_at<std::uint64_t>(page.at(kValuesAt))};
  if (head.chains == 0 || head.pages <= head.chains) damaged(name);
  return head;
}

// Follows a chain of at most `most` pages; `visit(page, number)` says whether to go on.
template <typename Visit>
void walk(int file, std::uint64_t number, std::uint64_t most, const std::string& name,
          const Visit& visit) {
  while (number != 0) {
    if (most-- == 0 || number > kMostPages) damaged(name);
    Page page = Page::read(file, number, name);
    if (!visit(page, number)) return;
    number = page.next();
  }
}

// All pages but the head, as a block of bytes at a time; each verified.
template <typename Visit>
void each_block(int file, std::uint64_t pages, const std::string& name, const Visit& visit) {
  std::vector<std::uint8_t> block(kPagesOfBlock * kHashPageBytes);
  for (std::uint64_t number = 0; number < pages;) {
    const std::size_t wanted =
        std::min<std::uint64_t>(kPagesOfBlock, pages - number) * kHashPageBytes;
    const ssize_t count =
        ::pread(file, block.data(), wanted, static_cast<off_t>(number * kHashPageBytes));
    if (count < 0) throw system_error("cannot read " + name, errno);
    if (static_cast<std::size_t>(count) != wanted) damaged(name);
    for (std::size_t at = 0; at < wanted; at += kHashPageBytes)
      if (!page_matches(block.data() + at, kContent, number + at / kHashPageBytes)) damaged(name);
    visit(ByteView(block.data(), wanted));
    number += wanted / kHashPageBytes;
  }
}

} // namespace

// ---- reading ------------------------------------------------------------------

HashFile::HashFile(Fd file, std::string name, const HashFileId& id)
    : file_(std::move(file)), name_(std::move(name)), seed_(seed_of(id)) {
  const Head head = read_head(file_.get(), name_, id);
  chains_ = head.chains;
  pages_ = head.pages;
}

void HashFile::each(std::string_view key, const std::function<void(ByteView value)>& visit) const {
  walk(file_.get(), chain_of(key, seed_, chains_), pages_, name_,
       [&](const Page& page, std::uint64_t) {
         return page.each(key, name_, [&](ByteView value, std::size_t, std::size_t) {
           visit(value);
           return true;
         });
       });
}

// ---- writing ------------------------------------------------------------------

HashFileWriter::HashFileWriter(Fd file, std::string name, HashFileId id, std::uint64_t expected)
    : file_(std::move(file)), name_(std::move(name)), id_(std::move(id)), seed_(seed_of(id_)) {
  chains_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      (expected + kValuesOfChain - 1) / kValuesOfChain, 1, kMostPages / 2));
  std::vector<std::uint8_t> block;
  const auto flush = [&] {
    write_at(file_.get(), block, (pages_ - block.size() / kHashPageBytes) * kHashPageBytes, name_);
    block.clear();
  };
  for (pages_ = 0; pages_ <= chains_;) {
    Page empty;
    empty.seal(pages_++);
    block.insert(block.end(), empty.at(0), empty.at(kHashPageBytes));
    if (block.size() == kPagesOfBlock * kHashPageBytes) flush();
  }
  flush();
}

HashFileWriter::HashFileWriter(int before, const HashFileId& of, Fd file, std::string name,
                               std::uint64_t generation)
    : file_(std::move(file)),
      name_(std::move(name)),
      id_{of.store_id, generation},
      seed_(seed_of(id_)) {
  const Head head = read_head(before, name_, of);
  chains_ = head.chains;
  pages_ = head.pages;
  count_ = head.values;
  std::uint64_t at = 0;
  // Damage that is gone on from would be there for ever.
  each_block(before, pages_, name_, [&](ByteView block) {
    write_at(file_.get(), block, at, name_);
    at += block.size();
  });
}

bool HashFileWriter::fits(std::string_view key, ByteView value) noexcept {
  return key.size() + value.size() + kRecordHead <= kRoom;
}

void HashFileWriter::insert(std::string_view key, ByteView value) {
  if (!fits(key, value)) throw Error(Code::internal, "a value is too large for " + name_);
  const std::uint64_t first = chain_of(key, seed_, chains_);
  Page page = Page::read(file_.get(), first, name_);
  if (!page.has_room(kRecordHead + key.size() + value.size())) {
    // The first page of a chain is the one with room: what filled it moves behind it.
    if (pages_ > kMostPages) throw Error(Code::internal, name_ + " cannot hold more");
    const std::uint64_t moved = pages_++;
    page.write(file_.get(), moved, name_);
    page = Page();
    page.set_next(static_cast<std::uint32_t>(moved));
  }
  page.append(key, value);
  page.write(file_.get(), first, name_);
  ++count_;
}

bool HashFileWriter::remove(std::string_view key,
                            const std::function<bool(ByteView value)>& wanted) {
  bool removed = false;
  walk(file_.get(), chain_of(key, seed_, chains_), pages_, name_,
       [&](Page& page, std::uint64_t number) {
         std::optional<std::pair<std::size_t, std::size_t>> found;
         page.each(key, name_, [&](ByteView value, std::size_t offset, std::size_t size) {
           if (!wanted(value)) return true;
           found.emplace(offset, size);
           return false;
         });
         if (!found) return true;
         page.erase(found->first, found->second);
         page.write(file_.get(), number, name_);
         removed = true;
         return false;
       });
  if (removed) --count_;
  return removed;
}

bool HashFileWriter::crowded() const noexcept {
  const std::uint64_t later = pages_ - 1 - chains_; // pages of chains after their first
  return count_ > 2 * kValuesOfChain * std::uint64_t{chains_} || later > kFewPages + count_;
}

Digest HashFileWriter::finish() {
  Page head;
  std::memcpy(head.at(0), kMagic.data(), kMagic.size());
  put_little(head.at(kFormAt), kForm);
  put_little(head.at(kChainsAt), chains_);
  put_little(head.at(kPagesAt), pages_);
  put_little(head.at(kValuesAt), count_);
  std::memcpy(head.at(kStoreAt), id_.store_id.data(), std::min(id_.store_id.size(), kIdBytes));
  put_little(head.at(kGenerationAt), id_.generation);
  head.write(file_.get(), 0, name_);
  const MdCtxPtr whole(EVP_MD_CTX_new());
  if (!whole || EVP_DigestInit_ex(whole.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  each_block(file_.get(), pages_, name_, [&](ByteView block) {
    if (EVP_DigestUpdate(whole.get(), block.data(), block.size()) != 1) throw std::bad_alloc();
  });
  Digest digest;
  if (EVP_DigestFinal_ex(whole.get(), digest.data(), nullptr) != 1) throw std::bad_alloc();
  return digest;
}

} // namespace trust
