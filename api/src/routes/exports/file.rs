//! A file on its way to the client: it is written down before it goes, and checked while it goes.

use application::PortError;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::export::{ExportError, FileFact, Kind};
use domain::hash::Hash;
use futures::Stream;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::FilePath;
use super::problem::{elsewhere, gone, not_found, of_query};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// Bytes of a chunk of the answer.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) async fn send(
    app: App,
    caller: Caller,
    kind: Kind,
    path: FilePath,
    purpose: Option<String>,
) -> Result<Response, Problem> {
    let row = app.reads.export(caller.tenant, kind.as_str(), path.export).await?;
    let row = row.ok_or_else(not_found)?;
    if row.status == "expired" {
        return Err(gone());
    }
    // Read first: what is not there, or not what was made, does not leave, and is no act. What is
    // not made yet, the command refuses.
    let made = row.made.as_ref().and_then(|made| made.files.iter().find(|f| f.name == path.name));
    let file = match made {
        Some(fact) => {
            let file = app.export_files.open(path.export, fact).await?.ok_or_else(elsewhere)?;
            Some(whole(file, fact).await?)
        }
        None => None,
    };
    let purpose = purpose.map(|purpose| purpose.trim().to_owned());
    let metadata = caller.metadata();
    let fact = app
        .exports
        .download(caller.tenant, path.export, path.name, purpose, &metadata)
        .await
        .map_err(of_query)?;
    let file = file.ok_or(ExportError::NoSuchFile)?;
    let headers = [
        (header::CONTENT_TYPE, media_type(&fact.name).to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", fact.name)),
        (header::CONTENT_LENGTH, fact.bytes.to_string()),
        (header::ETAG, format!("\"{}\"", fact.sha256)),
    ];
    Ok((headers, Body::from_stream(checked(file, fact))).into_response())
}

/// The file, from its beginning, if it is the one that was made.
async fn whole(mut file: File, fact: &FileFact) -> Result<File, PortError> {
    let failed = |e| PortError::new("reading an export's file", e);
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk).await.map_err(failed)?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
    }
    if Hash(hasher.finalize().into()) != fact.sha256 {
        return Err(PortError::new("reading an export's file", "it is not the one that was made"));
    }
    file.rewind().await.map_err(failed)?;
    Ok(file)
}

/// The last chunk goes only when all of it is what was made: else the connection is cut.
fn checked(mut file: File, fact: FileFact) -> impl Stream<Item = Result<Bytes, PortError>> + Send {
    async_stream::try_stream! {
        let failed = |e| PortError::new("reading an export's file", e);
        let mut hasher = Sha256::new();
        let mut held = Bytes::new();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = file.read(&mut chunk).await.map_err(failed)?;
            if read == 0 {
                break;
            }
            chunk.truncate(read);
            hasher.update(&chunk);
            let before = std::mem::replace(&mut held, chunk.into());
            if !before.is_empty() {
                yield before;
            }
        }
        if Hash(hasher.finalize().into()) != fact.sha256 {
            tracing::error!(file = fact.name, "a file is not the one that was made");
            Err(PortError::new("sending an export's file", "it is not the one that was made"))?;
        }
        yield held;
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json" | "sig") => "application/json",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("csv") => "text/csv; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}
