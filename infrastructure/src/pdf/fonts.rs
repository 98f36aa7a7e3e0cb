//! The fonts of the binary, and which characters they have.
//!
//! A character that no font has would make the export to PDF/A fail, so it never reaches the page:
//! it is shown by its code point. So is what steers or hides text, since a reader must see it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::{Coverage, Font};
use unicode_segmentation::UnicodeSegmentation;

/// For text, then for code and as a help to the first.
const FAMILIES: [&str; 2] = ["Libertinus Serif", "DejaVu Sans Mono"];

pub(super) static FONTS: LazyLock<Vec<Font>> = LazyLock::new(|| {
    let fonts = typst_assets::fonts().flat_map(|data| Font::iter(Bytes::new(data)));
    fonts.filter(|font| FAMILIES.contains(&font.info().family.as_str())).collect()
});

/// What every style of a family has, by family: text may be bold.
static COVERAGES: LazyLock<Vec<Vec<&'static Coverage>>> = LazyLock::new(|| {
    let of_family = |family: &&str| {
        let fonts = FONTS.iter().map(Font::info);
        fonts.filter(|info| info.family == *family).map(|info| &info.coverage).collect()
    };
    FAMILIES.iter().map(of_family).collect()
});

/// The text as it can be set: what the fonts lack, and what would not be seen, by its code point.
/// Ends where more bytes would be shown than are allowed, and says whether it has.
pub(super) fn shown(text: &str, bytes_max: usize) -> (String, bool) {
    let mut shown = String::with_capacity(text.len().min(bytes_max));
    for cluster in text.graphemes(true) {
        if shown.len() > bytes_max {
            return (shown, true);
        }
        if is_set(cluster) {
            shown.push_str(cluster);
            continue;
        }
        for c in cluster.chars() {
            let mut bytes = [0; 4];
            if is_set(c.encode_utf8(&mut bytes)) {
                shown.push(c);
            } else {
                push_code(c, &mut shown);
            }
        }
    }
    (shown, false)
}

/// The text in ASCII: what is done when a page could not be set otherwise.
pub(super) fn ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' '..='~') { shown.push(c) } else { push_code(c, &mut shown) }
    }
    shown
}

fn push_code(c: char, shown: &mut String) {
    // Writing to a String does not fail.
    let _ = write!(shown, "[U+{:04X}]", u32::from(c));
}

/// Whether one family has all of a cluster: a letter and its accent are not set in two fonts.
fn is_set(cluster: &str) -> bool {
    if cluster.chars().all(|c| matches!(c, ' '..='~')) {
        return true;
    }
    // A mark without a letter would be set upon what stands before it.
    if cluster.chars().any(is_hidden) || cluster.starts_with(is_mark) {
        return false;
    }
    COVERAGES.iter().any(|family| {
        cluster.chars().all(|c| family.iter().all(|coverage| coverage.contains(c.into())))
    })
}

/// Marks that the fonts may have.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Steers, turns or hides text, is no character, or has no agreed meaning.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
            | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    fn shown(text: &str) -> String {
        super::shown(text, usize::MAX).0
    }

    #[test]
    fn what_the_fonts_have_is_shown_as_it_is() {
        for text in
            ["Refund order 4711, 31.50 €", "Größe – “quoted” naïve", "Привет, Ελλάδα", "e\u{301}"]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn what_the_fonts_lack_is_shown_by_its_code_point() {
        assert_eq!(shown("ok 😀"), "ok [U+1F600]");
        assert_eq!(shown("中文"), "[U+4E2D][U+6587]");
        assert_eq!(shown("👨\u{200d}👩"), "[U+1F468][U+200D][U+1F469]");
    }

    #[test]
    fn what_steers_or_hides_text_is_shown_by_its_code_point() {
        assert_eq!(shown("a\u{202e}b\0c\nd"), "a[U+202E]b[U+0000]c[U+000A]d");
        assert_eq!(shown("\u{feff}x\u{ad}y\u{e000}"), "[U+FEFF]x[U+00AD]y[U+E000]");
        assert_eq!(shown("\u{301}"), "[U+0301]");
    }

    #[test]
    fn a_mark_without_a_place_in_the_font_leaves_its_letter_readable() {
        assert_eq!(shown("x\u{20e3}"), "x[U+20E3]");
    }
}
