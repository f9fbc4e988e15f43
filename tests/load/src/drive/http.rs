//! As much of HTTP/1.1 as a well-behaved server's answers need.

use anyhow::{Context as _, Result, bail, ensure};

/// A whole answer at the beginning of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Of head and body.
    pub(crate) bytes: usize,
}

impl<'a> Answer<'a> {
    /// None as long as some of it is missing.
    pub(crate) fn read(received: &'a [u8]) -> Result<Option<Self>> {
        let Some(end) = find(received, b"\r\n\r\n") else {
            ensure!(received.len() < 8192, "the head of an answer does not end");
            return Ok(None);
        };
        let (head, begin) = (&received[..end], end + 4);
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?));
        let status = status.context("what answers does not speak HTTP/1.1")?;
        let length = content_length(head)?;
        let status = u16::try_from(status).context("three digits")?;
        let body = received.get(begin..begin + length);
        Ok(body.map(|body| Self { status, body, bytes: begin + length }))
    }

    /// The body of an answer with status 200.
    pub(crate) fn ok(self) -> Result<&'a [u8]> {
        ensure!(self.status == 200, "HTTP {}: {}", self.status, String::from_utf8_lossy(self.body));
        Ok(self.body)
    }
}

/// The text between `before` and the next quote.
pub(crate) fn text_after<'a>(body: &'a [u8], before: &[u8]) -> Option<&'a [u8]> {
    let begin = find(body, before)? + before.len();
    let rest = &body[begin..];
    rest.iter().position(|&byte| byte == b'"').map(|end| &rest[..end])
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn content_length(head: &[u8]) -> Result<usize> {
    for line in head.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            return number(value).context("a content-length that is no number");
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            bail!("an answer in chunks, which this client does not read");
        }
    }
    Ok(0)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..answer.len() {
            assert_eq!(Answer::read(&answer[..cut]).unwrap(), None, "{cut}");
        }
        let more = [&answer[..], b"HTTP/1.1 "].concat();
        let read = Answer::read(&more).unwrap().unwrap();
        assert_eq!(read, Answer { status: 200, body: b"hello", bytes: answer.len() });
        assert_eq!(read.ok().unwrap(), b"hello");
    }

    #[test]
    fn an_answer_may_have_no_body() {
        let answer = b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n";
        let read = Answer::read(answer).unwrap().unwrap();
        assert_eq!((read.status, read.body, read.bytes), (304, &b""[..], answer.len()));
        assert!(read.ok().is_err());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for wrong in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"HTTP/1.1 2xx\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            &[b'x'; 8192],
        ] {
            assert!(Answer::read(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn a_field_is_found_by_what_stands_before_it() {
        let body = br#"{"decision":"allow","lease_id":"lse_1"}"#;
        assert_eq!(text_after(body, br#""lease_id":""#), Some(&b"lse_1"[..]));
        assert_eq!(text_after(body, br#""ticket":""#), None);
        assert_eq!(text_after(br#"{"a":"cut"#, br#""a":""#), None);
    }
}
