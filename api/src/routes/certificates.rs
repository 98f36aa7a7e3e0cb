//! `GET /v1/certificates/{session_id}`: the signed seal of a session.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use infrastructure::keyring::public_keys;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::SessionPath;
use crate::problem::Problem;
use crate::routes::keys::JwkBody;
use crate::routes::sessions::view::EnvelopeBody;
use crate::state::App;

/// A session's signed seal and the key that it verifies under.
#[derive(Serialize, ToSchema)]
pub struct Certificate {
    pub session_id: Uuid,
    pub evidence_class: String,
    /// Payload of the `CHAIN_SEAL` event.
    #[schema(value_type = Object)]
    pub seal: Value,
    pub seal_event_hash: String,
    #[schema(value_type = EnvelopeBody)]
    pub envelope: Value,
    /// For convenience: trust one from `/.well-known/jwks.json`, never one beside the evidence.
    #[schema(value_type = Option<JwkBody>)]
    pub key: Option<domain::evidence::jwk::Jwk>,
}

/// The signed seal of a session.
#[utoipa::path(get, path = "/v1/certificates/{session_id}", operation_id = "getCertificate",
    tag = "certificates", params(("session_id" = Uuid, Path, description = "The session.")),
    responses(
        (status = 200, description = "The seal, its signature and its key.", body = Certificate),
        (status = 404, description = "`SESSION_NOT_FOUND`, `CERTIFICATE_NOT_FOUND` (not sealed)"),
    ))]
pub async fn certificate(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
) -> Result<Json<Certificate>, Problem> {
    let Some(row) = app.reads.seal(caller.tenant, session).await? else {
        app.reads.session(caller.tenant, session).await?.ok_or_else(Problem::session_not_found)?;
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "CERTIFICATE_NOT_FOUND",
            "the session has no seal of this server",
        ));
    };
    let kid = row.envelope["signatures"][0]["keyid"].as_str().unwrap_or_default();
    let key = public_keys(&app.database.server).await?.find(kid).cloned();
    Ok(Json(Certificate {
        session_id: session.0,
        evidence_class: row.evidence_class,
        seal: row.seal,
        seal_event_hash: row.seal_event_hash.to_string(),
        envelope: row.envelope,
        key,
    }))
}
