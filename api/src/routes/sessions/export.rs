//! `GET /v1/sessions/{session_id}/export`: the session's evidence, to be taken away.

use application::{EvidenceReader, PortError};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::evidence::record::{ChainAuthority, ChainContext};
use domain::export::{Filters, Kind, Order};
use domain::ids::{SessionId, TenantId};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::export_document::{ExportFacts, document};
use super::export_pdf;
use super::recorded::{Leaving, Parts};
use crate::auth::Caller;
use crate::exports::OnBehalf;
use crate::extract::{Params, SessionPath, Taken};
use crate::problem::Problem;
use crate::routes::exports::of_query;
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
    _: Taken,
    SessionPath(session): SessionPath,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Problem> {
    let purpose = query.purpose.trim();
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    let format = query.format.as_str();
    let order = Order {
        kind: Kind::Session,
        formats: vec![format.to_owned()],
        session_id: Some(session),
        filters: Filters::default(),
        audience: None,
        purpose: purpose.to_owned(),
    };
    // Before anything of it leaves.
    let requested =
        app.exports.request(caller.tenant, order, &caller.metadata()).await.map_err(of_query)?;
    let leaving = Leaving::new(Parts {
        exports: app.exports.clone(),
        tenant: caller.tenant,
        export: requested.id,
        by: caller.metadata(),
        name: format!("session_{session}.{format}"),
        counts: [("events".to_owned(), row.next_sequence)].into(),
    });
    let (of, position) = (OnBehalf::of(&caller), requested.position);
    match query.format {
        ExportFormat::Jsonl => {
            let lines = lines(app, caller.tenant, session, row.authority, row.next_sequence);
            Ok(attachment("application/x-ndjson", leaving, lines))
        }
        ExportFormat::Json => {
            let facts = ExportFacts::gather(&app, &of, session, row, position, purpose).await?;
            let document = document(app, of, session, facts);
            Ok(attachment("application/json", leaving, document))
        }
        ExportFormat::Pdf => {
            let pdf = export_pdf::document(app, of, session, row, position, purpose).await?;
            let whole = futures::stream::once(async { Ok(Bytes::from(pdf)) });
            Ok(attachment("application/pdf", leaving, whole))
        }
    }
}

impl ExportFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Pdf => "pdf",
        }
    }
}

fn attachment<S>(media_type: &'static str, leaving: Leaving, body: S) -> Response
where
    S: Stream<Item = Result<Bytes, PortError>> + Send + 'static,
{
    let disposition = format!("attachment; filename=\"{}\"", leaving.name());
    let body = Body::from_stream(leaving.recorded(body).inspect(|chunk| {
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

pub(crate) fn lines(
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
