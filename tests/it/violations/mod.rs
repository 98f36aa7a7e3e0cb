//! People work on violations: commands, action logs, lists, sums.

mod action_log;
mod aggregations;
mod commands;
mod lists;
mod sla;
