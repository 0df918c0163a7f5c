//! The roles that a command takes, each with what it may do.

use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::model::permission::ROLES;

/// The roles, each with what it may do.
pub(in crate::cli) fn roles() -> PossibleValuesParser {
    let may = |role: &str| match role {
        "reader" => "Reads states, their history and locks",
        "outputs" => "Reads outputs that are not sensitive, and nothing else",
        "planner" => "Reads current states and plans",
        "writer" => "Reads and writes states, and breaks locks",
        "owner" => "As writer, and deletes and freezes states and reads their events",
        "auditor" => "Sees lists, history, comparisons, locks and events, and no content",
        "monitor" => "Reads status and metrics, and no state",
        "admin" => "Everything, in every workspace",
        _ => "",
    };
    PossibleValuesParser::new(ROLES.map(|role| PossibleValue::new(role).help(may(role))))
}
