#pragma once
// What a program tells the daemon when a pin did not match: one datagram, sent and forgotten, to
// `report.sock` beside the daemon's socket. It changes nothing, is believed as the claim of a uid
// and no more, and is lost when no daemon runs. What writes the format and what reads it are here.
//
//   {"kind":"pin_mismatch","host":"dev.test","port":443,"fingerprint":"<hex>","pin":"sha256/…"}
//
// Threads: any.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/judge.h"
#include "libtrust/layout.h"
#include "libtrust/pin.h"

namespace trust {

inline constexpr std::size_t kMaxReportBytes = 4096;

struct Report {
  enum class Kind {
    pin_mismatch, // refused
    report_only,  // trusted, though a pin that only reports did not match
  };

  Kind kind = Kind::pin_mismatch;
  Host host;
  Port port = 0; // 0: not known (a chain was judged that the program got elsewhere)
  Fingerprint fingerprint; // of the certificate that the peer presented, and
  Pin pin;                 // of its key
};
std::string_view name_of(Report::Kind kind) noexcept; // "report_only"

// What there is to tell of a judgement; none of nearly all.
std::optional<Report> report_of(const Judgement& judgement, const Host& host, Port port);

// One datagram's content, and back. parse_report: Error{invalid} for what is no report, Error
// {too_large} over kMaxReportBytes; members that it does not know are ignored.
std::string report_text(const Report& report);
Report parse_report(std::string_view text);

// Where the daemon of a published store listens: beside its socket.
std::string report_socket(std::string_view daemon_socket);
std::string report_socket_of_store(const std::string& store_directory,
                                   const Environment& environment);

// Never blocks, never throws, and leaves errno as it was. Whether it was taken by a socket.
bool send_report(const Report& report, const std::string& socket) noexcept;

} // namespace trust
