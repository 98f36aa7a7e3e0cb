//! The sentences of an explanation, for people who do not read code.

use domain::evidence::verify::{Code, Format, Report, Status, limits_of_verification};

use super::{passed, signer_known};

pub(super) fn format(format: Format) -> &'static str {
    match format {
        Format::JsonLines => "the records of one session, one a line",
        Format::Json => "the records of one session, as one list",
        Format::ExportJson => "the export of one session, with what its server says of it",
        Format::Ndjson => "an evidence export, which is a selection of records of many sessions",
        Format::Bundle => "a report bundle: tables and texts, named by a manifest",
        Format::Pack => "an evidence pack: one session in several files, named by a manifest",
        Format::Pdf => "pages for people, with the export of one session that they were made of",
    }
}

/// The verdict in a sentence.
pub(super) fn verdict(report: &Report) -> &'static str {
    match (report.status, report.exit_code) {
        (Status::Pass, _) if signer_known(report) => "Whole, unchanged, and signed by a known key.",
        (Status::Pass, _) => "Whole and free of contradictions; who signed it is not known.",
        (Status::Degraded, _) => "Nothing contradicts it, but something is missing from its proof.",
        (Status::Fail, 5) => "It cannot be read, or not to its end.",
        (Status::Fail, 3) => "The signature does not hold.",
        (Status::Fail, 4) => "Files are changed, missing, or do not belong to it.",
        (Status::Fail, _) => "The contents contradict their own hashes.",
    }
}

/// The question that an axis answers.
pub(super) fn question(axis: &str) -> &'static str {
    match axis {
        "integrity" => "Is it unchanged?",
        "signer" => "Who signed it?",
        "inclusion" => "Does the seal cover these records?",
        "consistency" => "Does it agree with what was seen of it earlier?",
        "time" => "Is the time of its making proven?",
        "witnesses" => "Has anyone else attested to it?",
        "completeness" => "Is it all there?",
        "policy" => "Which rules were in force?",
        "redactions" => "Were values taken out, and properly?",
        _ => "",
    }
}

pub(super) fn means(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    match report.status {
        Status::Pass => {
            sentences.push(
                "Every hash was computed anew from the contents and agrees with what is written."
                    .to_owned(),
            );
            sentences.push(
                if signer_known(report) {
                    "A change of a single character of what was signed would have been found."
                } else {
                    "A change would have been found, unless somebody made all of it anew."
                }
                .to_owned(),
            );
        }
        Status::Degraded => sentences.push(
            "What is there holds together: no change was found. A part of the proof is missing, \
             and the questions above say which."
                .to_owned(),
        ),
        Status::Fail => sentences.push(
            "It must not be relied on as it is: at least one finding contradicts it. That does not \
             say who changed it, when, or whether on purpose."
                .to_owned(),
        ),
    }
    if signer_known(report) {
        let held = if report.status == Status::Fail { "signed what it names" } else { "signed it" };
        sentences.push(format!("The holder of the key that you named as trusted has {held}."));
    }
    if let (true, Some(class)) = (passed(report), report.evidence_class) {
        let sentence =
            format!("By its class it is {}.", class.as_str().replace('_', " ").to_lowercase());
        sentences.push(sentence);
    }
    sentences
}

pub(super) fn does_not_mean(report: &Report) -> Vec<String> {
    let mut sentences: Vec<String> =
        limits_of_verification(report.format).iter().map(|limit| (*limit).to_owned()).collect();
    if !signer_known(report) && report.status != Status::Fail {
        sentences.push(
            "Without a signature by a key that you trust, whoever made all of it anew would get the \
             same verdict."
                .to_owned(),
        );
    }
    match report.format {
        Format::Ndjson => sentences.push(
            "A selection shows what was asked for. It does not show what else there is, and that \
             nothing was left out is the word of the signer."
                .to_owned(),
        ),
        Format::Bundle => sentences.push(
            "A report is what the server says of the evidence. The evidence itself is in the \
             sessions that it names."
                .to_owned(),
        ),
        Format::Pdf => sentences.push(
            "The proof is in the attached export. The pages show it to people; whether they show \
             what is in it, --rerender finds out."
                .to_owned(),
        ),
        Format::JsonLines | Format::Json | Format::ExportJson | Format::Pack => {}
    }
    sentences.push(
        "It is no certificate of compliance with a law, a regulation or a contract.".to_owned(),
    );
    sentences
}

