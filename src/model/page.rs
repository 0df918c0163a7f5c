//! A page of a list in which some rows may be damaged: they hide no other row, and none of them is
//! left out without a word.

use serde::Serialize;

use super::name::StateName;

/// Rows of a list, and those that could not be told beside them.
#[derive(Clone, Debug)]
pub struct ListPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The damaged ones that were met on the way.
    pub damaged: Vec<DamagedRow>,
}

impl<T> Default for ListPage<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            damaged: Vec::new(),
        }
    }
}

/// A row that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedRow {
    /// What the row says that it is, which may be damaged as well.
    pub row: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl DamagedRow {
    /// Something of a state is damaged, whose name is certain.
    pub fn of(name: &StateName, detail: String) -> Self {
        Self {
            row: Some(name.to_string()),
            detail,
        }
    }
}
