//! A QR code as a picture: modules as one path, of numbers only.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use super::RenderError;

/// Blank modules around the code, as readers expect them.
const QUIET: usize = 4;

pub(super) fn svg(text: &str) -> Result<String, RenderError> {
    let code =
        QrCode::with_error_correction_level(text, EcLevel::M).map_err(RenderError::typesetting)?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut svg =
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path d=""#);
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            // Writing to a String does not fail.
            let _ = write!(svg, "M{x} {y}h1v1h-1z");
        }
    }
    Ok(svg + r##"" fill="#1c2733"/></svg>"##)
}
