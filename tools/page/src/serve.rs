//! Files over HTTP, for one person on this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// A request's head may be this long.
const LONGEST_HEAD: u64 = 16 << 10;
/// Who says nothing for so long is hung up on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the files that are in a folder and in its folders now, until the process is stopped.
pub(crate) fn serve(folder: &Path, port: u16) -> Result<()> {
    let mut files = HashMap::new();
    read(folder, "", &mut files)?;
    let address = (Ipv4Addr::LOCALHOST, port);
    let listener =
        TcpListener::bind(address).with_context(|| format!("port {port}; another one with --port"))?;
    println!("http://{}/", listener.local_addr()?);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let files = &files;
            // A browser that hangs up is no mistake.
            scope.spawn(move || stream.and_then(|stream| answer(&stream, files)));
        }
    });
    Ok(())
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

fn answer(mut stream: &TcpStream, files: &HashMap<String, Vec<u8>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_HEAD)).lines();
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
