/* binding.c - trust.h for JavaScript, call by call. What it makes of them is in index.js.
 *
 * Everything runs on the thread of the event loop, over memory connections, so nothing waits. It is
 * linked with a libtrust that has OpenSSL and SQLite within and hidden: Node has an OpenSSL of its
 * own. */
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <trust.h>

#define MOST_ARGUMENTS 6

/* The class of errors, which index.js gives. */
static void drop_reference(napi_env env, void* data, void* hint) {
  (void)env;
  (void)hint;
  free(data);
}

static napi_value undefined(napi_env env) {
  napi_value value = NULL;
  napi_get_undefined(env, &value);
  return value;
}

static napi_value text(napi_env env, const char* value) {
  napi_value made = NULL;
  napi_create_string_utf8(env, value ? value : "", NAPI_AUTO_LENGTH, &made);
  return made;
}

static napi_value number(napi_env env, double value) {
  napi_value made = NULL;
  napi_create_double(env, value, &made);
  return made;
}

static napi_value flag(napi_env env, int value) {
  napi_value made = NULL;
  napi_get_boolean(env, value != 0, &made);
  return made;
}

static void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

static napi_value peer_object(napi_env env, const trust_peer* peer) {
  napi_value made = NULL;
  napi_value path = NULL;
  size_t index;
  napi_create_object(env, &made);
  set(env, made, "host", text(env, trust_peer_host(peer)));
  set(env, made, "port", number(env, trust_peer_port(peer)));
  set(env, made, "trustedBy", number(env, trust_peer_trusted_by(peer)));
  set(env, made, "pinStatus", number(env, trust_peer_pin_status(peer)));
  set(env, made, "generation", number(env, (double)trust_peer_generation(peer)));
  set(env, made, "fingerprint", text(env, trust_peer_fingerprint(peer)));
  set(env, made, "pin", text(env, trust_peer_pin(peer)));
  set(env, made, "subject", text(env, trust_peer_subject(peer)));
  set(env, made, "issuer", text(env, trust_peer_issuer(peer)));
  set(env, made, "notBefore", number(env, (double)trust_peer_not_before(peer)));
  set(env, made, "notAfter", number(env, (double)trust_peer_not_after(peer)));
  set(env, made, "pathNotAfter", number(env, (double)trust_peer_path_not_after(peer)));
  set(env, made, "json", text(env, trust_peer_json(peer)));
  napi_create_array(env, &path);
  for (index = 0; index < trust_peer_cert_count(peer); ++index) {
    size_t length = 0;
    const uint8_t* der = trust_peer_cert_der(peer, index, &length);
    napi_value certificate = NULL;
    void* copy = NULL;
    napi_create_buffer_copy(env, length, der, &copy, &certificate);
    napi_set_element(env, path, (uint32_t)index, certificate);
  }
  set(env, made, "path", path);
  return made;
}

/* Throws what a failed call gave, and frees it. */
static napi_value fail(napi_env env, trust_status status, trust_error* error) {
  napi_value arguments[6];
  napi_value made = NULL;
  napi_value maker = NULL;
  napi_ref* reference = NULL;
  const trust_peer* peer = trust_error_peer(error);
  arguments[0] = number(env, status);
  arguments[1] = text(env, trust_status_name(status));
  arguments[2] = text(env, error ? trust_error_message(error) : trust_status_name(status));
  arguments[3] = text(env, trust_error_hint(error));
  arguments[4] = number(env, trust_error_tls_alert(error));
  arguments[5] = peer ? peer_object(env, peer) : undefined(env);
  if (napi_get_instance_data(env, (void**)&reference) == napi_ok && reference != NULL &&
      *reference != NULL && napi_get_reference_value(env, *reference, &maker) == napi_ok &&
      napi_new_instance(env, maker, 6, arguments, &made) == napi_ok)
    napi_throw(env, made);
  else
    napi_throw_error(env, trust_status_name(status),
                     error ? trust_error_message(error) : trust_status_name(status));
  trust_error_free(error);
  return NULL;
}

