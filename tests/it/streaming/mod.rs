//! The log as its readers see it: replay, live, resets, limits, rights.

mod delivery;
mod history;
mod items;
mod limits;
mod replay;
mod rights;
mod seam;
mod sessions;
