#include "libtrust/peer.h"

#include <optional>
#include <string>
#include <utility>

#include "libtrust/decode.h"
#include "libtrust/report.h"

namespace trust {
namespace {

// None for what is not DER from end to end. One more than is allowed is read, for the judge to
// refuse.
std::optional<std::vector<Certificate>> read_der(const View& view, ByteView bytes) {
  std::vector<Certificate> out;
  DerReader reader(bytes);
  while (!reader.done() && out.size() <= kMaxChainCertificates) {
    const auto element = reader.next(der::kSequence);
    if (!element) return std::nullopt;
    out.push_back(view.certificate(element->whole));
  }
  return out;
}

std::vector<Certificate> read_chain(const View& view, std::string_view bytes) {
  const ByteView raw{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  if (!raw.empty() && raw[0] == der::kSequence) {
    if (auto chain = read_der(view, raw)) return std::move(*chain);
  }
  Decoded decoded = decode(bytes, "the chain");
  if (!decoded.bad.empty()) {
    throw Error(Code::invalid, "the block at line " + std::to_string(decoded.bad[0].line) +
                                   " of the chain cannot be read: " + decoded.bad[0].reason);
  }
  std::vector<Certificate> out;
  for (const DecodedCertificate& each : decoded.certificates) {
    if (out.size() > kMaxChainCertificates) break;
    out.push_back(view.certificate(each.certificate.der()));
  }
  return out;
}

} // namespace

Refused::Refused(std::shared_ptr<const Peer> peer, int tls_alert)
    : Error(Error(Code::not_trusted, peer->judgement.detail, peer->judgement.hint)
                .with_tls_alert(tls_alert)),
      peer_(std::move(peer)) {}

std::shared_ptr<const Peer> judge_peer(const PublishedStore& store, const View& view,
                                       std::vector<Certificate> presented, const Host& host,
                                       Port port, const JudgeOptions& options, UnixTime now) {
  const auto peer = std::make_shared<Peer>();
  peer->host = host;
  peer->port = port;
  peer->presented = std::move(presented);
  peer->judgement = judge(peer->presented, host, port, view, options, now);
  if (const auto report = report_of(peer->judgement, host, port)) {
    send_report(*report, store.report_socket());
  }
  return peer;
}

std::shared_ptr<const Peer> unreadable_peer(const View& view, const Host& host, Port port,
                                            std::string detail) {
  const auto peer = std::make_shared<Peer>();
  peer->host = host;
  peer->port = port;
  peer->judgement.verdict = Verdict::bad_chain;
  peer->judgement.detail = std::move(detail);
  peer->judgement.generation = view.header().generation;
  return peer;
}

std::shared_ptr<const Peer> verify(const PublishedStore& store, const Host& host, Port port,
                                   std::string_view chain, const JudgeOptions& options) {
  const ErrorQueueGuard queue;
  // PEM is longer than what it holds, by a third and what stands around it.
  constexpr std::size_t kMostBytes = 4 * kMaxChainBytes;
  const auto view = store.view();
  if (chain.size() > kMostBytes) {
    throw Refused(unreadable_peer(*view, host, port,
                                  host.text() + " presents more than " +
                                      std::to_string(kMaxChainBytes / 1024) +
                                      " KiB of certificates"));
  }
  std::vector<Certificate> presented;
  try {
    presented = read_chain(*view, chain);
  } catch (const Error& error) {
    if (error.code() != Code::invalid && error.code() != Code::too_large) throw;
    throw Refused(unreadable_peer(
        *view, host, port, "what " + host.text() + " presents cannot be read: " + error.message()));
  }
  auto peer = judge_peer(store, *view, std::move(presented), host, port, options, store.now());
  if (!peer->judgement.trusted()) throw Refused(std::move(peer));
  return peer;
}

} // namespace trust
