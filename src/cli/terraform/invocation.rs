//! A wrapped command line, read as the program reads it: the options before the subcommand, the
//! subcommand, and what the environment adds.
//!
//! `-chdir`, `TF_DATA_DIR`, `TF_WORKSPACE` and `TF_CLI_ARGS…` count as they count for the program;
//! what cannot be read is refused, not guessed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::terraform::reading::read_at_most;
use crate::cli::terraform::shellwords;
use crate::hcl::Program;

/// Where the program keeps what it has recorded, unless it is `.terraform` in the root module.
pub(super) const DATA_DIR: &str = "TF_DATA_DIR";
/// Which workspace of the program the command is about.
pub(super) const WORKSPACE: &str = "TF_WORKSPACE";
const ARGUMENTS: &str = "TF_CLI_ARGS";
const DEFAULT_DATA_DIR: &str = ".terraform";
/// The workspace of the program that is always there.
pub(in crate::cli) const DEFAULT_WORKSPACE: &str = "default";
/// Subcommands that never look at a backend.
const WITHOUT_BACKEND: [&str; 6] = ["version", "fmt", "login", "logout", "metadata", "help"];
/// A program that is known by its name, beside the two.
pub(in crate::cli) const TERRAGRUNT: &str = "terragrunt";
/// Variables of ours, which no program that we start gets to see.
const OURS: &str = "STATEKEEP_";
/// Longer files than this name no workspace, in bytes.
const MAX_NAME: u64 = 4 * 1024;

/// A wrapped command line.
pub(in crate::cli) struct Invocation {
    words: Vec<OsString>,
    /// How many of the words come before the subcommand.
    front: usize,
    dir: PathBuf,
    root: PathBuf,
    environment: Environment,
}

/// What the environment says.
#[derive(Clone, Default)]
struct Environment {
    data_dir: Option<OsString>,
    workspace: Option<String>,
    /// Of every subcommand, of this one, and of `init`.
    arguments: [Vec<String>; 3],
}

impl Invocation {
    /// Reads a command line that is to run in a directory.
    pub(in crate::cli) fn read(words: &[OsString], dir: &Path) -> Result<Self, CliError> {
        let Some((_, rest)) = words.split_first() else {
            return Err(CliError::Usage(
                "give the command after `--`, as in `-- terraform apply`".to_owned(),
            ));
        };
        let is_option = |word: &&OsString| word.as_encoded_bytes().starts_with(b"-");
        let options = rest.iter().take_while(is_option).count();
        let root = root(&rest[..options], dir)?;
        let mut behind = rest[options..].iter().map(|word| word.to_str());
        let (subcommand, next) = (behind.next().flatten(), behind.next().flatten());
        Ok(Self {
            words: words.to_vec(),
            front: 1 + options,
            dir: dir.to_owned(),
            root,
            environment: Environment::read(subcommand, next)?,
        })
    }

    /// The program's name, harmless to print.
    pub(in crate::cli) fn shown(&self) -> String {
        output::harmless(&self.words[0].to_string_lossy())
    }

    /// Which of the two it is, by its file's name.
    pub(in crate::cli) fn program(&self) -> Option<Program> {
        match () {
            () if self.is_called("terraform") => Some(Program::Terraform),
            () if self.is_called("tofu") || self.is_called("opentofu") => Some(Program::Tofu),
            () => None,
        }
    }

