//! What a policy may measure, each bound with its unit and its reason.

use crate::evidence::json::MAX_SAFE_INTEGER;

/// Canonical bytes of a document: read again for every activation and named by every violation.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// With [`RULES_MAX`], what one event may cost: at most 10,000 clauses.
pub const CONTROLS_MAX: usize = 200;
/// Rules of a control; the evaluator remembers their outcomes in the bits of one word.
pub const RULES_MAX: usize = 50;
/// Items of one expression: as many as a control can have rules.
pub const ITEMS_MAX: usize = 50;
/// Expressions within expressions, the outermost counts as one: deeper, nobody can review them.
pub const DEPTH_MAX: usize = 10;
/// Nodes of one control's expression: its explanation is stored with each violation and read.
pub const NODES_MAX: usize = 500;
/// Items of a list to the right of `in` and `not_in`; longer lists are data, not policy.
pub const LIST_ITEMS_MAX: usize = 1_000;
/// Characters of a regular expression (the contract's number).
pub const REGEX_CHARS_MAX: usize = 1_000;
/// Bytes that one compiled regular expression may take. Linear time is linear in the text, times
/// this: with 2 MiB, four patterns and 250 kB of text held a core for minutes.
pub const REGEX_BYTES_MAX: usize = 256 << 10;
/// Bytes of a text that a regular expression looks at; a longer one is not looked at at all.
pub const REGEX_TEXT_BYTES_MAX: usize = 32 << 10;
/// Different regular expressions of a policy.
pub const REGEXES_MAX: usize = 50;
/// Characters of any other text, a paragraph or two.
pub const TEXT_CHARS_MAX: usize = 4_096;
/// Characters of a version: it stands in paths and in index keys.
pub const VERSION_CHARS_MAX: usize = 128;
/// Characters of a path into the context.
pub const PATH_CHARS_MAX: usize = 256;
/// Steps of a path: half as deep as a payload may nest.
pub const PATH_STEPS_MAX: usize = 32;
/// Entries of `applies_to`.
pub const TYPES_MAX: usize = 100;
/// Failures that a `count` or `time_window` waits for: the window keeps one instant for each.
pub const THRESHOLD_COUNT_MAX: usize = 1_000;
/// 30 days: a longer window is a report.
pub const WINDOW_SECONDS_MAX: u32 = 2_592_000;
/// Ten years.
pub const SLA_HOURS_MAX: u32 = 87_600;
/// As many as sequence numbers can count.
pub const SESSION_EVENTS_MAX: u64 = MAX_SAFE_INTEGER;
/// Faults that one answer names: more would not be read.
pub const FAULTS_MAX: usize = 50;
