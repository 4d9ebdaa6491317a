use crate::{text, Peer};
use std::fmt;
use std::io;
use trust_sys as sys;

pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed: what every kind of error carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The number of trust.h.
    pub status: i32,
    /// One sentence that names the host, certificate or file.
    pub message: String,
    /// What to do about it, for example a command line; empty if nothing helps.
    pub hint: String,
    /// The system's errno, and the TLS alert; 0 if none.
    pub errno: i32,
    pub tls_alert: i32,
}

impl Failure {
    /// The constant's name: `"TRUST_ERR_EXPIRED"`.
    pub fn name(&self) -> String {
        text(unsafe { sys::trust_status_name(self.status) })
    }
}

#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The peer was reached and is not trusted; this is what it presented.
    Untrusted(Failure, Box<Peer>),
    /// Nothing is published, or it is damaged, or not ours to read.
    Store(Failure),
    /// Resolving, connecting, reading, writing.
    Network(Failure),
    TimedOut(Failure),
    Cancelled(Failure),
    /// The TLS handshake or a record.
    Tls(Failure),
    /// The peer went away without closing TLS: data may be missing.
    Truncated(Failure),
    /// A value is malformed or out of range, or the handle cannot do this now.
    Usage(Failure),
    /// The version, memory, or a bug.
    Library(Failure),
}

impl Error {
    pub fn failure(&self) -> &Failure {
        match self {
            Error::Untrusted(failure, _)
            | Error::Store(failure)
            | Error::Network(failure)
            | Error::TimedOut(failure)
            | Error::Cancelled(failure)
            | Error::Tls(failure)
            | Error::Truncated(failure)
            | Error::Usage(failure)
            | Error::Library(failure) => failure,
        }
    }

    /// What an untrusted peer presented.
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            Error::Untrusted(_, peer) => Some(peer),
            _ => None,
        }
    }

    /// The error of this crate within one of `std::io`, as `Read` and `Write` return it.
    pub fn of(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }

    pub(crate) fn argument(message: String) -> Error {
        Error::Usage(Failure {
            status: sys::TRUST_ERR_ARGUMENT,
            message,
            hint: String::new(),
            errno: 0,
            tls_alert: 0,
        })
    }

    pub(crate) fn out_of_memory() -> Error {
        Error::taken(sys::TRUST_ERR_MEMORY, std::ptr::null_mut())
    }

    /// Takes what a failed call gave; `error` may be null.
    fn taken(status: i32, error: *mut sys::trust_error) -> Error {
        let failure = unsafe {
            Failure {
                status,
                message: text(if error.is_null() {
                    sys::trust_status_name(status)
                } else {
                    sys::trust_error_message(error)
                }),
                hint: text(sys::trust_error_hint(error)),
                errno: sys::trust_error_errno(error),
                tls_alert: sys::trust_error_tls_alert(error),
            }
        };
        let made = match status {
            sys::TRUST_ERR_TIMEOUT => Error::TimedOut(failure),
            sys::TRUST_ERR_CANCELLED => Error::Cancelled(failure),
            sys::TRUST_ERR_TRUNCATED => Error::Truncated(failure),
            sys::TRUST_ERR_VERSION => Error::Library(failure),
            -199..=-100 => Error::Usage(failure),
            -299..=-200 => Error::Store(failure),
            -499..=-400 => Error::Network(failure),
            -599..=-500 => Error::Tls(failure),
            -699..=-600 => {
                let peer = unsafe { Peer::copied(sys::trust_error_peer(error)) };
                Error::Untrusted(failure, Box::new(peer))
            }
            _ => Error::Library(failure),
        };
        unsafe { sys::trust_error_free(error) };
        made
    }
}

/// Runs a call that takes `err`: zero and "not now" are returned.
pub(crate) fn call(function: impl FnOnce(*mut *mut sys::trust_error) -> i32) -> Result<i32> {
    let mut error = std::ptr::null_mut();
    let status = function(&mut error);
    if status < 0 {
        return Err(Error::taken(status, error));
    }
    Ok(status)
}

/// The message, and below it the hint if there is one.
impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = self.failure();
        out.write_str(&failure.message)?;
        if failure.hint.is_empty() {
            return Ok(());
        }
        write!(out, "\nhint: {}", failure.hint)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::Untrusted(..) => io::ErrorKind::PermissionDenied,
            Error::Store(failure) if failure.status == sys::TRUST_ERR_STORE_MISSING => {
                io::ErrorKind::NotFound
            }
            Error::Network(failure) if failure.status == sys::TRUST_ERR_CONNECT => {
                io::ErrorKind::ConnectionRefused
            }
            Error::TimedOut(_) => io::ErrorKind::TimedOut,
            // Not Interrupted, which std repeats.
            Error::Cancelled(_) => io::ErrorKind::ConnectionAborted,
            Error::Truncated(_) => io::ErrorKind::UnexpectedEof,
            Error::Tls(_) => io::ErrorKind::InvalidData,
            Error::Usage(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
