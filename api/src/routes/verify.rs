//! `POST /v1/verify`: the offline verifier's report, over a stored session or an uploaded artifact.

use std::io::Cursor;

use application::EvidenceReader;
use axum::Json;
use axum::extract::{Request, State};
use domain::evidence::json::{self, Json as Value};
use domain::evidence::record::ChainContext;
use domain::evidence::verify::{Format, LogVerifier, Options, Report, verify_reader};
use domain::export::Verdict;
use domain::hash::Hash;
use domain::ids::SessionId;
use futures::StreamExt;
use infrastructure::keyring::public_keys;
use infrastructure::pdf_attachments::is_pdf;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{body_problem, content_type_problem, media_type, read_body};
use crate::problem::Problem;
use crate::state::App;
use crate::verification;
use crate::verify_pdf::verify_pdf;

/// A stored session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape for the document")]
pub struct VerifyRequest {
    session_id: Uuid,
}

/// The verifier's report (evidence.md, section 6).
#[derive(Serialize, ToSchema)]
#[schema(title = "VerificationReport")]
pub struct VerifyAnswer {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    report: Report,
}

/// Verify a stored session or an artifact.
///
/// The keys that the signer is held to are this server's: what others have sealed is verified
/// offline, with keys from them.
#[utoipa::path(post, path = "/v1/verify", operation_id = "verify", tag = "verification",
    request_body(content(
        (VerifyRequest = "application/json"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/zip"), (Vec<u8> = "application/pdf")
    )),
    responses(
        (status = 200, description = "The report, whatever the verdict.", body = VerifyAnswer),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
    ))]
pub async fn verify(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Json<Report>, Problem> {
    let (parts, body) = request.into_parts();
    let limit = app.limits.body_bytes_max;
    let bytes = read_body(body, limit).await.map_err(|fault| body_problem(fault, limit))?;
    match media_type(&parts.headers).as_deref() {
        Some("application/json") => {
            if let Some(session) = named_session(&bytes)? {
                let report = stored(&app, &caller, session).await?;
                write_down(&app, &caller, Some(session), None, &report).await?;
                return Ok(Json(report));
            }
        }
        Some("application/x-ndjson" | "application/zip" | "application/pdf") => {}
        _ => return Err(content_type_problem(&parts.headers)),
    }
    let keys = public_keys(&app.database.server).await?;
    let sha256 = Hash::of(&bytes);
    // Some CPU time: not on a thread that serves others.
    let report = tokio::task::spawn_blocking(move || {
        let options = Options { keys: Some(&keys), expected_head: None, seal: None };
        if verification::is_zip(&bytes) {
            return verification::verify_zip(Cursor::new(bytes), "upload", &options, &mut |_| {});
        }
        if is_pdf(&bytes) {
            return verify_pdf(&bytes, "upload", &options);
        }
        verify_reader(&mut bytes.as_ref(), "upload", &options, &mut |_| {})
    });
    let report = report.await.map_err(Problem::internal)?;
    write_down(&app, &caller, None, Some(sha256), &report).await?;
    Ok(Json(report))
}

/// That it was checked is an act of its own, and stands in the chain of custody.
async fn write_down(
    app: &App,
    caller: &Caller,
    session_id: Option<SessionId>,
    sha256: Option<Hash>,
    report: &Report,
) -> Result<(), Problem> {
    let verdict = Verdict {
        session_id,
        sha256,
        format: report.format.as_str().to_owned(),
        status: report.status.as_str().to_owned(),
        evidence_class: report.evidence_class.map(|class| class.as_str().to_owned()),
        exit_code: report.exit_code,
    };
    app.exports.verified(caller.tenant, verdict, &caller.metadata()).await?;
    Ok(())
}

/// `{"session_id": …}` asks for a stored session; anything else is an artifact.
fn named_session(bytes: &[u8]) -> Result<Option<SessionId>, Problem> {
    let Ok(document) = json::parse(bytes, json::DEPTH_MAX + 3) else { return Ok(None) };
    let Value::Object(members) = &document.root else { return Ok(None) };
    let [(name, value)] = members.as_slice() else { return Ok(None) };
    if name != "session_id" {
        return Ok(None);
    }
    let id = value.as_str().and_then(SessionId::parse);
    id.map(Some).ok_or_else(Problem::session_not_found)
}

async fn stored(app: &App, caller: &Caller, session: SessionId) -> Result<Report, Problem> {
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    let seal = app.reads.seal(caller.tenant, session).await?;
    let seal = seal.filter(|_| row.phase == "sealed");
    let envelope = seal.and_then(|s| serde_json::from_value(s.envelope).ok());
    let keys = public_keys(&app.database.server).await?;
    let options =
        Options { keys: Some(&keys), expected_head: row.head_hash, seal: envelope.as_ref() };
    let mut verifier = LogVerifier::new(&options);
    let context = ChainContext { session_id: session, authority: row.authority };
    let mut records = app.reads.records(caller.tenant, session, 0..row.next_sequence);
    let mut line = Vec::with_capacity(1024);
    while let Some(item) = records.next().await {
        let (record, signature) = item?;
        line.clear();
        record.write_full(&context, Some(&signature), &mut line);
        verifier.push_line(&line);
    }
    Ok(verifier.finish(&session.to_string(), Format::JsonLines))
}