/* Arguments. What is not of the kind wanted is NULL, zero or empty, which the library refuses. */

static void arguments_of(napi_env env, napi_callback_info info, napi_value* values) {
  size_t count = MOST_ARGUMENTS;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
}

static napi_valuetype kind_of(napi_env env, napi_value value) {
  napi_valuetype kind = napi_undefined;
  napi_typeof(env, value, &kind);
  return kind;
}

static void* handle_of(napi_env env, napi_value value) {
  void* found = NULL;
  if (kind_of(env, value) == napi_external) napi_get_value_external(env, value, &found);
  return found;
}

/* A copy to be freed; NULL if it is no string, or holds a NUL. */
static char* string_of(napi_env env, napi_value value) {
  size_t length = 0;
  char* found;
  if (kind_of(env, value) != napi_string ||
      napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
    return NULL;
  found = malloc(length + 1);
  if (found == NULL) return NULL;
  napi_get_value_string_utf8(env, value, found, length + 1, &length);
  if (strlen(found) != length) {
    free(found);
    return NULL;
  }
  return found;
}

static double number_of(napi_env env, napi_value value) {
  double found = 0;
  if (kind_of(env, value) == napi_number) napi_get_value_double(env, value, &found);
  return found;
}

static uint16_t port_of(napi_env env, napi_value value) {
  double found = number_of(env, value);
  return found >= 0 && found <= 65535 ? (uint16_t)found : 0;
}

static void bytes_of(napi_env env, napi_value value, void** data, size_t* length) {
  bool is_buffer = false;
  *data = NULL;
  *length = 0;
  if (napi_is_buffer(env, value, &is_buffer) == napi_ok && is_buffer)
    napi_get_buffer_info(env, value, data, length);
}

static napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value found = NULL;
  if (napi_get_named_property(env, object, name, &found) != napi_ok) return undefined(env);
  return found;
}

/* Handles: externals that free themselves. A connection is freed earlier, by free(). */

static void free_store(napi_env env, void* handle, void* hint) {
  (void)env;
  (void)hint;
  trust_store_free(handle);
}

static void free_config(napi_env env, void* handle, void* hint) {
  (void)env;
  (void)hint;
  trust_config_free(handle);
}

struct connection {
  trust_conn* handle;
};

static void free_connection(napi_env env, void* data, void* hint) {
  struct connection* connection = data;
  (void)env;
  (void)hint;
  trust_conn_free(connection->handle);
  free(connection);
}

static trust_conn* connection_of(napi_env env, napi_value value) {
  struct connection* found = handle_of(env, value);
  return found ? found->handle : NULL;
}

static napi_value external(napi_env env, void* data, napi_finalize release) {
  napi_value made = NULL;
  if (napi_create_external(env, data, release, NULL, &made) != napi_ok) {
    release(env, data, NULL);
    napi_throw_error(env, NULL, "no memory");
    return NULL;
  }
  return made;
}

/* The store. */

static napi_value set_error_class(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  napi_ref* reference = NULL;
  arguments_of(env, info, values);
  if (napi_get_instance_data(env, (void**)&reference) == napi_ok && reference != NULL &&
      *reference == NULL)
    napi_create_reference(env, values[0], 1, reference);
  return undefined(env);
}

static napi_value version(napi_env env, napi_callback_info info) {
  (void)info;
  return text(env, trust_version());
}

static napi_value check_version(napi_env env, napi_callback_info info) {
  trust_error* error = NULL;
  trust_status status = trust_check_version(TRUST_VERSION_NUMBER, &error);
  (void)info;
  return status < 0 ? fail(env, status, error) : undefined(env);
}

