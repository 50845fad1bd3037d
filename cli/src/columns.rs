//! Aligned columns.

use crate::failure::escaped;

/// Formats lines of cells. Each column is as wide as its widest cell. The columns for which `is_number` is
/// true are aligned to the right, the others to the left. Control characters, which names in files may
/// contain, are escaped.
pub(crate) fn columns<const N: usize>(lines: &[[String; N]], is_number: impl Fn(usize) -> bool) -> String {
    let lines: Vec<[String; N]> =
        lines.iter().map(|line| line.each_ref().map(|cell| escaped(cell))).collect();
    let width_of = |cell: &str| cell.chars().count();
    let widths: Vec<usize> =
        (0..N).map(|column| lines.iter().map(|line| width_of(&line[column])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // The formatting width of `format!` has a limit of 65535 characters.
            let blanks = " ".repeat(width - width_of(cell));
            if is_number(column) { blanks + cell } else { cell.clone() + &blanks }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_may_be_wider_than_a_formatting_width() {
        let wide = "x".repeat(70_000);
        let lines = [[wide.clone(), "1".to_owned()], ["\u{1b}[31m".to_owned(), "23".to_owned()]];
        let text = columns(&lines, |column| column == 1);
        let escaped = "\\u{1b}[31m";
        assert_eq!(text, format!("{wide}   1\n{escaped}{}  23\n", " ".repeat(70_000 - escaped.len())));
    }
}
