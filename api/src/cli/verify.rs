//! `exhibit verify`: the offline verifier. Needs no server and no network.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use domain::evidence::dsse::Envelope;
use domain::evidence::jwk::JwkSet;
use domain::evidence::verify::{Options, Report, verify_reader};
use domain::hash::Hash;
use indicatif::{ProgressBar, ProgressStyle};
use infrastructure::pdf_attachments::{PDF_BYTES_MAX, is_pdf};

use super::inputs::{self, Input};
use super::{Format, explain, report};
use crate::verification;
use crate::verify_pdf::{verify_pdf, verify_pdf_and_pages};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Evidence, and seals or signatures that belong to it; a bundle or a pack may be a folder
    #[arg(required = true, value_name = "FILE_OR_FOLDER")]
    files: Vec<PathBuf>,
    /// Public keys that you trust, as a JWK set that did not come with the evidence
    #[arg(long, env = "EXHIBIT_JWKS", value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Hash that the last record must have, as you noted it earlier
    #[arg(long, env = "EXHIBIT_EXPECT_HEAD", value_name = "HASH", value_parser = head)]
    expect_head: Option<Hash>,
    /// Set a PDF anew from the files that it carries, and compare every byte of it
    #[arg(long, env = "EXHIBIT_RERENDER")]
    rerender: bool,
    /// text for people, json for programs: one document on standard output
    #[arg(long, env = "EXHIBIT_FORMAT", default_value = "text")]
    format: Format,
    /// Say in sentences what was checked, what was not, and what the verdict means
    #[arg(long, env = "EXHIBIT_EXPLAIN")]
    explain: bool,
}

/// The input cannot be read (evidence.md, section 6).
const EXIT_UNREADABLE: u8 = 5;
/// Below, a bar would only flicker.
const BAR_BYTES_MIN: u64 = 16 << 20;

fn head(text: &str) -> Result<Hash, &'static str> {
    Hash::from_hex(text).ok_or("expected 64 hexadecimal digits")
}

/// Verifies all files; the worst verdict is the exit code.
pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    match verify_all(args) {
        Ok(reports) => {
            match print(&reports, args) {
                // Whoever reads has read enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => {
                    anstream::eprintln!("exhibit: {error}");
                    return ExitCode::from(EXIT_UNREADABLE);
                }
                Ok(()) => {}
            }
            ExitCode::from(worst(reports.iter().map(|report| report.exit_code)))
        }
        Err(Refused::Usage(line)) => {
            anstream::eprintln!("exhibit: {line}");
            ExitCode::from(super::EXIT_USAGE)
        }
        Err(Refused::Unreadable(path, error)) => {
            anstream::eprintln!("exhibit: {}: {error}", path.display());
            ExitCode::from(EXIT_UNREADABLE)
        }
    }
}

/// Of several exit codes the one that weighs most, as within one input.
fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    let weight = |code: &u8| [0, 1, 4, 3, 2, EXIT_UNREADABLE].iter().position(|c| c == code);
    codes.max_by_key(weight).unwrap_or(super::EXIT_USAGE)
}

/// A JWK set whose keys may be of any kind.
#[derive(serde::Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

