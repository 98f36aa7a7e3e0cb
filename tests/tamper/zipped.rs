//! Report bundles in a zip.

use crate::case::{Case, Evidence, case, check};
use crate::good::bundle::{about_bundle, report_bundle, report_files, signed};
use crate::zips::{Entry, deflated, deflated_plain, entries, entry, stored};

const ZIP: &str = "bundle.zip";
/// Larger than any manifest says, small for a test.
const BOMB_BYTES: usize = 64 << 20;

fn zip() -> Evidence {
    Evidence::new(&[ZIP], [(ZIP.to_owned(), deflated(&report_bundle()))])
}

/// Writes a zip entry by entry.
fn zipped(evidence: &mut Evidence, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut entries = entries(&report_bundle());
    change(&mut entries);
    evidence.set(ZIP, stored(&entries));
}

const IN_ZIPS: &[Case] = &[
    case("a row of a table was edited", 4, &["FILE_HASH_MISMATCH"], |e| {
        let mut files = report_bundle();
        files.insert("violations.csv".to_owned(), b"violation_id\r\n".to_vec());
        e.set(ZIP, deflated(&files));
    }),
    case(
        "a file of the same name was put before the good one",
        4,
        &["FILE_HASH_MISMATCH", "EXTRA_FILE"],
        |e| {
            zipped(e, |entries| entries.insert(0, entry("violations.csv", b"none")));
        },
    ),
    case("a file of the same name was put behind the good one", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("violations.csv", b"none")));
    }),
    case("a second manifest was put behind the good one", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("manifest.json", b"{}")));
    }),
    case("a name leads out of the folder", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("../../.ssh/authorized_keys", b"ssh-ed25519 AAAA")));
    }),
    case("a name begins at the root", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("/etc/cron.d/exhibit", b"* * * * * root id")));
    }),
    case("a name leads out of the folder on another system", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("..\\violations.csv", b"none")));
    }),
    case("a link stands in a file's place", 4, &["EXTRA_FILE", "MISSING_FILE"], |e| {
        zipped(e, |entries| {
            let report = entries.iter_mut().find(|entry| entry.name == "report.txt").unwrap();
            (report.bytes, report.mode) = (b"/etc/passwd".to_vec(), 0o120_777);
        });
    }),
    case("an empty folder lies in it", 4, &["EXTRA_FILE"], |e| {
        zipped(e, |entries| entries.push(entry("more/", b"")));
    }),
    case("everything lies in a folder", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        zipped(e, |entries| {
            for entry in entries {
                entry.name = format!("bundle/{}", entry.name);
                entry.local_name = entry.name.clone();
            }
        });
    }),
    case("an entry has two names", 5, &["INVALID_CANONICAL_FORM"], |e| {
        zipped(e, |entries| entries[3].local_name.push('x'));
    }),
    case("a byte of a file was changed where it lies", 4, &["FILE_HASH_MISMATCH"], |e| {
        zipped(e, |_| ());
        let zip = e.file(ZIP);
        let at = zip.windows(10).position(|window| window == b"f2,refunds").unwrap();
        zip[at] = b'g';
    }),
    case("a file unpacks to far more than the manifest says", 4, &["FILE_HASH_MISMATCH"], |e| {
        let mut files = report_bundle();
        files.insert("report.txt".to_owned(), vec![b' '; BOMB_BYTES]);
        e.set(ZIP, deflated(&files));
    }),
    case(
        "a file that the manifest does not name unpacks to far too much",
        4,
        &["EXTRA_FILE"],
        |e| {
            let mut files = report_bundle();
            files.insert("more.txt".to_owned(), vec![b' '; BOMB_BYTES]);
            e.set(ZIP, deflated(&files));
        },
    ),
    case(
        "the manifest itself names a file that is nothing but air",
        5,
        &["INVALID_CANONICAL_FORM", "MISSING_FILE"],
        |e| {
            let mut files = report_files();
            files.insert("report.txt".to_owned(), vec![b' '; BOMB_BYTES]);
            e.set(ZIP, deflated(&signed(about_bundle(), files)));
        },
    ),
    case("the manifest unpacks to far too much", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let mut files = report_bundle();
        files.insert("manifest.json".to_owned(), vec![b' '; BOMB_BYTES]);
        e.set(ZIP, deflated(&files));
    }),
    case("it holds thousands of files", 5, &["INVALID_CANONICAL_FORM"], |e| {
        zipped(e, |entries| entries.extend((0..5_000).map(|n| entry(&n.to_string(), b""))));
    }),
    case("it breaks off", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let zip = e.file(ZIP);
        zip.truncate(zip.len() - 30);
    }),
    case("another zip was put behind it", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let mut evil = report_bundle();
        evil.insert("violations.csv".to_owned(), b"violation_id\r\n".to_vec());
        let joined = [e.file(ZIP).clone(), deflated(&evil)].concat();
        e.set(ZIP, joined);
    }),
    case("another zip lies in its comment", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let evil = stored(&[entry("violations.csv", b"violation_id\r\n")]);
        let zip = e.file(ZIP);
        let length = zip.len();
        zip[length - 2..].copy_from_slice(&u16::try_from(evil.len()).unwrap().to_le_bytes());
        zip.extend(evil);
    }),
    case("bytes were put behind its end", 5, &["INVALID_CANONICAL_FORM"], |e| {
        e.file(ZIP).extend_from_slice(b"approved by the board");
    }),
    case(
        "a file stands in it that its directory does not name",
        5,
        &["INVALID_CANONICAL_FORM"],
        |e| {
            let mut entries = entries(&report_bundle());
            entries.push(entry("addendum.txt", b"read this first"));
            let mut with = stored(&entries);
            // The directory's last entry goes: 46 bytes and the name; its end counts and measures less.
            let end = with.len() - 22;
            let gone = 46 + "addendum.txt".len();
            with.drain(end - gone..end);
            let end = with.len() - 22;
            let count = u16::try_from(entries.len() - 1).unwrap().to_le_bytes();
            with[end + 8..end + 10].copy_from_slice(&count);
            with[end + 10..end + 12].copy_from_slice(&count);
            let size = u32::from_le_bytes(with[end + 12..end + 16].try_into().unwrap());
            let size = size - u32::try_from(gone).unwrap();
            with[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
            e.set(ZIP, with);
        },
    ),
    case(
        "its directory has an entry that its end does not count",
        5,
        &["INVALID_CANONICAL_FORM"],
        |e| {
            let mut entries = entries(&report_bundle());
            let counted = u16::try_from(entries.len()).unwrap().to_le_bytes();
            entries.push(entry("violations.csv", b"none"));
            let mut zip = stored(&entries);
            let end = zip.len() - 22;
            zip[end + 8..end + 10].copy_from_slice(&counted);
            zip[end + 10..end + 12].copy_from_slice(&counted);
            e.set(ZIP, zip);
        },
    ),
    case(
        "a file lies in the margin of another, and its double where it should",
        5,
        &["INVALID_CANONICAL_FORM"],
        |e| {
            zipped(e, |entries| {
                let report = entries.iter_mut().find(|entry| entry.name == "report.txt").unwrap();
                let hidden = report.local();
                report.at = Some(4 + 30 + "first.txt".len());
                report.instead = Some(entry("report.txt", b"No violation was found.").local());
                let mut first = entry("first.txt", b"");
                let length = u16::try_from(hidden.len()).unwrap().to_le_bytes();
                first.extra = [[0xfe, 0xca].as_slice(), &length, &hidden].concat();
                entries.insert(0, first);
            });
        },
    ),
    case("bytes hide behind the end of a packed file", 4, &["FILE_HASH_MISMATCH"], |e| {
        zipped(e, |entries| {
            let report = entries.iter_mut().find(|entry| entry.name == "report.txt").unwrap();
            report.packed =
                Some([deflated_plain(&report.bytes).as_slice(), b"PK\x03\x04"].concat());
        });
    }),
    case("a file says that it is a folder", 5, &["INVALID_CANONICAL_FORM"], |e| {
        zipped(e, |_| ());
        let zip = e.file(ZIP);
        let name = zip.windows(10).rposition(|window| window == b"report.txt").unwrap();
        zip[name - 8] |= 0x10;
    }),
    case("a remark stands at a file", 5, &["INVALID_CANONICAL_FORM"], |e| {
        zipped(e, |_| ());
        let zip = e.file(ZIP);
        let end = zip.len() - 22;
        let last = zip.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        zip[last + 32] = 8;
        let size = u32::from_le_bytes(zip[end + 12..end + 16].try_into().unwrap()) + 8;
        zip[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        zip.splice(end..end, *b"approved");
    }),
    case("it is empty", 1, &["SIGNER_NOT_ESTABLISHED"], |e| zipped(e, Vec::clear)),
    case(
        "a note stands before it",
        5,
        &["INVALID_CANONICAL_FORM", "MISSING_SESSION_END", "UNSEALED_SESSION"],
        |e| {
            let zip = [b"#!/bin/sh\nid\n".as_slice(), e.file(ZIP)].concat();
            e.set(ZIP, zip);
        },
    ),
    case("its first two bytes are those of a gzip", 5, &["INVALID_CANONICAL_FORM"], |e| {
        e.file(ZIP)[..2].copy_from_slice(&[0x1f, 0x8b]);
    }),
    case("the file is empty", 2, &["EMPTY_LOG"], |e| e.file(ZIP).clear()),
];

#[test]
fn every_change_to_a_bundle_in_a_zip_is_found() {
    check(&zip(), IN_ZIPS);
}
