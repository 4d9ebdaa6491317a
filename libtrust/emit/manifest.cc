#include "libtrust/emit/manifest.h"

#include <nlohmann/json.hpp>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kFiles = ",\n\"files\": {";

void append_hex(std::string& text, ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
}

} // namespace

ManifestWriter::ManifestWriter(Sink sink, const SnapshotHeader& header) : sink_(std::move(sink)) {
  const nlohmann::ordered_json head{{"store_id", header.store_id},
                                    {"generation", header.generation},
                                    {"created_at", rfc3339(header.created_at)},
                                    {"audit_head", header.audit_head}};
  std::string text = head.dump();
  text.pop_back(); // it goes on
  text += kFiles;
  sink_(text);
}

void ManifestWriter::file(std::string_view name, const Digest& digest) {
  line_.assign(first_ ? "\n\"" : ",\n\"");
  first_ = false;
  line_ += name;
  line_ += "\": \"";
  append_hex(line_, digest);
  line_ += '"';
  sink_(line_);
}

void ManifestWriter::end() { sink_("\n}}\n"); }

std::optional<SnapshotHeader> read_manifest_head(std::string_view beginning) {
  const std::size_t files = beginning.find(kFiles);
  if (files == std::string_view::npos) return std::nullopt;
  const auto json =
      nlohmann::json::parse(std::string(beginning.substr(0, files)) + "}", nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    SnapshotHeader header;
    header.store_id = json.at("store_id").get<std::string>();
    header.generation = json.at("generation").get<GenerationNumber>();
    header.created_at = parse_time(json.at("created_at").get<std::string>());
    header.audit_head = json.at("audit_head").get<std::string>();
    return header;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

} // namespace trust
