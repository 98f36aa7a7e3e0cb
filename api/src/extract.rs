//! Bodies, queries and path segments, read strictly: what is unknown is refused by name.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use chrono::{DateTime, Datelike, Utc};
use domain::evidence::json;
use domain::ids::SessionId;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::problem::Problem;
use crate::state::App;

/// Without a byte for so long, a body is given up.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Nesting of a request that is not an event.
const REQUEST_DEPTH_MAX: usize = 64;

/// Why a body was not read.
#[derive(Debug)]
pub enum BodyFault {
    TooLarge { received: u64 },
    Cut(String),
    Stalled,
}

/// Reads a body up to a limit. What exceeds it is read and dropped, up to as much again, so that
/// a client that sends before it listens still gets its answer.
pub async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, BodyFault> {
    let mut body = body;
    let mut received: u64 = 0;
    let mut first: Option<Bytes> = None;
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let frame = tokio::time::timeout(BODY_PAUSE_MAX, body.frame()).await;
        let data = match frame {
            Err(_) => return Err(BodyFault::Stalled),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(BodyFault::Cut(error.to_string())),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        received += data.len() as u64;
        if received > bytes_max as u64 {
            (first, rest) = (None, Vec::new());
            if received > 2 * bytes_max as u64 {
                break;
            }
            continue;
        }
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.extend_from_slice(head);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    if received > bytes_max as u64 {
        return Err(BodyFault::TooLarge { received });
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.into() })
}

/// What a `Content-Type` names, if its text is UTF-8 and not encoded further.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let mut parts = value.to_str().ok()?.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let utf8 = parts.filter_map(|p| p.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    utf8.then_some(media_type)
}

/// What the client said that its body is, for the refusal.
pub fn received_type(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    match (text(header::CONTENT_ENCODING), text(header::CONTENT_TYPE)) {
        (Some(encoding), _) => Some(format!("content-encoding: {encoding}")),
        (None, media_type) => media_type,
    }
    .map(|text| text.chars().take(128).collect())
}

/// A JSON body. `Body<T>` refuses an empty one; `Body<Option<T>>` does not exist: see [`OptionalBody`].
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read_json(&parts.headers, body, app).await?.map(Self).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "JSON_INVALID", "the body is empty")
        })
    }
}

/// A JSON body, or none.
pub struct OptionalBody<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read_json(&parts.headers, body, app).await.map(Self)
    }
}

async fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    app: &App,
) -> Result<Option<T>, Problem> {
    let limit = app.limits.body_bytes_max;
    let bytes = read_body(body, limit).await.map_err(|fault| body_problem(fault, limit))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if media_type(headers).as_deref() != Some("application/json") {
        return Err(content_type_problem(headers));
    }
    // Twice: the strict reader finds what serde would round, merge or drop.
    let document = json::parse(&bytes, REQUEST_DEPTH_MAX)?;
    if let Some(flaw) = document.flaws.first() {
        let details = json!({ "pointer": flaw.pointer(), "reason": flaw.kind.reason() });
        return Err(Problem::request("the body holds JSON that is not exact").with(details));
    }
    if !matches!(document.root, json::Json::Object(_)) {
        return Err(Problem::request("the body is not a JSON object"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Problem::request(error.to_string()))
}

pub fn content_type_problem(headers: &HeaderMap) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "CONTENT_TYPE_INVALID",
        "the content type is not one that this address takes",
    )
    .with(json!({ "received": received_type(headers) }))
}

pub fn body_problem(fault: BodyFault, limit: usize) -> Problem {
    match fault {
        BodyFault::TooLarge { received } => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            "the body exceeds its limit",
        )
        .with(json!({ "limit": limit, "received": received })),
        BodyFault::Cut(cause) => {
            let mut problem =
                Problem::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", "the body was cut short");
            problem.cause = Some(cause);
            problem
        }
        BodyFault::Stalled => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "BODY_TIMEOUT",
            "the body did not arrive in time",
        ),
    }
}

/// A query string whose type denies unknown fields.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(Problem::query(error.body_text()))
            }
            Err(_) => Err(Problem::query("the query string cannot be read")),
        }
    }
}

/// How many a client asks for, within bounds.
pub fn limit(asked: Option<u64>, default: u64, max: u64) -> Result<u64, Problem> {
    let limit = asked.unwrap_or(default);
    let fits = (1..=max).contains(&limit);
    fits.then_some(limit).ok_or_else(|| Problem::query(format!("limit is from 1 to {max}")))
}

/// Characters of a name in a filter.
const NAME_CHARS_MAX: usize = 256;

/// A name in a filter: what PostgreSQL can hold, and not too long.
pub fn name(parameter: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    let fits = |text: &String| !text.contains('\0') && text.chars().count() <= NAME_CHARS_MAX;
    match text {
        Some(text) if !fits(&text) => Err(Problem::query(format!(
            "{parameter} has up to {NAME_CHARS_MAX} characters, and no NUL"
        ))),
        text => Ok(text),
    }
}

/// An end of a span of time in a filter, within what PostgreSQL and RFC 3339 hold.
pub fn instant(
    parameter: &str,
    at: Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    match at {
        Some(at) if !(1..=9999).contains(&at.year()) => {
            Err(Problem::query(format!("{parameter} is not in the years 1 to 9999")))
        }
        at => Ok(at),
    }
}

/// A request whose answer is an act that is written down: HEAD would do it and throw it away.
pub struct Taken;

impl FromRequestParts<App> for Taken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        if parts.method == Method::HEAD { Err(Problem::method_not_allowed()) } else { Ok(Self) }
    }
}

/// A session named by the path; what is no session id names no session.
pub struct SessionPath(pub SessionId);

impl FromRequestParts<App> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let id = text.ok().and_then(|Path(text)| SessionId::parse(&text));
        id.map(Self).ok_or_else(Problem::session_not_found)
    }
}
