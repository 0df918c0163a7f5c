//! Arguments and variables that are refused while the state goes to the server: with them it would
//! go elsewhere, unseen.
//!
//! Settings of the backend are among it: the generated file says all that says where.

use crate::cli::client::token::RunToken;
use crate::cli::common::nearest;
use crate::cli::module::address::StateAddress;
use crate::cli::output::{self, CliError};
use crate::cli::run::terragrunt;
use crate::cli::terraform::acts::Act;
use crate::cli::terraform::credentials::HARMLESS;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::record::Record;
use crate::model::name::StateName;

/// Refuses a program that is none of the two by its name and has no words behind it: it may do
/// anything, and its state would go anywhere.
pub(super) fn no_subcommand(invocation: &Invocation, is_named: bool) -> Result<(), CliError> {
    if is_named || invocation.program().is_some() || invocation.subcommand().is_some() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} has no subcommand after it; `run` wraps a command line of terraform or tofu, as in \
            `-- terraform apply`",
        invocation.shown()
    )))
}

/// Programs whose words are another command line: `init` behind them is no subcommand, and would
/// start whatever has that name on this machine.
const STARTERS: [&str; 11] = [
    "bash", "dash", "doas", "env", "nice", "nohup", "sh", "sudo", "time", "timeout", "zsh",
];

/// Refuses to have another program than the two run `init` if that would be no `init` of theirs.
pub(super) fn init_of_another(invocation: &Invocation) -> Result<(), CliError> {
    if !STARTERS.iter().any(|name| invocation.is_called(name)) {
        return Ok(());
    }
    let (shown, instead) = (invocation.shown(), instead_of_another(invocation));
    Err(CliError::Failed(format!(
        "an `init` is needed first, and {shown} has none{instead}"
    )))
}

/// What to do instead of a program that is none of the two, as the end of a sentence.
pub(super) fn instead_of_another(invocation: &Invocation) -> &'static str {
    if invocation.program().is_some() {
        return "";
    }
    "; name terraform or tofu right behind `--`, and what starts them before `statekeep`, as in \
        `timeout 1h statekeep run … -- tofu apply`; for make and others with several states, give \
        --workspace without a building block"
}

/// Refuses a command that writes if the token may not: it would make what cannot be stored.
pub(super) fn writing(
    invocation: &Invocation,
    token: &RunToken,
    place: &str,
) -> Result<(), CliError> {
    if token.may_write() || !(invocation.act() == Act::Writes || terragrunt::writes(invocation)) {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "`{} {}` writes, and this key may not write {place}: it lacks the permission TFSTATE_SAVE",
        invocation.shown(),
        output::harmless(invocation.subcommand().unwrap_or_default()),
    )))
}

/// Refuses arguments by which the state would not go to a generated backend, or another one would
/// come into it.
pub(super) fn arguments(
    invocation: &Invocation,
    address: &StateAddress,
    record: Option<&Record>,
) -> Result<(), CliError> {
    let is_init = invocation.subcommand() == Some("init");
    let words: Vec<&str> = if is_init {
        invocation.arguments().collect()
    } else {
        invocation.arguments_of_init().collect()
    };
    let recorded = record.map(Record::address);
    let knows_another =
        recorded.is_some_and(|recorded| recorded.is_none_or(|recorded| !address.is(recorded)));
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some((name, value)) = option(word) else {
            continue;
        };
        let why = match name {
            "backend-config" => {
                let value = value.or_else(|| words.next()).unwrap_or_default();
                says_where(invocation, value)?.then_some(
                    "the sources configure no backend, and the file that `run` generates says \
                        where the state goes",
                )
            }
            "backend" if !is_init && value.is_some_and(is_false) => {
                Some("`init` would leave the backend out")
            }
            "migrate-state" | "force-copy" if knows_another => {
                Some("the state of the backend that is recorded would be copied over this one")
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(CliError::Failed(format!(
                "-{name} (on the command line, or in TF_CLI_ARGS or TF_CLI_ARGS_init): {why}; \
                    leave it out"
            )));
        }
    }
    Ok(())
}

/// The name and the value of an option, with one hyphen or two.
fn option(word: &str) -> Option<(&str, Option<&str>)> {
    let option = word.strip_prefix('-')?;
    let option = option.strip_prefix('-').unwrap_or(option);
    Some(match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    })
}

/// Whether a `-backend-config` says more than how the server is reached.
fn says_where(invocation: &Invocation, value: &str) -> Result<bool, CliError> {
    let told = invocation.told_by(vec![value.to_owned()])?;
    Ok(!told.names().all(|name| HARMLESS.contains(&name)))
}

/// A state that does not exist is named in a folder that was used with another one.
pub(super) fn mistyped(named: &StateName, used: &StateName, mut known: Vec<String>) -> CliError {
    known.push(used.to_string());
    CliError::Failed(format!(
        "{named} does not exist, and this folder was used with {used}{} In a new state, \
            everything would be created again. To continue with a new state, give --new",
        ended(nearest::near(&named.to_string(), known))
    ))
}

/// As the end of a sentence.
fn ended(text: String) -> String {
    if text.ends_with('?') {
        text
    } else {
        format!("{text}.")
    }
}

/// As Go reads a flag.
fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::module::address::BaseUrl;
    use crate::model::name::StateName;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        base: BaseUrl,
    }

    #[test]
    fn what_would_send_the_state_elsewhere_is_refused() {
        let StateName { workspace, block } = StateName::parse("team", "net").expect("a name");
        let base = Flags::parse_from(["x", "--base-url", "http://host"]).base;
        let address = base.state(workspace, block).expect("an address");
        let judge = |line: &str, record: Option<&Record>| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            arguments(
                &Invocation::read(&words, Path::new("/")).expect("a command"),
                &address,
                record,
            )
        };
        let (same, other) = (
            Record::http(&address.text()),
            Record::http("http://elsewhere/"),
        );
        for line in [
            "tofu init -backend-config=address=http://elsewhere",
            "tofu init --backend-config address=http://elsewhere",
            "tofu init -backend-config=retry_max=3 -backend-config=no-such-file.hcl",
            "tofu init -backend-config=lock_method=PUT",
        ] {
            assert!(judge(line, None).is_err(), "{line}");
        }
        for line in [
            "tofu init -backend-config=retry_max=3 -backend-config skip_cert_verification=true \
                -reconfigure",
            "tofu init -backend=false",
            "tofu init -migrate-state -force-copy",
            "tofu apply -var backend-config=1",
        ] {
            assert!(
                judge(line, None).is_ok() && judge(line, Some(&same)).is_ok(),
                "{line}"
            );
        }
        assert!(judge("tofu init -migrate-state", Some(&other)).is_err());
        assert!(judge("tofu init -force-copy", Some(&other)).is_err());
        assert!(judge("tofu init -reconfigure", Some(&other)).is_ok());
    }
}
