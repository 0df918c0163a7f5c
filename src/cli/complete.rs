//! Completions that know names: a shell asks this program what could stand at the cursor, and
//! states, workspaces and keys are asked of the server that the command line means.
//!
//! A person waits at the prompt meanwhile. So nothing is asked for longer than [`PATIENCE`], and
//! nothing is written or extended. No database is opened, and no secret is asked for. What goes
//! wrong is said nowhere: there are no names then.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, Parser};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::environment;
use crate::cli::common::reach::Reach;
use crate::cli::common::rows::{state_name, take_rows};
use crate::cli::output;
use crate::http::block_on;
use crate::model::name::Workspace;

/// The variable that a shell sets to ask, with its own name.
const ASKED_BY: &str = "STATEKEEP_COMPLETE";
/// How long a person waits for names at most.
const PATIENCE: Duration = Duration::from_millis(300);
/// How many rows are looked at for them.
const MAX_ROWS: usize = 1_000;
/// The flags that say which server is meant, and take a value.
const OF_REACH: [&str; 7] = [
    "--data",
    "--url",
    "--base-url",
    "--key-file",
    "--ca-file",
    "--client-cert",
    "--client-key",
];
const INSECURE: &str = "--insecure-http";

/// What a name at the cursor is of.
#[derive(Clone, Copy)]
enum Named {
    State,
    DeletedState,
    Workspace,
    Key,
}

/// Answers a shell that asks; none if no shell does.
pub(super) fn answered(definition: fn() -> Command) -> Option<ExitCode> {
    let dir = std::env::current_dir().ok();
    let complete = || with_names(with_short_words(definition()), "");
    let complete = CompleteEnv::with_factory(complete).var(ASKED_BY);
    match complete.try_complete(std::env::args_os(), dir.as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(error) => Some(output::wrong_usage(&error, None)),
    }
}

/// The same command, with the words that people type for those below it.
fn with_short_words(command: Command) -> Command {
    let short = environment::SHORT
        .iter()
        .filter_map(|(word, [room, name])| {
            let meant = command.find_subcommand(room)?.find_subcommand(name)?;
            let about = meant.get_about().cloned().unwrap_or_default();
            let arguments = meant.get_arguments().cloned();
            Some(Command::new(*word).about(about).args(arguments))
        });
    let short: Vec<Command> = short.collect();
    command.subcommands(short)
}

/// The same command, whose arguments know where their names come from.
fn with_names(command: Command, name: &str) -> Command {
    let command = command.mut_args(|arg| match named(&arg, name) {
        Some(named) => arg.add(ArgValueCompleter::new(move |begun: &OsStr| {
            candidates(named, begun)
        })),
        None => arg,
    });
    command.mut_subcommands(|below| {
        let name = below.get_name().to_owned();
        with_names(below, &name)
    })
}

/// What an argument of a command names, if it is anything on a server.
fn named(arg: &Arg, command: &str) -> Option<Named> {
    match arg.get_id().as_str() {
        "state" if command == "restore" => Some(Named::DeletedState),
        "state" => Some(Named::State),
        "states" if arg.is_positional() => Some(Named::State),
        "workspace" | "of" => Some(Named::Workspace),
        "key" => Some(Named::Key),
        _ => None,
    }
}

fn candidates(kind: Named, begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str().map(str::to_owned) else {
        return Vec::new();
    };
    output::say_nothing();
    let (sender, receiver) = mpsc::channel();
    let start = begun.clone();
    // It is not waited for: the process ends with the answer.
    thread::spawn(move || {
        let found = reach().map(|reach| block_on(names(&reach, kind, &start)));
        let _ = sender.send(found.flatten());
    });
    let mut names = receiver
        .recv_timeout(PATIENCE)
        .ok()
        .flatten()
        .unwrap_or_default();
    names.retain(|name| name.starts_with(&begun) && is_one_word(name));
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Whether no shell sees more in a name than letters: a key may have any name.
fn is_one_word(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !name.starts_with('-') && name.bytes().all(is_plain)
}

/// The names on the server that are of this kind.
async fn names(reach: &Reach, named: Named, begun: &str) -> Option<Vec<String>> {
    let client = Client::connect_to_look(reach).await.ok()?;
    let states = "/api/terraform/state";
    let within = begun
        .split_once('/')
        .and_then(|(workspace, _)| workspace.parse::<Workspace>().ok())
        .map_or_else(String::new, |workspace| format!("&workspace={workspace}"));
    let (path, list) = match named {
        Named::State => (
            format!("{states}?fields=workspace,buildingBlock{within}"),
            "states",
        ),
        Named::DeletedState => (
            format!("{states}?deleted=true&fields=workspace,buildingBlock,deleted_at{within}"),
            "states",
        ),
        Named::Workspace => (format!("{states}?fields=workspace"), "states"),
        Named::Key => ("/api/keys?fields=name,status".to_owned(), "keys"),
    };
    let wire = client.wire();
    let page = wire.page(&path, "after", &Value::Null, Some(MAX_ROWS));
    let mut page = page.await.ok()?;
    let found = take_rows(&mut page, list);
    Some(found.iter().filter_map(|row| name_in(row, named)).collect())
}

fn name_in(row: &Value, named: Named) -> Option<String> {
    match named {
        Named::State => Some(state_name(row)),
        Named::DeletedState => (!row["deleted_at"].is_null()).then(|| state_name(row)),
        Named::Workspace => row["workspace"].as_str().map(str::to_owned),
        Named::Key if row["status"] == "active" => row["name"].as_str().map(str::to_owned),
        Named::Key => None,
    }
}

/// Which server the command line means that is being typed; none if it makes no sense.
fn reach() -> Option<Reach> {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    words.next()?;
    let command = environment::without_empty(Probe::command());
    let matches = command.try_get_matches_from(about_reach(words)).ok()?;
    Some(Probe::from_arg_matches(&matches).ok()?.reach)
}

/// The flags of the line alone that say which server is meant.
fn about_reach(line: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut flags = vec![OsString::from("statekeep")];
    let mut line = line.take_while(|word| word != "--");
    while let Some(word) = line.next() {
        let Some(text) = word.to_str() else { continue };
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(OsString::from(value))),
            None => (text, None),
        };
        if flag == INSECURE {
            flags.push(word);
        } else if OF_REACH.contains(&flag) {
            let flag = flag.replace("--base-url", "--url");
            flags.push(flag.into());
            flags.extend(value.or_else(|| line.next()));
        }
    }
    flags
}

#[derive(Parser)]
struct Probe {
    #[command(flatten)]
    reach: Reach,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_which_server_is_read_of_a_line() {
        let read = |line: &str| {
            let flags = about_reach(line.split(' ').map(OsString::from));
            let words: Vec<_> = flags.iter().map(|word| word.to_string_lossy()).collect();
            words.join(" ")
        };
        for (line, flags) in [
            ("state show te", "statekeep"),
            ("state --data d show --nonsense te", "statekeep --data d"),
            (
                "run --base-url=http://h --key-file k a/b -- x --data y",
                "statekeep --url http://h --key-file k",
            ),
            ("key --insecure-http show", "statekeep --insecure-http"),
        ] {
            assert_eq!(read(line), flags);
        }
    }

    #[test]
    fn a_name_that_a_shell_reads_otherwise_is_not_offered() {
        for good in ["team-a/net", "ci", "a.b_c"] {
            assert!(is_one_word(good), "{good}");
        }
        for bad in ["-rf", "two words", "$(reboot)", "a;b", "a\nb", "ü"] {
            assert!(!is_one_word(bad), "{bad}");
        }
    }
}
