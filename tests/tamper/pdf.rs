//! The PDF of one session: the files that it carries, and its pages.

use infrastructure::pdf::render_session;
use lopdf::{Document, Object, ObjectId, dictionary};
use serde_json::{Value, json};

use crate::case::{Case, Evidence, case, check};
use crate::good::jcs;
use crate::good::keys::{SEAL, sign, stranger};
use crate::good::session::{
    SESSION, export, open_session, sealed_session, statement, trusted_keys,
};

const PDF: &str = "session.pdf";
const OTHER: &str = "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b99";

fn rendered(records: &[Value]) -> Vec<u8> {
    render_session(&jcs(&export(records)), &trusted_keys()).unwrap()
}

fn good() -> Evidence {
    Evidence::new(&[PDF], [(PDF.to_owned(), rendered(&sealed_session(SESSION)))])
}

/// The same, with its pages compared, too.
fn with_pages() -> Evidence {
    Evidence::new(&[PDF, "--rerender"], good().files)
}

/// The stream of an attached file whose name begins so.
fn stream_of(document: &Document, name: &str) -> ObjectId {
    let specification = document.objects.values().filter_map(|o| o.as_dict().ok()).find(|d| {
        let file = d.get(b"UF").and_then(lopdf::decode_text_string).unwrap_or_default();
        file.starts_with(name)
    });
    let files = specification.unwrap().get(b"EF").and_then(Object::as_dict).unwrap();
    files.get(b"F").and_then(Object::as_reference).unwrap()
}

fn changed(e: &mut Evidence, change: impl FnOnce(&mut Document)) {
    let mut document = Document::load_mem(e.file(PDF)).unwrap();
    change(&mut document);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    e.set(PDF, bytes);
}

/// Puts other content into an attached file.
fn replace(e: &mut Evidence, name: &str, content: Vec<u8>) {
    changed(e, |document| {
        let id = stream_of(document, name);
        let stream = document.get_object_mut(id).unwrap().as_stream_mut().unwrap();
        stream.set_plain_content(content);
    });
}

