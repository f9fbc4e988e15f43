//! Request bodies: bounded in size, time and depth before anything looks at them.

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use leasehold_protocol::code::Code;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Refusal, limits};

/// Bounds the bytes of all bodies that are being received. A body takes up what has come of it, not what its sender
/// says will come: who sends nothing keeps nobody out.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self::of(limits::BODIES_IN_FLIGHT_BYTES)
    }
}

impl BodyRoom {
    /// All of it free.
    pub fn new() -> Self {
        Self::default()
    }

    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// The whole body, if it has at most `max_bytes`, comes within [`limits::BODY_TIMEOUT`], and finds room.
    pub async fn receive(&self, headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
        let declared =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|bytes| bytes > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let received = tokio::time::timeout(limits::BODY_TIMEOUT, self.collect(body, max_bytes)).await;
        received.unwrap_or_else(|_| {
            Err(Refusal::new(
                Code::RequestTimeout,
                format!("the body did not arrive within {} s", limits::BODY_TIMEOUT.as_secs()),
                "send it at once",
            ))
        })
    }

    /// Nothing waits for room: bodies that wait for each other would all be late.
    async fn collect(&self, mut body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
        let mut room: Option<SemaphorePermit<'_>> = None;
        let mut received = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            if data.len() > max_bytes.saturating_sub(received.len()) {
                return Err(too_large(max_bytes));
            }
            let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let more = self.0.try_acquire_many(bytes).map_err(|_| no_room())?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            received.extend_from_slice(&data);
        }
        Ok(received.into())
    }
}

/// A JSON document of at most [`limits::BODY_BYTES`]. No body at all stands for `{}` where the type allows that.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    BodyRoom: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let bytes = BodyRoom::from_ref(state).receive(&head.headers, body, limits::BODY_BYTES).await?;
        if !bytes.is_empty() {
            check_media_type(&head.headers, &["application/json"])?;
        }
        parse_object(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
    }
}

/// A small artefact in any form, of at most [`limits::ARTEFACT_BODY_BYTES`]: each but a bundle.
#[derive(Debug)]
pub struct ArtefactBody(pub Bytes);

impl<S> FromRequest<S> for ArtefactBody
where
    S: Send + Sync,
    BodyRoom: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        artefact(request, &BodyRoom::from_ref(state), limits::ARTEFACT_BODY_BYTES).await.map(Self)
    }
}

/// A bundle in any form, of at most [`limits::BUNDLE_BODY_BYTES`]. Strangers have no business sending one.
#[derive(Debug)]
pub struct BundleBody(pub Bytes);

impl<S> FromRequest<S> for BundleBody
where
    S: Send + Sync,
    BodyRoom: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        artefact(request, &BodyRoom::from_ref(state), limits::BUNDLE_BODY_BYTES).await.map(Self)
    }
}

async fn artefact(request: Request, room: &BodyRoom, max_bytes: usize) -> Result<Bytes, Refusal> {
    let (head, body) = request.into_parts();
    check_media_type(&head.headers, &["application/octet-stream", "text/plain"])?;
    room.receive(&head.headers, body, max_bytes).await
}

fn check_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
        return Ok(());
    }
    let accepted = accepted.join(" or ");
    let detail = format!("the content type must be {accepted}, not {sent:?}");
    Err(Refusal::new(Code::UnsupportedMediaType, detail, format!("send it as {accepted}")))
}

