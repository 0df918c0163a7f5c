//! Wrong usage, told with what was probably meant: the variable that a bad value comes from, and
//! the command that stands below another one.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::config::variable_behind;

/// The commands whose subcommands people try to call without them.
const GROUPS: [&str; 3] = ["state", "key", "retention"];

/// An error of the command line with what helps against it.
pub(in crate::cli) fn usage(mut error: Error, definition: &Command) -> Error {
    let text = |error: &Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let is_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    );
    let tip = if is_value {
        let flag = text(&error, ContextKind::InvalidArg);
        let flag = flag
            .as_ref()
            .and_then(|shown| shown.split([' ', '=']).next())
            .unwrap_or_default();
        variable_behind(flag)
            .map(|variable| format!("the value comes from the variable {variable}"))
    } else {
        text(&error, ContextKind::InvalidSubcommand).and_then(|word| {
            let group = definition.get_subcommands().find(|group| {
                GROUPS.contains(&group.get_name()) && group.find_subcommand(&word).is_some()
            })?;
            error.remove(ContextKind::SuggestedSubcommand);
            Some(format!(
                "did you mean 'statekeep {} {word}'?",
                group.get_name()
            ))
        })
    };
    if let Some(tip) = tip {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}
