#pragma once
// What C passes as a pointer and a length, as views. A null pointer is allowed when the length is
// 0; otherwise Error{invalid} names the parameter.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "capi/guard.h"
#include "libtrust/error.h"
#include "libtrust/host.h"

namespace trust {

inline std::string_view text_at(const void* data, std::size_t length, const char* parameter) {
  if (length == 0) return ""; // OpenSSL tells it from a null pointer
  require(data, parameter);
  return {static_cast<const char*>(data), length};
}

inline std::span<const std::uint8_t> bytes_at(const void* data, std::size_t length,
                                              const char* parameter) {
  if (length == 0) return {};
  require(data, parameter);
  return {static_cast<const std::uint8_t*>(data), length};
}

inline std::span<std::uint8_t> buffer_at(void* data, std::size_t length, const char* parameter) {
  if (length == 0) return {};
  require(data, parameter);
  return {static_cast<std::uint8_t*>(data), length};
}

inline Host host_of(const char* host) {
  require(host, "host");
  return Host::parse(host);
}

// Of something that is connected to.
inline Endpoint endpoint_of(const char* host, Port port) {
  Endpoint endpoint{host_of(host), port};
  if (port == 0) throw Error(Code::invalid, "port 0 is no port to connect to");
  return endpoint;
}

} // namespace trust
