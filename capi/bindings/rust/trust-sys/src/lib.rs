//! trust.h, declaration by declaration. The header tells what each does; the crate `trust` is the
//! safe way to use it.

#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// `TRUST_VERSION_NUMBER` of the header that this was written for.
pub const TRUST_VERSION_NUMBER: u32 = 1_000_000;

pub type trust_status = i32;

pub const TRUST_OK: trust_status = 0;
pub const TRUST_WANT_READ: trust_status = 1;
pub const TRUST_WANT_WRITE: trust_status = 2;
pub const TRUST_EOF: trust_status = 3;
pub const TRUST_ERR_ARGUMENT: trust_status = -100;
pub const TRUST_ERR_STATE: trust_status = -101;
pub const TRUST_ERR_VERSION: trust_status = -102;
pub const TRUST_ERR_STORE_MISSING: trust_status = -200;
pub const TRUST_ERR_STORE_INVALID: trust_status = -201;
pub const TRUST_ERR_STORE_ACCESS: trust_status = -202;
pub const TRUST_ERR_RESOLVE: trust_status = -400;
pub const TRUST_ERR_CONNECT: trust_status = -401;
pub const TRUST_ERR_TIMEOUT: trust_status = -402;
pub const TRUST_ERR_IO: trust_status = -403;
pub const TRUST_ERR_CANCELLED: trust_status = -404;
pub const TRUST_ERR_TLS: trust_status = -500;
pub const TRUST_ERR_TRUNCATED: trust_status = -501;
pub const TRUST_ERR_UNKNOWN_ISSUER: trust_status = -600;
pub const TRUST_ERR_SELF_SIGNED: trust_status = -601;
pub const TRUST_ERR_EXPIRED: trust_status = -602;
pub const TRUST_ERR_NOT_YET_VALID: trust_status = -603;
pub const TRUST_ERR_NAME_MISMATCH: trust_status = -604;
pub const TRUST_ERR_PIN_MISMATCH: trust_status = -605;
pub const TRUST_ERR_PIN_MISSING: trust_status = -606;
pub const TRUST_ERR_DISTRUSTED: trust_status = -607;
pub const TRUST_ERR_BAD_CHAIN: trust_status = -608;
pub const TRUST_ERR_WEAK: trust_status = -609;
pub const TRUST_ERR_OUT_OF_SCOPE: trust_status = -610;
pub const TRUST_ERR_MEMORY: trust_status = -900;
pub const TRUST_ERR_INTERNAL: trust_status = -901;

pub const TRUST_BY_NOTHING: i32 = 0;
pub const TRUST_BY_SYSTEM_ROOT: i32 = 1;
pub const TRUST_BY_ADDED_ROOT: i32 = 2;
pub const TRUST_BY_ADDED_LEAF: i32 = 3;

pub const TRUST_PIN_NONE: i32 = 0;
pub const TRUST_PIN_MATCH: i32 = 1;
pub const TRUST_PIN_MISMATCH: i32 = 2;
pub const TRUST_PIN_LAPSED: i32 = 3;
pub const TRUST_PIN_REPORTED: i32 = 4;

