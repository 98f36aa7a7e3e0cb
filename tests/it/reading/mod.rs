//! Looking at what is stored: lists, pages, single sessions, correlation ids.

mod correlation;
mod lists;
mod pages;
mod views;
