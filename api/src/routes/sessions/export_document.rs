//! The JSON export (exports.md): one canonical document, written while the records go by.
//!
//! Members stand in the order of their names, as RFC 8785 asks, so what is known only after the
//! records (class, verification, tool access) is written after them. Memory does not grow with the
//! session, but for what is kept of each use of a tool: some 250 bytes until its result is known.

use std::pin::pin;

use application::{EvidenceReader, PortError};
use axum::body::Bytes;
use domain::artifacts::DISCLAIMER;
use domain::evidence::jwk::JwkSet;
use domain::evidence::record::{ChainContext, format_micros};
use domain::evidence::tool_access::{ToolAccess, ToolLog, ToolVerdict};
use domain::evidence::verify::{Format, LogVerifier, Options, RECORD_DEPTH_MAX};
use domain::evidence::{canonical, json};
use domain::ids::SessionId;
use futures::{Stream, StreamExt};
use infrastructure::keyring::public_keys;
use projections::sessions::{SealRow, SessionRow};
use projections::violations::Known;
use serde::Serialize;
use serde_json::{Value, json};

use super::export_findings::{matches, policies, tool_access, violations, wait_for_judgement};
use super::judged::Judged;
use super::view::SessionView;
use crate::exports::OnBehalf;
use crate::problem::Problem;
use crate::state::App;

/// Schema of the document.
pub const SCHEMA: &str = "exhibit-export/1";

const CHUNK_BYTES: usize = 64 * 1024;

/// What is known before the first record is read.
pub struct ExportFacts {
    row: SessionRow,
    seal: Option<SealRow>,
    keys: JwkSet,
    custody: Value,
    judged: Judged,
    known: Known,
    purpose: String,
    at: String,
}

impl ExportFacts {
    pub async fn gather(
        app: &App,
        of: &OnBehalf,
        session: SessionId,
        row: SessionRow,
        requested: u64,
        purpose: &str,
    ) -> Result<Self, Problem> {
        let seal = app.reads.seal(of.tenant, session).await?;
        // A seal that came after the row was read is not part of this export.
        let seal = seal.filter(|_| row.phase == "sealed");
        let at = format_micros(app.clock.now());
        // Its last entry is the request for this export.
        let custody = app.reads.custody(of.tenant, session, requested).await?;
        let entries: Vec<Value> = custody
            .iter()
            .map(|e| {
                json!({
                    "action": e.action, "actor": e.actor, "at": format_micros(e.at),
                    "details": e.details,
                })
            })
            .collect();
        let keys = public_keys(&app.database.server).await?;
        let judged = wait_for_judgement(app, of, &row).await?;
        let known = app.reads.violations_known(of.tenant, session, row.next_sequence).await?;
        let custody = Value::Array(entries);
        Ok(Self { row, seal, keys, custody, judged, known, purpose: purpose.to_owned(), at })
    }

    pub(crate) fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// Of the seal, when the session is sealed and its seal is signed.
    pub(crate) fn envelope(&self) -> Option<&Value> {
        self.seal.as_ref().map(|seal| &seal.envelope)
    }

    pub(crate) fn violations(&self) -> u64 {
        self.known.count
    }

