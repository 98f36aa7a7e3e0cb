//! Policies: written, reviewed, activated, retired, read, and tried on what is stored.

mod activating;
mod backtest_runs;
mod backtests;
mod command_line;
mod documents;
mod lifecycle;
mod reading;
mod streaming;

use serde_json::{Value, json};

/// A policy that allows some tools.
pub fn tools(version: &str, allowed: &[&str]) -> Value {
    json!({
        "name": "tool-access",
        "version": version,
        "applies_to": ["TOOL_CALL"],
        "controls": [{
            "id": "allowed-tools",
            "severity": "critical",
            "description": "Only reviewed tools.",
            "rules": [
                { "id": "on-the-list", "left": "payload.tool_name", "op": "in", "right": allowed },
            ],
        }],
    })
}
