//! From a document of plain values to the bytes of a PDF/A-3b: the same values, the same bytes.

use chrono::{DateTime, Datelike, Timelike, Utc};
use typst::diag::SourceDiagnostic;
use typst::foundations::{Bytes, Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use super::RenderError;
use super::page::{Document, in_ascii};
use super::world::{DocumentWorld, Name};

/// Sets a document. `made_at` is what its metadata name; nothing else tells the time.
pub(super) fn typeset(
    document: &Document,
    files: &[(Name, Bytes)],
    made_at: Option<DateTime<Utc>>,
    ident: &str,
) -> Result<Vec<u8>, RenderError> {
    let mut values = serde_json::to_value(document).map_err(RenderError::typesetting)?;
    let timestamp = timestamp(made_at.unwrap_or_default());
    let bytes = match set(&values, files, timestamp, ident) {
        Ok(bytes) => Ok(bytes),
        // A text that the fonts seemed to have and that cannot be set after all: by its code points.
        Err(_) => {
            in_ascii(&mut values);
            set(&values, files, timestamp, ident)
        }
    };
    // What the typesetter remembers of a document is of no use to the next.
    comemo::evict(0);
    bytes
}

fn set(
    values: &serde_json::Value,
    files: &[(Name, Bytes)],
    timestamp: Option<Timestamp>,
    ident: &str,
) -> Result<Vec<u8>, RenderError> {
    let values = (Name::Values, Bytes::from_string(values.to_string()));
    let world = DocumentWorld::new(files.iter().cloned().chain([values]));
    let document: PagedDocument = typst::compile(&world).output.map_err(|e| first(&e))?;
    let standards = PdfStandards::new(&[PdfStandard::A_3b])
        .map_err(|e| RenderError::typesetting(e.message()))?;
    let options = PdfOptions {
        ident: Smart::Custom(ident.to_owned()),
        creator: Smart::Custom(Some(super::RENDERER_VERSION.to_owned())),
        timestamp,
        standards,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|e| first(&e))
}

fn first(errors: &[SourceDiagnostic]) -> RenderError {
    RenderError::typesetting(errors.first().map_or("no reason", |error| error.message.as_str()))
}

fn timestamp(at: DateTime<Utc>) -> Option<Timestamp> {
    let [month, day, hour, minute, second] =
        [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(|n| n as u8);
    let written = Datetime::from_ymd_hms(at.year(), month, day, hour, minute, second);
    let epoch = || Datetime::from_ymd_hms(1970, 1, 1, 0, 0, 0);
    written.or_else(epoch).map(Timestamp::new_utc)
}
