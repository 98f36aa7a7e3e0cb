//! The outermost layer: correlation ids, problem documents, one log line a request.

use std::panic::resume_unwind;
use std::time::Instant;

use application::Ids;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::TenantId;
use infrastructure::system::SystemIds;

use crate::problem::Problem;

/// Follows a request through logs, answers and events.
#[derive(Debug, Clone)]
pub struct CorrelationId(pub String);

const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
const CORRELATION_CHARS_MAX: usize = 64;

/// Takes a correlation id or makes one, answers with it, and writes problems out.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation_id = taken(&request).unwrap_or_else(|| SystemIds.uuid().to_string());
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(CorrelationId(correlation_id.clone()));
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = problem.or_else(|| unexplained(&response)) {
        if let Some(cause) = &problem.cause {
            tracing::error!(correlation_id, cause, code = problem.code, "request failed");
        }
        response = written(&problem, &path, &correlation_id, response);
    }
    if let Ok(value) = HeaderValue::from_str(&correlation_id) {
        response.headers_mut().insert(HEADER, value);
    }
    let tenant = response.extensions().get::<TenantId>();
    tracing::info!(
        correlation_id,
        tenant = tenant.map(tracing::field::display),
        method = method.as_str(),
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        duration_ms = started.elapsed().as_micros() as f64 / 1000.0,
    );
    response
}

/// Carries a command out to its end though its client goes away: dropped in the middle of a `begin`, it
/// would leave an open transaction on the connection that it gives back (sqlx 0.8), and what the next
/// one writes there would be lost. What only asks is dropped, so that nobody can pile up questions.
pub async fn to_its_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime ends.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The files of `/docs` answer for themselves, and bare, when there is no such file.
fn unexplained(response: &Response) -> Option<Problem> {
    let bare = response.status() == StatusCode::NOT_FOUND
        && !response.headers().contains_key(header::CONTENT_TYPE);
    bare.then(Problem::not_found)
}

/// A UUID or up to 64 safe characters; anything else is replaced, not repeated.
fn taken(request: &Request) -> Option<String> {
    let text = request.headers().get(HEADER)?.to_str().ok()?;
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = (1..=CORRELATION_CHARS_MAX).contains(&text.len()) && text.bytes().all(safe);
    fits.then(|| text.to_owned())
}

fn written(problem: &Problem, path: &str, correlation_id: &str, bare: Response) -> Response {
    let body = serde_json::to_vec(&problem.body(path, correlation_id)).unwrap_or_default();
    let (mut parts, _) = bare.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if matches!(problem.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // The body may not have been read to its end: what follows on this connection is not a
        // request, so the client must not send its next one here (RFC 9112, section 9.6).
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(parts, body.into())
}

/// A panic in a handler is an internal error like any other.
pub fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Problem::internal("a handler panicked; the panic's own line stands before this one")
        .into_response()
}
