#include "cli/command/input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "libtrust/containers.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {

std::string ascii_only(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) >= 0x80 || c == '\0') c = '?';
  }
  return result;
}

std::string read_stdin() {
  std::string bytes;
  std::array<char, 64 * 1024> buffer{};
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot read standard input", errno);
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > kMaxImportBytes) {
      throw Error(Code::too_large, "standard input has more than " +
                                       std::to_string(kMaxImportBytes / (1024 * 1024)) + " MiB");
    }
  }
}

Input unpack(const Context& context, const std::string& bytes, const std::string& source) {
  Input input;
  auto contained = read_container(bytes, source, [&] {
    return context.terminal().ask_secret("the password of " + shown(source));
  });
  if (contained) {
    if (contained->has_private_key) {
      context.terminal().warn(shown(source) +
                              " holds a private key; it was not read, is not sent and not stored");
    }
    for (const Certificate& certificate : contained->certificates) input.pem += certificate.pem();
    input.certificates = std::move(contained->certificates);
    input.bad = std::move(contained->bad);
    input.is_container = true;
    return input;
  }
  Decoded decoded = decode(bytes, source);
  const bool is_der = decoded.certificates.size() == 1 && decoded.certificates[0].line == 0;
  input.pem = is_der ? decoded.certificates[0].certificate.pem() : ascii_only(bytes);
  input.certificates.reserve(decoded.certificates.size());
  for (DecodedCertificate& found : decoded.certificates) {
    input.certificates.push_back(std::move(found.certificate));
  }
  for (const BadBlock& bad : decoded.bad) {
    input.bad.push_back("line " + std::to_string(bad.line) + ": " + bad.reason);
  }
  return input;
}

Input read_input(const Context& context, const std::string& path) {
  return unpack(context, read_file(path, kMaxImportBytes), path);
}

}  // namespace trust
