#include "capi/version.h"

#include <dlfcn.h>
#include <link.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <sqlite3.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "capi/guard.h"
#include "libtrust/error.h"

#define TRUST_TEXT_OF(number) #number
#define TRUST_TEXT(number) TRUST_TEXT_OF(number)
#define TRUST_SHLIB TRUST_TEXT(OPENSSL_SHLIB_VERSION)

namespace trust {
namespace {

constexpr std::string_view kHint =
    "use the library that carries its own: cmake -DTRUST_STATIC_DEPS=ON (docs/library.md)";

// Where the program or library in memory begins that `address` lies in. dladdr() would look through
// all its symbols, too.
const void* object_of(const void* address) {
  dl_find_object found{};
  if (address == nullptr || ::_dl_find_object(const_cast<void*>(address), &found) != 0)
    return nullptr;
  return found.dlfo_map_start;
}

std::string name_of(const void* object) {
  Dl_info info{};
  if (object == nullptr || ::dladdr(object, &info) == 0 || info.dli_fname == nullptr) return "";
  return info.dli_fname;
}

// Where a library that this one was linked to is: in it, or in the shared library of that name,
// which is loaded, since this one depends on it.
const void* expected(const char* library, const char* symbol) {
#ifdef TRUST_STATIC_DEPS
  (void)library, (void)symbol;
  return object_of(reinterpret_cast<const void*>(&trust_check_version));
#else
  void* handle = ::dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  const void* const object = object_of(::dlsym(handle, symbol));
  ::dlclose(handle);
  return object;
#endif
}

// What a call into a library answers from, in the way this library's calls are bound. A function's
// address would not do: a program that takes it, too, has one of its own for it.
struct Dependency {
  const char* name;
  const char* library;
  const char* symbol;
  const void* answer;
};

std::optional<std::string> foreign() {
  const std::array dependencies{
      Dependency{"libssl", "libssl.so." TRUST_SHLIB, "TLS_client_method", TLS_client_method()},
      Dependency{"libcrypto", "libcrypto.so." TRUST_SHLIB, "OpenSSL_version",
                 OpenSSL_version(OPENSSL_VERSION)},
      Dependency{"SQLite", "libsqlite3.so.0", "sqlite3_sourceid", sqlite3_sourceid()},
  };
  for (const Dependency& dependency : dependencies) {
    const void* const wanted = expected(dependency.library, dependency.symbol);
    const void* const found = object_of(dependency.answer);
    if (wanted == nullptr || found == wanted) continue;
    return "this process runs libtrust on the " + std::string(dependency.name) + " of " +
           shown(name_of(found)) + ", not on the one it is linked to (" + shown(name_of(wanted)) +
           ")";
  }
  return std::nullopt;
}

std::optional<std::string> too_old() {
  const int major = static_cast<int>(OPENSSL_version_major());
  const int minor = static_cast<int>(OPENSSL_version_minor());
  if (major != OPENSSL_VERSION_MAJOR || minor < OPENSSL_VERSION_MINOR) {
    return std::string("this process has ") + OpenSSL_version(OPENSSL_VERSION) +
           "; libtrust was built for " OPENSSL_VERSION_TEXT;
  }
  if (sqlite3_libversion_number() / 1000 < SQLITE_VERSION_NUMBER / 1000 ||
      sqlite3_threadsafe() == 0) {
    return std::string("this process has SQLite ") + sqlite3_libversion() +
           (sqlite3_threadsafe() == 0 ? " without threads" : "") +
           "; libtrust was built for SQLite " SQLITE_VERSION;
  }
  return std::nullopt;
}

std::string version_text(std::uint32_t number) {
  return std::to_string(number / 1'000'000) + "." + std::to_string(number / 1000 % 1000) + "." +
         std::to_string(number % 1000);
}

std::optional<Failure> look() {
  std::optional<std::string> why = too_old();
  if (!why) why = foreign();
  if (!why) return std::nullopt;
  return Failure{TRUST_ERR_VERSION, std::move(*why), std::string(kHint)};
}

} // namespace

const std::optional<Failure>& unfit_process() {
  static const std::optional<Failure> failure = look();
  return failure;
}

} // namespace trust

extern "C" {

uint32_t trust_version_number(void) { return TRUST_VERSION_NUMBER; }

const char* trust_version(void) {
  static const auto text = [] {
    std::array<char, 64> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%d.%d.%d (OpenSSL %s)", TRUST_VERSION_MAJOR,
                  TRUST_VERSION_MINOR, TRUST_VERSION_PATCH,
                  OpenSSL_version(OPENSSL_VERSION_STRING));
    return buffer;
  }();
  return text.data();
}

trust_status trust_check_version(uint32_t header_version, trust_error** err) {
  return trust::guarded(err, [&] {
    if (header_version / 1'000'000 != TRUST_VERSION_MAJOR ||
        header_version > TRUST_VERSION_NUMBER) {
      return trust::tell(
          err, {TRUST_ERR_VERSION,
                "this program was built for trust.h " + trust::version_text(header_version) +
                    "; the library here is " + trust::version_text(TRUST_VERSION_NUMBER),
                "install a libtrust that is at least as new, or build the program again"});
    }
    if (const auto& failure = trust::unfit_process()) return trust::tell(err, *failure);
    return trust_status{TRUST_OK};
  });
}

} // extern "C"
