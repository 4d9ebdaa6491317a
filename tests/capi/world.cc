#include "tests/capi/world.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libtrust/publish.h"
#include "libtrust/store.h"
#include "tests/capi/echo_server.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using testing::Key;
using testing::mint;
using testing::Minted;

std::string key_pem(const Key& key, const char* password) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(
      out.get(), key.get(), password == nullptr ? nullptr : EVP_aes_128_cbc(), password,
      password == nullptr ? 0 : static_cast<int>(strlen(password)), nullptr, nullptr);
  char* data = nullptr;
  const long length = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

// What is minted once for all tests.
struct Certificates {
  Minted ca = mint({.common_name = "World CA", .ca = true, .key_usage = "critical,keyCertSign"});
  Minted server = mint({.common_name = "dev.test",
                        .sans = {"IP:127.0.0.1", "DNS:dev.test", "DNS:other.test"},
                        .ca = false},
                       &ca);
  Minted stranger = mint({.common_name = "stranger", .sans = {"IP:127.0.0.1"}, .ca = false});
  Minted leaf = mint({.common_name = "leaf", .sans = {"IP:127.0.0.1"}, .ca = false});
  Minted client = mint({.common_name = "client", .ca = false}, &ca);
  Minted nobody = mint({.common_name = "nobody"});
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

class World {
 public:
  World() : store_(Store::open(scratch_.path("trustd.db"), system_clock_now)) {
    PublishSettings settings;
    settings.directory = scratch_.path("public");
    settings.reserve_bytes = 4096;
    publisher_ = std::make_unique<Publisher>(settings);
    add(certificates().ca, Trust::root, "world-ca");
    add(certificates().leaf, Trust::leaf, "leaf");
    publish();
    ear_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, scratch_.path("report.sock").c_str(),
                 sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(ear_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  const Scratch& scratch() const { return scratch_; }
  Store& store() { return store_; }
  void add(const Minted& minted, Trust trust, const std::string& label) {
    Addition addition;
    addition.items.push_back({minted.certificate, trust, {}, label, false});
    addition.replace = true;
    store_.add({}, addition);
  }
  void publish() { publisher_->publish(store_, system_clock_now()); }

  testing::EchoServer& server(world_server which) {
    auto& place = servers_[which];
    if (!place) place = std::make_unique<testing::EchoServer>(settings(which));
    return *place;
  }
  static const Minted& leaf_of(world_server which) {
    if (which == WORLD_SELF_SIGNED) return certificates().stranger;
    if (which == WORLD_LEAF) return certificates().leaf;
    return certificates().server;
  }
  static std::vector<Certificate> chain_of(world_server which) {
    std::vector<Certificate> chain{leaf_of(which).certificate};
    if (&leaf_of(which) == &certificates().server) chain.push_back(certificates().ca.certificate);
    return chain;
  }
  testing::MemoryServer& memory() {
    if (!memory_) memory_ = std::make_unique<testing::MemoryServer>(settings(WORLD_ECHO));
    return *memory_;
  }
  void forget_memory() { memory_.reset(); }
  std::string report() const {
    std::string text(8192, '\0');
    const ssize_t length = ::recv(ear_.get(), text.data(), text.size(), 0);
    text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return text;
  }
  // Keeps a text for the C side.
  const char* kept(std::string text) { return kept_.insert(std::move(text)).first->c_str(); }

 private:
  static testing::EchoSettings settings(world_server which) {
    testing::EchoSettings settings{leaf_of(which)};
    const std::vector<Certificate> chain = chain_of(which);
    settings.chain.assign(chain.begin() + 1, chain.end());
    settings.truncates = which == WORLD_TRUNCATES;
    settings.silent = which == WORLD_SILENT;
    settings.quiet = which == WORLD_QUIET;
    settings.wants_client = which == WORLD_WANTS_US;
    settings.max_version = which == WORLD_TLS12 ? TLS1_2_VERSION : 0;
    return settings;
  }

  Scratch scratch_;
  Store store_;
  std::unique_ptr<Publisher> publisher_;
  Fd ear_;
  std::map<world_server, std::unique_ptr<testing::EchoServer>> servers_;
  std::unique_ptr<testing::MemoryServer> memory_;
  std::set<std::string> kept_;
};

std::unique_ptr<World> the_world;
World& world() { return *the_world; }

class ApiTest : public ::testing::Test {
 public:
  explicit ApiTest(const api_case& what) : case_(what) {}
  void SetUp() override { the_world = std::make_unique<World>(); }
  void TearDown() override { the_world.reset(); }
  void TestBody() override { case_.run(); }

 private:
  const api_case& case_;
};

void register_cases(const api_case* cases) {
  for (; cases->name != nullptr; ++cases) {
    ::testing::RegisterTest("Api", cases->name, nullptr, nullptr, __FILE__, __LINE__,
                            [cases]() -> ::testing::Test* { return new ApiTest(*cases); });
  }
}

} // namespace
} // namespace trust

extern "C" {

void api_failed(const char* file, int line, const char* what) {
  ADD_FAILURE_AT(file, line) << what;
}

void api_check_text(const char* file, int line, const char* what, const char* text,
                    const char* expected) {
  if (text != nullptr && std::string(text) == expected) return;
  ADD_FAILURE_AT(file, line) << what << " is \"" << (text == nullptr ? "(NULL)" : text)
                             << "\", expected \"" << expected << "\"";
}

void api_check_has(const char* file, int line, const char* what, const char* text,
                   const char* part) {
  if (text != nullptr && std::string(text).find(part) != std::string::npos) return;
  ADD_FAILURE_AT(file, line) << what << " is \"" << (text == nullptr ? "(NULL)" : text)
                             << "\", and has no \"" << part << "\" in it";
}

const char* world_directory(void) { return trust::world().scratch().path().c_str(); }
const char* world_store(void) {
  return trust::world().kept(trust::world().scratch().path("public"));
}

void world_damage_store(void) {
  const std::string path = trust::world().scratch().path("public/current/trust.db");
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (std::size_t i = 200; i < bytes.size(); i += 512) bytes[i] = static_cast<char>(~bytes[i]);
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  std::ofstream(path, std::ios::binary) << bytes;
}

void world_distrust(void) {
  trust::world().add(trust::certificates().ca, trust::Trust::distrusted, "");
  trust::world().publish();
}

void world_pin(const char* pattern, int right, int enforce, int64_t expires) {
  trust::PinRow row;
  row.pattern = trust::PortPattern::parse(pattern);
  row.pin = trust::Pin::of(right != 0 ? trust::certificates().ca.certificate
                                      : trust::certificates().nobody.certificate);
  row.mode = enforce != 0 ? trust::PinRow::Mode::enforce : trust::PinRow::Mode::report;
  row.note = "a note";
  if (expires > 0) row.expires_at = expires;
  if (expires < 0) row.expires_at = trust::system_clock_now() - expires;
  trust::world().store().add_pins({}, {row});
  trust::world().publish();
}

void world_unpin(void) {
  std::vector<std::int64_t> ids;
  for (const trust::PinRow& row : trust::world().store().pins(100, 0)) ids.push_back(row.id);
  trust::world().store().remove_pins({}, ids);
  trust::world().publish();
}

uint16_t world_port(enum world_server which) { return trust::world().server(which).port(); }

const char* world_chain_pem(enum world_server which) {
  std::string text;
  for (const auto& certificate : trust::World::chain_of(which)) text += certificate.pem();
  return trust::world().kept(text);
}

const uint8_t* world_chain_der(enum world_server which, size_t* length) {
  static trust::Bytes bytes;
  bytes.clear();
  for (const auto& certificate : trust::World::chain_of(which)) {
    bytes.insert(bytes.end(), certificate.der().begin(), certificate.der().end());
  }
  *length = bytes.size();
  return bytes.data();
}

const char* world_pin_of(enum world_server which) {
  return trust::world().kept(trust::Pin::of(trust::World::leaf_of(which).certificate).text());
}
const char* world_fingerprint_of(enum world_server which) {
  return trust::world().kept(trust::World::leaf_of(which).certificate.fingerprint().text());
}
unsigned world_accepted(enum world_server which) { return trust::world().server(which).accepted(); }
void world_hang_up(enum world_server which) { trust::world().server(which).hang_up(); }

const char* world_client_pem(void) {
  return trust::world().kept(trust::certificates().client.certificate.pem());
}
const char* world_client_key(void) {
  return trust::world().kept(trust::key_pem(trust::certificates().client.key, nullptr));
}
const char* world_client_key_encrypted(void) {
  return trust::world().kept(trust::key_pem(trust::certificates().client.key, "secret"));
}

size_t world_exchange(const void* in, size_t in_length, void* out, size_t capacity) {
  return trust::world().memory().exchange({static_cast<const char*>(in), in_length},
                                          static_cast<char*>(out), capacity);
}
void world_exchange_anew(void) { trust::world().forget_memory(); }
void world_exchange_close(void) { trust::world().memory().close(); }

const char* world_report(void) { return trust::world().kept(trust::world().report()); }

void world_leave_error(void) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 4242);
}
int world_error_is_left(void) {
  const unsigned long code = ERR_get_error();
  return ERR_GET_LIB(code) == ERR_LIB_USER && ERR_GET_REASON(code) == 4242 && ERR_get_error() == 0;
}

} // extern "C"

int main(int argc, char** argv) {
  for (const api_case* const* cases = api_all_cases; *cases != nullptr; ++cases) {
    trust::register_cases(*cases);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
