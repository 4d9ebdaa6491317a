use crate::error::call;
use crate::{c_text, text, Config, Connection, Peer, Result};
use std::path::{Path, PathBuf};
use std::ptr;
use trust_sys as sys;

/// The published store. It notices what is published, at most a second late; any number of threads
/// may share one.
pub struct Store {
    pub(crate) handle: *mut sys::trust_store,
}

unsafe impl Send for Store {}
unsafe impl Sync for Store {}

/// One pin of a host and port, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub pin: String,
    pub note: String,
    /// Unix seconds.
    pub expires: Option<i64>,
    pub enforced: bool,
    pub backup: bool,
}

impl Store {
    /// `$TRUSTD_STORE`, else the user's store, else the machine's.
    pub fn open() -> Result<Store> {
        Store::open_pointer(ptr::null())
    }

    pub fn open_at(directory: impl AsRef<Path>) -> Result<Store> {
        let directory = c_text(&directory.as_ref().to_string_lossy(), "directory")?;
        Store::open_pointer(directory.as_ptr())
    }

    fn open_pointer(directory: *const std::os::raw::c_char) -> Result<Store> {
        call(|err| unsafe { sys::trust_check_version(sys::TRUST_VERSION_NUMBER, err) })?;
        let mut handle = ptr::null_mut();
        call(|err| unsafe { sys::trust_store_open(directory, &mut handle, err) })?;
        Ok(Store { handle })
    }

    /// A verified connection that blocks.
    pub fn connect(&self, host: &str, port: u16) -> Result<Connection> {
        Connection::connect(self, host, port, None)
    }

    pub fn connect_with(&self, host: &str, port: u16, config: &Config) -> Result<Connection> {
        Connection::connect(self, host, port, Some(config))
    }

    /// Judges a chain, leaf first: PEM, or DER concatenated. Port 0 means pins for any port.
    pub fn verify(
        &self,
        host: &str,
        port: u16,
        chain: &[u8],
        config: Option<&Config>,
    ) -> Result<Peer> {
        let host = c_text(host, "host")?;
        let mut peer = ptr::null_mut();
        call(|err| unsafe {
            sys::trust_verify(
                self.handle,
                host.as_ptr(),
                port,
                chain.as_ptr().cast(),
                chain.len(),
                Config::pointer(config),
                &mut peer,
                err,
            )
        })?;
        Ok(unsafe { Peer::taken(peer) })
    }

    /// The pins for a host and port as published now.
    pub fn pins(&self, host: &str, port: u16) -> Result<Vec<Pin>> {
        let host = c_text(host, "host")?;
        let mut pins = ptr::null_mut();
        call(|err| unsafe {
            sys::trust_pins_get(self.handle, host.as_ptr(), port, &mut pins, err)
        })?;
        unsafe {
            let found = (0..sys::trust_pins_count(pins)).map(|at| Pin {
                pin: text(sys::trust_pins_pin(pins, at)),
                note: text(sys::trust_pins_note(pins, at)),
                expires: Some(sys::trust_pins_expires(pins, at)).filter(|&end| end != 0),
                enforced: sys::trust_pins_enforced(pins, at) == 1,
                backup: sys::trust_pins_backup(pins, at) == 1,
            });
            let found = found.collect();
            sys::trust_pins_free(pins);
            Ok(found)
        }
    }

    /// Looks for newly published trust now.
    pub fn refresh(&self) -> Result<()> {
        call(|err| unsafe { sys::trust_store_refresh(self.handle, err) }).map(drop)
    }

    pub fn generation(&self) -> u64 {
        unsafe { sys::trust_store_generation(self.handle) }
    }

    pub fn directory(&self) -> PathBuf {
        text(unsafe { sys::trust_store_directory(self.handle) }).into()
    }

    /// The CA bundle in PEM, for tools that want a file.
    pub fn bundle_path(&self) -> PathBuf {
        text(unsafe { sys::trust_store_bundle_path(self.handle) }).into()
    }

    /// The variables that make other programs trust the same.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variable = |index| unsafe {
            let name = sys::trust_store_env_name(self.handle, index);
            let value = sys::trust_store_env_value(self.handle, index);
            (!name.is_null()).then(|| (text(name), text(value)))
        };
        (0..).map_while(variable).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        unsafe { sys::trust_store_free(self.handle) }
    }
}
