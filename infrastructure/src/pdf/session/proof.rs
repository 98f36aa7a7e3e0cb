//! What is proven and what is not, in plain language; and the summary.

use domain::evidence::verify::{Axis, AxisResult};

use super::super::page::{Block, Column, Fact, Section, Table, Text};
use super::cover::status;
use super::export::{Export, plain, text};

/// Kinds of events that the summary counts by name.
const TYPES_SHOWN: usize = 12;

/// Section "What is proven, and what is not".
pub(super) fn section(export: &Export<'_>) -> Section {
    let status = status(export);
    let (proven, open) = statements(export);
    let mut blocks = vec![Block::Callout {
        tone: status.tone,
        title: status.text,
        text: "The verdict was recomputed from the records when this document was made. Do not \
               take it from here: the attached files let you recompute it yourself."
            .into(),
    }];
    blocks.push(Block::heading("What the attached files prove"));
    blocks.push(if proven.is_empty() {
        Block::text("Nothing: see “Integrity and signatures”.")
    } else {
        Block::List { items: proven }
    });
    if !open.is_empty() {
        blocks.push(Block::heading("What they do not prove, although they could"));
        blocks.push(Block::List { items: open });
    }
    blocks.push(Block::heading("What no such file can prove"));
    blocks.push(Block::List { items: LIMITS.map(Text::from).to_vec() });
    Section::new("What is proven, and what is not", blocks)
}

const LIMITS: [&str; 7] = [
    "That what was recorded is true. A recorder that lies writes a valid chain.",
    "That everything was recorded. Events that were never captured leave no trace.",
    "What stands beside the events (violations, policies, personal data, tools, custody). It is the \
     word of the server that exported them: the seal covers the events.",
    "Who stands behind an actor’s or an agent’s name: names are as they were sent.",
    "When something happened. Times are the clocks’ of senders and server; no independent time \
     stamp is attached.",
    "Anything by the keys that are attached to this document: whoever can change a document can \
     change the keys in it. Take keys from elsewhere.",
    "Compliance with a law, a regulation or a contract.",
];

/// What holds, then what does not, by axis.
fn statements(export: &Export<'_>) -> (Vec<Text>, Vec<Text>) {
    let axes = &export.report.axes;
    let (mut proven, mut open) = (Vec::new(), Vec::new());
    let mut say = |axis: &Axis, holds: &str, lacks: &str| {
        if axis.result == AxisResult::Pass {
            proven.push(holds.into());
        } else {
            open.push(format!("{lacks} {}", axis.reason).into());
        }
    };
    say(
        &axes.integrity,
        "No record was changed, removed from within, inserted or put in another place since it was \
         chained: the hash of each covers its content and the hash of the one before.",
        "That the records are unchanged.",
    );
    say(
        &axes.inclusion,
        "The seal covers every record, with the fields that the chain of hashes leaves out, such \
         as actor and time of receipt.",
        "That a seal covers every record.",
    );
    say(
        &axes.signer,
        "The seal was signed with a key of the exporting server. With that key from an independent \
         place, this proves who sealed.",
        "Who sealed the records.",
    );
    say(
        &axes.completeness,
        "From the first record to SESSION_END and seal no number is missing, and the recorder \
         reports no dropped event.",
        "That the record is complete.",
    );
    (proven, open)
}

/// Section "Executive summary".
pub(super) fn summary(export: &Export<'_>) -> Section {
    let session = &export.members.session;
    let violations = &session["violations"];
    let found = session["pii"]["found"].as_object().filter(|found| !found.is_empty());
    let personal = match found {
        Some(found) => {
            let kinds = found.iter().map(|(kind, count)| format!("{kind}: {count}"));
            kinds.collect::<Vec<_>>().join(", ")
        }
        None if export.members.pii.detectors_not_run.is_empty() => "none found".to_owned(),
        None => "not looked for yet".to_owned(),
    };
    let judged = match violations["judged"].as_bool() {
        Some(true) => "every event was judged by the policies in force",
        _ => "not every event was judged when this was exported",
    };
    let facts = vec![
        Fact::new(
            "Session",
            format!("{}, {}", text(session, "session_id"), plain(&session["status"])),
        ),
        Fact::new("Agent and environment", Text::cut(&agent(export), 400)),
        Fact::new("Recorded by", recorded_by(text(session, "chain_authority"))),
        Fact::new("Started", plain(&session["started_at"])),
        Fact::new("Sealed", plain(&session["sealed_at"])),
        Fact::new("Events", plain(&session["event_count"])),
        Fact::new("Uses of tools", export.members.tool_access.total.to_string()),
        Fact::new(
            "Violations",
            format!(
                "{}, of which {} unresolved; {judged}",
                plain(&violations["total"]),
                plain(&violations["unresolved"])
            ),
        ),
        Fact::new("Personal data", personal),
        Fact::new("Tags", Text::cut(&plain_list(&session["tags"]), 300)),
    ];
    Section::new("Executive summary", vec![Block::Facts { facts }, Block::Table(types(export))])
}

fn agent(export: &Export<'_>) -> String {
    let session = &export.members.session;
    let parts = ["agent_id", "environment", "framework"].map(|name| text(session, name));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn recorded_by(authority: &str) -> &'static str {
    match authority {
        "server" => "the server, which chained the events as they came in",
        "sdk" => "the client’s SDK, which chained the events itself",
        _ => "–",
    }
}

fn plain_list(list: &serde_json::Value) -> String {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "–".to_owned();
    }
    items.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn types(export: &Export<'_>) -> Table {
    let mut types: Vec<_> = export.timeline.by_type.iter().collect();
    types.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rest: u64 = types.iter().skip(TYPES_SHOWN).map(|(_, count)| **count).sum();
    let row =
        |(kind, count): &(&String, &u64)| vec![Text::cut(kind, 128), count.to_string().into()];
    Table {
        columns: vec![Column::new("Event", 3.0), Column::new("How many", 1.0)],
        rows: types.iter().take(TYPES_SHOWN).map(row).collect(),
        note: (rest > 0).then(|| format!("{rest} events are of other types.").into()),
    }
}
