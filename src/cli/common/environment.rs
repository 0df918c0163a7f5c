//! The command line with its environment: a variable that is set to nothing is not set, as build
//! servers and container files leave them behind (`STATEKEEP_URL=`, `${X:-}`). Words that people
//! type for others stand for those.

use std::ffi::OsString;

use clap::{Arg, Command, Parser};

use crate::cli::common::help;
use crate::cli::output;

/// What the arguments and the environment say, or why they make no sense.
pub(in crate::cli) fn parse<C: Parser>() -> Result<C, clap::Error> {
    let mut command = without_empty(help::complete(C::command()));
    let words = words(std::env::args_os().collect());
    if wants_json(&words) {
        output::tell_errors_as_json();
    }
    let mut matches = command.try_get_matches_from_mut(words)?;
    C::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Whether the command line is for this command, also one that makes no sense.
pub(in crate::cli) fn is_for(command: &str) -> bool {
    let mut words = std::env::args_os().skip(1);
    let first = words.find(|word| !BEFORE.iter().any(|flag| word == *flag));
    first.is_some_and(|first| first == command)
}

/// The words that people type for a command, each with the command.
pub(in crate::cli) const SHORT: [(&str, [&str; 2]); 3] = [
    ("ls", ["state", "list"]),
    ("log", ["state", "history"]),
    ("lock", ["state", "show"]),
];
/// The flags that may stand before a command.
const BEFORE: [&str; 4] = ["-q", "--quiet", "-v", "--verbose"];
const JSON: &str = "--json";
const FORMAT_JSON: &str = "--format=json";

/// The command line with what its short words stand for. What follows `--` is another program's.
fn words(given: Vec<OsString>) -> Vec<OsString> {
    let mut words = Vec::with_capacity(given.len() + 1);
    let (mut is_ours, mut is_command) = (true, false);
    for word in given {
        is_ours &= word != "--";
        let short = SHORT.iter().find(|(short, _)| is_command && word == *short);
        // The first word is the program.
        is_command = words.is_empty() || (is_command && BEFORE.iter().any(|flag| word == *flag));
        match short {
            Some((_, command)) => words.extend(command.map(OsString::from)),
            None if is_ours && word == JSON => words.push(FORMAT_JSON.into()),
            None => words.push(word),
        }
    }
    words
}

/// Whether JSON is asked for, also by a command line that makes no sense.
fn wants_json(words: &[OsString]) -> bool {
    let ours: Vec<&OsString> = words.iter().take_while(|word| *word != "--").collect();
    let is_json =
        |pair: &[&OsString]| (pair[0] == "--format" || pair[0] == "-o") && pair[1] == "json";
    let in_one_word = |word: &&OsString| {
        [FORMAT_JSON, "-ojson", "-o=json"]
            .iter()
            .any(|json| *word == json)
    };
    ours.iter().any(in_one_word) || ours.windows(2).any(is_json)
}

/// The same command without variables that are set to nothing.
pub(in crate::cli) fn without_empty(command: Command) -> Command {
    command
        .mut_args(forget_empty)
        .mut_subcommands(without_empty)
}

fn forget_empty(arg: Arg) -> Arg {
    let is_empty = arg
        .get_env()
        .and_then(std::env::var_os)
        .is_some_and(|value| value.is_empty());
    if is_empty {
        arg.env(None::<&'static str>)
    } else {
        arg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_stand_for_others_and_only_where_they_are_ours() {
        let read = |text: &str| {
            let given = text.split(' ').map(OsString::from).collect();
            let words = words(given);
            let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            (text.join(" "), wants_json(&words))
        };
        for (given, wanted, json) in [
            (
                "statekeep ls --json",
                "statekeep state list --format=json",
                true,
            ),
            ("statekeep log a/b", "statekeep state history a/b", false),
            ("statekeep lock a/b", "statekeep state show a/b", false),
            ("statekeep -q ls", "statekeep -q state list", false),
            (
                "statekeep -v --quiet log a/b",
                "statekeep -v --quiet state history a/b",
                false,
            ),
            ("statekeep key ls", "statekeep key ls", false),
            ("statekeep find lock", "statekeep find lock", false),
            (
                "statekeep detect --format json",
                "statekeep detect --format json",
                true,
            ),
            (
                "statekeep run -- x --json",
                "statekeep run -- x --json",
                false,
            ),
            ("statekeep ls -o json", "statekeep state list -o json", true),
            ("statekeep detect -ojson", "statekeep detect -ojson", true),
            (
                "statekeep detect -o text",
                "statekeep detect -o text",
                false,
            ),
            (
                "statekeep detect --format text",
                "statekeep detect --format text",
                false,
            ),
        ] {
            assert_eq!(read(given), (wanted.to_owned(), json), "{given}");
        }
    }
}
