//! Reports for people, as PDF/A-3b: what anyone can read, around the files that anyone can check.
//!
//! Pure functions: the same JSON and the same renderer give the same bytes, on any machine and at
//! any time. Nothing is read but the input; fonts lie in the binary.

mod budget;
mod error;
mod fonts;
mod page;
mod qr;
mod renderer;
mod report;
mod session;
mod text;
mod typeset;
mod world;

#[cfg(test)]
mod tests;

pub use error::RenderError;
pub use renderer::{Place, Renderer};
pub use report::{Report, ReportSection, ReportTable, render_report};
pub use session::render_session;

/// Changes whenever the same input could give other bytes: with the template, the texts, the verifier
/// whose verdict is printed, and the typesetter.
pub const RENDERER_VERSION: &str = "exhibit-pdf/2 (typst 0.15.1)";

const DISCLAIMER: &str = "EVIDENCE SUPPORT STATEMENT. This report provides cryptographic evidence \
    to support audit and investigation. It does not certify compliance with any legal, regulatory or \
    contractual standard.";
