//! Violations, each with its action log, and the text of the policies that judged.

use serde_json::Value;

use super::super::page::{Block, Column, Fact, Section, Table, Text};
use super::export::{Export, plain, short, text};

/// Rules of one explanation.
const RULES_MAX: usize = 40;
/// Lines of one action log.
const ACTIONS_MAX: usize = 40;
/// Lines of one policy's text.
const POLICY_LINES_MAX: usize = 250;

/// Section "Violations".
pub(super) fn section(export: &Export<'_>) -> Section {
    let violations = &export.members.violations;
    let mut blocks = vec![Block::text(match (violations.total, judged(export)) {
        (0, true) => "No event of this session has broken a policy that was in force.",
        (0, false) => {
            "No violation is known yet: not every event was judged when this was exported."
        }
        _ => {
            "Each violation names the event that caused it by number and hash, the version of the \
             policy that judged, and what was done about it since. What was compared is shown as \
             the judge kept it, with personal data masked."
        }
    })];
    if violations.items.len() > 1 {
        blocks.push(Block::Table(overview(&violations.items)));
    }
    for (number, violation) in violations.items.iter().enumerate() {
        blocks.extend(one(number + 1, violation, export));
    }
    if violations.left_out() > 0 {
        blocks.push(Block::note(format!(
            "The first {} of {} violations. {} further ones are not printed; the attached JSON has \
             all of them.",
            violations.items.len(),
            violations.total,
            violations.left_out()
        )));
    }
    blocks.extend(policies(export));
    Section::new("Violations", blocks)
}

/// One line each, so that a reader sees all of them before the first in detail.
fn overview(violations: &[Value]) -> Table {
    let row = |(at, violation): (usize, &Value)| {
        let broken = format!("{} / {}", text(violation, "policy"), text(violation, "control"));
        vec![
            format!("V{}", at + 1).into(),
            text(violation, "severity").to_uppercase().into(),
            Text::cut(&broken, 160),
            plain(&violation["sequence_number"]).into(),
            Text::cut(&plain(&violation["actor_id"]), 128),
            plain(&violation["status"]).into(),
            plain(&violation["due_at"]).into(),
        ]
    };
    Table {
        columns: vec![
            Column::new("", 0.45),
            Column::new("Severity", 0.85),
            Column::new("Policy / control", 2.3),
            Column::new("Event no.", 0.75),
            Column::new("Actor", 1.5),
            Column::new("State", 1.1),
            Column::new("Due", 2.05),
        ],
        rows: violations.iter().enumerate().map(row).collect(),
        note: None,
    }
}

pub(super) fn judged(export: &Export<'_>) -> bool {
    export.members.session["violations"]["judged"].as_bool() == Some(true)
}

fn one(number: usize, violation: &Value, export: &Export<'_>) -> Vec<Block> {
    let severity = text(violation, "severity").to_uppercase();
    let (policy, control) = (text(violation, "policy"), text(violation, "control"));
    let title = format!("V{number} · {severity} · {policy} / {control}");
    let mut facts = vec![
        Fact::new("What was found", plain(&violation["reason"])),
        Fact::new(
            "Event",
            format!(
                "no. {}, by {}",
                plain(&violation["sequence_number"]),
                plain(&violation["actor_id"])
            ),
        ),
        Fact::mono("Hash of the event", plain(&violation["event_hash"])),
        Fact::new("Policy", format!("{policy} {}", plain(&violation["policy_version"]))),
        Fact::mono("Hash of the policy", plain(&violation["policy_hash"])),
    ];
    let rule = text(violation, "rule");
    facts.extend(
        control_text(export, violation)
            .map(|text| Fact::new("The control says", Text::cut(&text, 600))),
    );
    if !rule.is_empty() {
        facts.push(Fact::new("Rule", rule));
    }
    facts.push(Fact::new("State", state(violation)));
    let mut blocks = vec![Block::heading(Text::cut(&title, 200)), Block::Facts { facts }];
    blocks.extend(explanation(&violation["explanation"]).map(Block::Table));
    blocks.extend(actions(violation).map(Block::Table));
    blocks
}

fn state(violation: &Value) -> String {
    let mut state = format!(
        "{}, found {}, due {}",
        plain(&violation["status"]),
        plain(&violation["detected_at"]),
        plain(&violation["due_at"])
    );
    if violation["overdue"].as_bool() == Some(true) {
        state.push_str(", overdue");
    }
    let resolution = text(violation, "resolution");
    if !resolution.is_empty() {
        state.push_str("; resolved: ");
        state.push_str(resolution);
    }
    state
}

/// The description of the control that was broken, from the policy's text.
fn control_text(export: &Export<'_>, violation: &Value) -> Option<String> {
    let hash = violation["policy_hash"].as_str()?;
    let policies = &export.members.policies.items;
    let policy = policies.iter().find(|policy| policy["content_hash"].as_str() == Some(hash))?;
    let controls = policy["document"]["controls"].as_array()?;
    let control = controls.iter().find(|control| control["id"] == violation["control"])?;
    control["description"].as_str().map(str::to_owned)
}

