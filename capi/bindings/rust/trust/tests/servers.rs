//! These want servers, which tests/bindings starts: HOST:PORT of one that is trusted and pinned, and
//! of one that is not in the store. Without them they pass and say so.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::io::AsRawFd;
use std::time::Duration;
use trust::{Config, Connection, Error, Pool, Store, TrustedBy};

fn endpoint(variable: &str) -> Option<(String, u16)> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        eprintln!("no {}", variable);
    }
    let value = value?;
    let (host, port) = value.rsplit_once(':')?;
    Some((host.to_string(), port.parse().ok()?))
}

fn trusted() -> Option<(Store, Connection, String, u16)> {
    let (host, port) = endpoint("TRUST_TEST_SERVER")?;
    let store = Store::open().unwrap();
    let connection = store.connect(&host, port).unwrap();
    Some((store, connection, host, port))
}

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

#[test]
fn what_may_move_between_threads_does() {
    is_send::<Connection>();
    is_send::<trust::ReadHalf>();
    is_send::<trust::WriteHalf>();
    is_send::<trust::PooledConnection>();
    is_send::<Config>();
    is_send::<trust::Canceller>();
    is_sync::<trust::Canceller>();
    is_send::<Store>();
    is_sync::<Store>();
    is_sync::<Pool>();
    is_send::<Error>();
    is_sync::<Error>();
}

#[test]
fn a_connection_outlives_its_store() {
    let (store, mut connection, ..) = match trusted() {
        Some(found) => found,
        None => return,
    };
    drop(store);
    assert_eq!(connection.peer().unwrap().trusted_by, TrustedBy::AddedLeaf);
    assert!(connection.as_raw_fd() >= 0);
    connection.write_all(b"eof 1000\n").unwrap();
    let mut found = Vec::new();
    connection.read_to_end(&mut found).unwrap();
    assert_eq!(found.len(), 1000);
}

#[test]
fn without_waiting_it_would_block() {
    let (_store, mut connection, ..) = match trusted() {
        Some(found) => found,
        None => return,
    };
    connection.set_nonblocking(true).unwrap();
    connection.write_all(b"stall\n").unwrap();
    assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let canceller = connection.canceller();
    canceller.cancel();
    let error = connection.read(&mut [0]).unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::Cancelled(_))), "{:?}", error);
    drop(connection);
    canceller.cancel(); // of nothing
}

#[test]
fn a_truncation_is_an_unexpected_end() {
    let (_store, mut connection, ..) = match trusted() {
        Some(found) => found,
        None => return,
    };
    connection.write_all(b"truncate 1000\n").unwrap();
    let mut found = Vec::new();
    let error = connection.read_to_end(&mut found).unwrap_err();
    assert_eq!((found.len(), error.kind()), (1000, ErrorKind::UnexpectedEof));
}

#[test]
fn a_pool_keeps_what_is_put_back_and_closes_what_is_dropped() {
    let (host, port) = match endpoint("TRUST_TEST_SERVER") {
        Some(found) => found,
        None => return,
    };
    let pool = Pool::new(&Store::open().unwrap(), None).unwrap();
    pool.set_limits(2, 4, Duration::from_secs(10)).unwrap();
    pool.get(&host, port).unwrap().put_back();
    assert_eq!((pool.created(), pool.idle()), (1, 1));
    drop(pool.get(&host, port).unwrap());
    assert_eq!((pool.created(), pool.reused(), pool.idle()), (1, 1, 0));
    let kept = pool.get(&host, port).unwrap();
    drop(pool);
    kept.put_back();
}

#[test]
fn a_refusal_carries_the_peer() {
    let (host, port) = match endpoint("TRUST_TEST_STRANGER") {
        Some(found) => found,
        None => return,
    };
    let error = Store::open().unwrap().connect(&host, port).err().expect("a refusal");
    let peer = error.peer().expect("what it presented");
    assert_eq!((peer.host.as_str(), peer.path.len()), (host.as_str(), 1));
    assert_eq!(error.failure().name(), "TRUST_ERR_SELF_SIGNED");
    assert!(error.to_string().contains(&host), "{}", error);
}

#[test]
fn wrong_values_are_refused_by_name() {
    assert!(matches!(Config::new().unwrap().min_tls(11), Err(Error::Usage(_))));
    assert!(matches!(Config::new().unwrap().add_pin("sha1/x"), Err(Error::Usage(_))));
    assert!(matches!(Config::new().unwrap().io_timeout(Duration::ZERO), Err(Error::Usage(_))));
    assert!(matches!(Config::new().unwrap().server_name("a\0b"), Err(Error::Usage(_))));
    assert!(matches!(Store::open_at("/nowhere"), Err(Error::Store(_))));
}
