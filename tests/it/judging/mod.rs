//! From evidence to violations: what is found, once, and by which version.

mod evaluating;
mod exactly_once;
mod limits;
mod personal_data;
mod ready_policies;
mod thresholds;
mod tools;
mod versions;
