//! Verifies a PDF by what it carries: the export inside is evidence, the pages are a view of it.
//!
//! Keys that come in the PDF are never trusted; they only serve to set the pages anew.

use domain::evidence::dsse::Envelope;
use domain::evidence::verify::{
    AxisResult, Code, Format, Options, Report, parse_envelope, unreadable, verify_reader,
};
use domain::hash::Hash;
use infrastructure::pdf_attachments::{
    AttachmentFault, Attachments, KEYS_NAME, SEAL_NAME, read as read_attachments,
};
use serde_json::{Value, json};

/// The attached export, and whether metadata and seal belong to it.
pub fn verify_pdf(pdf: &[u8], input: &str, options: &Options<'_>) -> Report {
    let attachments = match read_attachments(pdf) {
        Ok(attachments) => attachments,
        Err(fault) => return unread(input, &fault),
    };
    let mut report = verify_attached(&attachments, input, options);
    say_of_pages(&mut report, "The pages of the PDF were not compared with them: see --rerender.");
    report
}

/// As [`verify_pdf`]; then the PDF is set anew from what it carries, and every byte is compared.
pub fn verify_pdf_and_pages(pdf: &[u8], input: &str, options: &Options<'_>) -> Report {
    let attachments = match read_attachments(pdf) {
        Ok(attachments) => attachments,
        Err(fault) => return unread(input, &fault),
    };
    let mut report = verify_attached(&attachments, input, options);
    match pages_differ(pdf, &attachments) {
        None => say_of_pages(&mut report, "The PDF was set anew, and is the same byte for byte."),
        Some(message) => {
            let renderer = attachments.renderer;
            let details = json!({ "file": "pages", "renderer": renderer, "here": RENDERER_HERE });
            report.contradict(Code::FileHashMismatch, message, details);
        }
    }
    report
}

fn unread(input: &str, fault: &AttachmentFault) -> Report {
    unreadable(input, Format::Pdf, &fault.to_string())
}

fn verify_attached(attachments: &Attachments, input: &str, options: &Options<'_>) -> Report {
    let export = &attachments.export;
    let mut report = verify_reader(&mut export.as_slice(), input, options, &mut |_| {});
    if report.format != Format::ExportJson {
        return unreadable(input, Format::Pdf, "the attached session_<id>.json is no export");
    }
    report.format = Format::Pdf;
    let computed = Hash::of(export).to_string();
    if attachments.export_sha256.as_deref() != Some(&computed) {
        let details = json!({
            "file": "session_<id>.json", "expected": attachments.export_sha256, "computed": computed,
        });
        let message = "The attached JSON is not the one that the PDF was made of.";
        report.contradict(Code::FileHashMismatch, message.to_owned(), details);
    }
    compare_seal(attachments, &mut report);
    if !attachments.others.is_empty() {
        let count = attachments.others.len();
        let message =
            format!("The PDF carries {count} files beside the export, its seal and keys.");
        report.contradict(Code::ExtraFile, message, json!({ "files": count }));
    }
    if attachments.keys.is_none() {
        let message = "The public keys are missing among the attached files.".to_owned();
        report.contradict(Code::MissingFile, message, json!({ "file": KEYS_NAME }));
    }
    report
}

/// The seal lies beside the export and in it: both must be one.
fn compare_seal(attachments: &Attachments, report: &mut Report) {
    // The verifier has read the document already; here only one of its members is asked for.
    let export: Value = serde_json::from_slice(&attachments.export).unwrap_or_default();
    let inside: Option<Envelope> = serde_json::from_value(export["seal"]["envelope"].clone()).ok();
    let beside = attachments.seal.as_deref().map(parse_envelope);
    let details = || json!({ "file": SEAL_NAME });
    match (inside, beside) {
        (None, None) => {}
        (Some(inside), Some(Some(beside))) if inside == beside => {}
        (Some(_), None) => {
            let message = "The seal is missing among the attached files.".to_owned();
            report.contradict(Code::MissingFile, message, details());
        }
        _ => {
            let message = "The attached seal is not the one of the attached JSON.".to_owned();
            report.contradict(Code::FileHashMismatch, message, details());
        }
    }
}

/// The axis speaks of the records; a reader of a PDF must not take it for the pages.
fn say_of_pages(report: &mut Report, sentence: &str) {
    let integrity = &mut report.axes.integrity;
    if integrity.result == AxisResult::Pass {
        integrity.reason = format!("{} {sentence}", integrity.reason);
    }
}

#[cfg(feature = "pdf")]
const RENDERER_HERE: &str = infrastructure::pdf::RENDERER_VERSION;
#[cfg(not(feature = "pdf"))]
const RENDERER_HERE: &str = "none";

/// Why the pages are not what the attached files give, if they are not.
#[cfg(feature = "pdf")]
fn pages_differ(pdf: &[u8], attachments: &Attachments) -> Option<String> {
    use infrastructure::pdf::{RENDERER_VERSION, render_session};

    if attachments.renderer.as_deref() != Some(RENDERER_VERSION) {
        return Some(format!(
            "The PDF names another renderer than this one, {RENDERER_VERSION}: its pages cannot be \
             compared here."
        ));
    }
    let keys = attachments.keys.as_deref().unwrap_or_default();
    match render_session(&attachments.export, keys) {
        Ok(anew) if anew == pdf => None,
        Ok(_) => Some("The pages of the PDF are not what the attached files give.".to_owned()),
        Err(error) => Some(format!("The PDF cannot be set anew from what it carries: {error}.")),
    }
}

#[cfg(not(feature = "pdf"))]
fn pages_differ(_: &[u8], _: &Attachments) -> Option<String> {
    let message = "This build has no PDF renderer: the pages cannot be compared here.";
    Some(message.to_owned())
}
