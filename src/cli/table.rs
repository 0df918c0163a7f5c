//! Tables for people, printed row by row. The rows that come first say how wide the columns are;
//! later ones may make a column wider, never narrower.
//!
//! On a terminal, columns that its width has no room for are left out, the least needed first. In a
//! pipe or a file there is room for all of them, so that a table can be searched.

use std::io::IsTerminal as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Width};

use crate::cli::output::{self, CliError, harmless};

/// How many blanks stand between two columns.
const GAP: u16 = 2;

/// A column of a table.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Column {
    name: &'static str,
    /// The higher it is, the sooner the column is left out; 0 stays.
    rank: u8,
}

/// A column that is always there.
pub(in crate::cli) const fn kept(name: &'static str) -> Column {
    Column { name, rank: 0 }
}

/// A column that is left out where there is no room for it, those of the highest rank first.
pub(in crate::cli) const fn spare(name: &'static str, rank: u8) -> Column {
    Column { name, rank }
}

/// A table that is being printed.
pub(in crate::cli) struct Table {
    columns: Vec<Column>,
    /// The widest cell of each column so far.
    widths: Vec<u16>,
    /// The columns that are printed, once that is decided.
    shown: Option<Vec<usize>>,
    /// The columns of the terminal; none in a pipe.
    room: Option<usize>,
}

impl Table {
    /// Begins a table.
    pub(in crate::cli) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            widths: vec![0; columns.len()],
            shown: None,
            room: terminal_width(),
        }
    }

    /// Prints rows, and the header before the first ones.
    pub(in crate::cli) fn rows(&mut self, rows: Vec<Vec<String>>) -> Result<(), CliError> {
        output::lines(&self.laid_out(rows))
    }

    fn laid_out(&mut self, mut rows: Vec<Vec<String>>) -> String {
        let names = self.columns.iter().map(|column| column.name.to_owned());
        if self.shown.is_none() {
            rows.insert(0, names.collect());
        }
        if rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        for row in rows {
            table.add_row(row.iter().map(|cell| harmless(cell)));
        }
        let widest = table.column_max_content_widths();
        for (width, widest) in self.widths.iter_mut().zip(widest) {
            *width = widest.max(*width);
        }
        let shown = self.shown.take().unwrap_or_else(|| self.fitting());
        for (index, column) in table.column_iter_mut().enumerate() {
            let width = Width::Fixed(self.widths.get(index).copied().unwrap_or(0) + GAP);
            column.set_padding((0, GAP));
            column.set_constraint(if shown.contains(&index) {
                ColumnConstraint::LowerBoundary(width)
            } else {
                ColumnConstraint::Hidden
            });
        }
        self.shown = Some(shown);
        let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }

    /// The columns that there is room for.
    fn fitting(&self) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(room) = self.room else {
            return shown;
        };
        let width = |shown: &[usize]| {
            let cells: usize = shown
                .iter()
                .map(|index| usize::from(self.widths[*index]))
                .sum();
            cells + usize::from(GAP) * shown.len().saturating_sub(1)
        };
        while width(&shown) > room {
            let least = shown
                .iter()
                .enumerate()
                .max_by_key(|(_, index)| self.columns[**index].rank);
            match least {
                Some((at, index)) if self.columns[*index].rank > 0 => shown.remove(at),
                _ => break,
            };
        }
        shown
    }
}

/// Prints a whole table.
pub(in crate::cli) fn whole(columns: &[Column], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    Table::new(columns).rows(rows)
}

/// How many columns the terminal has, if stdout is one.
pub(in crate::cli) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(room: Option<usize>, pages: &[&[&[&str]]]) -> Vec<String> {
        let mut table = Table {
            room,
            ..Table::new(&[kept("STATE"), spare("SIZE", 2), spare("BY", 1)])
        };
        let mut text = String::new();
        for page in pages {
            let row = |row: &&[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
            text += &table.laid_out(page.iter().map(row).collect());
        }
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_cells_and_never_narrower() {
        let first: &[&[&str]] = &[&["a/b", "1", "x"], &["a/日本", "200", "\u{1b}"]];
        let later: &[&[&str]] = &[&["a/c", "1", ""], &["longer/name", "1", "y"]];
        assert_eq!(
            table(None, &[first, later, &[]]),
            [
                "STATE   SIZE  BY",
                "a/b     1     x",
                "a/日本  200   \\u001b",
                "a/c          1",
                "longer/name  1     y",
            ]
        );
        assert_eq!(table(None, &[&[]]), ["STATE  SIZE  BY"]);
    }

    #[test]
    fn what_has_no_room_is_left_out_the_least_needed_first() {
        let row: &[&str] = &["team/network", "12 MiB", "ci"];
        for (room, line) in [
            (24, "team/network  12 MiB  ci"),
            (23, "team/network  ci"),
            (16, "team/network  ci"),
            (15, "team/network"),
            (3, "team/network"),
        ] {
            assert_eq!(table(Some(room), &[&[row]])[1], line, "{room}");
        }
    }
}
