//! The last files of a folder: manifest, signature, and all of it in one archive.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use application::exports::workshop::{Job, MakeError};
use application::{PortError, Signer};
use domain::artifacts::manifest::{
    About, BUNDLE_PAYLOAD_TYPE, MANIFEST_FILE, Making, Manifest, SIGNATURE_FILE, statement,
};
use domain::evidence::record::format_micros;
use domain::export::{FileFact, Made};
use domain::hash::Hash;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::unwritable;
use crate::state::App;

/// Signs what the files are, and packs them.
pub(super) async fn close(
    app: &App,
    job: &Job,
    about: About,
    counts: BTreeMap<String, u64>,
    mut files: Vec<FileFact>,
) -> Result<Made, MakeError> {
    let making = Making {
        at: format_micros(job.requested_at),
        by: job.requested_by.clone(),
        position: job.position,
        purpose: job.order.purpose.clone(),
        tenant: job.tenant,
    };
    let manifest = Manifest::new(about, making, counts.clone(), &files);
    let manifest = manifest.canonical().map_err(unwritable)?;
    let manifest_hash = Hash::of(&manifest);
    let signed = statement(manifest_hash, &format_micros(app.clock.now())).map_err(unwritable)?;
    let envelope = app.signer.sign(BUNDLE_PAYLOAD_TYPE, &signed).await?;
    let envelope = serde_json::to_vec(&envelope).map_err(unwritable)?;
    for (name, bytes) in [(MANIFEST_FILE, &manifest), (SIGNATURE_FILE, &envelope)] {
        files.push(put(app, job, name, bytes).await?);
    }
    let archive = archive(app, job, &files).await?;
    files.push(archive);
    Ok(Made { counts, files, manifest_hash: Some(manifest_hash) })
}

/// Writes a file that is at hand whole.
pub(super) async fn put(
    app: &App,
    job: &Job,
    name: &str,
    bytes: &[u8],
) -> Result<FileFact, PortError> {
    let mut file = app.export_files.create(job.id, name).await?;
    file.write(bytes).await?;
    file.finish().await
}

/// All files in one, in the order of their making.
async fn archive(app: &App, job: &Job, files: &[FileFact]) -> Result<FileFact, PortError> {
    let named = |file: &FileFact| (file.name.clone(), app.export_files.path(job.id, file));
    let parts: Vec<(String, PathBuf)> = files.iter().map(named).collect();
    let target = tempfile::tempfile_in(app.export_files.folder(job.id)).map_err(packing)?;
    // Compressing takes a core, and reads and writes as it goes.
    let packed = tokio::task::spawn_blocking(move || pack(&parts, target));
    let packed = packed.await.map_err(packing)?.map_err(packing)?;
    let mut packed = tokio::fs::File::from_std(packed);
    let name = format!("{}_{}.zip", job.order.kind.as_str(), job.id);
    let mut file = app.export_files.create(job.id, &name).await?;
    let mut chunk = vec![0; super::CHUNK_BYTES];
    loop {
        let read = tokio::io::AsyncReadExt::read(&mut packed, &mut chunk).await.map_err(packing)?;
        if read == 0 {
            return file.finish().await;
        }
        file.write(&chunk[..read]).await?;
    }
}

fn pack(parts: &[(String, PathBuf)], target: std::fs::File) -> io::Result<std::fs::File> {
    let mut archive = ZipWriter::new(target);
    for (name, path) in parts {
        // No times, no rights: the same files make the same archive.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(std::fs::metadata(path)?.len() >= u64::from(u32::MAX));
        archive.start_file(name.as_str(), options)?;
        io::copy(&mut std::fs::File::open(path)?, &mut archive)?;
    }
    let mut target = archive.finish()?;
    io::Seek::rewind(&mut target)?;
    Ok(target)
}

fn packing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::new("packing an archive", error)
}
