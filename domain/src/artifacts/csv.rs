//! Tables for spreadsheets: RFC 4180, and no cell that one would take for a formula.

/// Appends a line.
pub fn row<'c>(cells: impl IntoIterator<Item = &'c str>, out: &mut Vec<u8>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_cell(cell, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A cell that begins with `=`, `+`, `-`, `@`, tab or a line's end would be computed by a
/// spreadsheet: an apostrophe before it makes it text. Some split at semicolons.
fn write_cell(cell: &str, out: &mut Vec<u8>) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = is_formula || cell.contains([',', ';', '"', '\r', '\n', '\t']);
    if !quoted {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    for (at, part) in cell.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(cells: &[&str]) -> String {
        let mut out = Vec::new();
        row(cells.iter().copied(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// RFC 4180 as a reader sees it: one line of quoted and plain cells.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut letters = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    cell.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(std::mem::take(&mut cell)),
                other => cell.push(other),
            }
        }
        cells.push(cell);
        cells
    }

    #[test]
    fn plain_cells_stand_as_they_are() {
        assert_eq!(written(&["a", "", "b c", "é"]), "a,,b c,é\r\n");
    }

    #[test]
    fn what_would_be_a_formula_is_text() {
        for start in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            let cell = format!("{start}cmd|' /C calc'!A0");
            assert_eq!(read(&written(&[&cell])), [format!("'{cell}")], "{cell:?}");
        }
        assert_eq!(written(&["=1+2\",3"]), "\"'=1+2\"\",3\"\r\n");
        assert_eq!(written(&["a=1"]), "a=1\r\n");
    }

    proptest! {
        #[test]
        fn every_row_is_read_back(cells in prop::collection::vec(".*", 1..6)) {
            let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
            let back = read(&written(&texts));
            for (cell, back) in cells.iter().zip(&back) {
                let dangerous = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                let expected = if dangerous { format!("'{cell}") } else { cell.clone() };
                prop_assert_eq!(back, &expected);
            }
            prop_assert_eq!(back.len(), cells.len());
        }
    }
}