    /// Whether its file has this name, perhaps with a version behind it.
    pub(in crate::cli) fn is_called(&self, name: &str) -> bool {
        let file = Path::new(&self.words[0]).file_name();
        let file = file.and_then(OsStr::to_str).unwrap_or_default();
        let file = file.to_ascii_lowercase();
        let rest = file.strip_prefix(name);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphabetic()))
    }

    /// The root module's directory.
    pub(in crate::cli) fn root(&self) -> &Path {
        &self.root
    }

    /// The subcommand, if there is one.
    pub(in crate::cli) fn subcommand(&self) -> Option<&str> {
        self.words.get(self.front).and_then(|word| word.to_str())
    }

    /// Whether the command looks at a backend at all. What is help for the programs that are known
    /// may be anything for another: `deploy.sh apply -v` says more, and applies.
    pub(in crate::cli) fn needs_backend(&self) -> bool {
        let is_help = |word: &str| {
            matches!(word.trim_start_matches('-'), "help" | "h" | "version" | "v")
                && word.starts_with('-')
        };
        let is_known = self.program().is_some() || self.is_called(TERRAGRUNT);
        let mut words = self.words[1..].iter().filter_map(|word| word.to_str());
        let asks_for_help = is_known && words.any(is_help);
        !asks_for_help
            && self
                .subcommand()
                .is_some_and(|subcommand| !WITHOUT_BACKEND.contains(&subcommand))
    }

    /// The arguments of the subcommand: those on the command line, and those that the environment
    /// adds.
    pub(in crate::cli) fn arguments(&self) -> impl Iterator<Item = &str> {
        let [all, own, _] = &self.environment.arguments;
        let given = self
            .words
            .iter()
            .skip(self.front + 1)
            .filter_map(|word| word.to_str());
        own.iter().chain(all).map(String::as_str).chain(given)
    }

    /// The word behind the subcommand, if that is no option.
    pub(super) fn below(&self) -> Option<&str> {
        self.words
            .get(self.front + 1)
            .and_then(|word| word.to_str())
            .filter(|word| !word.starts_with('-'))
    }

    /// The arguments that the environment adds to `init`. Those of every subcommand come behind its
    /// own, and so hold.
    pub(in crate::cli) fn arguments_of_init(&self) -> impl Iterator<Item = &str> {
        let [all, _, init] = &self.environment.arguments;
        init.iter().chain(all).map(String::as_str)
    }

    /// What the wrapped command, if it is `init`, says of the backend's settings; another `init`
    /// before it needs them as well.
    pub(super) fn for_init(&self) -> Vec<&str> {
        if self.subcommand() != Some("init") {
            return Vec::new();
        }
        let mut settings = Vec::new();
        let mut words = self
            .words
            .iter()
            .skip(self.front + 1)
            .filter_map(|word| word.to_str());
        while let Some(word) = words.next() {
            match word.trim_start_matches('-') {
                name if !word.starts_with('-') || !name.starts_with("backend-config") => {}
                "backend-config" => {
                    settings.extend([Some(word), words.next()].into_iter().flatten());
                }
                _ => settings.push(word),
            }
        }
        settings
    }

    /// The values of `-backend-config` that reach the backend: on the command line of `init`, or in
    /// its environment. Later ones hold.
    pub(in crate::cli) fn backend_settings(&self) -> Vec<String> {
        let mut settings = Vec::new();
        let mut words = self.arguments_of_init().chain(self.for_init());
        while let Some(word) = words.next() {
            match word.trim_start_matches('-').strip_prefix("backend-config") {
                Some("") => settings.extend(words.next().map(str::to_owned)),
                Some(value) if word.starts_with('-') => {
                    settings.extend(value.strip_prefix('=').map(str::to_owned));
                }
                Some(_) | None => {}
            }
        }
        settings
    }

    /// Where the program keeps what it has recorded.
    pub(in crate::cli) fn data_dir(&self) -> PathBuf {
        self.root.join(
            self.environment
                .data_dir
                .as_deref()
                .unwrap_or(OsStr::new(DEFAULT_DATA_DIR)),
        )
    }

    /// The workspace of the program that the command is about.
    pub(in crate::cli) fn workspace(&self) -> Result<String, CliError> {
        if let Some(named) = &self.environment.workspace {
            return Ok(named.clone());
        }
        let path = self.data_dir().join("environment");
        match read_at_most(&path, MAX_NAME) {
            Ok(Some(bytes)) => {
                let name = String::from_utf8_lossy(&bytes).trim().to_owned();
                Ok(if name.is_empty() {
                    DEFAULT_WORKSPACE.to_owned()
                } else {
                    name
                })
            }
            Ok(None) => Ok(DEFAULT_WORKSPACE.to_owned()),
            Err(error) => Err(CliError::Failed(format!(
                "{}: {error}",
                output::harmless(&path.display().to_string())
            ))),
        }
    }

    /// The command as it was given, ready to start; without our own variables.
    pub(in crate::cli) fn wrapped(&self) -> Command {
        let mut command = self.command();
        command.args(&self.words[self.front..]);
        command
    }

    /// The program with the options that come before a subcommand.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..self.front])
            .current_dir(&self.dir);
        for (name, _) in std::env::vars_os()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(OURS.as_bytes()))
        {
            command.env_remove(name);
        }
        command
    }
}

/// Takes away what the environment would add to the arguments of a command that the user did not
/// write.
pub(super) fn without_arguments(command: &mut Command) {
    for (name, _) in std::env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(ARGUMENTS.as_bytes()))
    {
        command.env_remove(name);
    }
}

/// The root module's directory: by the last `-chdir`, else the one that the command runs in.
fn root(options: &[OsString], dir: &Path) -> Result<PathBuf, CliError> {
    let usage = |why: &str| CliError::Usage(why.to_owned());
    let mut root = dir.to_owned();
    for option in options {
        let option = option.to_str();
        let option = option.ok_or_else(|| usage("an option of the command is not UTF-8"))?;
        let Some(value) = option.trim_start_matches('-').strip_prefix("chdir") else {
            continue;
        };
        let value = value.strip_prefix('=').filter(|value| !value.is_empty());
        root = dir.join(value.ok_or_else(|| usage("-chdir is written -chdir=DIR"))?);
    }
    if root.is_dir() {
        return Ok(root);
    }
    let shown = output::harmless(&root.display().to_string());
    Err(CliError::Usage(format!(
        "{shown}: there is no such directory"
    )))
}

