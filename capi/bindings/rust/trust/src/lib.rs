//! TLS connections verified by this machine's trust store.
//!
//! The daemon (trustd) decides what the machine trusts. This crate makes connections that obey it;
//! nothing in it turns verification off or adds trust.
//!
//! ```no_run
//! use std::io::{Read, Write};
//!
//! let store = trust::Store::open()?;
//! let mut connection = store.connect("api.dev.test", 443)?;
//! connection.write_all(b"GET / HTTP/1.0\r\nHost: api.dev.test\r\n\r\n")?;
//! let mut answer = String::new();
//! connection.read_to_string(&mut answer)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod connection;
mod error;
mod peer;
mod pool;
mod store;

pub use config::Config;
pub use connection::{Canceller, Connection, ReadHalf, WriteHalf};
pub use error::{Error, Failure, Result};
pub use peer::{Peer, PinStatus, TrustedBy};
pub use pool::{Pool, PooledConnection};
pub use store::{Pin, Store};

use std::ffi::{CStr, CString};
use std::os::raw::c_char;

/// Of the library, and of the OpenSSL it runs on.
pub fn version() -> String {
    text(unsafe { trust_sys::trust_version() })
}

/// A copy of a string of the library's; null is "".
fn text(value: *const c_char) -> String {
    if value.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned()
}

fn c_text(value: &str, what: &str) -> Result<CString> {
    CString::new(value)
        .map_err(|_| Error::argument(format!("the {} contains a NUL character", what)))
}
