//! `GET /v1/sessions/{session_id}/export`: the session's evidence, to be taken away.

use application::{EvidenceReader, PortError};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::evidence::record::{ChainAuthority, ChainContext};
use domain::ids::{SessionId, TenantId};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::export_document::{ExportFacts, document};
use super::export_pdf;
use crate::auth::Caller;
use crate::extract::{Params, SessionPath};
use crate::problem::Problem;
use crate::state::App;

/// In which form, and for what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    #[param(inline)]
    format: ExportFormat,
    /// Why the evidence leaves: stands in the export and in its chain of custody.
    #[param(min_length = 1, max_length = 256)]
    purpose: String,
}

/// What an export is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// One RFC 8785 document with verification, seal and custody.
    Json,
    /// The records, one a line.
    Jsonl,
    /// A report for people, with the JSON document, the seal and the public keys attached (PDF/A-3).
    Pdf,
}

const PURPOSE_CHARS_MAX: usize = 256;
/// Bytes of a chunk of the answer.
const CHUNK_BYTES: usize = 64 * 1024;

/// Export a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/export", operation_id = "exportSession",
    tag = "sessions",
    params(("session_id" = uuid::Uuid, Path, description = "The session."), ExportQuery),
    responses(
        (status = 200, description = "An attachment.", content(
            (Object = "application/json"), (String = "application/x-ndjson"),
            (String = "application/pdf")
        )),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 413, description = "`EXPORT_TOO_LARGE`: as PDF; JSON has no such limit"),
        (status = 501, description = "`PDF_NOT_BUILT`"),
    ))]
pub async fn export(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Problem> {
    let purpose = query.purpose.trim();
    let fits = !purpose.is_empty() && purpose.chars().count() <= PURPOSE_CHARS_MAX;
    if !fits || purpose.chars().any(char::is_control) {
        return Err(Problem::query(format!("purpose has 1 to {PURPOSE_CHARS_MAX} characters")));
    }
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    tracing::info!(
        correlation_id = caller.correlation_id,
        tenant = %caller.tenant, session = %session, actor = caller.actor(), purpose,
        "evidence leaves"
    );
    match query.format {
        ExportFormat::Jsonl => {
            let name = format!("session_{session}.jsonl");
            let lines = lines(app, caller.tenant, session, row.authority, row.next_sequence);
            Ok(attachment("application/x-ndjson", &name, lines))
        }
        ExportFormat::Json => {
            let facts = ExportFacts::gather(&app, &caller, session, row, "json", purpose).await?;
            let name = format!("session_{session}.json");
            Ok(attachment("application/json", &name, document(app, caller, session, facts)))
        }
        ExportFormat::Pdf => {
            let pdf = export_pdf::document(app, caller, session, row, purpose).await?;
            let name = format!("session_{session}.pdf");
            let whole = futures::stream::once(async { Ok(Bytes::from(pdf)) });
            Ok(attachment("application/pdf", &name, whole))
        }
    }
}

fn attachment<S>(media_type: &'static str, name: &str, body: S) -> Response
where
    S: Stream<Item = Result<Bytes, PortError>> + Send + 'static,
{
    let disposition = format!("attachment; filename=\"{name}\"");
    let body = Body::from_stream(body.inspect(|chunk| {
        if let Err(error) = chunk {
            // The status is sent already: the connection is cut, so that no part passes for whole.
            tracing::error!(cause = %error, "an export was cut short");
        }
    }));
    (
        [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        body,
    )
        .into_response()
}

fn lines(
    app: App,
    tenant: TenantId,
    session: SessionId,
    authority: ChainAuthority,
    end: u64,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send {
    async_stream::try_stream! {
        let context = ChainContext { session_id: session, authority };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4096);
        let mut records = app.reads.records(tenant, session, 0..end);
        while let Some(item) = records.next().await {
            let (record, signature) = item?;
            record.write_full(&context, Some(&signature), &mut chunk);
            chunk.push(b'\n');
            if chunk.len() >= CHUNK_BYTES {
                yield Bytes::from(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES + 4096)));
            }
        }
        if !chunk.is_empty() {
            yield Bytes::from(chunk);
        }
    }
}
