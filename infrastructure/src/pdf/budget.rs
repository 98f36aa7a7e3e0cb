//! How long a section may get: a limit that no input can pass, whatever its rows hold.
//!
//! Rows and cells have limits of their own. Together they could still fill thousands of pages, which
//! nobody reads and which would take the renderer's time and memory from others.

use super::page::{Block, Section, Text};

/// Bytes of text of one section: some forty pages of a full table.
const SECTION_BYTES_MAX: usize = 160_000;

const NOTE: &str =
    "This section is cut here, since its values are very long; the JSON has all of them.";

/// The section, or as much of it as fits, with a note.
pub(super) fn within(mut section: Section) -> Section {
    let mut left = SECTION_BYTES_MAX;
    let blocks = std::mem::take(&mut section.blocks);
    for mut block in blocks {
        let cut = !fits(&mut block, &mut left);
        section.blocks.push(block);
        if cut {
            section.blocks.push(Block::note(NOTE));
            break;
        }
    }
    section
}

/// Takes a block off what is left; cuts it where that is used up.
fn fits(block: &mut Block, left: &mut usize) -> bool {
    match block {
        Block::Table(table) => keep(&mut table.rows, left, |row| row.iter().map(Text::bytes).sum()),
        Block::Facts { facts } => keep(facts, left, |fact| fact.value.bytes()),
        Block::List { items } => keep(items, left, Text::bytes),
        Block::Code { lines } => keep(lines, left, |line| line.text.bytes()),
        Block::Text { text }
        | Block::Note { text }
        | Block::Heading { text }
        | Block::Callout { text, .. }
        | Block::Chart { note: text, .. } => {
            *left = left.saturating_sub(text.bytes());
            true
        }
    }
}

fn keep<T>(items: &mut Vec<T>, left: &mut usize, bytes: impl Fn(&T) -> usize) -> bool {
    let all = items.len();
    let mut fitting = 0;
    for item in items.iter() {
        // An empty row takes room, too.
        let Some(rest) = left.checked_sub(bytes(item) + 8) else { break };
        *left = rest;
        fitting += 1;
    }
    items.truncate(fitting);
    fitting == all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::page::{Column, Table};

    fn section(rows: usize) -> Section {
        let row = vec![Text::from("x".repeat(1_000))];
        let columns = vec![Column::new("x", 1.0)];
        let table = Table { columns, rows: vec![row; rows], note: None };
        Section::new("Long", vec![Block::Table(table), Block::text("after")])
    }

    #[test]
    fn a_section_that_fits_is_left_alone() {
        assert_eq!(within(section(100)).blocks.len(), 2);
    }

    #[test]
    fn a_section_that_is_too_long_is_cut_with_a_note() {
        let cut = within(section(1_000));
        let [Block::Table(table), Block::Note { .. }] = cut.blocks.as_slice() else {
            panic!("{cut:?}")
        };
        assert!(table.rows.len() > 100 && table.rows.len() < 200);
    }
}
