#include "libtrust/tls_fault.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "libtrust/certificate.h"

namespace trust {
namespace {

long on_bio(BIO* bio, int operation, const char* data, std::size_t, int, long, int result,
            std::size_t* processed) noexcept {
  if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && processed != nullptr) {
    auto& first = *reinterpret_cast<FirstBytes*>(BIO_get_callback_arg(bio));
    for (std::size_t i = 0; i < *processed && first.count < first.bytes.size(); ++i) {
      first.bytes[first.count++] = data[i];
    }
  }
  return result;
}

struct Reason {
  int number = 0; // of ERR_LIB_SSL; 0: of another
  const char* text = nullptr;

  // The alert that the peer sent; 0 if it sent none.
  int alert() const { return number > SSL_AD_REASON_OFFSET ? number - SSL_AD_REASON_OFFSET : 0; }
};

Reason oldest_reason() {
  const unsigned long code = ERR_peek_error();
  return {ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0,
          ERR_reason_error_string(code)};
}

std::string text_of(const Reason& reason) {
  return reason.text != nullptr ? std::string(reason.text) : "no reason was given";
}

// A server that asked for a certificate of ours and was not content; none if it is not that.
bool is_about_our_certificate(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
  }
}

Error certificate_error(const std::string& server, const Reason& reason) {
  return Error(Code::tls,
               server + " wants a client certificate, and got none or does not take it: " +
                   text_of(reason),
               "give the connection a client certificate that the server knows")
      .with_tls_alert(reason.alert());
}

} // namespace

void keep_first_bytes(BIO* bio, FirstBytes& first) {
  BIO_set_callback_ex(bio, on_bio);
  BIO_set_callback_arg(bio, reinterpret_cast<char*>(&first));
}

void refuse_foreign(const Endpoint& endpoint, const FirstBytes& first, int fd) {
  constexpr char kAlert = 21;
  constexpr char kHandshake = 22;
  if (first.count == 0 || first.bytes[0] == kAlert || first.bytes[0] == kHandshake) return;
  std::string answer(first.view());
  std::array<char, 40> more{};
  const ssize_t count = fd < 0 ? 0 : ::recv(fd, more.data(), more.size(), MSG_DONTWAIT);
  if (count > 0) answer.append(more.data(), static_cast<std::size_t>(count));
  std::string what;
  std::string hint = "start the server with TLS, or name the port that has it";
  if (answer.starts_with("HTTP/") || answer.starts_with("<")) {
    what = "plain HTTP";
  } else if (answer.starts_with("SSH-")) {
    what = "SSH";
  } else if (answer.starts_with("220")) {
    what = "the greeting of a mail or FTP server";
    hint = "of a mail server, say --starttls smtp";
  } else if (answer.starts_with("* OK") || answer.starts_with("* PREAUTH")) {
    what = "the greeting of an IMAP server";
    hint = "say --starttls imap";
  } else {
    what = '"' + shown(answer.substr(0, answer.find_first_of("\r\n"))) + '"';
  }
  throw Error(Code::tls, endpoint.text() + " does not speak TLS: it answered with " + what, hint);
}

bool ran_out_of_memory() noexcept {
  return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
         ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

Error handshake_error(const Endpoint& endpoint, int ssl_error, int errno_then,
                      bool asked_for_certificate) {
  const std::string server = endpoint.text();
  const Reason reason = oldest_reason();
  if (ssl_error == SSL_ERROR_SYSCALL || reason.number == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    const bool broke_off = ssl_error == SSL_ERROR_SYSCALL && errno_then != 0;
    const std::string why =
        broke_off ? "broke off during the handshake: " + std::generic_category().message(errno_then)
                  : "closed the connection during the handshake";
    return Error(Code::tls, server + ' ' + why, "does the server speak TLS on this port?")
        .with_error_number(broke_off ? errno_then : 0);
  }
  if (asked_for_certificate && is_about_our_certificate(reason.alert())) {
    return certificate_error(server, reason);
  }
  const auto failed = [&](std::string message, std::string hint = {}) {
    return Error(Code::tls, std::move(message), std::move(hint)).with_tls_alert(reason.alert());
  };
  switch (reason.number) {
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
      return failed(server + " speaks neither TLS 1.2 nor 1.3, only what is older",
                    "switch TLS 1.2 or 1.3 on at the server");
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      return failed(server + " presents more than " + std::to_string(kMaxChainBytes / 1024) +
                    " KiB of certificates");
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
      return failed(server + " does not know the name that it was asked for");
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return failed(server + " refuses the handshake",
                    endpoint.host.is_address() ? "if the server has a name, use it in place of the "
                                                 "address: it may present nothing without"
                                               : "");
    default: return failed("the TLS handshake with " + server + " failed: " + text_of(reason));
  }
}

Error record_error(const Endpoint& endpoint, int ssl_error, int errno_then,
                   bool asked_for_certificate) {
  const std::string server = endpoint.text();
  const Reason reason = oldest_reason();
  if (ssl_error == SSL_ERROR_SYSCALL || reason.number == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    const bool broke_off = ssl_error == SSL_ERROR_SYSCALL && errno_then != 0;
    return Error(Code::truncated,
                 server + " went away without closing TLS" +
                     (broke_off ? ": " + std::generic_category().message(errno_then) : "") +
                     "; data may be missing")
        .with_error_number(broke_off ? errno_then : 0);
  }
  if (asked_for_certificate && is_about_our_certificate(reason.alert())) {
    return certificate_error(server, reason);
  }
  return Error(Code::tls,
               (reason.alert() != 0 ? server + " broke off the TLS connection: "
                                    : "the TLS connection with " + server + " failed: ") +
                   text_of(reason))
      .with_tls_alert(reason.alert());
}

} // namespace trust
