//! `fields=` of a list: a row has only the members that were asked for. A client that shows eight
//! columns need not be sent all that is known of each row.
//!
//! A member that no row of the list can have is refused, so that a typo is not an empty column.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::error::Error;
use crate::http::wire::error::ApiError;
use crate::model::error_code::ErrorCode;

/// The most characters of a name that is not known which are repeated.
const MAX_NAME: usize = 40;

/// The members that a row of a list may have.
#[derive(Clone, Copy)]
pub(in crate::http) struct RowMembers {
    /// Its own, separated by spaces.
    pub(in crate::http) own: &'static str,
    /// Those of a member that is an object, by the name of that member.
    pub(in crate::http) below: &'static [(&'static str, &'static str)],
}

/// The members of a version, in a list and wherever one is shown.
pub(in crate::http) const VERSION: &str = "number sha256 size serial lineage terraform_version \
    format resources added changed removed encrypted kind rejected intermediate from_version \
    created_at created_by address lock current purged held";

/// What is asked for of one member.
enum Part {
    Whole,
    Of(BTreeSet<String>),
}

impl Part {
    /// Adds a member of it, or all of them.
    fn add(&mut self, inner: Option<&str>) {
        match (self, inner) {
            (part, None) => *part = Self::Whole,
            (Self::Of(names), Some(inner)) => {
                names.insert(inner.to_owned());
            }
            (Self::Whole, Some(_)) => {}
        }
    }
}

/// The members that were asked for; all of them if none was named.
pub(in crate::http) struct Fields(Option<BTreeMap<String, Part>>);

impl Fields {
    /// Reads the parameter: names with commas between them, `current.number` for a member of a
    /// member.
    pub(in crate::http) fn read(text: Option<&str>, members: RowMembers) -> Result<Self, ApiError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(Self(None));
        };
        let mut asked = BTreeMap::new();
        for name in text.split(',') {
            if !members.has(name) {
                return Err(unknown(name, members));
            }
            let (outer, inner) = name
                .split_once('.')
                .map_or((name, None), |(outer, inner)| (outer, Some(inner)));
            let nothing = || Part::Of(BTreeSet::new());
            let part: &mut Part = asked.entry(outer.to_owned()).or_insert_with(nothing);
            part.add(inner);
        }
        Ok(Self(Some(asked)))
    }

    /// Rows with the members that were asked for.
    pub(in crate::http) fn of_rows(&self, rows: &[impl Serialize]) -> Result<Vec<Value>, ApiError> {
        let row = |row| serde_json::to_value(row).map(|row| self.of(row));
        let rows: Result<_, _> = rows.iter().map(row).collect();
        Ok(rows.map_err(|error| Error::Internal(error.to_string()))?)
    }

    /// A row with the members that were asked for.
    pub(in crate::http) fn of(&self, row: Value) -> Value {
        let (Some(asked), Value::Object(row)) = (&self.0, &row) else {
            return row;
        };
        let members = row.iter().filter_map(|(name, value)| {
            let value = match asked.get(name)? {
                Part::Whole => value.clone(),
                Part::Of(names) => only(value, names),
            };
            Some((name.clone(), value))
        });
        Value::Object(members.collect())
    }
}

/// An object with these members; anything else as it is.
fn only(value: &Value, names: &BTreeSet<String>) -> Value {
    let Some(object) = value.as_object() else {
        return value.clone();
    };
    let members = object.iter().filter(|(name, _)| names.contains(*name));
    let members: Map<_, _> = members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(members)
}

impl RowMembers {
    fn has(self, name: &str) -> bool {
        let is_in = |names: &str, name: &str| names.split(' ').any(|known| known == name);
        match name.split_once('.') {
            None => is_in(self.own, name),
            Some((outer, inner)) => self
                .below
                .iter()
                .any(|(known, names)| *known == outer && is_in(names, inner)),
        }
    }
}

fn unknown(name: &str, members: RowMembers) -> ApiError {
    let name: String = name.chars().take(MAX_NAME).collect();
    let known = members.own.replace(' ', ", ");
    let detail = format!("fields has no member {name:?}; a row of this list has {known}");
    ApiError::invalid(ErrorCode::BadQuery, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MEMBERS: RowMembers = RowMembers {
        own: "name size current",
        below: &[("current", "number serial")],
    };

    fn shown(fields: &str, row: Value) -> Option<Value> {
        let fields = Fields::read(Some(fields), MEMBERS).ok()?;
        Some(fields.of(row))
    }

    #[test]
    fn a_row_has_what_was_asked_for() {
        let row = || json!({ "name": "a", "size": 1, "current": { "number": 7, "serial": 9 } });
        for (fields, wanted) in [
            ("", row()),
            ("name", json!({ "name": "a" })),
            (
                "current.number,size",
                json!({ "size": 1, "current": { "number": 7 } }),
            ),
            (
                "current,current.number",
                json!({ "current": { "number": 7, "serial": 9 } }),
            ),
            (
                "current.number,current",
                json!({ "current": { "number": 7, "serial": 9 } }),
            ),
        ] {
            assert_eq!(shown(fields, row()), Some(wanted), "{fields}");
        }
        let hidden = json!({ "name": "a", "current": null });
        assert_eq!(
            shown("current.number", hidden),
            Some(json!({ "current": null }))
        );
    }

    #[test]
    fn a_member_that_no_row_has_is_refused() {
        for bad in [
            "nme",
            "name,",
            ",",
            "name.x",
            "current.size",
            "current.",
            "current.number.x",
        ] {
            assert!(shown(bad, json!({})).is_none(), "{bad}");
        }
    }
}