#[repr(C)]
pub struct trust_store {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_config {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_conn {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_pool {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_peer {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_pins {
    _private: [u8; 0],
}
#[repr(C)]
pub struct trust_error {
    _private: [u8; 0],
}

extern "C" {
    pub fn trust_status_name(status: trust_status) -> *const c_char;
    pub fn trust_status_is_untrusted(status: trust_status) -> i32;
    pub fn trust_error_status(error: *const trust_error) -> trust_status;
    pub fn trust_error_message(error: *const trust_error) -> *const c_char;
    pub fn trust_error_hint(error: *const trust_error) -> *const c_char;
    pub fn trust_error_errno(error: *const trust_error) -> i32;
    pub fn trust_error_tls_alert(error: *const trust_error) -> i32;
    pub fn trust_error_peer(error: *const trust_error) -> *const trust_peer;
    pub fn trust_error_free(error: *mut trust_error);
    pub fn trust_version_number() -> u32;
    pub fn trust_version() -> *const c_char;
    pub fn trust_check_version(header_version: u32, err: *mut *mut trust_error) -> trust_status;
    pub fn trust_store_open(
        directory: *const c_char,
        out: *mut *mut trust_store,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_store_free(store: *mut trust_store);
    pub fn trust_store_refresh(store: *mut trust_store, err: *mut *mut trust_error) -> trust_status;
    pub fn trust_store_generation(store: *const trust_store) -> u64;
    pub fn trust_store_directory(store: *const trust_store) -> *const c_char;
    pub fn trust_store_bundle_path(store: *const trust_store) -> *const c_char;
    pub fn trust_store_env_name(store: *const trust_store, index: usize) -> *const c_char;
    pub fn trust_store_env_value(store: *const trust_store, index: usize) -> *const c_char;
    pub fn trust_config_new() -> *mut trust_config;
    pub fn trust_config_free(config: *mut trust_config);
    pub fn trust_config_set_connect_timeout_ms(
        config: *mut trust_config,
        ms: u32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_io_timeout_ms(
        config: *mut trust_config,
        ms: u32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_server_name(
        config: *mut trust_config,
        name: *const c_char,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_alpn(
        config: *mut trust_config,
        protocols: *const c_char,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_min_tls(
        config: *mut trust_config,
        version: i32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_client_cert(
        config: *mut trust_config,
        cert_pem: *const c_void,
        cert_len: usize,
        key_pem: *const c_void,
        key_len: usize,
        password: *const c_char,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_add_pin(
        config: *mut trust_config,
        pin: *const c_char,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_require_pin(
        config: *mut trust_config,
        on: i32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_config_set_resumption(
        config: *mut trust_config,
        on: i32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_verify(
        store: *mut trust_store,
        host: *const c_char,
        port: u16,
        chain: *const c_void,
        chain_len: usize,
        config: *const trust_config,
        out: *mut *mut trust_peer,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_connect(
        store: *mut trust_store,
        host: *const c_char,
        port: u16,
        config: *const trust_config,
        out: *mut *mut trust_conn,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_start(
        store: *mut trust_store,
        host: *const c_char,
        port: u16,
        config: *const trust_config,
        out: *mut *mut trust_conn,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_start_fd(
        store: *mut trust_store,
        fd: i32,
        host: *const c_char,
        port: u16,
        config: *const trust_config,
        out: *mut *mut trust_conn,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_start_memory(
        store: *mut trust_store,
        host: *const c_char,
        port: u16,
        config: *const trust_config,
        out: *mut *mut trust_conn,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_handshake(conn: *mut trust_conn, err: *mut *mut trust_error) -> trust_status;
    pub fn trust_conn_read(
        conn: *mut trust_conn,
        buffer: *mut c_void,
        capacity: usize,
        out_len: *mut usize,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_write(
        conn: *mut trust_conn,
        data: *const c_void,
        len: usize,
        out_len: *mut usize,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_close(conn: *mut trust_conn, err: *mut *mut trust_error) -> trust_status;
    pub fn trust_conn_free(conn: *mut trust_conn);
    pub fn trust_conn_cancel(conn: *mut trust_conn);
    pub fn trust_conn_set_blocking(
        conn: *mut trust_conn,
        on: i32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_fd(conn: *const trust_conn) -> i32;
    pub fn trust_conn_pending(conn: *const trust_conn) -> usize;
    pub fn trust_conn_feed(
        conn: *mut trust_conn,
        data: *const c_void,
        len: usize,
        out_used: *mut usize,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_drain(
        conn: *mut trust_conn,
        buffer: *mut c_void,
        capacity: usize,
        out_len: *mut usize,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_conn_tls_version(conn: *const trust_conn) -> *const c_char;
    pub fn trust_conn_cipher(conn: *const trust_conn) -> *const c_char;
    pub fn trust_conn_alpn(conn: *const trust_conn) -> *const c_char;
    pub fn trust_conn_resumed(conn: *const trust_conn) -> i32;
    pub fn trust_conn_peer(
        conn: *const trust_conn,
        out: *mut *mut trust_peer,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_pool_new(
        store: *mut trust_store,
        config: *const trust_config,
        out: *mut *mut trust_pool,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_pool_free(pool: *mut trust_pool);
    pub fn trust_pool_set_limits(
        pool: *mut trust_pool,
        max_per_host: u32,
        max_total: u32,
        idle_ms: u32,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_pool_get(
        pool: *mut trust_pool,
        host: *const c_char,
        port: u16,
        out: *mut *mut trust_conn,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_pool_put(pool: *mut trust_pool, conn: *mut trust_conn, reusable: i32);
    pub fn trust_pool_idle(pool: *const trust_pool) -> u64;
    pub fn trust_pool_created(pool: *const trust_pool) -> u64;
    pub fn trust_pool_reused(pool: *const trust_pool) -> u64;
    pub fn trust_pool_resumed(pool: *const trust_pool) -> u64;
    pub fn trust_peer_host(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_port(peer: *const trust_peer) -> u16;
    pub fn trust_peer_trusted_by(peer: *const trust_peer) -> i32;
    pub fn trust_peer_pin_status(peer: *const trust_peer) -> i32;
    pub fn trust_peer_generation(peer: *const trust_peer) -> u64;
    pub fn trust_peer_fingerprint(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_pin(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_subject(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_issuer(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_not_before(peer: *const trust_peer) -> i64;
    pub fn trust_peer_not_after(peer: *const trust_peer) -> i64;
    pub fn trust_peer_path_not_after(peer: *const trust_peer) -> i64;
    pub fn trust_peer_cert_count(peer: *const trust_peer) -> usize;
    pub fn trust_peer_cert_der(
        peer: *const trust_peer,
        index: usize,
        out_len: *mut usize,
    ) -> *const u8;
    pub fn trust_peer_json(peer: *const trust_peer) -> *const c_char;
    pub fn trust_peer_free(peer: *mut trust_peer);
    pub fn trust_pins_get(
        store: *mut trust_store,
        host: *const c_char,
        port: u16,
        out: *mut *mut trust_pins,
        err: *mut *mut trust_error,
    ) -> trust_status;
    pub fn trust_pins_count(pins: *const trust_pins) -> usize;
    pub fn trust_pins_pin(pins: *const trust_pins, index: usize) -> *const c_char;
    pub fn trust_pins_note(pins: *const trust_pins, index: usize) -> *const c_char;
    pub fn trust_pins_expires(pins: *const trust_pins, index: usize) -> i64;
    pub fn trust_pins_enforced(pins: *const trust_pins, index: usize) -> i32;
    pub fn trust_pins_backup(pins: *const trust_pins, index: usize) -> i32;
    pub fn trust_pins_free(pins: *mut trust_pins);
}
