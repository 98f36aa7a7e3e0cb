//! Given what has happened, when a command comes, then these events follow.

mod appending;
mod drops;
mod ending;
mod gaps;
mod properties;
mod retries;
mod sdk;
mod sealing;
mod starting;
mod story;