pub(super) fn next_steps(report: &Report) -> Vec<String> {
    let mut steps = Vec::new();
    let sentence = |text: &str| text.to_owned();
    match report.exit_code {
        0 => steps.push(sentence("Keep it with this report, and note its hash apart from it.")),
        1 => steps.push(sentence("Ask whoever sent it for what is missing, and verify again.")),
        2 | 4 => {
            steps.push(sentence(
                "Keep this copy as it is, and ask the source for another one: if that verifies, \
                 compare the two to see what was changed.",
            ));
        }
        3 => steps.push(sentence(
            "Ask the named signer, by another way than the one it came, for the keys that were \
             valid at the time, and verify again with --jwks.",
        )),
        _ => steps.push(sentence(
            "Check that the file came over whole and is of a kind that this program reads.",
        )),
    }
    if !signer_known(report) && report.exit_code <= 1 {
        steps.push(sentence(
            "Get the signer's public keys from the signer, not from the one who gave you the \
             evidence, and verify again with --jwks.",
        ));
    }
    if report.axes.consistency.reason.starts_with("No earlier head") && report.exit_code <= 1 {
        steps.push(sentence(
            "If you noted the hash of its last record earlier, compare it with --expect-head.",
        ));
    }
    steps
}

/// What a finding means, beyond its own message.
pub(super) fn code(code: Code) -> &'static str {
    match code {
        Code::EmptyLog => "Nothing was given that could prove anything.",
        Code::MixedAuthority => "A chain has one author; two make it no chain.",
        Code::MissingField => {
            "What the format demands is not there: it was cut, or never was whole."
        }
        Code::SchemaVersionMismatch => {
            "It may be of a newer or another program; this one cannot judge it."
        }
        Code::SessionMismatch => "Records or files of two sessions were mixed.",
        Code::InvalidCanonicalForm => {
            "It is not written in the one form that hashes are made of, so it was not written by \
             the server as it is."
        }
        Code::PayloadHashMismatch => "What was recorded was changed after it was recorded.",
        Code::EventHashMismatch => "The record, or its hash, was changed after it was recorded.",
        Code::ChainBroken => "A record before it was changed, replaced or taken out.",
        Code::InvalidGenesis => "The beginning of the chain is not there.",
        Code::SequenceGap => "Records were taken out, or were never given.",
        Code::SequenceDuplicate => "A record was put in, or copied.",
        Code::SequenceOrder => "The order was changed, or something was put in.",
        Code::InvalidSeal => "The seal does not belong to these records, or is not whole.",
        Code::SealCountMismatch => "Records were added or taken out after it was sealed.",
        Code::SealDigestMismatch => {
            "Records, or what stands beside them, were changed after it was sealed."
        }
        Code::SealNotLast => "Something was added after it was sealed.",
        Code::SignatureInvalid => "No key that you trust has signed what is here.",
        Code::KeyOutsideValidity => {
            "The key was not to be used at that time: it may have been stolen, or the time may be wrong."
        }
        Code::RedactionIntegrityViolation => {
            "A value was taken out without the trace that a proper redaction leaves."
        }
        Code::MetadataMismatch => "It says something of itself that its contents do not bear out.",
        Code::AuthorityUnknown => "Who wrote the chain is none of the authors that are known.",
        Code::ExpectedHeadMismatch => "It is not the state of the chain that you noted earlier.",
        Code::ExtraFile => "It was not there when the manifest was signed, and proves nothing.",
        Code::MissingFile => "It was there when the manifest was signed, and was taken out.",
        Code::FileHashMismatch => "It was changed, replaced or cut after it was made.",
        Code::ManifestHashMismatch => {
            "The list of files, or what it says of them, was changed after it was signed."
        }
        Code::UnknownField => "It says more than this program understands.",
        Code::LogDropPresent => "The recorder itself says that it lost events.",
        Code::InvalidDropCount => "How many events were lost is not told properly.",
        Code::UnsealedSession => "More records may have followed.",
        Code::MissingSessionEnd => "The recording may have broken off.",
        Code::TimestampAnomaly => "A clock was wrong, or was set.",
        Code::ExcessiveCumulativeDrops => "So much was lost that what is left may mislead.",
        Code::RedactionPresent => {
            "Values were taken out; the hash of each stayed, so that it can be shown later."
        }
        Code::OpaqueSeal => "The seal was made by another program, and says less than ours do.",
        Code::SignerNotEstablished => "Contents and seal agree, but not who stands behind them.",
    }
}
