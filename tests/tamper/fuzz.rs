//! Random changes to good evidence: no panic, and never green for a change of what is signed.
//!
//! A few thousand in every test run; `FUZZ_MINUTES=10` with `--ignored` for as long as one likes.

use std::io::{Cursor, Read};
use std::time::{Duration, Instant};

use api::verify_pdf::verify_pdf;
use domain::evidence::dsse::Envelope;
use domain::evidence::jwk::JwkSet;
use domain::evidence::verify::{
    AxisResult, Options, Report, Status, parse_envelope, verify_reader,
};
use infrastructure::pdf::render_session;
use infrastructure::pdf_attachments::is_pdf;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::good::bundle::{evidence_pack, report_bundle};
use crate::good::selection::{body, file, filters, policy_body, signature};
use crate::good::session::{SESSION, envelope, export, jsonl, sealed_session, trusted_keys};
use crate::good::{Files, jcs};
use crate::zips::{deflated, entries, stored};

/// Cases of each form in a test run.
const CASES: u64 = 1_500;

/// Texts that parsers trip over.
const TOKENS: [&str; 16] = [
    "null",
    "{",
    "[",
    "\"",
    "\\ud800",
    "1e400",
    "-0",
    "9007199254740993",
    "\u{0}",
    "\n",
    "\r\n",
    "\"kind\":\"footer\"",
    "\u{feff}",
    "[[[[[[[[",
    "\"sha256\":\"\"",
    "PK\u{3}\u{4}",
];

/// One form of good evidence, and what must be the same where a changed copy still passes.
struct Form {
    name: &'static str,
    good: Vec<u8>,
    signature: Option<Envelope>,
    signed: fn(&[u8]) -> Option<Vec<Value>>,
}

#[test]
fn random_changes_are_never_green_and_never_a_panic() {
    let told = fuzz(1, |cases, _| cases < CASES);
    eprintln!("{told} cases");
}

#[test]
#[ignore = "runs for FUZZ_MINUTES"]
fn random_changes_for_minutes() {
    let minutes = std::env::var("FUZZ_MINUTES").ok().and_then(|text| text.parse().ok());
    let limit = Duration::from_secs(60 * minutes.unwrap_or(10));
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let told = fuzz(seed, |_, begun| begun.elapsed() < limit);
    eprintln!("{told} cases in {limit:?} from seed {seed}");
}

/// Runs round after round over all forms; how many cases there were.
fn fuzz(seed: u64, go_on: impl Fn(u64, Instant) -> bool) -> u64 {
    let keys: JwkSet = serde_json::from_slice(&trusted_keys()).unwrap();
    let forms = forms();
    for form in &forms {
        let report = verify(form, &form.good, &keys);
        assert_eq!(report.status, Status::Pass, "{} untampered", form.name);
    }
    let (begun, mut rounds) = (Instant::now(), 0);
    while go_on(rounds, begun) {
        // Each case can be run again by its own number.
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32) + rounds);
        for form in &forms {
            let other = &forms[random.random_range(0..forms.len())].good;
            let changed = mutated(&form.good, other, &mut random);
            hold(form, &changed, &keys, rounds);
        }
        rounds += 1;
    }
    rounds * forms.len() as u64
}

fn forms() -> Vec<Form> {
    let records = sealed_session(SESSION);
    let seal = parse_envelope(&envelope(&records));
    let selection = |name, body: Vec<Value>| {
        let good = file(&body);
        let signature = parse_envelope(&signature(&body, &good));
        Form { name, good, signature, signed: |text| Some(vec![json_of(text)]) }
    };
    let zip = |name, good| Form { name, good, signature: None, signed: contents };
    vec![
        Form { name: "lines", good: jsonl(&records), signature: seal, signed: values },
        Form {
            name: "export",
            good: jcs(&export(&records)),
            signature: None,
            signed: |text| {
                Some(vec![serde_json::from_slice::<Value>(text).ok()?["events"].clone()])
            },
        },
        selection("selection", body(&filters())),
        selection("selection by policy", policy_body()),
        zip("bundle", stored(&entries(&report_bundle()))),
        zip("deflated bundle", deflated(&report_bundle())),
        zip("pack", stored(&entries(&evidence_pack()))),
        zip("deflated pack", deflated(&evidence_pack())),
        Form { name: "PDF", good: without_pages(&records), signature: None, signed: attached },
    ]
}

