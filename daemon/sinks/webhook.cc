#include "daemon/sinks/webhook.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "daemon/sinks/formats.h"
#include "daemon/sinks/http_post.h"
#include "daemon/sinks/secret_file.h"
#include "daemon/sinks/signature.h"
#include "daemon/sinks/webhook_url.h"
#include "libtrust/error.h"
#include "libtrust/tcp.h"

namespace trust {
namespace {

constexpr std::chrono::minutes kRefreshInterval{5};

// The way to one server, under one deadline, TLS or not.
class Way {
 public:
  Way(const WebhookUrl& url, const Connector* connector, int stop_fd)
      : deadline_(kWebhookTime, stop_fd), url_(url) {
    tcp_ = connect_tcp(url.endpoint, deadline_);
    if (connector == nullptr) {
      must_be_loopback();
      return;
    }
    ConnectionConfig config;
    config.connect_timeout = std::max(deadline_.remaining(), std::chrono::milliseconds(1));
    config.io_timeout = config.connect_timeout;
    config.alpn = {"http/1.1"};
    tls_ = connector->start_fd(tcp_.fd.get(), url.endpoint, config);
    tls_->set_blocking(false);
    while (true) {
      const Progress progress = tls_->handshake();
      if (progress == Progress::done) break;
      wait(progress);
    }
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) bytes.remove_prefix(tls_ ? write_tls(bytes) : write_plain(bytes));
    while (tls_ && tls_->handshake() != Progress::done) wait(Progress::want_write);
  }

  std::size_t read(std::span<std::uint8_t> buffer) {
    for (;;) {
      if (tls_) {
        const Moved moved = tls_->read(buffer);
        if (moved.progress == Progress::end) return 0;
        if (moved.progress == Progress::done) return moved.count;
        wait(moved.progress);
        continue;
      }
      const auto count = ::recv(tcp_.fd.get(), buffer.data(), buffer.size(), 0);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno == EAGAIN) {
        wait(Progress::want_read);
      } else if (errno != EINTR) {
        throw system_error(url_.endpoint.text(), errno);
      }
    }
  }

 private:
  // localhost is a name, and a name may be anywhere.
  void must_be_loopback() const {
    const auto bytes = tcp_.address.address();
    const bool is = bytes.size() == 4 ? bytes[0] == 127 : tcp_.address.text() == "::1";
    if (!is) {
      throw Error(Code::forbidden, url_.endpoint.text() +
                                       " is not on the loopback, and http:// is "
                                       "sent in clear");
    }
  }

  std::size_t write_tls(std::string_view bytes) {
    for (;;) {
      const Moved moved =
          tls_->write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      if (moved.progress == Progress::done) return moved.count;
      wait(moved.progress);
    }
  }
  std::size_t write_plain(std::string_view bytes) {
    for (;;) {
      const auto count = ::send(tcp_.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno == EAGAIN) {
        wait(Progress::want_write);
      } else if (errno != EINTR) {
        throw system_error(url_.endpoint.text(), errno);
      }
    }
  }

  void wait(Progress progress) const {
    const short events = progress == Progress::want_write ? POLLOUT : POLLIN;
    if (wait_for(tcp_.fd.get(), events, deadline_)) return;
    throw deadline_.error(url_.endpoint, "sending an alert", "");
  }

  const Deadline deadline_;
  const WebhookUrl& url_;
  TcpConnection tcp_;
  std::unique_ptr<Connection> tls_;
};

} // namespace

WebhookSink::WebhookSink(SinkConfig config,
                         std::function<std::shared_ptr<const Connector>()> connector)
    : config_(std::move(config)), connector_(std::move(connector)) {}

bool WebhookSink::is_for_people() const { return config_.format == SinkConfig::Format::slack; }

std::optional<std::chrono::seconds> WebhookSink::refresh_interval() const {
  if (config_.format != SinkConfig::Format::alertmanager) return std::nullopt;
  return kRefreshInterval;
}

void WebhookSink::deliver(const Delivery& delivery, int stop_fd) {
  const WebhookUrl url = WebhookUrl::parse(
      config_.url_file.empty() ? config_.url : read_secret_file(config_.url_file));
  HttpRequest request;
  request.host_field = url.host_field;
  request.target = url.target;
  request.body = webhook_body(config_.format, delivery);
  request.fields = {{"User-Agent", "trustd/" TRUST_VERSION},
                    {"Accept", "*/*"},
                    {"Content-Type", "application/json"},
                    {"Trustd-Delivery", delivery.id}};
  if (!config_.secret_file.empty()) {
    request.fields.emplace_back("Trustd-Signature",
                                signature_field(read_secret_file(config_.secret_file), delivery.at,
                                                delivery.id, request.body));
  }
  const std::shared_ptr<const Connector> connector = url.tls ? connector_() : nullptr;
  Way way(url, connector.get(), stop_fd);
  const HttpStream stream{[&way](std::string_view bytes) { way.write(bytes); },
                          [&way](std::span<std::uint8_t> buffer) { return way.read(buffer); }};
  const HttpAnswer answer = http_post(stream, request, url.endpoint.text());
  if (answer.status >= 200 && answer.status < 300) return;
  const std::string words = shown(answer.body.substr(0, answer.body.find_first_of("\r\n")));
  throw Error(Code::connect,
              url.endpoint.text() + " answered with status " + std::to_string(answer.status) +
                  (answer.status >= 300 && answer.status < 400 ? ", and redirects are not followed"
                   : words.empty()                             ? ""
                                                               : ": " + words));
}

} // namespace trust
