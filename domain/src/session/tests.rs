//! Given what has happened, when a command comes, then these events follow.