enum Refused {
    Usage(&'static str),
    Unreadable(PathBuf, String),
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Refused {
    Refused::Unreadable(path.to_owned(), format!("{error}"))
}

fn verify_all(args: &VerifyArgs) -> Result<Vec<Report>, Refused> {
    let keys = args.jwks.as_deref().map(read_keys).transpose()?;
    let mut seals = Vec::new();
    let mut logs = Vec::new();
    for path in &args.files {
        match inputs::read(path).map_err(|e| unreadable(path, e))? {
            Input::Signature(seal) => seals.push(seal),
            evidence => logs.push((path, evidence)),
        }
    }
    if logs.is_empty() {
        return Err(Refused::Usage(
            "only seals and signatures were given: name what they belong to",
        ));
    }
    if args.expect_head.is_some() && logs.len() > 1 {
        return Err(Refused::Usage("--expect-head goes with one log"));
    }
    let is_archive = |(_, input): &(&PathBuf, Input)| matches!(input, Input::Folder | Input::Zip);
    if args.rerender && logs.iter().any(is_archive) {
        return Err(Refused::Usage(
            "--rerender goes with PDFs: take them out of their folder or zip",
        ));
    }
    let with_signature = pair(&logs, &seals)?;
    let verify = |((path, input), given): (&(&PathBuf, Input), &Option<Envelope>)| {
        let options = Options { keys: keys.as_ref(), expected_head: args.expect_head, seal: None };
        let name = path.display().to_string();
        let file = || File::open(path).map_err(|e| unreadable(path, e));
        Ok(match input {
            Input::Folder => verification::verify_folder(path, &name, &options, &mut |_| {}),
            Input::Absent => verification::absent(&name, &options),
            Input::Zip => {
                verification::verify_zip(BufReader::new(file()?), &name, &options, &mut |_| {})
            }
            Input::Records | Input::Signature(_) => {
                let beside = || inputs::signature_beside(path);
                let seal = given.clone().map_or_else(beside, |given| Ok(Some(given)));
                let seal = seal.map_err(|e| unreadable(path, e))?;
                verify_file(path, &Options { seal: seal.as_ref(), ..options }, args.rerender)?
            }
        })
    };
    logs.iter().zip(&with_signature).map(verify).collect()
}

/// The signature that was given for each input. One that belongs to none must not go unnoticed: a
/// check that was asked for, or evidence in the form of a signature, would be left out.
fn pair(logs: &[(&PathBuf, Input)], seals: &[Envelope]) -> Result<Vec<Option<Envelope>>, Refused> {
    let mut used = vec![false; seals.len()];
    let mut pairs = Vec::with_capacity(logs.len());
    for (path, input) in logs {
        let found = match (input, seals.len(), logs.len()) {
            (Input::Records | Input::Signature(_), 1, 1) => Some(0),
            (Input::Records | Input::Signature(_), ..) => {
                inputs::signature_of(path, seals).map_err(|e| unreadable(path, e))?
            }
            // Those have theirs inside.
            (Input::Folder | Input::Absent | Input::Zip, ..) => None,
        };
        if let Some(at) = found {
            used[at] = true;
        }
        pairs.push(found.map(|at| seals[at].clone()));
    }
    if used.contains(&false) {
        return Err(Refused::Usage(
            "a signature belongs to none of the files: give each with what it is of",
        ));
    }
    Ok(pairs)
}

fn read_keys(path: &Path) -> Result<JwkSet, Refused> {
    let text = std::fs::read(path).map_err(|e| unreadable(path, e))?;
    let set: KeySet = serde_json::from_slice(&text)
        .map_err(|e| unreadable(path, format!("not a JWK set: {e}")))?;
    // RFC 7517, section 5: keys of kinds that are not understood are passed over.
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
    Ok(JwkSet { keys })
}

fn verify_file(path: &Path, options: &Options<'_>, rerender: bool) -> Result<Report, Refused> {
    let file = File::open(path).map_err(|e| unreadable(path, e))?;
    let bytes = file.metadata().map_or(0, |m| m.len());
    let bar = bar(bytes);
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let name = path.display().to_string();
    if is_pdf(reader.fill_buf().map_err(|e| unreadable(path, e))?) {
        let mut pdf = Vec::new();
        reader.take(PDF_BYTES_MAX + 1).read_to_end(&mut pdf).map_err(|e| unreadable(path, e))?;
        let verify = if rerender { verify_pdf_and_pages } else { verify_pdf };
        return Ok(verify(&pdf, &name, options));
    }
    if rerender {
        return Err(Refused::Usage("--rerender goes with PDFs"));
    }
    let report = verify_reader(&mut reader, &name, options, &mut |at| bar.set_position(at));
    bar.finish_and_clear();
    Ok(report)
}

fn bar(bytes: u64) -> ProgressBar {
    if bytes < BAR_BYTES_MIN || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    let template = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn print(reports: &[Report], args: &VerifyArgs) -> std::io::Result<()> {
    let render = if args.explain { explain::render } else { report::render };
    match (args.format, reports) {
        (Format::Json, [report]) => print_json(report),
        (Format::Json, several) => print_json(&several),
        (Format::Text, _) => {
            let mut out = anstream::stdout().lock();
            reports.iter().try_for_each(|r| render(r, &mut out))
        }
    }
}

fn print_json<T: serde::Serialize>(value: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
