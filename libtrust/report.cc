#include "libtrust/report.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr std::string_view kReportSocket = "report.sock";
constexpr std::string_view kPublished = "/public";

std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool send_datagram(const std::string& text, const std::string& path) noexcept {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return false;
  return ::sendto(fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) == static_cast<ssize_t>(text.size());
}

Report::Kind parse_kind(const std::string& name) {
  for (const Report::Kind kind : {Report::Kind::pin_mismatch, Report::Kind::report_only}) {
    if (name == name_of(kind)) return kind;
  }
  throw Error(Code::invalid, "not a kind of report: " + shown(name));
}

} // namespace

std::string_view name_of(Report::Kind kind) noexcept {
  switch (kind) {
    case Report::Kind::pin_mismatch: return "pin_mismatch";
    case Report::Kind::report_only: return "report_only";
  }
  return "";
}

std::optional<Report> report_of(const Judgement& judgement, const Host& host, Port port) {
  if (judgement.path.empty()) return std::nullopt;
  Report report;
  if (judgement.verdict == Verdict::pin_mismatch) {
    report.kind = Report::Kind::pin_mismatch;
  } else if (judgement.trusted() && judgement.pin_status == PinStatus::reported) {
    report.kind = Report::Kind::report_only;
  } else {
    return std::nullopt;
  }
  report.host = host;
  report.port = port;
  report.fingerprint = judgement.path.front().fingerprint();
  report.pin = Pin::of(judgement.path.front());
  return report;
}

// By hand: in a program that is out of memory nlohmann's destructors end the process. Nothing in it
// needs escapes.
std::string report_text(const Report& report) {
  std::string text = R"({"kind":")";
  text.append(name_of(report.kind)).append(R"(","host":")").append(report.host.text());
  text.append(R"(","port":)").append(std::to_string(report.port));
  text.append(R"(,"fingerprint":")").append(report.fingerprint.text());
  return text.append(R"(","pin":")").append(report.pin.text()).append("\"}");
}

Report parse_report(std::string_view text) {
  if (text.size() > kMaxReportBytes) {
    throw Error(Code::too_large,
                "a report is longer than " + std::to_string(kMaxReportBytes) + " bytes");
  }
  const auto object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) throw Error(Code::invalid, "a report is not a JSON object");
  const auto member = [&](const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) {
      throw Error(Code::invalid, std::string("a report has no text \"") + name + "\"");
    }
    return found->get<std::string>();
  };
  const auto port = object.find("port");
  if (port == object.end() || !port->is_number_unsigned() || port->get<std::uint64_t>() > 0xFFFF) {
    throw Error(Code::invalid, "a report has no port");
  }
  Report report;
  report.kind = parse_kind(member("kind"));
  report.host = Host::parse(member("host"));
  report.port = port->get<Port>();
  report.fingerprint = Fingerprint::parse(member("fingerprint"));
  report.pin = Pin::parse(member("pin"));
  return report;
}

std::string report_socket(std::string_view daemon_socket) {
  std::string path(daemon_socket.substr(0, daemon_socket.rfind('/') + 1));
  return path.append(kReportSocket);
}

std::string report_socket_of_store(const std::string& store_directory,
                                   const Environment& environment) {
  const std::string store = without_end_slashes(store_directory);
  if (store == Layout::machine().store) return report_socket(Layout::machine().socket);
  const auto named = environment("TRUSTD_SOCKET");
  if (named && named->starts_with('/')) return report_socket(*named);
  try {
    const Layout user = Layout::user(environment);
    if (store == user.store) return report_socket(user.socket);
  } catch (const Error&) {
    // No home, so not the store of a user who has one.
  }
  // A daemon with a state directory of its own listens in it.
  const std::string state =
      store.ends_with(kPublished) ? store.substr(0, store.size() - kPublished.size()) : store;
  return state + "/" + std::string(kReportSocket);
}

bool send_report(const Report& report, const std::string& socket) noexcept {
  const int error_number = errno;
  bool sent = false;
  try {
    sent = send_datagram(report_text(report), socket);
  } catch (const std::exception&) {
    sent = false; // no memory: what tells nobody must not fail the call either
  }
  errno = error_number;
  return sent;
}

} // namespace trust
