//! The node's HTTP API without the client: one request, one connection.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::vendor::PRODUCT;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads to the end of the connection.
    pub(crate) fn read(stream: &mut UnixStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes);
        // A server that refuses early may reset the connection behind its answer.
        Self::parse(&bytes).ok_or_else(|| end.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }

    /// The JSON of a whole answer.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, body) = std::str::from_utf8(bytes).ok()?.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

pub(crate) fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends all of a request and reads its answer.
pub(crate) fn ask(socket: &Path, request: &[u8]) -> io::Result<Answer> {
    let mut stream = connect(socket)?;
    // It may be refused before it was read; the answer says so.
    let _ = stream.write_all(request);
    Answer::read(&mut stream)
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n").into_bytes()
}

pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    post_as("application/json", path, body)
}

pub(crate) fn post_as(content_type: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: \
         {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A checkout by the holder `user@site`, under a key that is made of `number`.
pub(crate) fn checkout(user: &str, number: usize) -> Vec<u8> {
    let wish = json!({
        "product": PRODUCT,
        "holder": {"user": user, "host": "site"},
        "key": format!("{number:032x}"),
    });
    post("/v1/leases", wish.to_string().as_bytes())
}

pub(crate) fn delete(path: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n").into_bytes()
}
