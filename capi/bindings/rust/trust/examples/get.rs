//! get HOST PORT: fetches https://HOST:PORT/ and says how the peer was judged.

use std::io::{self, Read, Write};
use std::process::ExitCode;

fn fetch(host: &str, port: u16) -> Result<(), io::Error> {
    let store = trust::Store::open()?;
    let mut connection = store.connect(host, port)?;
    eprintln!("{}, {}", connection.tls_version(), connection.peer()?.fingerprint);
    write!(connection, "GET / HTTP/1.0\r\nHost: {}\r\n\r\n", host)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    io::stdout().write_all(&answer)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (host, port) = match arguments.as_slice() {
        [host, port] => (host, port.parse().expect("a port")),
        _ => {
            eprintln!("usage: get HOST PORT");
            return ExitCode::from(2);
        }
    };
    let error = match fetch(host, port) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    match trust::Error::of(&error) {
        Some(refused @ trust::Error::Untrusted(failure, _)) => {
            eprintln!("{}: {}", failure.name(), refused);
            ExitCode::from(3)
        }
        _ => {
            eprintln!("{}", error);
            ExitCode::FAILURE
        }
    }
}
