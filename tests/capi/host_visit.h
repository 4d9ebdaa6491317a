/* What a program that loads the library as a plug-in does with it: checks its version, opens the
 * store, gets "/" of a server. One line each, into `said`. */
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <trust.h>

#define VISIT_LOADED(library, function) \
  __typeof__(&function) p_##function = dlsym(library, #function)

static void visit_say(char* said, size_t size, const char* what, trust_status status,
                      const char* status_name, const char* message) {
  const size_t used = strlen(said);
  snprintf(said + used, size - used, "%s %s %s\n", what, status_name,
           status < 0 && message != NULL ? message : "");
}

/* The library is closed in the end. */
static void visit(const char* path, const char* store_directory, const char* host, int port,
                  char* said, size_t size) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  said[0] = '\0';
  if (library == NULL) {
    snprintf(said, size, "dlopen: %s\n", dlerror());
    return;
  }
  VISIT_LOADED(library, trust_check_version);
  VISIT_LOADED(library, trust_store_open);
  VISIT_LOADED(library, trust_store_free);
  VISIT_LOADED(library, trust_connect);
  VISIT_LOADED(library, trust_conn_read);
  VISIT_LOADED(library, trust_conn_write);
  VISIT_LOADED(library, trust_conn_free);
  VISIT_LOADED(library, trust_error_message);
  VISIT_LOADED(library, trust_error_hint);
  VISIT_LOADED(library, trust_status_name);

  static const char kRequest[] = "GET / HTTP/1.0\r\n\r\n";
  trust_error* err = NULL;
  trust_store* store = NULL;
  trust_conn* conn = NULL;
  size_t count = 0;
  char answer[64] = "";
  trust_status status = p_trust_check_version(TRUST_VERSION_NUMBER, &err);
  visit_say(said, size, "check_version", status, p_trust_status_name(status),
            p_trust_error_message(err));
  if (err != NULL) visit_say(said, size, "hint", status, "", p_trust_error_hint(err));
  status = p_trust_store_open(store_directory, &store, &err);
  visit_say(said, size, "store_open", status, p_trust_status_name(status),
            p_trust_error_message(err));
  if (status != TRUST_OK) {
    dlclose(library);
    return;
  }
  status = p_trust_connect(store, host, (uint16_t)port, NULL, &conn, &err);
  visit_say(said, size, "connect", status, p_trust_status_name(status), p_trust_error_message(err));
  if (status == TRUST_OK) {
    status = p_trust_conn_write(conn, kRequest, sizeof kRequest - 1, &count, &err);
    if (status == TRUST_OK) {
      status = p_trust_conn_read(conn, answer, sizeof answer - 1, &count, &err);
    }
    answer[strcspn(answer, "\r")] = '\0';
    visit_say(said, size, "answer", TRUST_ERR_INTERNAL, p_trust_status_name(status), answer);
    p_trust_conn_free(conn);
  }
  p_trust_store_free(store);
  dlclose(library);
}
