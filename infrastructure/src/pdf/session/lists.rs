//! Tool access, personal data and chain of custody: tables of the export's own lists.

use serde_json::Value;

use super::super::page::{Block, Column, Section, Table, Text};
use super::export::{Export, Kept, ROWS_MAX, plain, text};

/// Section "Tool access".
pub(super) fn tool_access(export: &Export<'_>) -> Section {
    let uses = &export.members.tool_access;
    if uses.total == 0 {
        return Section::new("Tool access", vec![Block::text("The session has used no tool.")]);
    }
    let row = |tool: &Value| {
        let verdict = match tool["allowed"].as_bool() {
            Some(true) => "allowed".to_owned(),
            Some(false) => format!("not allowed: {}", names(&tool["broken"])),
            None => "not judged".to_owned(),
        };
        vec![
            plain(&tool["sequence_number"]).into(),
            Text::cut(&plain(&tool["timestamp"]), 64),
            Text::cut(&plain(&tool["tool_name"]), 128),
            Text::cut(&plain(&tool["args_summary"]), 240),
            Text::cut(&outcome(tool), 80),
            Text::cut(&verdict, 240),
        ]
    };
    let columns = vec![
        Column::new("No.", 0.5),
        Column::new("Time", 1.95),
        Column::new("Tool", 1.45),
        Column::new("Arguments without values", 1.75),
        Column::new("Result", 1.0),
        Column::new("By the policies", 1.75),
    ];
    let intro = "Calls of tools joined with their results. “By the policies” is what the policies \
        in force said of the call.";
    let table = Block::Table(table(columns, uses, row, "uses of tools"));
    Section::new("Tool access", vec![Block::text(intro), table])
}

fn outcome(tool: &Value) -> String {
    match (text(tool, "status"), tool["duration_ms"].as_f64()) {
        ("", _) => "no result".to_owned(),
        (status, Some(duration)) => format!("{status}, {duration:.0} ms"),
        (status, None) => status.to_owned(),
    }
}

fn names(list: &Value) -> String {
    match list.as_array() {
        Some(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        None => plain(list),
    }
}

/// Section "Personal data".
pub(super) fn personal_data(export: &Export<'_>) -> Section {
    let pii = &export.members.pii;
    let list = |names: &[String]| {
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let mut blocks = vec![
        Block::text(
            "Where personal data and secrets were found, by kind and place. The text itself is \
             never copied into this list. Detectors find patterns: they miss some, and take some \
             harmless text for personal data.",
        ),
        Block::text(format!("Looked for in every event: {}.", list(&pii.detectors_run))),
    ];
    if !pii.detectors_not_run.is_empty() {
        let missing = format!("Not looked for yet: {}.", list(&pii.detectors_not_run));
        blocks.push(Block::text(missing));
    }
    if pii.matches.total == 0 {
        blocks.push(Block::text("Nothing was found."));
        return Section::new("Personal data", blocks);
    }
    let row = |found: &Value| {
        vec![
            plain(&found["sequence_number"]).into(),
            plain(&found["detector"]).into(),
            Text::cut(&plain(&found["pointer"]), 240),
            plain(&found["matches"]).into(),
        ]
    };
    let columns = vec![
        Column::new("Event no.", 0.7),
        Column::new("Kind", 1.2),
        Column::new("Place in the payload", 4.0),
        Column::new("Matches", 0.7),
    ];
    blocks.push(Block::Table(table(columns, &pii.matches, row, "places")));
    Section::new("Personal data", blocks)
}

/// Section "Chain of custody".
pub(super) fn custody(export: &Export<'_>) -> Section {
    let row = |entry: &Value| {
        let details = entry["details"].as_object().map(told);
        vec![
            plain(&entry["at"]).into(),
            plain(&entry["action"]).into(),
            Text::cut(&plain(&entry["actor"]), 128),
            Text::cut(&details.unwrap_or_default(), 400),
        ]
    };
    let columns = vec![
        Column::new("When", 1.7),
        Column::new("What", 1.4),
        Column::new("Who", 1.3),
        Column::new("With", 2.8),
    ];
    let intro = "Who had the evidence, from the start of the session to this export, as the \
        exporting server logged it. It is the exporter’s statement; the seal does not cover it.";
    let table = table(columns, &export.members.chain_of_custody, row, "entries");
    Section::new("Chain of custody", vec![Block::text(intro), Block::Table(table)])
}

/// Why stands first, for it is what a reader asks; what says nothing is left out.
fn told(details: &serde_json::Map<String, Value>) -> String {
    let says = |(_, value): &(&String, &Value)| !value.is_null();
    let tell = |(name, value): (&String, &Value)| match value {
        Value::Object(inner) => format!("{name}: {{{}}}", told(inner)),
        _ => format!("{name}: {}", plain(value)),
    };
    let (why, others): (Vec<_>, Vec<_>) =
        details.iter().filter(says).partition(|(name, _)| *name == "purpose");
    why.into_iter().chain(others).map(tell).collect::<Vec<_>>().join("; ")
}

fn table(
    columns: Vec<Column>,
    list: &Kept<Value, ROWS_MAX>,
    row: impl Fn(&Value) -> Vec<Text>,
    what: &str,
) -> Table {
    let note = (list.left_out() > 0).then(|| {
        format!(
            "The first {} of {} {what}. {} further {what} are not printed; the attached JSON has \
             all of them.",
            list.items.len(),
            list.total,
            list.left_out()
        )
        .into()
    });
    Table { columns, rows: list.items.iter().map(row).collect(), note }
}
