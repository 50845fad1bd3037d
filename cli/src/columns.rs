//! Aligned columns.

/// Formats lines of cells. Each column is as wide as its widest cell. The columns for which `is_number` is
/// true are aligned to the right, the others to the left.
pub(crate) fn columns<const N: usize>(lines: &[[String; N]], is_number: impl Fn(usize) -> bool) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
