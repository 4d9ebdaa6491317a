use crate::error::call;
use crate::{c_text, pool, text, Config, Peer, Result, Store};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::io::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use trust_sys as sys;

/// What a connection and its parts share; freed with the last of them.
pub(crate) struct Inner {
    pub(crate) handle: *mut sys::trust_conn,
    pool: Option<Arc<pool::Inner>>,
    reusable: AtomicBool,
}

// The library lets one thread read while another writes, and any thread cancel. The types below
// hold to that: there is one reader and one writer of an Inner, and they are borrowed mutably.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        match &self.pool {
            Some(pool) => unsafe {
                let reusable = self.reusable.load(Ordering::Acquire).into();
                sys::trust_pool_put(pool.handle, self.handle, reusable)
            },
            None => unsafe { sys::trust_conn_free(self.handle) },
        }
    }
}

impl Inner {
    /// It goes back to its pool when the last part is gone; a Canceller may hold one for a moment.
    pub(crate) fn keep(&self) {
        self.reusable.store(true, Ordering::Release);
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut length = 0;
        let status = call(|err| unsafe {
            let start = buffer.as_mut_ptr().cast();
            sys::trust_conn_read(self.handle, start, buffer.len(), &mut length, err)
        })?;
        match status {
            sys::TRUST_EOF => Ok(0),
            sys::TRUST_OK => Ok(length),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write(&self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let mut length = 0;
        let status = call(|err| unsafe {
            sys::trust_conn_write(self.handle, data.as_ptr().cast(), data.len(), &mut length, err)
        })?;
        match status {
            sys::TRUST_OK => Ok(length),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn close(&self) -> io::Result<()> {
        match call(|err| unsafe { sys::trust_conn_close(self.handle, err) })? {
            sys::TRUST_OK | sys::TRUST_EOF => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// One verified connection. `read` returns 0 when the peer closed properly, and fails with
/// `UnexpectedEof` when it just went away; `Error::of` gives this crate's error.
pub struct Connection {
    inner: Arc<Inner>,
    // Facts are asked of by one thread at a time: Send, and not Sync.
    one_thread: PhantomData<Cell<()>>,
}

impl Connection {
    pub(crate) fn connect(
        store: &Store,
        host: &str,
        port: u16,
        config: Option<&Config>,
    ) -> Result<Connection> {
        let host = c_text(host, "host")?;
        let mut handle = ptr::null_mut();
        call(|err| unsafe {
            let config = Config::pointer(config);
            sys::trust_connect(store.handle, host.as_ptr(), port, config, &mut handle, err)
        })?;
        Ok(Connection::adopted(handle, None))
    }

    pub(crate) fn adopted(
        handle: *mut sys::trust_conn,
        pool: Option<Arc<pool::Inner>>,
    ) -> Connection {
        let inner = Arc::new(Inner { handle, pool, reusable: AtomicBool::new(false) });
        Connection { inner, one_thread: PhantomData }
    }

    pub(crate) fn into_inner(self) -> Arc<Inner> {
        self.inner
    }

    /// Tells the peer that no more will be sent; reading may go on.
    pub fn close(&mut self) -> io::Result<()> {
        self.inner.close()
    }

    /// Cancels from another thread. It does not keep the connection open.
    pub fn canceller(&self) -> Canceller {
        Canceller { inner: Arc::downgrade(&self.inner) }
    }

    /// Two halves, for one thread that reads and one that writes.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf { inner: self.inner.clone() }, WriteHalf { inner: self.inner })
    }

    /// Without waiting: `read`, `write` and `close` then fail with `WouldBlock`.
    pub fn set_nonblocking(&mut self, on: bool) -> Result<()> {
        let blocking = (!on).into();
        let set = |err| unsafe { sys::trust_conn_set_blocking(self.inner.handle, blocking, err) };
        call(set).map(drop)
    }

    /// Bytes that `read` returns without waiting: look here before polling the descriptor.
    pub fn pending(&self) -> usize {
        unsafe { sys::trust_conn_pending(self.inner.handle) }
    }

    pub fn peer(&self) -> Result<Peer> {
        let mut peer = ptr::null_mut();
        call(|err| unsafe { sys::trust_conn_peer(self.inner.handle, &mut peer, err) })?;
        Ok(unsafe { Peer::taken(peer) })
    }

    pub fn tls_version(&self) -> String {
        text(unsafe { sys::trust_conn_tls_version(self.inner.handle) })
    }

    pub fn cipher(&self) -> String {
        text(unsafe { sys::trust_conn_cipher(self.inner.handle) })
    }

    /// Empty if none was agreed.
    pub fn alpn(&self) -> String {
        text(unsafe { sys::trust_conn_alpn(self.inner.handle) })
    }

    pub fn resumed(&self) -> bool {
        unsafe { sys::trust_conn_resumed(self.inner.handle) == 1 }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        unsafe { sys::trust_conn_fd(self.inner.handle) }
    }
}

pub struct ReadHalf {
    inner: Arc<Inner>,
}

impl Read for ReadHalf {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

pub struct WriteHalf {
    inner: Arc<Inner>,
}

impl WriteHalf {
    /// Tells the peer that no more will be sent.
    pub fn close(&mut self) -> io::Result<()> {
        self.inner.close()
    }
}

impl Write for WriteHalf {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes calls on its connection, now and from now on, fail with `Error::Cancelled`.
#[derive(Clone)]
pub struct Canceller {
    inner: Weak<Inner>,
}

impl Canceller {
    pub fn cancel(&self) {
        if let Some(inner) = self.inner.upgrade() {
            unsafe { sys::trust_conn_cancel(inner.handle) }
        }
    }
}
