//! What is said of an export that is made in the background.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::export::{FileFact, Kind, Order};
use domain::ids::TenantId;
use projections::exports::ExportRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::packs;
use crate::problem::Problem;
use crate::state::App;

/// An export, a bundle or a pack as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Export")]
pub struct ExportView {
    pub export_id: Uuid,
    /// `evidence`, `bundle` or `pack`.
    pub kind: &'static str,
    /// `queued`, `running`, `completed`, `failed` or `expired` (its files are removed).
    pub status: String,
    pub formats: Vec<String>,
    /// Of a pack.
    pub session_id: Option<Uuid>,
    /// Of a pack: `INTERNAL`, `PARTNER` or `REGULATOR`.
    #[schema(value_type = Option<String>)]
    pub audience: Option<domain::export::Audience>,
    #[schema(value_type = Object)]
    pub filters: Value,
    pub purpose: String,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    /// Of the request in the tenant's log: what was there before is exported.
    pub position: i64,
    pub finished_at: Option<DateTime<Utc>>,
    /// How many of what, when it is completed.
    pub counts: BTreeMap<String, u64>,
    /// SHA-256 of the manifest's canonical form, of bundles and packs.
    pub bundle_hash: Option<String>,
    pub files: Vec<FileView>,
    /// Why it failed.
    pub reason: Option<String>,
    pub links: ExportLinks,
}

/// A file to take away.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "ExportFile")]
pub struct FileView {
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// Where it is; the key needs `evidence:export`.
    pub href: String,
    /// Of a pack: when `href` stops working.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Where to go from here.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportLinks {
    #[serde(rename = "self")]
    pub this: String,
}

impl ExportView {
    pub fn of(app: &App, tenant: TenantId, row: ExportRow) -> Result<Self, Problem> {
        let Order { kind, formats, session_id, filters, audience, purpose } = row.ordered.0;
        let this = format!("/v1/{}/{}", folder(kind), row.export_id);
        let made = row.made.map(|made| made.0);
        let served = made.iter().filter(|_| row.status == "completed");
        let mut files = Vec::new();
        for file in served.flat_map(|made| &made.files) {
            files.push(file_view(app, tenant, kind, row.export_id, &this, file)?);
        }
        Ok(Self {
            export_id: row.export_id,
            kind: kind.as_str(),
            status: row.status,
            formats,
            session_id: session_id.map(|session| session.0),
            audience,
            filters: serde_json::to_value(filters).map_err(Problem::internal)?,
            purpose,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            position: row.position,
            finished_at: row.finished_at,
            bundle_hash: made.as_ref().and_then(|m| m.manifest_hash).map(|hash| hash.to_string()),
            counts: made.map(|made| made.counts).unwrap_or_default(),
            files,
            reason: row.reason,
            links: ExportLinks { this },
        })
    }
}

fn file_view(
    app: &App,
    tenant: TenantId,
    kind: Kind,
    export: Uuid,
    this: &str,
    file: &FileFact,
) -> Result<FileView, Problem> {
    let mut href = format!("{this}/files/{}", file.name);
    let expires_at = (kind == Kind::Pack)
        .then(|| app.clock.now() + TimeDelta::seconds(i64::from(app.pack_link_seconds)));
    if let Some(at) = expires_at {
        href = format!("{href}?link={}", packs::link(app, tenant, export, &file.name, at)?);
    }
    Ok(FileView {
        name: file.name.clone(),
        bytes: file.bytes,
        sha256: file.sha256.to_string(),
        href,
        expires_at,
    })
}

fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => "sessions",
        Kind::Evidence => "exports",
        Kind::Bundle => "bundles",
        Kind::Pack => "evidence-packs",
    }
}
