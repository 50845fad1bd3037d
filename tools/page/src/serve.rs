//! Files over HTTP, for one person on this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A request's head may be this long.
const LONGEST_HEAD: u64 = 16 << 10;

/// What a client may take.
#[derive(Clone, Copy)]
struct Limits {
    /// The number of connections at once. Each has a thread. A browser opens six.
    connections: usize,
    /// The time for the head of a request.
    request: Duration,
    /// The time for the whole answer.
    answer: Duration,
}

const LIMITS: Limits =
    Limits { connections: 64, request: Duration::from_secs(10), answer: Duration::from_secs(120) };

/// Serves the files that are in a folder and in its folders now, until the process is stopped.
pub(crate) fn serve(folder: &Path, port: u16) -> Result<()> {
    let mut files = HashMap::new();
    read(folder, "", &mut files)?;
    let address = (Ipv4Addr::LOCALHOST, port);
    let listener =
        TcpListener::bind(address).with_context(|| format!("port {port}; another one with --port"))?;
    println!("http://{}/", listener.local_addr()?);
    accept(&listener, &files, LIMITS);
    Ok(())
}

/// Answers each connection on a thread of its own. Those beyond the limit are told to come later.
fn accept(listener: &TcpListener, files: &HashMap<String, Vec<u8>>, limits: Limits) {
    let open = AtomicUsize::new(0);
    thread::scope(|scope| {
        for stream in listener.incoming() {
            // Where the process has no room for a connection, the next attempt comes after a pause.
            let Ok(stream) = stream else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            let open = &open;
            if open.fetch_add(1, Ordering::AcqRel) >= limits.connections {
                open.fetch_sub(1, Ordering::AcqRel);
                refuse(&stream);
                continue;
            }
            let work = move || {
                // A browser that hangs up is no mistake.
                let _ = answer(&stream, files, limits);
                open.fetch_sub(1, Ordering::AcqRel);
            };
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
    });
}

/// Answers without waiting, since the thread that accepts does it.
fn refuse(stream: &TcpStream) {
    let text = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    let _ = stream.set_nonblocking(true).and_then(|()| { &*stream }.write_all(text.as_bytes()));
}

/// A connection that ends at a certain time, however few bytes come at once.
struct Timed<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Timed<'_> {
    fn left(&self) -> IoResult<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, from: &[u8]) -> IoResult<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// Adds what is served, by path. Nothing else of the disk can be asked for.
fn read(folder: &Path, prefix: &str, files: &mut HashMap<String, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, std::fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

fn answer(stream: &TcpStream, files: &HashMap<String, Vec<u8>>, limits: Limits) -> IoResult<()> {
    let request = Timed { stream, end: Instant::now() + limits.request };
    let mut lines = BufReader::new(request.take(LONGEST_HEAD)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // A browser takes it ill when the connection is closed with some of its request unread.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let (status, kind, body) = match (method, files.get(name)) {
        ("GET" | "HEAD", Some(body)) => ("200 OK", kind(name), body.as_slice()),
        ("GET" | "HEAD", None) => ("404 Not Found", "text/plain", &b"not found\n"[..]),
        _ => ("405 Method Not Allowed", "text/plain", &b"GET only\n"[..]),
    };
    let length = body.len();
    let mut stream = Timed { stream, end: Instant::now() + limits.answer };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )?;
    if method != "HEAD" {
        stream.write_all(body)?;
    }
    Ok(())
}

fn kind(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// Serves a large file on a port of its own, for as long as the tests run.
    fn server(limits: Limits) -> std::net::SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let files =
                [("index.html".to_owned(), b"hello".to_vec()), ("large".to_owned(), vec![0; 64 << 20])];
            accept(&listener, &files.into(), limits);
        });
        address
    }

    fn connect(address: std::net::SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn get(address: std::net::SocketAddr) -> String {
        let mut stream = connect(address);
        // The server may have refused already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    /// Waits for the end of a connection, which must come.
    fn ends(mut stream: TcpStream) {
        let begin = Instant::now();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert!(begin.elapsed() < Duration::from_secs(15), "the connection stays open");
    }

    fn soon(seconds: u64) -> Limits {
        Limits { connections: 3, request: Duration::from_secs(seconds), answer: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_client_that_says_nothing_or_little_is_hung_up_on() {
        let address = server(soon(1));
        assert!(get(address).ends_with("hello"));
        ends(connect(address));
        // A byte now and then does not prolong it.
        let mut slow = connect(address);
        let begin = Instant::now();
        while slow.write_all(b"G").is_ok() && begin.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(100));
        }
        assert!(begin.elapsed() < Duration::from_secs(8), "the connection stays open");
    }

    #[test]
    fn connections_beyond_the_limit_are_refused_and_a_client_that_does_not_read_ends() {
        let address = server(soon(3));
        let held: Vec<TcpStream> = (0..3)
            .map(|_| {
                let mut stream = connect(address);
                stream.write_all(b"GET /large HTTP/1.1\r\n\r\n").unwrap();
                stream
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        assert!(get(address).contains("503"), "{:?}", get(address));
        // The answers that nobody reads end, too.
        let begin = Instant::now();
        while !get(address).ends_with("hello") {
            assert!(begin.elapsed() < Duration::from_secs(15), "the connections stay open");
            thread::sleep(Duration::from_millis(200));
        }
        drop(held);
    }
}
