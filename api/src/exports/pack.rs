//! The evidence pack: one session in the forms that were asked for, with its seal and the keys.

use std::collections::BTreeMap;

use application::PortError;
use application::exports::workshop::{Job, MakeError};
use axum::body::Bytes;
use domain::artifacts::manifest::About;
use domain::evidence::canonical;
use domain::export::{Audience, FileFact, Made};
use futures::{Stream, TryStreamExt};

use super::{OnBehalf, manifest, unwritable};
use crate::problem::Problem;
use crate::routes::sessions::export::lines;
use crate::routes::sessions::export_document::{ExportFacts, document};
use crate::routes::sessions::export_pdf;
use crate::state::App;

pub(super) async fn make(app: &App, job: &Job) -> Result<Made, MakeError> {
    let gone = || MakeError::Impossible("the session is not there".to_owned());
    let session = job.order.session_id.ok_or_else(gone)?;
    let row = app.reads.session(job.tenant, session).await;
    let row = row.map_err(|e| PortError::new("reading a session", e))?.ok_or_else(gone)?;
    let asked = |format: &str| job.order.formats.iter().any(|asked| asked == format);
    let of = OnBehalf { tenant: job.tenant, actor: job.requested_by.clone() };
    let (authority, end, reached) = (row.authority, row.next_sequence, row.position);
    let facts = ExportFacts::gather(app, &of, session, row, job.position, &job.order.purpose).await;
    let facts = facts.map_err(failed)?;
    let counts = [("events".to_owned(), end), ("violations".to_owned(), facts.violations())];
    let keys = canonical::of_serde(facts.keys()).map_err(unwritable)?;
    let envelope = facts.envelope().map(canonical::of_serde).transpose().map_err(unwritable)?;
    let mut files = Vec::new();
    if asked("jsonl") {
        let name = format!("session_{session}.jsonl");
        let body = lines(app.clone(), job.tenant, session, authority, end);
        files.push(written(app, job, &name, body).await?);
    }
    let export = Box::pin(document(app.clone(), of, session, facts));
    let name = format!("session_{session}.json");
    if asked("pdf") {
        let (export, pdf) =
            export_pdf::with_pages(app, export, keys.clone()).await.map_err(failed)?;
        files.push(manifest::put(app, job, &format!("session_{session}.pdf"), &pdf).await?);
        if asked("json") {
            files.push(manifest::put(app, job, &name, &export).await?);
        }
    } else if asked("json") {
        files.push(written(app, job, &name, export).await?);
    }
    files.push(manifest::put(app, job, "jwks.json", &keys).await?);
    if let Some(envelope) = envelope {
        files.push(manifest::put(app, job, "seal.dsse.json", &envelope).await?);
    }
    let about = About::Pack {
        pack_id: job.id,
        session_id: session,
        formats: job.order.formats.clone(),
        audience: job.order.audience.unwrap_or(Audience::Internal),
    };
    // The session as it is now: what came after the request is in it.
    let job = Job { position: job.position.max(reached), ..job.clone() };
    manifest::close(app, &job, about, BTreeMap::from(counts), files).await
}

async fn written(
    app: &App,
    job: &Job,
    name: &str,
    body: impl Stream<Item = Result<Bytes, PortError>> + Send,
) -> Result<FileFact, PortError> {
    let mut file = app.export_files.create(job.id, name).await?;
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.try_next().await? {
        file.write(&chunk).await?;
    }
    file.finish().await
}

/// What a client can mend is said; the rest is tried again.
fn failed(problem: Problem) -> MakeError {
    if problem.status.is_client_error() {
        return MakeError::Impossible(problem.detail.into_owned());
    }
    let cause = problem.cause.unwrap_or_else(|| problem.detail.into_owned());
    MakeError::Port(PortError::new("making an evidence pack", cause))
}
