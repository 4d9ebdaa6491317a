#include "daemon/message.h"

#include <array>
#include <nlohmann/json.hpp>

namespace trust {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 30> kPhrases = {{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
}};

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
  for (const auto& [known, phrase] : kPhrases) {
    if (known == status) return phrase;
  }
  return {};
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
