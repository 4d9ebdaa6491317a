#pragma once
// What a file or standard input holds: certificates as PEM or DER, or in PKCS#7 and PKCS#12, which
// are unpacked here. Private keys are refused before anything is sent. One thread.

#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "libtrust/certificate.h"

namespace trust {

struct Input {
  std::string pem; // what the daemon is to get, each line where it was
  std::vector<Certificate> certificates;
  std::vector<std::string> bad; // why others in it are none
  bool is_container = false;    // PKCS#7 or PKCS#12
};

// Error{private_key}, Error{invalid}, Error{too_large}. Of a container's private key it
// warns. May ask for a password.
Input unpack(const Context& context, const std::string& bytes, const std::string& source);

std::string read_stdin();

// unpack() of a file.
Input read_input(const Context& context, const std::string& path);

// Text that JSON can carry, every line and every PEM block where it was: bytes that are not ASCII
// stand outside of blocks and mean nothing.
std::string ascii_only(std::string_view text);

}  // namespace trust
