#include "daemon/sinks/http_post.h"

#include <http_parser.h>

#include <array>
#include <cstdint>

#include "libtrust/error.h"

namespace trust {
namespace {

struct Reading {
  HttpAnswer answer;
  std::size_t head_bytes = 0;
  bool head_done = false;
  bool complete = false;
};

Reading& reading_of(http_parser* parser) { return *static_cast<Reading*>(parser->data); }

const http_parser_settings& callbacks() {
  static const http_parser_settings settings = [] {
    http_parser_settings made;
    http_parser_settings_init(&made);
    made.on_headers_complete = [](http_parser* parser) {
      Reading& reading = reading_of(parser);
      reading.answer.status = static_cast<int>(parser->status_code);
      reading.head_done = parser->status_code >= 200;
      // An upgrade or a switch of protocols was not asked for.
      return parser->status_code == 101 || parser->upgrade != 0 ? -1 : 0;
    };
    made.on_body = [](http_parser* parser, const char* data, std::size_t size) {
      std::string& body = reading_of(parser).answer.body;
      body.append(data, std::min(size, kMostHttpBodyBytes - body.size()));
      return 0;
    };
    made.on_message_complete = [](http_parser* parser) {
      Reading& reading = reading_of(parser);
      if (reading.head_done) {
        reading.complete = true;
        http_parser_pause(parser, 1); // what follows is not asked for
      }
      return 0;
    };
    return made;
  }();
  return settings;
}

std::string head_of(const HttpRequest& request) {
  std::string head = "POST " + request.target + " HTTP/1.1\r\nHost: " + request.host_field + "\r\n";
  for (const auto& [name, value] : request.fields) head += name + ": " + value + "\r\n";
  return head + "Content-Length: " + std::to_string(request.body.size()) +
         "\r\nConnection: close\r\n\r\n";
}

} // namespace

HttpAnswer http_post(const HttpStream& stream, const HttpRequest& request,
                     const std::string& name) {
  stream.write(head_of(request) + request.body);
  Reading reading;
  http_parser parser;
  http_parser_init(&parser, HTTP_RESPONSE);
  parser.data = &reading;
  std::array<std::uint8_t, 8192> buffer;
  while (!reading.complete) {
    const std::size_t count = stream.read(buffer);
    // Length 0 tells the parser of the end, which may complete a body without a length.
    const std::size_t taken = http_parser_execute(
        &parser, &callbacks(), reinterpret_cast<const char*>(buffer.data()), count);
    if (reading.complete) break;
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || taken != count) {
      throw Error(Code::connect, name + " answered what is no HTTP");
    }
    if (count == 0) throw Error(Code::connect, name + " ended the connection before its answer");
    if (!reading.head_done) reading.head_bytes += count;
    if (reading.head_bytes > kMostHttpHeadBytes) {
      throw Error(Code::too_large, name + " answers with a head that is too long");
    }
    if (reading.answer.body.size() >= kMostHttpBodyBytes) break; // enough to know its status
  }
  return std::move(reading.answer);
}

} // namespace trust
