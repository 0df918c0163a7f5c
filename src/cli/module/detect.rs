//! `statekeep detect`: says whether a root module says itself where its state goes. It reads files
//! and nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::common::flags::Format;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;
use crate::hcl::{self, Answer, Ask, Detection, FoundBlock, Program};

/// What every command that looks at a root module takes.
#[derive(Args)]
pub(in crate::cli) struct RootModule {
    /// The root module's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// The program that loads the module; without it, both have to come to the same answer
    #[arg(long, value_enum)]
    program: Option<ProgramArg>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) too
    #[arg(long)]
    pub(in crate::cli) include_json: bool,
}

/// A program, as a person names it.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum ProgramArg {
    Terraform,
    Tofu,
}

impl From<ProgramArg> for Program {
    fn from(asked: ProgramArg) -> Self {
        match asked {
            ProgramArg::Terraform => Self::Terraform,
            ProgramArg::Tofu => Self::Tofu,
        }
    }
}

impl From<Program> for ProgramArg {
    fn from(program: Program) -> Self {
        match program {
            Program::Terraform => Self::Terraform,
            Program::Tofu => Self::Tofu,
        }
    }
}

impl RootModule {
    /// The root module in a directory, without flags of its own.
    pub(in crate::cli) fn at(dir: &Path, program: Option<ProgramArg>, include_json: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            program,
            include_json,
        }
    }

    pub(in crate::cli) fn ask(&self) -> Ask {
        Ask {
            program: self.program.map(Program::from),
            include_json: self.include_json,
        }
    }

    /// Refuses a directory that is none.
    pub(in crate::cli) fn exists(&self) -> Result<(), CliError> {
        if self.dir.is_dir() {
            Ok(())
        } else {
            Err(CliError::Usage(format!(
                "{}: there is no such directory",
                self.dir.shown()
            )))
        }
    }

    /// Looks at the module, as if one file were not there.
    pub(in crate::cli) fn look(&self, without: Option<&str>) -> Result<Detection, CliError> {
        self.exists()?;
        let dir = &self.dir;
        hcl::scan_without(dir, self.ask(), without)
            .map_err(|error| CliError::Failed(format!("{}: {error}", dir.shown())))
    }
}

#[derive(Args)]
pub(in crate::cli) struct DetectArgs {
    #[command(flatten)]
    module: RootModule,
    /// How to print the answer
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs it; the exit code is the answer.
pub(in crate::cli) fn run(args: &DetectArgs) -> Result<ExitCode, CliError> {
    let detection = args.module.look(None)?;
    match args.format {
        Format::Json => output::json(&json!(detection))?,
        Format::Text => lines(&args.module.dir, &detection)
            .iter()
            .try_for_each(|line| output::line(line))?,
    }
    Ok(ExitCode::from(match detection.answer {
        Answer::Configured => 0,
        Answer::None => 3,
        Answer::Undecided => 4,
    }))
}

/// The answer for people.
pub(in crate::cli) fn lines(dir: &Path, detection: &Detection) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if detection.answer == Answer::None {
        lines.push(format!("{}: no state storage is configured", shown(dir)));
    }
    let doubts = detection.undecided.iter().map(|doubt| {
        let place = doubt
            .file
            .as_deref()
            .map_or_else(|| shown(dir), |file| in_dir(dir, file));
        let line = doubt
            .line
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        format!(
            "{place}:{line} undecided: {}",
            output::harmless(&doubt.reason)
        )
    });
    lines.extend(doubts);
    lines.extend(
        detection
            .found
            .iter()
            .map(|found| format!("{}: {}", place(dir, found), block(found))),
    );
    let json = detection.not_examined.iter();
    lines.extend(json.map(|file| {
        format!(
            "{}: not examined (JSON; --include-json examines it)",
            in_dir(dir, file)
        )
    }));
    if detection.truncated {
        lines.push(format!(
            "… and more: at most {} of a kind are told",
            hcl::MAX_TOLD
        ));
    }
    lines
}

/// `main.tf:3`.
pub(in crate::cli) fn place(dir: &Path, found: &FoundBlock) -> String {
    format!("{}:{}", in_dir(dir, &found.file), found.line)
}

/// `backend "http"`.
pub(in crate::cli) fn block(found: &FoundBlock) -> String {
    let label = found
        .label
        .as_ref()
        .map(|label| format!(" \"{}\"", output::harmless(label)));
    format!("{}{}", found.kind.name(), label.unwrap_or_default())
}

/// A file as it is reached from the directory of the command.
pub(in crate::cli) fn in_dir(dir: &Path, file: &str) -> String {
    if dir == Path::new(".") {
        output::harmless(file)
    } else {
        shown(&dir.join(file))
    }
}

/// A path, harmless to print.
pub(in crate::cli) fn shown(path: &Path) -> String {
    output::harmless(&path.display().to_string())
}
