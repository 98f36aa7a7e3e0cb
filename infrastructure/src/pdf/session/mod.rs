//! A session's evidence as a document: a pure function of its JSON export and the public keys.

mod cover;
mod export;
mod integrity;
mod lists;
mod proof;
mod timeline;
mod verifying;
mod violations;

use chrono::{DateTime, Utc};
use domain::evidence::canonical;
use typst::foundations::Bytes;

use self::export::Export;
use super::budget::within;
use super::page::{Attachment, Block, Document, Meta, Section};
use super::typeset::typeset;
use super::world::Name;
use super::{DISCLAIMER, RENDERER_VERSION, RenderError, qr};
use crate::pdf_attachments::{KEYS_NAME, SEAL_NAME, export_name};

/// Sets a session's JSON export as PDF/A-3b, with the export, its seal and the keys attached.
pub fn render_session(export: &[u8], jwks: &[u8]) -> Result<Vec<u8>, RenderError> {
    let read = Export::read(export, jwks)?;
    let seal = read.envelope.as_ref().map(canonical::of_serde).transpose();
    let seal = seal.map_err(RenderError::unreadable)?;
    let document = document(&read, seal.is_some());
    let made_at = DateTime::parse_from_rfc3339(&read.members.exported_at).ok();
    let mut files = vec![
        (Name::Chart, Bytes::from_string(read.timeline.svg())),
        (Name::Qr, Bytes::from_string(qr::svg(&cover::code(&read))?)),
        (Name::Export, Bytes::new(export.to_vec())),
        (Name::Keys, Bytes::new(jwks.to_vec())),
    ];
    files.extend(seal.map(|seal| (Name::Seal, Bytes::new(seal))));
    let ident = read.sha256.clone();
    drop(read);
    typeset(&document, &files, made_at.map(|at| at.with_timezone(&Utc)), &ident)
}

fn document(export: &Export<'_>, sealed: bool) -> Document {
    let id: String = export.session_id().chars().take(64).collect();
    Document {
        title: "Evidence report".into(),
        meta: Meta {
            title: format!("Evidence report of session {id}"),
            description: "Recorded evidence of one session, with the files that prove it attached."
                .to_owned(),
            keywords: vec![
                format!("session={id}"),
                format!("json-sha256={}", export.sha256),
                format!("renderer={RENDERER_VERSION}"),
            ],
        },
        header: format!("Session {id}").into(),
        footer: format!("JSON SHA-256 {}", export.sha256).into(),
        contents: true,
        cover: cover::cover(export),
        sections: [
            proof::section(export),
            proof::summary(export),
            violations::section(export),
            timeline::section(export),
            lists::tool_access(export),
            lists::personal_data(export),
            integrity::section(export),
            lists::custody(export),
            verifying::section(export),
            disclaimer(),
        ]
        .map(within)
        .to_vec(),
        attachments: attachments(&id, sealed),
    }
}

fn disclaimer() -> Section {
    let shown = "Characters that the fonts of this document lack, and characters that steer or hide \
        text, are shown by their code points, such as [U+1F600]. Long values are cut where they \
        say so. The attached JSON has every value as it was received.";
    Section::new("Disclaimer", vec![Block::text(DISCLAIMER), Block::note(shown)])
}

fn attachments(id: &str, sealed: bool) -> Vec<Attachment> {
    let file = |path, name: String, description, relationship| {
        let media_type = "application/json";
        Attachment { path, name, media_type, description, relationship }
    };
    let export = file("export", export_name(id), "The JSON export that this is made of", "source");
    let seal = file("seal", SEAL_NAME.to_owned(), "The signed seal (DSSE)", "supplement");
    let keys =
        file("keys", KEYS_NAME.to_owned(), "Public keys of the exporting server", "supplement");
    std::iter::once(export).chain(sealed.then_some(seal)).chain([keys]).collect()
}
