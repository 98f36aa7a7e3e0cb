//! The edge: HTTP and the command line. Translates, calls, translates; knows no rules and no SQL.

pub mod auth;
pub mod cli;
pub mod conditional;
pub mod config;
pub mod cursor;
pub mod exports;
pub mod extract;
pub mod if_match;
pub mod judgement;
pub mod min_position;
pub mod observe;
pub mod openapi;
pub mod policy_diff;
pub mod policy_text;
pub mod problem;
pub mod routes;
pub mod server;
pub mod state;
pub mod store;
pub mod stream;
pub mod tls;
pub mod verification;
pub mod verify_pdf;
