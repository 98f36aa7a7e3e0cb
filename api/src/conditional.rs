//! Answers that a client may hold already: `ETag` and 304 (RFC 9110, sections 8.8.3 and 13.1.2).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::hash::Hash;
use serde::Serialize;

use crate::problem::Problem;

/// Hexadecimal digits of a tag: 128 bits.
const TAG_CHARS: usize = 32;

/// A JSON answer with its tag; without a body when the client has the same one.
pub fn json<T: Serialize>(request: &HeaderMap, body: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(Problem::internal)?;
    let tag = format!("\"{}\"", &Hash::of(&body).to_string()[..TAG_CHARS]);
    Ok(answer(request, HeaderValue::from_str(&tag).map_err(Problem::internal)?, body))
}

/// The same under the tag of the resource's version.
pub fn tagged<T: Serialize>(
    request: &HeaderMap,
    tag: HeaderValue,
    body: &T,
) -> Result<Response, Problem> {
    Ok(answer(request, tag, serde_json::to_vec(body).map_err(Problem::internal)?))
}

fn answer(request: &HeaderMap, tag: HeaderValue, body: Vec<u8>) -> Response {
    let is_known = tag.to_str().is_ok_and(|tag| holds(request, tag));
    let headers = [
        (header::ETAG, tag),
        // Kept by the client alone, and asked about each time.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (headers, kind, body).into_response()
}

/// An answer whose tag is the resource's version, as `If-Match` names it. Never a 304: what is said
/// of time (whether it is overdue) changes without a version.
pub fn versioned<T: Serialize>(version: i64, body: T) -> Response {
    ([(header::ETAG, format!("\"{version}\""))], axum::Json(body)).into_response()
}

/// Whether `If-None-Match` names the tag, weakly compared.
fn holds(request: &HeaderMap, tag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter();
    let mut named =
        values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}
