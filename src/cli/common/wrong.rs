//! Wrong usage, told with what was probably meant: the variable that a bad value comes from, and
//! the command that stands below another one.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::cli::output::harmless;
use crate::config::variable_behind;

/// The commands whose subcommands people try to call without them.
const GROUPS: [&str; 8] = [
    "state",
    "key",
    "trust",
    "hook",
    "retention",
    "quota",
    "approval",
    "tls",
];

/// An error of the command line with what helps against it.
pub(in crate::cli) fn usage(mut error: Error, definition: &Command) -> Error {
    let is_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    );
    let tip = if is_value {
        about_variable(&error)
    } else {
        let group = about_group(&error, definition);
        if group.is_some() {
            error.remove(ContextKind::SuggestedSubcommand);
        }
        group
    };
    make_harmless(&mut error);
    if let Some(tip) = tip {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}

/// What an argument says stays within its line.
fn make_harmless(error: &mut Error) {
    let texts: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| {
            let ContextValue::String(text) = value else {
                return None;
            };
            Some((kind, harmless(text)))
        })
        .collect();
    let is_plain = |(kind, text): &(ContextKind, String)| {
        let said = error.get(*kind);
        said == Some(&ContextValue::String(text.clone()))
    };
    // A tip repeats the argument as it is.
    if !texts.iter().all(is_plain) {
        error.remove(ContextKind::Suggested);
    }
    for (kind, text) in texts {
        error.insert(kind, ContextValue::String(text));
    }
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// The variable that a wrong value comes from, if it comes from one.
fn about_variable(error: &Error) -> Option<String> {
    let shown = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let flag = shown.split([' ', '=']).next().unwrap_or_default();
    let variable = variable_behind(flag)?;
    Some(format!("the value comes from the variable {variable}"))
}

/// The groups that an unknown command belongs to, if there are any.
fn about_group(error: &Error, definition: &Command) -> Option<String> {
    let word = text(error, ContextKind::InvalidSubcommand)?;
    let below = |group: &&'static str| {
        let group = definition.find_subcommand(group)?;
        let meant = group.find_subcommand(word)?;
        let (group, name) = (group.get_name(), meant.get_name());
        Some(format!("'statekeep {group} {name}'"))
    };
    let meant: Vec<String> = GROUPS.iter().filter_map(below).collect();
    let (last, others) = meant.split_last()?;
    Some(if others.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", others.join(", "))
    })
}
