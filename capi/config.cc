#include "capi/config.h"

#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "capi/guard.h"
#include "capi/input.h"

namespace {

// One setter: `set` is called with the configuration to be changed.
template <typename Set>
trust_status changed(trust_config* config, trust_error** err, Set&& set) noexcept {
  return trust::guarded(err, [&] {
    trust::require(config, "config");
    set(config->value);
    return trust_status{TRUST_OK};
  });
}

} // namespace

extern "C" {

trust_config* trust_config_new(void) { return new (std::nothrow) trust_config(); }

void trust_config_free(trust_config* config) { trust::release(config); }

trust_status trust_config_set_connect_timeout_ms(trust_config* config, uint32_t ms,
                                                 trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    value.connect_timeout = trust::parse_timeout(ms);
  });
}

trust_status trust_config_set_io_timeout_ms(trust_config* config, uint32_t ms, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    value.io_timeout = trust::parse_timeout(ms);
  });
}

trust_status trust_config_set_server_name(trust_config* config, const char* name,
                                          trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    trust::require(name, "name");
    value.server_name = trust::Host::parse(name);
  });
}

trust_status trust_config_set_alpn(trust_config* config, const char* protocols, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    trust::require(protocols, "protocols");
    value.alpn = trust::parse_alpn(protocols);
  });
}

trust_status trust_config_set_min_tls(trust_config* config, int32_t version, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    value.min_tls = trust::parse_min_tls(version);
  });
}

trust_status trust_config_set_client_cert(trust_config* config, const void* cert_pem,
                                          size_t cert_len, const void* key_pem, size_t key_len,
                                          const char* password, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    std::optional<std::string> secret;
    if (password != nullptr) secret = password;
    value.client_certificate =
        trust::ClientCertificate::parse(trust::text_at(cert_pem, cert_len, "cert_pem"),
                                        trust::text_at(key_pem, key_len, "key_pem"), secret);
  });
}

trust_status trust_config_add_pin(trust_config* config, const char* pin, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) {
    trust::require(pin, "pin");
    value.judge.pins.push_back(trust::Pin::parse(pin));
  });
}

trust_status trust_config_set_require_pin(trust_config* config, int32_t on, trust_error** err) {
  return changed(config, err,
                 [&](trust::ConnectionConfig& value) { value.judge.require_pin = on != 0; });
}

trust_status trust_config_set_resumption(trust_config* config, int32_t on, trust_error** err) {
  return changed(config, err, [&](trust::ConnectionConfig& value) { value.resumption = on != 0; });
}

} // extern "C"
