use crate::error::call;
use crate::{c_text, Config, Connection, Result, Store};
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;
use trust_sys as sys;

pub(crate) struct Inner {
    pub(crate) handle: *mut sys::trust_pool,
}

unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        unsafe { sys::trust_pool_free(self.handle) }
    }
}

/// Idle connections, ready to use again; each is judged again before it is handed out. Any number
/// of threads may share one; a clone is the same pool.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

impl Pool {
    pub fn new(store: &Store, config: Option<&Config>) -> Result<Pool> {
        let mut handle = ptr::null_mut();
        call(|err| unsafe {
            sys::trust_pool_new(store.handle, Config::pointer(config), &mut handle, err)
        })?;
        Ok(Pool { inner: Arc::new(Inner { handle }) })
    }

    pub fn set_limits(&self, per_host: u32, total: u32, idle: Duration) -> Result<()> {
        let idle_ms = idle.as_millis().min(u32::MAX.into()) as u32;
        let set = |err| unsafe {
            sys::trust_pool_set_limits(self.inner.handle, per_host, total, idle_ms, err)
        };
        call(set).map(drop)
    }

    /// An idle connection that is still trusted, else a new one.
    pub fn get(&self, host: &str, port: u16) -> Result<PooledConnection> {
        let host = c_text(host, "host")?;
        let mut handle = ptr::null_mut();
        call(|err| unsafe {
            sys::trust_pool_get(self.inner.handle, host.as_ptr(), port, &mut handle, err)
        })?;
        let connection = Connection::adopted(handle, Some(self.inner.clone()));
        Ok(PooledConnection { connection })
    }

    /// Idle now.
    pub fn idle(&self) -> u64 {
        unsafe { sys::trust_pool_idle(self.inner.handle) }
    }

    /// Opened since the start.
    pub fn created(&self) -> u64 {
        unsafe { sys::trust_pool_created(self.inner.handle) }
    }

    /// Handed out again.
    pub fn reused(&self) -> u64 {
        unsafe { sys::trust_pool_reused(self.inner.handle) }
    }

    /// Opened by resumption.
    pub fn resumed(&self) -> u64 {
        unsafe { sys::trust_pool_resumed(self.inner.handle) }
    }
}

/// A connection of a pool. `put_back` keeps it for reuse; dropped, it is closed.
pub struct PooledConnection {
    connection: Connection,
}

impl PooledConnection {
    /// For a connection whose answer was read to its end.
    pub fn put_back(self) {
        self.connection.into_inner().keep();
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
