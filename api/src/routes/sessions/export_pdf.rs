//! A session as PDF: the JSON export, set by the renderer.

use domain::ids::SessionId;
use projections::sessions::SessionRow;

use crate::exports::OnBehalf;
use crate::problem::Problem;
use crate::state::App;

#[cfg(feature = "pdf")]
pub(super) async fn document(
    app: App,
    of: OnBehalf,
    session: SessionId,
    row: SessionRow,
    requested: u64,
    purpose: &str,
) -> Result<Vec<u8>, Problem> {
    use super::export_document::{ExportFacts, document};

    // First a place, then the export: requests that wait for the renderer hold no documents.
    let place = app.renderer.place().await;
    let facts = ExportFacts::gather(&app, &of, session, row, requested, purpose).await?;
    let keys = domain::evidence::canonical::of_serde(facts.keys()).map_err(Problem::internal)?;
    let export = collect(Box::pin(document(app, of, session, facts))).await?;
    place.session(export, keys).await.map_err(Problem::internal)
}

/// An export in one piece, and the PDF around it.
#[cfg(feature = "pdf")]
pub(crate) async fn with_pages(
    app: &App,
    chunks: impl futures::Stream<Item = Result<axum::body::Bytes, application::PortError>>,
    keys: Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    let place = app.renderer.place().await;
    let export = collect(chunks).await?;
    let pdf = place.session(export.clone(), keys).await.map_err(Problem::internal)?;
    Ok((export, pdf))
}

/// The export in one piece, if it is not too large for a document that people read.
#[cfg(feature = "pdf")]
async fn collect(
    chunks: impl futures::Stream<Item = Result<axum::body::Bytes, application::PortError>>,
) -> Result<Vec<u8>, Problem> {
    use axum::http::StatusCode;
    use futures::StreamExt;
    use infrastructure::pdf_attachments::EXPORT_BYTES_MAX;

    let mut chunks = std::pin::pin!(chunks);
    let mut export = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if export.len() + chunk.len() > EXPORT_BYTES_MAX {
            let detail = "the export is too large for a PDF; format=json has no such limit";
            let details = serde_json::json!({ "bytes_max": EXPORT_BYTES_MAX });
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Problem::new(status, "EXPORT_TOO_LARGE", detail).with(details));
        }
        export.extend_from_slice(&chunk);
    }
    Ok(export)
}

#[cfg(not(feature = "pdf"))]
#[expect(clippy::unused_async, reason = "the same call with and without a renderer")]
pub(crate) async fn with_pages(
    _: &App,
    _: impl futures::Stream<Item = Result<axum::body::Bytes, application::PortError>>,
    _: Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    Err(not_built())
}

#[cfg(not(feature = "pdf"))]
#[expect(clippy::unused_async, reason = "the same call with and without a renderer")]
pub(super) async fn document(
    _: App,
    _: OnBehalf,
    _: SessionId,
    _: SessionRow,
    _: u64,
    _: &str,
) -> Result<Vec<u8>, Problem> {
    Err(not_built())
}

#[cfg(not(feature = "pdf"))]
fn not_built() -> Problem {
    let detail =
        "this server was built without the PDF renderer; format=json has the same evidence";
    Problem::new(axum::http::StatusCode::NOT_IMPLEMENTED, "PDF_NOT_BUILT", detail)
}