static napi_value open_store(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_store* store = NULL;
  trust_error* error = NULL;
  trust_status status;
  char* directory;
  arguments_of(env, info, values);
  directory = string_of(env, values[0]);
  if (directory == NULL && kind_of(env, values[0]) == napi_string) {
    napi_throw_type_error(env, NULL, "the directory contains a NUL character");
    return NULL;
  }
  status = trust_store_open(directory, &store, &error);
  free(directory);
  return status < 0 ? fail(env, status, error) : external(env, store, free_store);
}

/* Looks for what was published; the generation. */
static napi_value refresh(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  trust_store* store;
  arguments_of(env, info, values);
  store = handle_of(env, values[0]);
  status = trust_store_refresh(store, &error);
  if (status < 0) return fail(env, status, error);
  return number(env, (double)trust_store_generation(store));
}

static napi_value describe(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  napi_value made = NULL;
  napi_value variables = NULL;
  trust_store* store;
  const char* name;
  size_t index;
  arguments_of(env, info, values);
  store = handle_of(env, values[0]);
  napi_create_object(env, &made);
  set(env, made, "generation", number(env, (double)trust_store_generation(store)));
  set(env, made, "directory", text(env, trust_store_directory(store)));
  set(env, made, "bundlePath", text(env, trust_store_bundle_path(store)));
  napi_create_object(env, &variables);
  for (index = 0; (name = trust_store_env_name(store, index)) != NULL; ++index)
    set(env, variables, name, text(env, trust_store_env_value(store, index)));
  set(env, made, "environment", variables);
  return made;
}

static napi_value pins(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  napi_value made = NULL;
  trust_pins* found = NULL;
  trust_error* error = NULL;
  trust_status status;
  char* host;
  size_t index;
  arguments_of(env, info, values);
  host = string_of(env, values[1]);
  status = trust_pins_get(handle_of(env, values[0]), host, port_of(env, values[2]), &found, &error);
  free(host);
  if (status < 0) return fail(env, status, error);
  napi_create_array(env, &made);
  for (index = 0; index < trust_pins_count(found); ++index) {
    napi_value pin = NULL;
    napi_create_object(env, &pin);
    set(env, pin, "pin", text(env, trust_pins_pin(found, index)));
    set(env, pin, "note", text(env, trust_pins_note(found, index)));
    set(env, pin, "expires", number(env, (double)trust_pins_expires(found, index)));
    set(env, pin, "enforced", flag(env, trust_pins_enforced(found, index)));
    set(env, pin, "backup", flag(env, trust_pins_backup(found, index)));
    napi_set_element(env, made, (uint32_t)index, pin);
  }
  trust_pins_free(found);
  return made;
}

static napi_value verify(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  napi_value made;
  trust_peer* peer = NULL;
  trust_error* error = NULL;
  trust_status status;
  void* chain;
  size_t length;
  char* host;
  arguments_of(env, info, values);
  host = string_of(env, values[1]);
  bytes_of(env, values[3], &chain, &length);
  status = trust_verify(handle_of(env, values[0]), host, port_of(env, values[2]), chain, length,
                        handle_of(env, values[4]), &peer, &error);
  free(host);
  if (status < 0) return fail(env, status, error);
  made = peer_object(env, peer);
  trust_peer_free(peer);
  return made;
}

/* A configuration of an object; what it does not have stays as it is. */

typedef trust_status (*text_setter)(trust_config*, const char*, trust_error**);

static trust_status set_text(napi_env env, trust_config* config, napi_value value,
                             text_setter setter, trust_error** error) {
  trust_status status = TRUST_OK;
  if (kind_of(env, value) != napi_undefined) {
    char* copy = string_of(env, value);
    status = setter(config, copy, error);
    free(copy);
  }
  return status;
}

static trust_status set_pins(napi_env env, trust_config* config, napi_value list,
                             trust_error** error) {
  uint32_t count = 0;
  uint32_t index;
  trust_status status = TRUST_OK;
  if (kind_of(env, list) == napi_undefined) return TRUST_OK;
  napi_get_array_length(env, list, &count);
  for (index = 0; index < count && status >= 0; ++index) {
    napi_value pin = NULL;
    char* copy;
    napi_get_element(env, list, index, &pin);
    copy = string_of(env, pin);
    status = trust_config_add_pin(config, copy, error);
    free(copy);
  }
  return status;
}

