// What a verified connection costs, beside what OpenSSL alone costs.
//
//   bench_connection world DIR        a store of 150 roots and one more, whose server is below it
//   bench_connection large DIR N      the same with N entries and N pins that nobody asks for
//   bench_connection serve DIR        an HTTPS server of that world on a port that it prints, until
//                                     its standard input ends
//   bench_connection measure DIR PORT N   medians of N, as one line of JSON, microseconds
//   bench_connection first DIR PORT   opens the store, makes one request; prints microseconds
//   bench_connection open DIR         opens the store, judges once; microseconds and KiB resident

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "libtrust/connection.h"
#include "libtrust/pool.h"
#include "libtrust/publish.h"
#include "libtrust/snapshot.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace {

using namespace trust;
using testing::mint;
using testing::Minted;
using Steady = std::chrono::steady_clock;

constexpr const char* kHost = "localhost";
constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

void must(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct World {
  Minted root =
      mint({.common_name = "Bench Root", .ca = true, .key_usage = "critical,keyCertSign"});
  Minted middle =
      mint({.common_name = "Bench Middle", .ca = true, .key_usage = "critical,keyCertSign"}, &root);
  Minted leaf = mint({.common_name = kHost,
                      .sans = {"DNS:localhost", "IP:127.0.0.1"},
                      .ca = false,
                      .extensions = {{"extendedKeyUsage", "serverAuth"}}},
                     &middle);

  void write(const std::string& directory) const {
    write_text(directory + "/chain.pem", leaf.pem() + middle.pem());
    write_text(directory + "/key.pem", leaf.key.pem());
    write_text(directory + "/root.pem", root.pem());
  }
};

void make_world(const std::string& directory) {
  std::filesystem::create_directories(directory);
  const World world;
  world.write(directory);
  Store store = Store::open(directory + "/trustd.db", system_clock_now);
  std::vector<BaseEntry> base;
  for (int i = 0; i < 150; ++i)
    base.push_back({mint({.common_name = "Root " + std::to_string(i), .ca = true}).certificate});
  store.set_base("bench", base, {});
  Addition addition;
  addition.items.push_back({world.root.certificate, Trust::root, {}, "bench", false});
  store.add({}, addition);
  Publisher({.directory = directory + "/public", .reserve_bytes = 4096})
      .publish(store, system_clock_now());
}

// Only what the library reads: nobody publishes a bundle of a million.
void make_large_world(const std::string& directory, std::size_t count) {
  const std::string generation = directory + "/public/gen-1";
  std::filesystem::create_directories(generation);
  const World world;
  world.write(directory);
  SnapshotHeader header;
  header.store_id = std::string(32, 'a');
  header.generation = 1;
  header.created_at = system_clock_now() - 1;
  header.audit_head = "0:" + std::string(64, '0');
  SnapshotWriter writer(generation + "/trust.db", header);
  Entry entry;
  entry.certificate = CertificateFacts::of(world.root.certificate);
  entry.id = 1;
  writer.entry(entry, world.root.certificate.der());
  const Bytes der(64, 0);
  for (std::size_t i = 0; i < count; ++i) {
    entry.id = static_cast<std::int64_t>(i) + 2;
    RAND_bytes(entry.certificate.fingerprint.bytes.data(), 32);
    RAND_bytes(entry.certificate.spki_hash.data(), 32);
    std::memcpy(&entry.certificate.subject_hash, entry.certificate.spki_hash.data(), 4);
    entry.certificate.subject = "CN=" + std::to_string(i);
    writer.entry(entry, der);
    PinRow pin;
    pin.id = static_cast<std::int64_t>(i) + 1;
    pin.pin.spki_hash = entry.certificate.spki_hash;
    pin.pattern = PortPattern::parse("host" + std::to_string(i) + ".bench.test");
    writer.pin(pin);
  }
  writer.index();
  writer.finish();
  std::filesystem::create_directory_symlink("gen-1", directory + "/public/current");
}

// ---- the server ---------------------------------------------------------------

void serve_one(SSL_CTX* context, int raw) {
  const Fd fd(raw);
  const int on = 1;
  ::setsockopt(raw, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const SslPtr ssl(SSL_new(context));
  SSL_set_fd(ssl.get(), raw);
  if (SSL_accept(ssl.get()) != 1) return;
  std::string asked;
  std::array<char, 4096> buffer{};
  for (int count = 0; (count = SSL_read(ssl.get(), buffer.data(), buffer.size())) > 0;) {
    asked.append(buffer.data(), static_cast<std::size_t>(count));
    if (!asked.ends_with("\r\n\r\n")) continue;
    asked.clear();
    SSL_write(ssl.get(), kResponse.data(), static_cast<int>(kResponse.size()));
  }
}

void serve(const std::string& directory) {
  std::signal(SIGPIPE, SIG_IGN);
  const SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  must(SSL_CTX_use_certificate_chain_file(context.get(), (directory + "/chain.pem").c_str()) == 1,
       "chain.pem");
  must(SSL_CTX_use_PrivateKey_file(context.get(), (directory + "/key.pem").c_str(),
                                   SSL_FILETYPE_PEM) == 1,
       "key.pem");
  const Fd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  must(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
  must(::listen(listener.get(), 128) == 0, "listen");
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  std::thread([&] {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    std::_Exit(0);
  }).detach();
  for (;;) {
    const int fd = ::accept(listener.get(), nullptr, nullptr);
    if (fd >= 0) std::thread([&context, fd] { serve_one(context.get(), fd); }).detach();
  }
}

// ---- OpenSSL alone --------------------------------------------------------------

class Raw {
 public:
  explicit Raw(const std::string& directory) : context_(SSL_CTX_new(TLS_client_method())) {
    must(SSL_CTX_load_verify_file(context_.get(), (directory + "/root.pem").c_str()) == 1, "root");
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  }

  // As most programs do it.
  void connect(Port port) {
    fd_ = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    must(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
         "connect");
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set_tlsext_host_name(ssl_.get(), kHost);
    SSL_set1_host(ssl_.get(), kHost);
    must(SSL_connect(ssl_.get()) == 1, "SSL_connect");
  }
  void request() {
    std::array<char, 1000> buffer{};
    must(SSL_write(ssl_.get(), kRequest.data(), static_cast<int>(kRequest.size())) > 0, "write");
    must(SSL_read(ssl_.get(), buffer.data(), buffer.size()) > 0, "read");
  }
  void close() {
    ssl_.reset();
    fd_.reset();
  }

 private:
  SslCtxPtr context_;
  Fd fd_;
  SslPtr ssl_;
};

// ---- ours -----------------------------------------------------------------------

void request(Connection& connection) {
  std::array<std::uint8_t, 1000> buffer{};
  connection.write({reinterpret_cast<const std::uint8_t*>(kRequest.data()), kRequest.size()});
  must(connection.read(buffer).count > 0, "read");
}

template <typename Call>
double us_of(Call&& call) {
  const auto begin = Steady::now();
  call();
  return std::chrono::duration<double, std::micro>(Steady::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void measure(const std::string& directory, Port port, int count) {
  const auto store = PublishedStore::open(directory + "/public");
  const Endpoint endpoint = Endpoint::parse("127.0.0.1", port);
  ConnectionConfig once;
  once.server_name = Host::parse(kHost);
  once.resumption = false;
  ConnectionConfig again = once;
  again.resumption = true;
  const Connector connector(store);
  Pool pool(store, again);
  Raw raw(directory), raw_kept(directory);
  raw_kept.connect(port);
  request(*connector.connect(endpoint, again));
  pool.put(pool.get(endpoint), true);

  std::map<std::string, std::vector<double>> figures;
  for (int i = 0; i < count; ++i) {
    figures["raw_full"].push_back(us_of([&] { raw.connect(port); }));
    raw.close();
    figures["full"].push_back(us_of([&] { connector.connect(endpoint, once); }));
    std::unique_ptr<Connection> resumed;
    figures["resumed"].push_back(us_of([&] { resumed = connector.connect(endpoint, again); }));
    must(resumed->resumed(), "not resumed");
    request(*resumed); // which brings the next ticket
    for (int j = 0; j < 10; ++j) {
      figures["raw_request"].push_back(us_of([&] { raw_kept.request(); }));
      figures["pooled"].push_back(us_of([&] {
        auto connection = pool.get(endpoint);
        request(*connection);
        pool.put(std::move(connection), true);
      }));
    }
  }
  must(pool.created() == 1, "the pool made more than one");
  const char* separator = "{";
  for (const auto& [name, values] : figures) {
    std::printf("%s\"%s\": %.2f", separator, name.c_str(), median(values));
    separator = ", ";
  }
  std::puts("}");
}

void first(const std::string& directory, Port port) {
  const double us = us_of([&] {
    const Connector connector(PublishedStore::open(directory + "/public"));
    ConnectionConfig config;
    config.server_name = Host::parse(kHost);
    request(*connector.connect(Endpoint::parse("127.0.0.1", port), config));
  });
  std::printf("%.1f\n", us);
}

long resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  return 0;
}

void open_and_judge(const std::string& directory) {
  const std::string chain = read_text(directory + "/chain.pem");
  const double us = us_of([&] {
    verify(*PublishedStore::open(directory + "/public"), Host::parse(kHost), 443, chain, {});
  });
  std::printf("%.1f %ld\n", us, resident_kib());
}

} // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv, argv + argc);
  const std::string what = argc > 2 ? words[1] : "";
  if (what == "world" && argc == 3) {
    make_world(words[2]);
  } else if (what == "large" && argc == 4) {
    make_large_world(words[2], std::stoul(words[3]));
  } else if (what == "serve" && argc == 3) {
    serve(words[2]);
  } else if (what == "measure" && argc == 5) {
    measure(words[2], parse_port(words[3]), std::stoi(words[4]));
  } else if (what == "first" && argc == 4) {
    first(words[2], parse_port(words[3]));
  } else if (what == "open" && argc == 3) {
    open_and_judge(words[2]);
  } else {
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_connection: %s\n", error.what());
  return 1;
}
