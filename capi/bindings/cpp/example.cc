// example HOST PORT: fetches https://HOST:PORT/ and says how the peer was judged.
#include "trust.hpp"

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: example HOST PORT\n";
    return 2;
  }
  const std::string host = argv[1];
  const auto port = static_cast<std::uint16_t>(std::stoul(argv[2]));

  trust::Store store;
  trust::Connection connection(store, host, port);
  std::cerr << connection.tls_version() << ", " << connection.peer().fingerprint << '\n';
  connection.write("GET / HTTP/1.0\r\nHost: " + host + "\r\n\r\n");
  std::cout << connection.read_all();
} catch (const trust::Untrusted& refused) {
  std::cerr << refused.name() << ": " << refused.what() << '\n';
  return 3;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
