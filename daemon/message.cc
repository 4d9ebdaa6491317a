#include "daemon/message.h"

#include <nlohmann/json.hpp>

namespace trust {
namespace {

Response problem_of(int status, std::string_view title, std::string_view code,
                    std::string_view detail, std::string_view hint) {
  nlohmann::ordered_json body = {
      {"type", "urn:trustd:problem:" + std::string(code)},
      {"title", title},
      {"status", status},
      {"detail", detail},
      {"code", code},
      {"hint", hint},
  };
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  // Text that is not UTF-8 must not turn a refusal into an exception.
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  response.body += '\n';
  return response;
}

} // namespace

std::optional<std::string_view> Request::query_value(std::string_view name) const noexcept {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return {};
  }
}

Response problem(const Error& error) {
  const CodeFacts& about = facts(error.code());
  return problem_of(about.http_status, about.title, about.name, error.message(), error.hint());
}

Response problem(int status, std::string_view code, std::string_view detail,
                 std::string_view hint) {
  return problem_of(status, reason_phrase(status), code, detail, hint);
}

} // namespace trust
