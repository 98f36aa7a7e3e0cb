//! `POST /v1/stream-tickets`: leave to open a stream without showing a key in its URL.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::hash::Hash;
use infrastructure::system::random_bytes;
use infrastructure::tickets::Redeemed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::extract::OptionalBody;
use crate::problem::Problem;
use crate::state::App;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For a ticket to be used.
const TICKET_SECONDS: i64 = 60;

/// What is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    /// A cookie for a browser's `EventSource`, which comes back by itself, instead of a ticket.
    #[serde(default)]
    cookie: bool,
}

/// Leave to stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketBody {
    /// For `?ticket=` of one stream; absent when a cookie was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    expires_at: DateTime<Utc>,
}

/// Get a ticket.
///
/// A ticket opens one stream within 60 s. With `cookie`, the answer sets a cookie
/// (`HttpOnly`, `Secure`, `SameSite=Strict`) that opens streams, and nothing else, for 12 h.
#[utoipa::path(post, path = "/v1/stream-tickets", operation_id = "createStreamTicket",
    tag = "streams", request_body = Option<TicketRequest>,
    responses((status = 201, description = "Leave to stream.", body = TicketBody)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    OptionalBody(request): OptionalBody<TicketRequest>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    if request.unwrap_or_default().cookie {
        let (cookie, expires_at) = app.auth.stream_cookie(&caller.key_id, now);
        let cookie = HeaderValue::from_str(&cookie).map_err(Problem::internal)?;
        let body = Json(TicketBody { ticket: None, expires_at });
        let headers = [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, NO_STORE)];
        return Ok((StatusCode::CREATED, headers, body).into_response());
    }
    let ticket = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
    let expires_at = now + TimeDelta::seconds(TICKET_SECONDS);
    let whose = Redeemed { tenant: caller.tenant, key_id: caller.key_id };
    app.tickets.issue(&Hash::of(ticket.as_bytes()), &whose, now, expires_at).await?;
    let body = Json(TicketBody { ticket: Some(ticket), expires_at });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, NO_STORE)], body).into_response())
}
