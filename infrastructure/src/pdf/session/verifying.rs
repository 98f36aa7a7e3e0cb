//! How a reader checks the document: with the verifier, and without any of our software.

use super::super::RENDERER_VERSION;
use super::super::page::{Block, Section};
use super::export::Export;

/// Commands that a test runs as they are printed.
const BY_HAND: &str = include_str!("by_hand.sh");

/// Section "How to verify".
pub(super) fn section(export: &Export<'_>) -> Section {
    let id: String = export.session_id().chars().take(64).collect();
    let mut blocks = vec![
        Block::text(format!(
            "Three files are attached to this PDF: session_{id}.json (the export, of which this \
             document shows a part), seal.dsse.json (the signed seal, if the session is sealed), \
             and jwks.json (the public keys of the exporting server, for comparison)."
        )),
        Block::heading("With the verifier"),
        Block::text(
            "The verifier is one program and needs no server and no network. Take the keys from \
             the recording organisation by a way that you trust, not from this document: without \
             them the signer is not established.",
        ),
        Block::code([
            "exhibit verify session.pdf --jwks keys-from-elsewhere.json",
            "exhibit verify session.pdf --jwks keys-from-elsewhere.json --rerender",
        ]),
        Block::text(format!(
            "The second command also sets this document anew from the attached files and compares \
             every byte, which shows whether its pages say what the files say. It needs the same \
             renderer: {RENDERER_VERSION}."
        )),
        Block::heading("Without any of our software"),
    ];
    if export.envelope.is_some() {
        blocks.push(Block::text(
            "With sha256sum, openssl and base64 alone (and sed and grep to cut texts out), in an \
             empty folder that holds session.pdf:",
        ));
        blocks.push(Block::code(BY_HAND.lines()));
        blocks.push(Block::text(
            "Step 5 prints “Signature Verified Successfully”. The chain of all records is \
             recomputed by sixty lines of Python in the documentation (docs/verify.py), which are \
             short enough to be read first.",
        ));
    } else {
        blocks.push(Block::text(
            "The session is not sealed, so there is no signature to check. The SHA-256 of the \
             attached JSON must be the one on the cover:",
        ));
        let sum = format!("sha256sum session_{id}.json");
        blocks.push(Block::code(["pdfdetach -saveall session.pdf", &sum]));
    }
    Section::new("How to verify", blocks)
}