impl Environment {
    fn read(subcommand: Option<&str>, next: Option<&str>) -> Result<Self, CliError> {
        let next = next.filter(|next| !next.starts_with('-'));
        let own = match (subcommand, next) {
            (Some(subcommand @ ("state" | "workspace" | "providers")), Some(next)) => {
                arguments_of(&format!("{subcommand} {next}"))?
            }
            (Some(subcommand), _) => arguments_of(subcommand)?,
            (None, _) => Vec::new(),
        };
        Ok(Self {
            data_dir: set(DATA_DIR),
            workspace: text(WORKSPACE)?,
            arguments: [all_words(ARGUMENTS)?, own, arguments_of("init")?],
        })
    }
}

/// A variable; one that is set to nothing is not set.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Result<Option<String>, CliError> {
    let not_text = |_| CliError::Usage(format!("{name} is not UTF-8"));
    let value = set(name).map(|value| value.into_string().map_err(not_text));
    value.transpose()
}

fn all_words(name: &str) -> Result<Vec<String>, CliError> {
    let value = text(name)?.unwrap_or_default();
    shellwords::split(&value).ok_or_else(|| {
        CliError::Usage(format!(
            "{name} has a quote or a bracket that does not end, so neither program accepts it"
        ))
    })
}

/// The arguments that a variable of its own adds to a subcommand.
fn arguments_of(subcommand: &str) -> Result<Vec<String>, CliError> {
    let subcommand = subcommand.replace(['-', ' '], "_");
    all_words(&format!("{ARGUMENTS}_{subcommand}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Invocation::read(&words, Path::new("/")).unwrap_or_else(|why| panic!("{line}: {why:?}"))
    }

    #[test]
    fn the_program_is_known_by_its_name() {
        for (name, program) in [
            ("terraform", Some(Program::Terraform)),
            ("/opt/terraform-1.11.4", Some(Program::Terraform)),
            ("tofu", Some(Program::Tofu)),
            ("./tofu_1.12", Some(Program::Tofu)),
            ("opentofu", Some(Program::Tofu)),
            ("terraformer", None),
            ("tofurkey", None),
            ("make", None),
        ] {
            assert_eq!(read(&format!("{name} apply")).program(), program, "{name}");
        }
    }

    #[test]
    fn options_before_the_subcommand_are_told_from_those_behind_it() {
        let invocation = read("terraform -chdir=usr apply -chdir=elsewhere -auto-approve");
        assert_eq!(
            (invocation.root(), invocation.subcommand()),
            (Path::new("/usr"), Some("apply"))
        );
        assert_eq!(
            invocation.arguments().collect::<Vec<_>>(),
            ["-chdir=elsewhere", "-auto-approve"]
        );
        let other: Vec<_> = invocation
            .call(
                &["state", "pull"],
                &crate::cli::terraform::calls::Using::default(),
            )
            .get_args()
            .map(OsStr::to_owned)
            .collect();
        assert_eq!(other, ["-chdir=usr", "state", "pull"]);
    }

    #[test]
    fn what_needs_no_backend_is_known() {
        for line in [
            "tofu",
            "tofu -version",
            "tofu --version",
            "tofu version",
            "tofu fmt -check",
            "tofu apply -help",
            "tofu -help plan",
            "terragrunt-0.99 run --all --help",
        ] {
            assert!(!read(line).needs_backend(), "{line}");
        }
        for line in [
            "tofu init",
            "tofu plan -var v=help",
            "tofu -chdir=usr apply",
            "tofu state list",
            "deploy.sh apply -v",
            "deploy.sh apply --version 7",
            "terraformer apply -h",
        ] {
            assert!(read(line).needs_backend(), "{line}");
        }
    }

    #[test]
    fn settings_of_the_backend_are_found() {
        let invocation =
            read("tofu init -upgrade -backend-config=a=1 --backend-config b=2 -reconfigure");
        assert_eq!(
            invocation.for_init(),
            ["-backend-config=a=1", "--backend-config", "b=2"]
        );
        assert_eq!(invocation.backend_settings(), ["a=1", "b=2"]);
        assert!(
            read("tofu apply -backend-config=a=1")
                .backend_settings()
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for line in [
            "tofu -chdir usr apply",
            "tofu -chdir= apply",
            "tofu -chdir=usr/no-such-directory apply",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(
                matches!(
                    Invocation::read(&words, Path::new("/")),
                    Err(CliError::Usage(_))
                ),
                "{line}"
            );
        }
        assert!(matches!(
            Invocation::read(&[], Path::new("/")),
            Err(CliError::Usage(_))
        ));
    }
}
