//! Does with the Rust binding what each line of standard input says; see driven.py.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use trust::{Config, PinStatus, Pool, Store};

/// Until a thread of this process sleeps in poll, as a read does; at most ten seconds.
fn wait_until_in_poll() {
    let numbers: &[&str] = if cfg!(target_arch = "x86_64") { &["7", "271"] } else { &["73"] };
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
            if text.split(' ').next().map_or(false, |number| numbers.contains(&number)) {
                return;
            }
        }
        thread::yield_now();
    }
    panic!("no thread of this process waits in poll()");
}

type Answer = Result<Json, Box<dyn Error>>;

/// The members of one object, as text.
struct Json(String);

impl Json {
    fn of(outcome: &str) -> Json {
        Json(String::new()).text("outcome", outcome)
    }

    fn raw(mut self, name: &str, value: impl std::fmt::Display) -> Json {
        let comma = if self.0.is_empty() { "" } else { "," };
        write!(self.0, "{}\"{}\":{}", comma, name, value).unwrap();
        self
    }

    fn text(self, name: &str, value: &str) -> Json {
        let mut quoted = String::from("\"");
        for character in value.chars() {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                '\0'..='\x1f' => write!(quoted, "\\u{:04x}", character as u32).unwrap(),
                _ => quoted.push(character),
            }
        }
        self.raw(name, quoted + "\"")
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn says_trusted(json: &str) -> bool {
    json.replace(' ', "").contains("\"trusted\":true")
}

fn failed(error: &(dyn Error + 'static)) -> Json {
    let ours = match error.downcast_ref::<io::Error>() {
        Some(error) => trust::Error::of(error),
        None => error.downcast_ref::<trust::Error>(),
    };
    let ours = match ours {
        Some(ours) => ours,
        None => return Json::of("failed").text("name", "other").text("message", &error.to_string()),
    };
    let failure = ours.failure();
    let outcome = if ours.peer().is_some() { "refused" } else { "failed" };
    let mut said = Json::of(outcome)
        .text("name", &failure.name())
        .text("message", &failure.message)
        .text("hint", &failure.hint);
    if let Some(peer) = ours.peer() {
        said = said
            .text("fingerprint", &peer.fingerprint)
            .raw("certificates", peer.path.len())
            .raw("trusted", says_trusted(&peer.json));
    }
    said
}

struct Driver {
    store: Store,
    pool: Option<Pool>,
}

impl Driver {
    fn get(&self, host: &str, port: u16) -> Answer {
        let mut connection = self.store.connect(host, port)?;
        write!(connection, "GET / HTTP/1.0\r\nHost: {}\r\n\r\n", host)?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or("");
        let peer = connection.peer()?;
        Ok(Json::of("served")
            .text("body", body)
            .raw("resumed", connection.resumed())
            .text("fingerprint", &peer.fingerprint)
            .text("tls", &connection.tls_version())
            .raw("trusted", says_trusted(&peer.json))
            .raw("pinned", peer.pin_status == PinStatus::Match))
    }

    fn pooled(&mut self, host: &str, port: u16) -> Answer {
        if self.pool.is_none() {
            self.pool = Some(Pool::new(&self.store, None)?);
        }
        let mut connection = self.pool.as_ref().unwrap().get(host, port)?;
        write!(*connection, "GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host)?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"served\n") {
            let length = connection.read(&mut buffer)?;
            if length == 0 {
                return Err("the answer ended".into());
            }
            answer.extend(&buffer[..length]);
        }
        connection.put_back();
        let answer = String::from_utf8(answer)?;
        Ok(Json::of("served").text("body", answer.split("\r\n\r\n").nth(1).unwrap_or("")))
    }

    fn echo(&self, host: &str, port: u16, length: usize) -> Answer {
        let data = Arc::new(pattern(length));
        let (mut reader, mut writer) = self.store.connect(host, port)?.split();
        let sent = data.clone();
        let other = thread::spawn(move || {
            writer.write_all(b"echo\n")?;
            writer.write_all(&sent)?;
            writer.close()
        });
        let mut found = Vec::new();
        reader.read_to_end(&mut found)?;
        other.join().expect("no panic")?;
        Ok(Json::of("served").raw("bytes", found.len()).raw("equal", found == *data))
    }

    fn read(&self, host: &str, port: u16, what: &[&str]) -> Answer {
        let mut connection = self.store.connect(host, port)?;
        writeln!(connection, "{}", what.join(" "))?;
        let mut found = Vec::new();
        match connection.read_to_end(&mut found) {
            Ok(_) => Ok(Json::of("served").raw("bytes", found.len())),
            Err(error) => Ok(failed(&error)
                .raw("bytes", found.len())
                .raw("unexpected_eof", error.kind() == io::ErrorKind::UnexpectedEof)),
        }
    }

    fn cancel(&self, host: &str, port: u16) -> Answer {
        let mut connection = self.store.connect(host, port)?;
        connection.write_all(b"stall\n")?;
        let canceller = connection.canceller();
        let other = thread::spawn(move || {
            wait_until_in_poll();
            canceller.cancel();
        });
        let read = connection.read(&mut [0]);
        other.join().expect("no panic");
        read?;
        Ok(Json::of("served"))
    }

    fn timeout(&self, host: &str, port: u16, ms: u64) -> Answer {
        let config = Config::new()?.io_timeout(Duration::from_millis(ms))?;
        let mut connection = self.store.connect_with(host, port, &config)?;
        connection.write_all(b"stall\n")?;
        let started = Instant::now();
        match connection.read(&mut [0]) {
            Ok(_) => Ok(Json::of("served")),
            Err(error) => Ok(failed(&error).raw("ms", started.elapsed().as_millis())),
        }
    }

    fn connect_timeout(&self, host: &str, port: u16, ms: u64) -> Answer {
        let config = Config::new()?.connect_timeout(Duration::from_millis(ms))?;
        let started = Instant::now();
        match self.store.connect_with(host, port, &config) {
            Ok(_) => Ok(Json::of("served")),
            Err(error) => Ok(failed(&error).raw("ms", started.elapsed().as_millis())),
        }
    }

    fn parallel(&self, host: &str, port: u16, count: usize) -> Answer {
        let one = || self.get(host, port).map_or(false, |said| said.0.contains("served\\u000a"));
        let served = thread::scope(|scope| {
            let all: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
            all.into_iter().filter_map(|thread| thread.join().ok()).filter(|&served| served).count()
        });
        Ok(Json::of("served").raw("count", served))
    }

    fn pinned(&self, host: &str, port: u16, pin: &str) -> Answer {
        let config = Config::new()?.add_pin(pin)?.require_pin(true)?;
        self.store.connect_with(host, port, &config)?;
        Ok(Json::of("served"))
    }

    fn answer(&mut self, words: &[&str]) -> Answer {
        let host = words.get(1).copied().unwrap_or("");
        let port = words.get(2).map_or(Ok(0), |text| text.parse())?;
        match words[0] {
            "get" => self.get(host, port),
            "pooled" => self.pooled(host, port),
            "forget" => {
                self.pool = None;
                Ok(Json::of("done"))
            }
            "echo" => self.echo(host, port, words[3].parse()?),
            "read" => self.read(host, port, &words[3..]),
            "cancel" => self.cancel(host, port),
            "timeout" => self.timeout(host, port, words[3].parse()?),
            "connect-timeout" => self.connect_timeout(host, port, words[3].parse()?),
            "parallel" => self.parallel(host, port, words[3].parse()?),
            "pinned" => self.pinned(host, port, words[3]),
            "fds" => {
                let count = std::fs::read_dir("/proc/self/fd")?.count();
                Ok(Json::of("done").raw("count", count))
            }
            other => Err(other.into()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut driver = Driver { store: Store::open()?, pool: None };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = driver.answer(&words).unwrap_or_else(|error| failed(error.as_ref()));
        println!("{{{}}}", said.0);
    }
    Ok(())
}
