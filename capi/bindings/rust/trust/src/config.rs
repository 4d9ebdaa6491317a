use crate::error::call;
use crate::{c_text, Error, Result};
use std::ptr;
use std::time::Duration;
use trust_sys as sys;

/// How to connect. It narrows what the store trusts and cannot widen it.
///
/// ```no_run
/// let config = trust::Config::new()?.io_timeout(std::time::Duration::from_secs(5))?;
/// # Ok::<(), trust::Error>(())
/// ```
pub struct Config {
    handle: *mut sys::trust_config,
}

// It belongs to one thread at a time and may move; changing it takes it by value.
unsafe impl Send for Config {}

impl Config {
    pub fn new() -> Result<Config> {
        let handle = unsafe { sys::trust_config_new() };
        if handle.is_null() {
            return Err(Error::out_of_memory());
        }
        Ok(Config { handle })
    }

    /// Name resolution, TCP and handshake together. 10 s unless set.
    pub fn connect_timeout(self, timeout: Duration) -> Result<Config> {
        let ms = milliseconds(timeout);
        self.set(|config, err| unsafe { sys::trust_config_set_connect_timeout_ms(config, ms, err) })
    }

    /// The longest silence within one blocking read or write. 30 s unless set.
    pub fn io_timeout(self, timeout: Duration) -> Result<Config> {
        let ms = milliseconds(timeout);
        self.set(|config, err| unsafe { sys::trust_config_set_io_timeout_ms(config, ms, err) })
    }

    /// Verify, announce and look up pins under this name in place of the host that is dialled.
    pub fn server_name(self, name: &str) -> Result<Config> {
        let name = c_text(name, "server name")?;
        self.set(|config, err| unsafe {
            sys::trust_config_set_server_name(config, name.as_ptr(), err)
        })
    }

    /// In order of preference: `&["h2", "http/1.1"]`.
    pub fn alpn(self, protocols: &[&str]) -> Result<Config> {
        let list = c_text(&protocols.join(","), "protocol list")?;
        self.set(|config, err| unsafe { sys::trust_config_set_alpn(config, list.as_ptr(), err) })
    }

    /// 12 for TLS 1.2, which is the least, 13 for TLS 1.3.
    pub fn min_tls(self, version: i32) -> Result<Config> {
        self.set(|config, err| unsafe { sys::trust_config_set_min_tls(config, version, err) })
    }

    /// A PEM chain, leaf first, and its PEM key.
    pub fn client_cert(self, chain: &[u8], key: &[u8], password: Option<&str>) -> Result<Config> {
        let password = password.map(|of| c_text(of, "password")).transpose()?;
        self.set(|config, err| unsafe {
            sys::trust_config_set_client_cert(
                config,
                chain.as_ptr().cast(),
                chain.len(),
                key.as_ptr().cast(),
                key.len(),
                password.as_ref().map_or(ptr::null(), |of| of.as_ptr()),
                err,
            )
        })
    }

    /// One of these keys must match, besides what the store demands.
    pub fn add_pin(self, pin: &str) -> Result<Config> {
        let pin = c_text(pin, "pin")?;
        self.set(|config, err| unsafe { sys::trust_config_add_pin(config, pin.as_ptr(), err) })
    }

    /// Refuse hosts for which neither the store nor this configuration has a pin.
    pub fn require_pin(self, on: bool) -> Result<Config> {
        self.set(|config, err| unsafe { sys::trust_config_set_require_pin(config, on.into(), err) })
    }

    /// Resume TLS sessions where the peer offers it. On unless set.
    pub fn resumption(self, on: bool) -> Result<Config> {
        self.set(|config, err| unsafe { sys::trust_config_set_resumption(config, on.into(), err) })
    }

    fn set(
        self,
        function: impl FnOnce(*mut sys::trust_config, *mut *mut sys::trust_error) -> i32,
    ) -> Result<Config> {
        call(|err| function(self.handle, err))?;
        Ok(self)
    }

    pub(crate) fn pointer(config: Option<&Config>) -> *const sys::trust_config {
        config.map_or(ptr::null(), |of| of.handle)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        unsafe { sys::trust_config_free(self.handle) }
    }
}

/// Zero is refused by the library, so what is less than one millisecond is not made zero.
fn milliseconds(of: Duration) -> u32 {
    let ms = of.as_millis().min(u32::MAX.into()) as u32;
    if ms == 0 && !of.is_zero() {
        1
    } else {
        ms
    }
}
