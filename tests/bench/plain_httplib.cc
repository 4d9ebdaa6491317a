// cpp-httplib as it comes, answering a constant over a UNIX socket: what the front is held
// against. plain_httplib SOCKET

#include <httplib.h>
#include <sys/stat.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  httplib::Server server;
  server.set_keep_alive_max_count(100'000'000);
  server.Get("/constant", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("{\"pins\":[],\"generation\":1}", "application/json");
  });
  server.set_address_family(AF_UNIX);
  if (!server.bind_to_port(argv[1], 80)) return 1;
  std::puts("ready");
  std::fflush(stdout);
  return server.listen_after_bind() ? 0 : 1;
}