/// A list would be taken for an object whose members come in order.
fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return parse(bytes);
    }
    parse::<IgnoredAny>(bytes)?;
    Err(Refusal::new(Code::InvalidRequest, "the body is not a JSON object", "see the description of the API"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if json_depth(bytes) > limits::JSON_DEPTH {
        let detail = format!("the body nests deeper than {} levels", limits::JSON_DEPTH);
        return Err(Refusal::new(Code::Malformed, detail, "see the description of the API"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() { Code::InvalidRequest } else { Code::Malformed };
        let what =
            if error.is_data() { "the body is not what this request takes" } else { "the body is not JSON" };
        Refusal::new(code, format!("{what}: {error}"), "see the description of the API")
    })
}

/// How deep arrays and objects nest, brackets inside of strings not counted.
fn json_depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn broken_off() -> Refusal {
    Refusal::new(Code::Malformed, "the body is broken off or badly framed", "send it whole")
}

fn no_room() -> Refusal {
    Refusal::new(Code::Overloaded, "too many bodies are being received", "send the same request again soon")
}

fn too_large(max_bytes: usize) -> Refusal {
    Refusal::new(Code::BodyTooLarge, format!("the body has more than {max_bytes} bytes"), "send less")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn depth_is_bounded() {
        for (depth, allowed) in [(31, true), (32, true), (33, false)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(parse::<Value>(text.as_bytes()).is_ok(), allowed, "{depth}");
        }
        for (text, depth) in
            [(r#"{"a":"[[[","b":[1]}"#, 2), (r#""\"[[""#, 0), ("[],[],[]", 1), ("]]]][", 1), ("", 0)]
        {
            assert_eq!(json_depth(text.as_bytes()), depth, "{text}");
        }
    }

    #[test]
    fn only_objects_are_documents() {
        let code = |text: &str| parse_object::<(u8,)>(text.as_bytes()).unwrap_err().0.code;
        for text in ["[1]", " [1]", "7", "null", "\"{\"", "[]"] {
            assert_eq!(code(text), Code::InvalidRequest, "{text}");
        }
        for text in ["", " ", "[1", "nonsense"] {
            assert_eq!(code(text), Code::Malformed, "{text}");
        }
        assert!(parse_object::<Value>(b" \n{}").is_ok());
    }

    #[tokio::test]
    async fn size_is_bounded_with_and_without_a_declared_length() {
        let edges = |max| [(max, 0, true), (max, max - 1, true), (max, max, true), (max, max + 1, false)];
        let all = [limits::BODY_BYTES, limits::ARTEFACT_BODY_BYTES, limits::BUNDLE_BODY_BYTES].map(edges);
        for (max, bytes, allowed) in all.into_iter().flatten() {
            for declared in [true, false] {
                let mut headers = HeaderMap::new();
                if declared {
                    headers.insert(CONTENT_LENGTH, bytes.into());
                }
                let received = BodyRoom::new().receive(&headers, Body::from(vec![b' '; bytes]), max).await;
                match received {
                    Ok(body) => assert!(allowed && body.len() == bytes, "{bytes} {declared}"),
                    Err(Refusal(problem)) => {
                        assert!(!allowed && problem.code == Code::BodyTooLarge, "{bytes}");
                    }
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up() {
        let (sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
        let received = BodyRoom::new().receive(&HeaderMap::new(), Body::new(body), 10).await;
        assert_eq!(received.unwrap_err().0.code, Code::RequestTimeout);
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_takes_no_room() {
        let room = BodyRoom::new();
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, limits::BUNDLE_BODY_BYTES.into())]);
        let mut silent = tokio::task::JoinSet::new();
        let mut senders = Vec::new();
        for _ in 0..100 {
            let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
            sender.send_data(Bytes::from_static(b"x")).await.unwrap();
            senders.push(sender);
            let (room, headers) = (room.clone(), headers.clone());
            silent.spawn(async move {
                room.receive(&headers, Body::new(body), limits::BUNDLE_BODY_BYTES).await.map(|_| ())
            });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(room.0.available_permits(), limits::BODIES_IN_FLIGHT_BYTES - 100, "one byte each");
        let whole = Body::from(vec![0; limits::BUNDLE_BODY_BYTES]);
        assert!(room.receive(&headers, whole, limits::BUNDLE_BODY_BYTES).await.is_ok());
        assert_eq!(silent.join_all().await.iter().filter(|received| received.is_err()).count(), 100);
        assert_eq!(room.0.available_permits(), limits::BODIES_IN_FLIGHT_BYTES, "all is given back");
    }

    #[tokio::test]
    async fn a_body_that_finds_no_room_is_refused_at_once() {
        for (bytes, fits) in [(9, true), (10, true), (11, false)] {
            let room = BodyRoom::of(10);
            let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(2);
            for part in [5, bytes - 5] {
                sender.send_data(vec![0; part].into()).await.unwrap();
            }
            drop(sender);
            let received = room.receive(&HeaderMap::new(), Body::new(body), 100).await;
            let received = received.map_err(|refusal| refusal.0.code);
            assert_eq!(received.map(|body| body.len()), if fits { Ok(bytes) } else { Err(Code::Overloaded) });
            assert_eq!(room.0.available_permits(), 10);
        }
    }

    #[test]
    fn only_the_named_media_types_pass() {
        for (sent, allowed) in [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/json"), false),
            (Some("application/jsonx"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(CONTENT_TYPE, sent.parse().unwrap());
            }
            assert_eq!(check_media_type(&headers, &["application/json"]).is_ok(), allowed, "{sent:?}");
        }
    }
}
