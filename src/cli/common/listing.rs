//! A list that is printed as it is read: as a table for people, or as the one JSON document that
//! the API would give if it had no pages.
//!
//! A document that is cut short, because a page could not be had, is not closed: no script takes a
//! part of a list for the whole.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::client::pages::{ListPages, RawRows};
use crate::cli::common::flags::Format;
use crate::cli::common::rows::{DAMAGED, refuse_damaged};
use crate::cli::output::{self, CliError};
use crate::cli::table::{Column, Table};

/// How many rows of a page are taken apart at a time: a row takes ten times as much memory then.
pub(in crate::cli) const AT_ONCE: usize = 100;

/// A list that is being printed.
pub(in crate::cli) struct PrintedList {
    shape: Shape,
    /// How many rows there were.
    pub(in crate::cli) count: u64,
}

enum Shape {
    Table(Table),
    /// The text that begins the document, until it is printed.
    Document(String),
}

impl PrintedList {
    /// Begins a list of rows with this name, which a person sees as a table.
    pub(in crate::cli) fn new(format: Format, name: &str, columns: &[Column]) -> Self {
        let shape = match format {
            Format::Text => Shape::Table(Table::new(columns)),
            Format::Json => Shape::Document(format!("{{\"{name}\":[")),
        };
        Self { shape, count: 0 }
    }

    /// Prints a page of rows. Rows with values of a state are read as a type without these: a
    /// [`Value`] cannot hold each number and each text that a state may have.
    pub(in crate::cli) fn page<Row: DeserializeOwned>(
        &mut self,
        rows: &RawRows,
        cells: impl Fn(&Row) -> Vec<String>,
    ) -> Result<(), CliError> {
        match &mut self.shape {
            Shape::Table(table) => {
                for rows in rows.chunks(AT_ONCE) {
                    let parsed = rows.iter().map(|row| serde_json::from_str(row.get()));
                    let cells: Result<Vec<_>, _> =
                        parsed.map(|row| row.map(|row: Row| cells(&row))).collect();
                    table.rows(cells.map_err(CliError::because)?)?;
                }
            }
            Shape::Document(opening) => {
                let mut text = std::mem::take(opening);
                for (row, before) in rows.iter().zip(self.count..) {
                    text.extend((before > 0).then_some(','));
                    text += row.get();
                }
                output::json_part(&text)?;
            }
        }
        self.count += rows.len() as u64;
        Ok(())
    }

    /// Prints rows that are a person's alone.
    pub(in crate::cli) fn rows(&mut self, rows: Vec<Vec<String>>) -> Result<(), CliError> {
        self.count += rows.len() as u64;
        match &mut self.shape {
            Shape::Table(table) => table.rows(rows),
            Shape::Document(_) => Ok(()),
        }
    }

    /// Prints what belongs behind the last row. Fails if the pages named damaged rows, which are
    /// not in the list.
    pub(in crate::cli) fn end(self, pages: &ListPages) -> Result<(), CliError> {
        self.end_with(pages, &Value::Null)
    }

    /// The same; a document also gets the members of this object, which an answer has beside its
    /// list.
    pub(in crate::cli) fn end_with(
        self,
        pages: &ListPages,
        beside: &Value,
    ) -> Result<(), CliError> {
        match self.shape {
            Shape::Table(mut table) => table.rows(Vec::new())?,
            Shape::Document(mut text) => {
                let _ = write!(text, "],\"next\":{}", pages.next_page());
                for (name, value) in beside.as_object().into_iter().flatten() {
                    let _ = write!(text, ",{}:{value}", json!(name));
                }
                if !pages.damaged.is_empty() {
                    let _ = write!(text, ",\"{DAMAGED}\":{}", json!(pages.damaged));
                }
                output::json_part(&(text + "}\n"))?;
            }
        }
        refuse_damaged(&json!({ DAMAGED: pages.damaged }))
    }

    /// Prints a list that has no rows, and no pages.
    pub(in crate::cli) fn end_without_rows(self) -> Result<(), CliError> {
        match self.shape {
            Shape::Table(mut table) => table.rows(Vec::new()),
            Shape::Document(text) => output::json_part(&(text + "],\"next\":null}\n")),
        }
    }
}
