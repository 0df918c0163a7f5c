//! What a wrapped command does with a state, as far as its words tell.

use crate::cli::terraform::invocation::Invocation;

/// What a command does with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Act {
    /// It may write it.
    Writes,
    /// It shows it, or what would become of it. An unknown command counts as this.
    Looks,
    /// It needs none.
    NeedsNone,
}

/// Subcommands that may write a state.
const WRITE: [&str; 6] = ["apply", "destroy", "import", "refresh", "taint", "untaint"];
/// Those below `state` that do.
const WRITE_BELOW_STATE: [&str; 6] = ["mv", "move", "rm", "remove", "push", "replace-provider"];
/// Subcommands that need no state, or only look whether one is there.
const NEED_NONE: [&str; 10] = [
    "init",
    "validate",
    "get",
    "graph",
    "providers",
    "test",
    "workspace",
    "force-unlock",
    "modules",
    "install-autocomplete",
];

impl Invocation {
    /// What the command does.
    pub(in crate::cli) fn act(&self) -> Act {
        match self.subcommand() {
            None => Act::NeedsNone,
            Some("state") => match self.below() {
                Some(below) if WRITE_BELOW_STATE.contains(&below) => Act::Writes,
                Some(_) => Act::Looks,
                None => Act::NeedsNone,
            },
            Some(subcommand) if WRITE.contains(&subcommand) => Act::Writes,
            Some(subcommand) if NEED_NONE.contains(&subcommand) || !self.needs_backend() => {
                Act::NeedsNone
            }
            Some(_) => Act::Looks,
        }
    }

    /// Whether the command may run if the program would load no file but ours: it destroys
    /// because that was asked for, or only looks at, or releases, what is stored. Any other would
    /// take the empty folder for all that is wanted.
    pub(in crate::cli) fn needs_no_configuration(&self) -> bool {
        match self.subcommand() {
            Some("destroy" | "state" | "output" | "show" | "force-unlock") => true,
            // Without our file both programs go on with these as well, and say so.
            Some("apply" | "plan") => self.has_flag("destroy"),
            Some(_) | None => false,
        }
    }

    /// The subcommand with what is below it, as `state mv`.
    pub(in crate::cli) fn command_words(&self) -> String {
        let subcommand = self.subcommand().unwrap_or_default();
        match self
            .below()
            .filter(|_| matches!(subcommand, "state" | "workspace" | "providers"))
        {
            Some(below) => format!("{subcommand} {below}"),
            None => subcommand.to_owned(),
        }
    }

    /// Whether a flag is set that is a yes or a no; the last one holds.
    pub(in crate::cli) fn has_flag(&self, name: &str) -> bool {
        let flags = self
            .arguments()
            .take_while(|word| *word != "--")
            .filter_map(|word| {
                let word = word.strip_prefix('-')?;
                let word = word.strip_prefix('-').unwrap_or(word);
                match word.strip_prefix(name)? {
                    "" => Some(true),
                    value => value.strip_prefix('=').map(is_true),
                }
            });
        flags.last().unwrap_or(false)
    }
}

/// As Go reads the value of a flag.
pub(in crate::cli) fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;

    fn read(line: &str) -> Invocation {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Invocation::read(&words, Path::new("/")).unwrap_or_else(|why| panic!("{line}: {why:?}"))
    }

    #[test]
    fn what_a_command_does_is_known_by_its_words() {
        for (act, lines) in [
            (
                Act::Writes,
                &[
                    "apply",
                    "apply plan.bin",
                    "destroy",
                    "import a b",
                    "refresh",
                    "taint a",
                    "untaint a",
                    "state mv a b",
                    "state rm a",
                    "state push x",
                    "state replace-provider a b",
                ][..],
            ),
            (
                Act::Looks,
                &[
                    "plan",
                    "show",
                    "output",
                    "console",
                    "state list",
                    "state show a",
                    "state pull",
                    "query",
                    "whatever",
                ],
            ),
            (
                Act::NeedsNone,
                &[
                    "init",
                    "validate",
                    "fmt",
                    "get",
                    "graph",
                    "providers",
                    "providers lock",
                    "test",
                    "workspace list",
                    "version",
                    "-version",
                ],
            ),
        ] {
            for line in lines {
                assert_eq!(read(&format!("tofu {line}")).act(), act, "{line}");
            }
        }
    }

    #[test]
    fn only_what_destroys_by_its_words_or_changes_no_infrastructure_needs_no_configuration() {
        for line in [
            "destroy",
            "apply -destroy",
            "apply -auto-approve --destroy=true",
            "plan -destroy",
            "state rm a",
            "state list",
            "output",
            "show",
            "force-unlock x",
        ] {
            assert!(
                read(&format!("tofu {line}")).needs_no_configuration(),
                "{line}"
            );
        }
        for line in [
            "apply",
            "apply -destroy=false",
            "apply -destroy -destroy=false",
            "plan",
            "plan -- -destroy",
            "refresh",
            "init",
            "import a b",
            "console",
            "taint a",
            "validate",
        ] {
            assert!(
                !read(&format!("tofu {line}")).needs_no_configuration(),
                "{line}"
            );
        }
    }
}