    /// Members that sort before `events`.
    fn head(&self) -> [(&'static str, Value); 3] {
        [
            ("chain_of_custody", self.custody.clone()),
            (
                "counts",
                json!({
                    "events": self.row.next_sequence,
                    "log_drops": self.row.log_drops,
                    "total_drops": self.row.total_drops,
                    "violations": self.known.count,
                }),
            ),
            ("disclaimer", json!(DISCLAIMER)),
        ]
    }

    fn seal_member(&self) -> Value {
        match &self.seal {
            Some(seal) => json!({
                "present": true,
                "seal": seal.seal,
                "seal_event_hash": seal.seal_event_hash,
                "envelope": seal.envelope,
            }),
            // An `sdk` session may carry its client's seal event, which nobody has signed.
            None => json!({ "present": self.row.phase == "sealed", "envelope": null }),
        }
    }
}

/// The document, chunk by chunk.
pub fn document(
    app: App,
    of: OnBehalf,
    session: SessionId,
    facts: ExportFacts,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send {
    async_stream::try_stream! {
        let envelope = facts.seal.as_ref().and_then(|s| serde_json::from_value(s.envelope.clone()).ok());
        let options = Options { keys: Some(&facts.keys), expected_head: None, seal: envelope.as_ref() };
        let mut verifier = LogVerifier::new(&options);
        let mut tools = ToolLog::default();
        let context = ChainContext { session_id: session, authority: facts.row.authority };
        let mut out = b"{".to_vec();
        for (name, value) in facts.head() {
            member(&mut out, name, &value)?;
        }
        out.extend_from_slice(b"\"events\":[");
        let mut records = app.reads.records(of.tenant, session, 0..facts.row.next_sequence);
        let (mut line, mut first) = (Vec::with_capacity(1024), true);
        while let Some(item) = records.next().await {
            let (record, signature) = item?;
            line.clear();
            record.write_full(&context, Some(&signature), &mut line);
            // One reading serves the verifier, which must see what leaves, and the list of tools.
            match json::parse(&line, RECORD_DEPTH_MAX) {
                Ok(document) => {
                    verifier.push_document(&document);
                    if let Some(payload) = document.root.get("payload") {
                        tools.push(&record, payload);
                    }
                }
                Err(_) => verifier.push_line(&line),
            }
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            out.extend_from_slice(&line);
            if out.len() >= CHUNK_BYTES {
                yield Bytes::from(std::mem::replace(&mut out, Vec::with_capacity(CHUNK_BYTES + 4096)));
            }
        }
        out.extend_from_slice(b"],");
        let report = verifier.finish("export", Format::JsonLines);
        member(&mut out, "evidence_class", &report.evidence_class)?;
        member(&mut out, "exported_at", &facts.at)?;
        member(&mut out, "exported_by", &of.actor)?;
        out.extend_from_slice(b"\"pii\":{");
        member(&mut out, "detectors_not_run", &facts.judged.pii.detectors_not_run)?;
        member(&mut out, "detectors_run", &facts.judged.pii.detectors_run)?;
        out.extend_from_slice(b"\"matches\":");
        yield Bytes::from(std::mem::take(&mut out));
        let matches = matches(&app, &of, session, facts.row.next_sequence);
        let mut list = pin!(array(matches, write));
        while let Some(chunk) = list.next().await {
            yield chunk?;
        }
        out.extend_from_slice(b"},");
        let policies = policies(&app, &of, &facts.known).await?;
        member(&mut out, "policies", &policies)?;
        member(&mut out, "purpose", &facts.purpose)?;
        member(&mut out, "schema", &SCHEMA)?;
        member(&mut out, "seal", &facts.seal_member())?;
        let idle_max = app.sessions.settings.idle_max;
        let view = SessionView::of(facts.row.clone(), facts.judged, app.clock.now(), idle_max);
        member(&mut out, "session", &view)?;
        out.extend_from_slice(b"\"tool_access\":");
        yield Bytes::from(std::mem::take(&mut out));
        let uses = tool_access(&app, &of, session, tools.finish());
        let write_use = |(tool, verdict): &(ToolAccess, Option<ToolVerdict>), out: &mut Vec<u8>| {
            tool.write(verdict.as_ref(), out);
            Ok(())
        };
        let mut list = pin!(array(uses, write_use));
        while let Some(chunk) = list.next().await {
            yield chunk?;
        }
        out.push(b',');
        member(&mut out, "verification", &json!({
            "status": report.status,
            "axes": report.axes,
            "findings": report.findings,
            "verifier_version": report.verifier_version,
        }))?;
        out.extend_from_slice(b"\"violations\":");
        yield Bytes::from(std::mem::take(&mut out));
        let violations = violations(&app, &of, facts.known);
        let mut list = pin!(array(violations, write));
        while let Some(chunk) = list.next().await {
            yield chunk?;
        }
        yield Bytes::from_static(b"}");
    }
}

/// A canonical array, chunk by chunk.
fn array<T>(
    items: impl Stream<Item = Result<T, PortError>> + Send,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), PortError> + Send,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send
where
    T: Send,
{
    async_stream::try_stream! {
        let mut items = pin!(items);
        let mut out = b"[".to_vec();
        let mut first = true;
        while let Some(item) = items.next().await {
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            write(&item?, &mut out)?;
            if out.len() >= CHUNK_BYTES {
                yield Bytes::from(std::mem::take(&mut out));
            }
        }
        out.push(b']');
        yield Bytes::from(out);
    }
}

/// `"name":<canonical value>,`
fn member<T: Serialize>(out: &mut Vec<u8>, name: &str, value: &T) -> Result<(), PortError> {
    canonical::write_string(name, out);
    out.push(b':');
    write(value, out)?;
    out.push(b',');
    Ok(())
}

fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), PortError> {
    let text = canonical::of_serde(value).map_err(|e| PortError::new("writing an export", e))?;
    out.extend_from_slice(&text);
    Ok(())
}