/// What was compared with what, rule by rule; other explanations as they are.
fn explanation(explanation: &Value) -> Option<Table> {
    let mut rules = Vec::new();
    collect(explanation, &mut rules, 0);
    let members = explanation.as_object()?;
    if rules.is_empty() {
        let row = |(name, value): (&String, &Value)| {
            vec![Text::cut(name, 60), Text::cut(&plain(value), 400)]
        };
        let rows: Vec<_> = members.iter().take(RULES_MAX).map(row).collect();
        let columns = vec![Column::new("Explanation", 1.0), Column::new("", 3.0)];
        return (!rows.is_empty()).then_some(Table { columns, rows, note: None });
    }
    let left_out = rules.len().saturating_sub(RULES_MAX);
    let row = |rule: &&Value| {
        let outcome = match (rule["result"].as_bool(), text(rule, "reason")) {
            (Some(true), _) => "holds".to_owned(),
            (Some(false), "") => "broken".to_owned(),
            (Some(false), reason) => format!("broken: {reason}"),
            (None, _) => "–".to_owned(),
        };
        let cell = |value: &Value| Text::cut(&plain(value), 200);
        vec![
            cell(&rule["rule"]),
            cell(&rule["left"]),
            cell(&rule["left_value"]),
            cell(&rule["op"]),
            cell(&rule["right"]),
            outcome.into(),
        ]
    };
    Some(Table {
        columns: vec![
            Column::new("Rule", 1.0),
            Column::new("Looked at", 1.3),
            Column::new("Found", 1.2),
            Column::new("Asked", 0.6),
            Column::new("Against", 2.2),
            Column::new("Result", 1.3),
        ],
        rows: rules.iter().take(RULES_MAX).map(row).collect(),
        note: (left_out > 0).then(|| format!("{left_out} further rules are not printed.").into()),
    })
}

/// The rules of a tree of `and` and `or`, which is no deeper than policies can be.
fn collect<'v>(explanation: &'v Value, rules: &mut Vec<&'v Value>, depth: usize) {
    if explanation["rule"].is_string() {
        rules.push(explanation);
    }
    if let Some(items) = explanation["items"].as_array().filter(|_| depth < 64) {
        for item in items {
            collect(item, rules, depth + 1);
        }
    }
}

fn actions(violation: &Value) -> Option<Table> {
    let actions = violation["actions"].as_array().filter(|actions| !actions.is_empty())?;
    let row = |action: &Value| {
        let details = action["details"].as_object().map(|details| {
            let members = details.iter().filter(|(_, value)| !value.is_null());
            let told = members.map(|(name, value)| format!("{name}: {}", plain(value)));
            told.collect::<Vec<_>>().join("; ")
        });
        vec![
            plain(&action["number"]).into(),
            plain(&action["at"]).into(),
            plain(&action["action"]).into(),
            plain(&action["actor"]).into(),
            Text::cut(&details.unwrap_or_default(), 400),
        ]
    };
    let left_out = actions.len().saturating_sub(ACTIONS_MAX);
    Some(Table {
        columns: vec![
            Column::new("No.", 0.4),
            Column::new("When", 1.6),
            Column::new("Action", 1.0),
            Column::new("By", 1.9),
            Column::new("With", 2.0),
        ],
        rows: actions.iter().take(ACTIONS_MAX).map(row).collect(),
        note: (left_out > 0).then(|| format!("{left_out} further actions are not printed.").into()),
    })
}

/// The policies that the violations name, word for word.
fn policies(export: &Export<'_>) -> Vec<Block> {
    let policies = &export.members.policies;
    let mut blocks = Vec::new();
    for policy in &policies.items {
        let (name, version) = (text(policy, "name"), text(policy, "version"));
        let hash = text(policy, "content_hash");
        let title = format!("Policy in force: {name} {version} ({})", short(hash));
        blocks.push(Block::heading(Text::cut(&title, 200)));
        blocks.push(Block::note(format!("{hash}, over the canonical form of this text")));
        let document = serde_json::to_string_pretty(&policy["document"]).unwrap_or_default();
        blocks.push(Block::code(document.lines().take(POLICY_LINES_MAX)));
        let left_out = document.lines().count().saturating_sub(POLICY_LINES_MAX);
        if left_out > 0 {
            let cut =
                format!("{left_out} further lines are not printed; the attached JSON has them.");
            blocks.push(Block::note(cut));
        }
    }
    if policies.left_out() > 0 {
        let cut = format!("{} further policies stand in the attached JSON.", policies.left_out());
        blocks.push(Block::note(cut));
    }
    blocks
}