/// A PDF with nothing on its pages and in its fonts, so that changes meet what is read.
fn without_pages(records: &[Value]) -> Vec<u8> {
    let pdf = render_session(&jcs(&export(records)), &trusted_keys()).unwrap();
    let mut document = lopdf::Document::load_mem(&pdf).unwrap();
    let streams = document.objects.values_mut().filter_map(|object| object.as_stream_mut().ok());
    for stream in streams.filter(|stream| !stream.dict.has_type(b"EmbeddedFile")) {
        stream.set_plain_content(Vec::new());
    }
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// Of a PDF the records and the seal are signed that it carries.
fn attached(pdf: &[u8]) -> Option<Vec<Value>> {
    let files = infrastructure::pdf_attachments::read(pdf).ok()?;
    let export: Value = serde_json::from_slice(&files.export).ok()?;
    Some(vec![export["events"].clone(), serde_json::from_slice(&files.seal?).ok()?])
}

/// Of an evidence export every byte is signed.
fn json_of(text: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(text).into_owned())
}

/// Of a log its values are, however they are spaced.
fn values(text: &[u8]) -> Option<Vec<Value>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Of a zip the contents of its files are; of an envelope, what it says.
fn contents(zip: &[u8]) -> Option<Vec<Value>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).ok()?;
    let mut files = Files::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let name = file.name().ok()?.into_owned();
        if name == "bundle.sig" {
            bytes = parse_envelope(&bytes)?.payload_bytes().ok()?;
        }
        files.insert(name, bytes);
    }
    Some(files.into_iter().map(|(name, bytes)| serde_json::json!([name, bytes])).collect())
}

fn verify(form: &Form, bytes: &[u8], keys: &JwkSet) -> Report {
    let options = Options { keys: Some(keys), expected_head: None, seal: form.signature.as_ref() };
    if api::verification::is_zip(bytes) {
        return api::verification::verify_zip(Cursor::new(bytes), "fuzz", &options, &mut |_| {});
    }
    if is_pdf(bytes) {
        return verify_pdf(bytes, "fuzz", &options);
    }
    verify_reader(&mut &*bytes, "fuzz", &options, &mut |_| {})
}

/// A green verdict of a known signer needs that what was signed is there, unchanged.
fn hold(form: &Form, changed: &[u8], keys: &JwkSet, round: u64) {
    let report = verify(form, changed, keys);
    assert_eq!(report.exit_code == 0, report.status == Status::Pass);
    let signed = report.axes.signer.result == AxisResult::Pass;
    if report.status == Status::Pass && signed {
        let (now, before) = ((form.signed)(changed), (form.signed)(&form.good));
        assert!(now == before, "round {round}: {} passes after a change", form.name);
    }
}

/// One to four changes.
fn mutated(good: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    if random.random_range(0..100) == 0 {
        return (0..random.random_range(0..400)).map(|_| random.random()).collect();
    }
    let mut bytes = good.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let length = random.random_range(0..64).min(bytes.len() - at);
        match random.random_range(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => _ = bytes.drain(at..at + length),
            3 => {
                let copy = bytes[at..at + length].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            4 => bytes.truncate(at),
            5 => {
                let token = TOKENS[random.random_range(0..TOKENS.len())];
                bytes.splice(at..at, token.bytes());
            }
            6 => {
                let from = random.random_range(0..other.len());
                let to = (from + random.random_range(0..256)).min(other.len());
                bytes.splice(at..at + length, other[from..to].iter().copied());
            }
            7 => swap_lines(&mut bytes, random),
            // A digit for a digit stays readable, so that it comes further than most changes.
            _ => {
                let digits: Vec<usize> =
                    (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    let at = digits[random.random_range(0..digits.len())];
                    bytes[at] = b'0' + random.random_range(0..10_u8);
                }
            }
        }
    }
    bytes
}

fn swap_lines(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let (a, b) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
    lines.swap(a, b);
    *bytes = lines.concat();
}