static trust_status set_client(napi_env env, trust_config* config, napi_value options,
                               trust_error** error) {
  void *chain, *key;
  size_t chain_length, key_length;
  char* password;
  trust_status status;
  if (kind_of(env, property(env, options, "cert")) == napi_undefined &&
      kind_of(env, property(env, options, "key")) == napi_undefined)
    return TRUST_OK;
  bytes_of(env, property(env, options, "cert"), &chain, &chain_length);
  bytes_of(env, property(env, options, "key"), &key, &key_length);
  password = string_of(env, property(env, options, "passphrase"));
  status =
      trust_config_set_client_cert(config, chain, chain_length, key, key_length, password, error);
  free(password);
  return status;
}

static trust_status fill(napi_env env, trust_config* config, napi_value options,
                         trust_error** error) {
  napi_value value;
  trust_status status = set_text(env, config, property(env, options, "serverName"),
                                 trust_config_set_server_name, error);
  if (status >= 0)
    status = set_text(env, config, property(env, options, "alpn"), trust_config_set_alpn, error);
  value = property(env, options, "minTls");
  if (status >= 0 && kind_of(env, value) != napi_undefined)
    status = trust_config_set_min_tls(config, (int32_t)number_of(env, value), error);
  value = property(env, options, "requirePin");
  if (status >= 0 && kind_of(env, value) != napi_undefined)
    status = trust_config_set_require_pin(config, number_of(env, value) != 0, error);
  value = property(env, options, "resumption");
  if (status >= 0 && kind_of(env, value) != napi_undefined)
    status = trust_config_set_resumption(config, number_of(env, value) != 0, error);
  if (status >= 0) status = set_pins(env, config, property(env, options, "pins"), error);
  if (status >= 0) status = set_client(env, config, options, error);
  return status;
}

static napi_value make_config(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  trust_config* config = trust_config_new();
  arguments_of(env, info, values);
  if (config == NULL) return fail(env, TRUST_ERR_MEMORY, NULL);
  status = fill(env, config, values[0], &error);
  if (status < 0) {
    trust_config_free(config);
    return fail(env, status, error);
  }
  return external(env, config, free_config);
}

/* Connections. */

static napi_value start(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  struct connection* connection = calloc(1, sizeof *connection);
  trust_error* error = NULL;
  trust_status status;
  char* host;
  if (connection == NULL) return fail(env, TRUST_ERR_MEMORY, NULL);
  arguments_of(env, info, values);
  host = string_of(env, values[1]);
  status = trust_conn_start_memory(handle_of(env, values[0]), host, port_of(env, values[2]),
                                   handle_of(env, values[3]), &connection->handle, &error);
  free(host);
  if (status < 0) {
    free(connection);
    return fail(env, status, error);
  }
  return external(env, connection, free_connection);
}

/* True once the peer is verified. */
static napi_value handshake(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  arguments_of(env, info, values);
  status = trust_conn_handshake(connection_of(env, values[0]), &error);
  return status < 0 ? fail(env, status, error) : flag(env, status == TRUST_OK);
}

/* Bytes read, 0 if there are none now, -1 at the end. */
static napi_value read_some(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  void* data;
  size_t capacity, length = 0;
  arguments_of(env, info, values);
  bytes_of(env, values[1], &data, &capacity);
  status = trust_conn_read(connection_of(env, values[0]), data, capacity, &length, &error);
  if (status < 0) return fail(env, status, error);
  return number(env, status == TRUST_EOF ? -1 : (double)length);
}

/* Bytes written from an offset on, 0 if none can be now. */
static napi_value write_some(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  void* data;
  size_t size, offset, length = 0;
  arguments_of(env, info, values);
  bytes_of(env, values[1], &data, &size);
  offset = (size_t)number_of(env, values[2]);
  if (offset >= size) return number(env, 0);
  status = trust_conn_write(connection_of(env, values[0]), (const char*)data + offset,
                            size - offset, &length, &error);
  return status < 0 ? fail(env, status, error) : number(env, (double)length);
}