const CASES: &[Case] = &[
    case("a second document was appended", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let other = rendered(&open_session(OTHER));
        e.file(PDF).extend(other);
    }),
    case("an update that changes nothing was appended", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let pdf = e.file(PDF);
        let text = String::from_utf8_lossy(pdf).into_owned();
        let (_, end) = text.rsplit_once("trailer").unwrap();
        let update = format!("xref\n0 0\ntrailer{end}");
        pdf.extend(update.bytes());
    }),
    case(
        "an object of the same number stands where no table names it",
        5,
        &["INVALID_CANONICAL_FORM"],
        |e| {
            let mut evil = Vec::new();
            changed(e, |document| {
                let id = stream_of(document, "session_");
                let json = jcs(&export(&sealed_session(OTHER)));
                evil =
                    format!("{} 0 obj<</Type/EmbeddedFile/Length {}>>stream\n", id.0, json.len())
                        .into_bytes();
                evil.extend(json);
                evil.extend(b"\nendstream\nendobj\n");
            });
            let pdf = e.file(PDF);
            let at = pdf.windows(5).rposition(|word| word == b"xref\n").unwrap();
            let at = pdf[..at].windows(5).rposition(|word| word == b"xref\n").unwrap();
            pdf.splice(at..at, evil.iter().copied());
            let end = pdf.windows(9).rposition(|word| word == b"startxref").unwrap();
            pdf.truncate(end);
            pdf.extend(format!("startxref\n{}\n%%EOF\n", at + evil.len()).bytes());
        },
    ),
    case("an object that is not there is referred to", 5, &["INVALID_CANONICAL_FORM"], |e| {
        changed(e, |document| {
            let catalog = document.catalog_mut().unwrap();
            catalog.set("AcroForm", Object::Reference((9_999, 0)));
        });
    }),
    case("a remark was appended", 5, &["INVALID_CANONICAL_FORM"], |e| {
        e.file(PDF).extend(b"% approved\n");
    }),
    case("the export was replaced by another session's", 2, &["FILE_HASH_MISMATCH"], |e| {
        replace(e, "session_", jcs(&export(&sealed_session(OTHER))));
    }),
    case("the end of a PDF stands in the export", 2, &["FILE_HASH_MISMATCH"], |e| {
        let mut export = export(&sealed_session(SESSION));
        export["disclaimer"] = json!("startxref 1 %%EOF");
        replace(e, "session_", jcs(&export));
    }),
    case(
        "a payload in the export was changed",
        2,
        &["FILE_HASH_MISMATCH", "PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN"],
        |e| {
            let mut export = export(&sealed_session(SESSION));
            export["events"][1]["payload"]["args"]["order"] = json!(4712);
            replace(e, "session_", jcs(&export));
        },
    ),
    case(
        "the export is of before the seal",
        2,
        &["FILE_HASH_MISMATCH", "INVALID_SEAL", "METADATA_MISMATCH", "UNSEALED_SESSION"],
        |e| replace(e, "session_", jcs(&export(&open_session(SESSION)))),
    ),
    case("the export has no line of JSON", 5, &["INVALID_CANONICAL_FORM"], |e| {
        replace(e, "session_", b"nothing".to_vec());
    }),
    case("the seal was replaced by a stranger's", 2, &["FILE_HASH_MISMATCH"], |e| {
        let statement = statement(&sealed_session(SESSION));
        replace(e, "seal.dsse.json", sign(&stranger(), SEAL, &statement));
    }),
    case("the seal is no seal", 2, &["FILE_HASH_MISMATCH"], |e| {
        replace(e, "seal.dsse.json", b"{}".to_vec());
    }),
    case("another export hangs at a page", 2, &["EXTRA_FILE"], |e| {
        changed(e, |document| {
            let mut stream = lopdf::Stream::new(
                dictionary! { "Type" => "EmbeddedFile" },
                b"{\"EVIL\":1}".to_vec(),
            );
            stream.set_plain_content(b"{\"EVIL\":1}".to_vec());
            let stream = document.add_object(stream);
            let name = Object::string_literal(format!("session_{SESSION}.json"));
            let annotation = dictionary! {
                "Type" => "Annot", "Subtype" => "FileAttachment",
                "FS" => dictionary! {
                    "Type" => "Filespec", "F" => name.clone(), "UF" => name,
                    "EF" => dictionary! { "F" => stream },
                },
            };
            let annotation = document.add_object(annotation);
            let page = *document.get_pages().values().next().unwrap();
            let page = document.get_dictionary_mut(page).unwrap();
            page.set("Annots", Object::Array(vec![annotation.into()]));
        });
    }),
    case("a file has another name for old readers", 5, &["INVALID_CANONICAL_FORM"], |e| {
        changed(e, |document| {
            let of = stream_of(document, "session_");
            let holder = document.objects.values_mut().filter_map(|o| o.as_dict_mut().ok());
            let mut holder = holder.filter(|d| {
                let files = d.get(b"EF").and_then(Object::as_dict);
                files.and_then(|f| f.get(b"F")).and_then(Object::as_reference).ok() == Some(of)
            });
            holder.next().unwrap().set("F", Object::string_literal("other.json"));
        });
    }),
    case("it breaks off", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let pdf = e.file(PDF);
        pdf.truncate(pdf.len() / 2);
    }),
    case("nothing but its first line is left", 5, &["INVALID_CANONICAL_FORM"], |e| {
        e.file(PDF).truncate(9);
    }),
    case("it carries no files", 5, &["INVALID_CANONICAL_FORM"], |e| {
        changed(e, |document| {
            let catalog = document.catalog_mut().unwrap();
            catalog.remove(b"Names");
            catalog.remove(b"AF");
        });
    }),
];

const PAGES: &[Case] = &[
    case("the pages are another session's", 2, &["FILE_HASH_MISMATCH"], |e| {
        let mut pages = Document::load_mem(&rendered(&sealed_session(OTHER))).unwrap();
        let ours = Document::load_mem(e.file(PDF)).unwrap();
        for name in ["session_", "seal.dsse.json"] {
            let content = ours.get_object(stream_of(&ours, name)).unwrap();
            let content = content.as_stream().unwrap().get_plain_content().unwrap();
            let id = stream_of(&pages, name);
            pages.get_object_mut(id).unwrap().as_stream_mut().unwrap().set_plain_content(content);
        }
        let mut bytes = Vec::new();
        pages.save_to(&mut bytes).unwrap();
        e.set(PDF, bytes);
    }),
    case("a program has saved it anew", 2, &["FILE_HASH_MISMATCH"], |e| changed(e, |_| ())),
    case("the keys were replaced by a stranger's", 2, &["FILE_HASH_MISMATCH"], |e| {
        replace(e, "jwks.json", crate::good::keys::jwks(&stranger(), (0, i64::from(i32::MAX))));
    }),
    case("a comment was added before its end", 2, &["FILE_HASH_MISMATCH"], |e| {
        let pdf = e.file(PDF);
        let end = pdf.windows(9).rposition(|word| word == b"startxref").unwrap();
        pdf.splice(end..end, *b"% certified by the board\n");
    }),
];

#[test]
fn every_change_to_what_a_pdf_carries_is_found() {
    check(&good(), CASES);
}

#[test]
fn every_change_to_its_pages_is_found_when_it_is_set_anew() {
    check(&with_pages(), PAGES);
}
