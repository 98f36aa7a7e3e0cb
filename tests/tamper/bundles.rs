//! Report bundles in a folder.

use serde_json::json;

use crate::case::{Case, Evidence, case, check};
use crate::good::bundle::{
    about_bundle, manifest, report_bundle, report_files, statement, with_manifest,
};
use crate::good::keys::{self, BUNDLE, WINDOW, signer, stranger};
use crate::good::{Files, jcs, sha256};

fn folder() -> Evidence {
    let files = report_bundle().into_iter();
    Evidence::new(&["bundle"], files.map(|(name, bytes)| (format!("bundle/{name}"), bytes)))
}

/// Lays other files into the folder.
fn fill(evidence: &mut Evidence, files: Files) {
    evidence.files.retain(|name, _| !name.starts_with("bundle/"));
    evidence.files.extend(files.into_iter().map(|(name, bytes)| (format!("bundle/{name}"), bytes)));
}

const IN_FOLDERS: &[Case] = &[
    case("a row of a table was edited", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.replace("bundle/violations.csv", "f2,refunds", "f2,privacy");
    }),
    case("a row of a table was taken out", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.lines("bundle/violations.csv", |lines| _ = lines.pop());
    }),
    case(
        "a cell lost what keeps a spreadsheet from computing it",
        4,
        &["FILE_HASH_MISMATCH"],
        |e| {
            e.replace("bundle/violations.csv", "'=1+1", "=1+1");
        },
    ),
    case("a table was emptied", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.file("bundle/tool_access.csv").clear();
    }),
    case("a byte was added to a text", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.file("bundle/report.txt").push(b' ');
    }),
    case("a file is missing", 4, &["MISSING_FILE"], |e| _ = e.remove("bundle/personal_data.csv")),
    case("all files are missing", 4, &["MISSING_FILE"], |e| {
        e.files.retain(|name, _| !name.contains("report") && !name.ends_with("csv"));
    }),
    case("a file was added", 4, &["EXTRA_FILE"], |e| {
        e.set("bundle/addendum.txt", "read this first");
    }),
    case("a hidden file was added", 4, &["EXTRA_FILE"], |e| e.set("bundle/.notes", "")),
    case("a file got another name", 4, &["MISSING_FILE", "EXTRA_FILE"], |e| {
        let text = e.remove("bundle/report.txt");
        e.set("bundle/Report.txt", text);
    }),
    case("two files were swapped", 4, &["FILE_HASH_MISMATCH"], |e| {
        let text = e.remove("bundle/violations.csv");
        let other = e.remove("bundle/personal_data.csv");
        e.set("bundle/violations.csv", other);
        e.set("bundle/personal_data.csv", text);
    }),
    case("a file lies in a folder below", 4, &["MISSING_FILE", "EXTRA_FILE"], |e| {
        let text = e.remove("bundle/report.txt");
        e.set("bundle/more/report.txt", text);
    }),
    case("a link leads to the file elsewhere", 4, &["MISSING_FILE", "EXTRA_FILE"], |e| {
        let text = e.remove("bundle/report.txt");
        e.set("report.txt", text);
        e.links.push(("bundle/report.txt", "../report.txt"));
    }),
    case(
        "the manifest counts fewer violations",
        2,
        &["MANIFEST_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| e.edit("bundle/manifest.json", |m| m["counts"]["violations"] = json!(1)),
    ),
    case(
        "the right key signed a count of rows that are not there",
        2,
        &["METADATA_MISMATCH"],
        |e| {
            let mut counted = manifest(about_bundle(), &report_files());
            counted["counts"]["violations"] = json!(3);
            fill(e, with_manifest(&counted, report_files()));
        },
    ),
    case("the manifest's filters were widened", 2, &["MANIFEST_HASH_MISMATCH"], |e| {
        e.edit("bundle/manifest.json", |m| m["filters"]["actor"] = json!("ada"));
    }),
    case(
        "a table and its place in the manifest were changed",
        2,
        &["MANIFEST_HASH_MISMATCH"],
        |e| {
            e.set("bundle/report.txt", "No violation.\n");
            e.edit("bundle/manifest.json", |m| {
                m["files"]["report.txt"] =
                    json!({ "bytes": 14, "sha256": sha256(b"No violation.\n") });
            });
        },
    ),
    case(
        "a file and its place in the manifest were taken out",
        2,
        &["MANIFEST_HASH_MISMATCH"],
        |e| {
            e.remove("bundle/personal_data.csv");
            e.edit("bundle/manifest.json", |m| {
                m["files"].as_object_mut().unwrap().remove("personal_data.csv");
            });
        },
    ),
    case(
        "the manifest says the same in another form",
        2,
        &["MANIFEST_HASH_MISMATCH", "INVALID_CANONICAL_FORM"],
        |e| {
            let manifest: serde_json::Value =
                serde_json::from_slice(e.file("bundle/manifest.json")).unwrap();
            e.set("bundle/manifest.json", serde_json::to_vec_pretty(&manifest).unwrap());
        },
    ),
    case(
        "the manifest names a file twice",
        2,
        &["MANIFEST_HASH_MISMATCH", "INVALID_CANONICAL_FORM", "MISSING_FIELD"],
        |e| {
            e.replace(
                "bundle/manifest.json",
                "\"files\":{",
                "\"files\":{\"report.txt\":{\"bytes\":1,\"sha256\":\"\"},",
            );
        },
    ),
    case(
        "the manifest breaks off",
        2,
        &["MANIFEST_HASH_MISMATCH", "INVALID_CANONICAL_FORM"],
        |e| {
            _ = e.file("bundle/manifest.json").pop();
        },
    ),
    case(
        "the manifest was emptied",
        2,
        &["MANIFEST_HASH_MISMATCH", "INVALID_CANONICAL_FORM"],
        |e| {
            e.file("bundle/manifest.json").clear();
        },
    ),
    case(
        "the manifest is of another schema",
        5,
        &["MANIFEST_HASH_MISMATCH", "SCHEMA_VERSION_MISMATCH"],
        |e| {
            e.edit("bundle/manifest.json", |m| m["schema"] = json!("exhibit-bundle/9"));
        },
    ),
    case("there is no manifest", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        _ = e.remove("bundle/manifest.json");
    }),
    case("there is no signature", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        _ = e.remove("bundle/bundle.sig");
    }),
    case(
        "there is no signature, and a file is changed",
        4,
        &["SIGNER_NOT_ESTABLISHED", "FILE_HASH_MISMATCH"],
        |e| {
            e.remove("bundle/bundle.sig");
            e.set("bundle/report.txt", "");
        },
    ),
    case("there is nothing in the folder", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        e.files.retain(|name, _| !name.starts_with("bundle/"));
        e.inputs = vec!["bundle/"];
    }),
    case("the signature is another file", 3, &["SIGNATURE_INVALID"], |e| {
        e.set("bundle/bundle.sig", "signed");
    }),
    case("the signature is over another kind of thing", 3, &["SIGNATURE_INVALID"], |e| {
        let signed = keys::payload(e.file("bundle/bundle.sig"));
        e.set("bundle/bundle.sig", keys::sign(&signer(), keys::SEAL, &signed));
    }),
    case("a stranger signed in the signer's name", 3, &["SIGNATURE_INVALID"], |e| {
        let signed = keys::payload(e.file("bundle/bundle.sig"));
        e.set(
            "bundle/bundle.sig",
            keys::sign_as(&stranger(), &keys::kid(&signer()), BUNDLE, &signed),
        );
    }),
    case("everything was made anew and signed by a stranger", 3, &["SIGNATURE_INVALID"], |e| {
        let mut files = report_files();
        files.insert("report.txt".to_owned(), b"No violation.\n".to_vec());
        let manifest = jcs(&manifest(about_bundle(), &files));
        files.insert(
            "bundle.sig".to_owned(),
            keys::sign(&stranger(), BUNDLE, &statement(&manifest)),
        );
        files.insert("manifest.json".to_owned(), manifest);
        fill(e, files);
    }),
    case(
        "the manifest and a file were changed, and a stranger signed",
        3,
        &["SIGNATURE_INVALID", "FILE_HASH_MISMATCH"],
        |e| {
            let signed = keys::payload(e.file("bundle/bundle.sig"));
            e.set("bundle/bundle.sig", keys::sign(&stranger(), BUNDLE, &signed));
            e.set("bundle/report.txt", "");
        },
    ),
    case("the signature of another bundle lies in it", 2, &["MANIFEST_HASH_MISMATCH"], |e| {
        let other = statement(b"another manifest");
        e.set("bundle/bundle.sig", keys::sign(&signer(), BUNDLE, &other));
    }),
    case("the signed algorithm is another", 3, &["SIGNATURE_INVALID"], |e| {
        let signed = String::from_utf8(keys::payload(e.file("bundle/bundle.sig"))).unwrap();
        let signed = signed.replace("Ed25519", "none");
        e.set("bundle/bundle.sig", keys::sign(&signer(), BUNDLE, signed.as_bytes()));
    }),
    case("the key was retired before the bundle", 3, &["KEY_OUTSIDE_VALIDITY"], |e| {
        e.set("jwks.json", keys::jwks(&signer(), (WINDOW.0, WINDOW.0 + 1)));
    }),
    case("the signer's manifest names a file outside", 2, &["METADATA_MISMATCH"], |e| {
        let mut manifest = manifest(about_bundle(), &report_files());
        manifest["files"]["../jwks.json"] = json!({ "bytes": 1, "sha256": sha256(b"") });
        fill(e, with_manifest(&manifest, report_files()));
    }),
    case("the signer's manifest leaves out what it counted", 2, &["MISSING_FIELD"], |e| {
        let mut manifest = manifest(about_bundle(), &report_files());
        manifest.as_object_mut().unwrap().remove("counts");
        fill(e, with_manifest(&manifest, report_files()));
    }),
];

#[test]
fn every_change_to_a_bundle_in_a_folder_is_found() {
    check(&folder(), IN_FOLDERS);
}
