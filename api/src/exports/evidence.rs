//! Events by filter, with what was found in them, as NDJSON.

use application::exports::workshop::{Job, MakeError};
use application::{PortError, Signer};
use chrono::{DateTime, Utc};
use domain::artifacts::ndjson::{Header, NDJSON_PAYLOAD_TYPE, Writer};
use domain::evidence::dsse::Envelope;
use domain::evidence::record::format_micros;
use domain::export::Made;
use futures::{StreamExt, TryStreamExt};
use infrastructure::export_files::FileWriter;
use infrastructure::keyring::public_keys;

use super::held::Held;
use super::{CHUNK_BYTES, custody, tables, unwritable};
use crate::routes::violations::ViolationView;
use crate::state::App;

pub(super) async fn make(app: &App, job: &Job) -> Result<Made, MakeError> {
    let name = format!("export_{}.ndjson", job.id);
    let mut file = app.export_files.create(job.id, &name).await?;
    let mut out = Vec::with_capacity(2 * CHUNK_BYTES);
    let began = app.clock.now();
    let mut writer = Writer::begin(&header(job, began), &mut out).map_err(unwritable)?;
    let (filters, mut after) = (&job.order.filters, 0);
    let mut held = Held::new(app, job);
    let read = |after| app.reads.selection(job.tenant, filters, after, job.position);
    let mut next = read(after).await.map_err(reading)?;
    while let Some(piece) = next {
        after = piece.reached;
        // The next piece is read while this one is written.
        let written = async {
            for selected in &piece.records {
                held.note(selected.context.session_id.0).await?;
                let record = |out: &mut Vec<u8>| {
                    selected.record.write_full(&selected.context, Some(&selected.signature), out);
                };
                writer
                    .event(selected.position, &selected.marks, record, &mut out)
                    .map_err(unwritable)?;
                flush(&mut file, &mut out, CHUNK_BYTES).await?;
            }
            Ok::<_, PortError>(())
        };
        let (written, read) = tokio::join!(written, read(after));
        written?;
        next = read.map_err(reading)?;
    }
    held.write().await?;
    let mut violations = std::pin::pin!(tables::violations(app, job));
    while let Some(found) = violations.next().await {
        let found = found?;
        let mut view = ViolationView::of(found.view, job.requested_at);
        view.actions = Some(found.actions);
        writer.violation(&view, &mut out).map_err(unwritable)?;
        flush(&mut file, &mut out, CHUNK_BYTES).await?;
    }
    let mut entries = std::pin::pin!(custody::entries(app, job));
    while let Some(entry) = entries.try_next().await? {
        writer.custody(&entry, &mut out).map_err(unwritable)?;
        flush(&mut file, &mut out, CHUNK_BYTES).await?;
    }
    let (statement, counts) = writer.finish(&mut out).map_err(unwritable)?;
    flush(&mut file, &mut out, 0).await?;
    let evidence = file.finish().await?;
    let envelope = app.signer.sign(NDJSON_PAYLOAD_TYPE, &statement).await?;
    if is_younger(app, &envelope, began).await? {
        // A verifier holds the key's window against the time in the header.
        return Err(PortError::new("signing an export", "the key was rotated meanwhile").into());
    }
    let mut file = app.export_files.create(job.id, &format!("{name}.dsse.json")).await?;
    file.write(&serde_json::to_vec(&envelope).map_err(unwritable)?).await?;
    let signature = file.finish().await?;
    let counts =
        [("custody", counts.custody), ("events", counts.events), ("violations", counts.violations)];
    Ok(Made {
        counts: counts.map(|(name, count)| (name.to_owned(), count)).into(),
        files: vec![evidence, signature],
        manifest_hash: None,
    })
}

/// Whether the key came into use after a time.
async fn is_younger(
    app: &App,
    envelope: &Envelope,
    than: DateTime<Utc>,
) -> Result<bool, PortError> {
    let keys = public_keys(&app.database.server).await?;
    let signers = envelope.signatures.iter().filter_map(|s| keys.find(&s.keyid));
    Ok(signers.filter_map(|key| key.nbf).any(|nbf| nbf > than.timestamp()))
}

fn header(job: &Job, began: DateTime<Utc>) -> Header {
    Header {
        export_id: job.id,
        exported_at: format_micros(began),
        exported_by: job.requested_by.clone(),
        filters: job.order.filters.clone(),
        position: job.position,
        purpose: job.order.purpose.clone(),
        tenant_id: job.tenant,
    }
}

fn reading(error: sqlx::Error) -> PortError {
    PortError::new("reading evidence", error)
}

/// Empties a buffer that has grown beyond a size.
pub(super) async fn flush(
    file: &mut FileWriter,
    out: &mut Vec<u8>,
    beyond: usize,
) -> Result<(), PortError> {
    if out.len() > beyond {
        file.write(out).await?;
        out.clear();
    }
    Ok(())
}