/* Bytes taken from an offset on; an empty buffer says that the transport ended. */
static napi_value feed(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  void* data;
  size_t size, offset, used = 0;
  arguments_of(env, info, values);
  bytes_of(env, values[1], &data, &size);
  offset = (size_t)number_of(env, values[2]);
  if (offset > size) return number(env, 0);
  status = trust_conn_feed(connection_of(env, values[0]), size ? (const char*)data + offset : NULL,
                           size - offset, &used, &error);
  return status < 0 ? fail(env, status, error) : number(env, (double)used);
}

/* Bytes put into the buffer, to be sent. */
static napi_value drain(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  void* data;
  size_t capacity, length = 0;
  arguments_of(env, info, values);
  bytes_of(env, values[1], &data, &capacity);
  status = trust_conn_drain(connection_of(env, values[0]), data, capacity, &length, &error);
  return status < 0 ? fail(env, status, error) : number(env, (double)length);
}

static napi_value finish(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  trust_error* error = NULL;
  trust_status status;
  arguments_of(env, info, values);
  status = trust_conn_close(connection_of(env, values[0]), &error);
  return status < 0 ? fail(env, status, error) : undefined(env);
}

static napi_value cancel(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  arguments_of(env, info, values);
  trust_conn_cancel(connection_of(env, values[0]));
  return undefined(env);
}

static napi_value release(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  struct connection* connection;
  arguments_of(env, info, values);
  connection = handle_of(env, values[0]);
  if (connection != NULL) {
    trust_conn_free(connection->handle);
    connection->handle = NULL;
  }
  return undefined(env);
}

static napi_value facts(napi_env env, napi_callback_info info) {
  napi_value values[MOST_ARGUMENTS];
  napi_value made = NULL;
  trust_conn* conn;
  trust_peer* peer = NULL;
  trust_error* error = NULL;
  trust_status status;
  arguments_of(env, info, values);
  conn = connection_of(env, values[0]);
  status = trust_conn_peer(conn, &peer, &error);
  if (status < 0) return fail(env, status, error);
  napi_create_object(env, &made);
  set(env, made, "tlsVersion", text(env, trust_conn_tls_version(conn)));
  set(env, made, "cipher", text(env, trust_conn_cipher(conn)));
  set(env, made, "alpn", text(env, trust_conn_alpn(conn)));
  set(env, made, "resumed", flag(env, trust_conn_resumed(conn)));
  set(env, made, "peer", peer_object(env, peer));
  trust_peer_free(peer);
  return made;
}

static const struct {
  const char* name;
  napi_callback function;
} functions[] = {
    {"setErrorClass", set_error_class},
    {"version", version},
    {"checkVersion", check_version},
    {"openStore", open_store},
    {"refresh", refresh},
    {"describe", describe},
    {"pins", pins},
    {"verify", verify},
    {"makeConfig", make_config},
    {"start", start},
    {"handshake", handshake},
    {"read", read_some},
    {"write", write_some},
    {"feed", feed},
    {"drain", drain},
    {"finish", finish},
    {"cancel", cancel},
    {"release", release},
    {"facts", facts},
};

NAPI_MODULE_INIT() {
  size_t index;
  napi_ref* reference = calloc(1, sizeof *reference);
  if (reference == NULL || napi_set_instance_data(env, reference, drop_reference, NULL) != napi_ok)
    return NULL;
  for (index = 0; index < sizeof functions / sizeof *functions; ++index) {
    napi_value function = NULL;
    if (napi_create_function(env, functions[index].name, NAPI_AUTO_LENGTH,
                             functions[index].function, NULL, &function) != napi_ok)
      return NULL;
    set(env, exports, functions[index].name, function);
  }
  return exports;
}
