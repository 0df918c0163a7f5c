//! The only file that prints: data to stdout, messages to stderr, and what a failure's exit code
//! is.
#![expect(clippy::print_stderr, reason = "the one place for messages")]

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use crate::config::wants_no_colour;
use crate::model::printable::Printable;

/// The longest answer to a question, in bytes; what follows is not read.
const MAX_ANSWER: u64 = 64;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum CliError {
    /// It could not.
    Failed(String),
    /// It was asked for something that makes no sense.
    Usage(String),
}

impl CliError {
    /// It could not, because of this.
    pub(super) fn because(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Why, without which exit code that is.
    pub(super) fn into_message(self) -> String {
        match self {
            Self::Failed(message) | Self::Usage(message) => message,
        }
    }

    /// The same, and what follows from it.
    pub(super) fn and(self, consequence: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{message}\n{consequence}")),
            Self::Usage(message) => Self::Usage(format!("{message}\n{consequence}")),
        }
    }

    /// Says why, and which exit code that is.
    pub(super) fn exit(self) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
        };
        self::message(&format!("statekeep: {message}"));
        ExitCode::from(code)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::because(error)
    }
}

/// Prints data as it stands. A reader that has closed the pipe, as `head` does, has what it wanted.
/// That is no failure, and the exit code still says what the command found.
pub(super) fn bytes(data: &[u8]) -> Result<(), CliError> {
    match put(data) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.map_err(|error| CliError::Failed(format!("cannot write to stdout: {error}")))
        }
    }
}

fn put(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush())
}

/// Prints a line with a secret that is shown this once. If it cannot be written, it is lost, and
/// that is a failure.
pub(super) fn once(text: &str) -> Result<(), CliError> {
    put(format!("{text}\n").as_bytes()).map_err(|error| {
        CliError::Failed(format!(
            "cannot write the secret to stdout: {error}; it is shown nowhere \
            again, so rotate or revoke the key"
        ))
    })
}

/// Prints one line of data.
pub(super) fn line(text: &str) -> Result<(), CliError> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints what the API answered, as it stands, as a line of data.
pub(super) fn answer(json: &[u8]) -> Result<(), CliError> {
    bytes(&[json, b"\n"].concat())
}

/// What a part of a line means, and so how it is painted on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Good,
    Bad,
    Warn,
    Other,
}

impl Tone {
    /// As terminals know it.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warn => "33",
            Self::Other => "36",
        }
    }
}

/// Prints one line of data in parts, in colour on a terminal whose owner does not mind. What states
/// hold cannot act on the terminal.
pub(super) fn toned(parts: &[(Tone, String)]) -> Result<(), CliError> {
    let in_colour = io::stdout().is_terminal() && !wants_no_colour();
    let part = |(tone, text): &(Tone, String)| {
        let text = harmless(text);
        if in_colour && *tone != Tone::Plain {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text
        }
    };
    line(&parts.iter().map(part).collect::<String>())
}

/// A text without what would act on a terminal, turn what stands there around or not be seen: such
/// characters are written as Terraform writes them.
pub(super) fn harmless(text: &str) -> String {
    Printable(text).to_string()
}

/// What another program said, line by line, without what would act on the terminal.
pub(super) fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

/// Prints JSON as a line of data.
pub(super) fn json(value: &Value) -> Result<(), CliError> {
    line(&value.to_string())
}

/// Says something to the person who runs the command. If stderr is closed, the command goes on.
pub(super) fn message(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Shows the output of a program that the person has started, as the program wrote it.
pub(super) fn said(bytes: &[u8]) {
    let _ = io::stderr().write_all(bytes);
}

/// Whether a person can be asked: the question goes to stderr, and the answer comes from stdin.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks the person who runs the command; only `y` and `yes` are a yes.
pub(super) fn ask(question: &str) -> Result<bool, CliError> {
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Says on a terminal how far something is, in place of the message before. An empty text clears
/// it.
pub(super) fn progress(text: &str) {
    eprint!("\r\x1b[2K{text}");
    let _ = io::stderr().flush();
}

/// Prints a table; cut to no width, so that it can be searched.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    for text in table.lines() {
        line(text.trim_end())?;
    }
    Ok(())
}

/// Prints names and values, one pair a line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> Result<(), CliError> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs
        .iter()
        .try_for_each(|(name, value)| line(&format!("{name:width$}  {value}")))
}

/// A value of an answer as text; `-` for what is null, empty or missing.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A time of an answer, to the second.
pub(super) fn time(value: &Value) -> String {
    let full = text(value);
    full.split_once('.')
        .map_or(full.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// So many of something, as people write it: `1 state`, `2 states`.
pub(super) fn counted<N: Copy + PartialEq + From<u8> + std::fmt::Display>(
    count: N,
    what: &str,
) -> String {
    if count == N::from(1) {
        format!("{count} {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// A number of an answer with what is counted; `-` if it is not told.
pub(super) fn counted_in(value: &Value, what: &str) -> String {
    value
        .as_u64()
        .map_or_else(|| format!("- {what}s"), |count| counted(count, what))
}

/// A size of an answer, as people read it.
pub(super) fn size(value: &Value) -> String {
    value.as_u64().map_or_else(
        || "-".to_owned(),
        |bytes| bytesize::ByteSize::b(bytes).display().iec().to_string(),
    )
}
