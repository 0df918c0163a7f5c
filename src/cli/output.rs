//! The only file that prints: data to stdout, messages to stderr, and what a failure's exit code
//! is.
//!
//! Texts of others reach a terminal here and nowhere else, and so they are made harmless here: what
//! a terminal acts on, what turns a line around and what cannot be seen is shown escaped. A cell, a
//! pair and a line stay one line. A message may have several, so what comes from others is made
//! harmless before it becomes part of one: [`text`] does it for values of answers.
mod counted;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::cli::common::age::{ago, rough};
use crate::config::wants_no_colour;
use crate::model::clock::{self, Timestamp};
use crate::model::printable::{Printable, printable_json};

pub(super) use counted::{counted, counted_in, size};

/// The longest answer to a question, in bytes; what follows is not read.
const MAX_ANSWER: u64 = 64;

/// The exit codes of a command that failed, and of one that makes no sense.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum CliError {
    /// It could not.
    Failed(String),
    /// It was asked for something that makes no sense.
    Usage(String),
    /// It could not, and a script may ask why.
    Known {
        /// For a person.
        message: String,
        /// For a script.
        reason: KnownReason,
    },
}

/// Why a command could not, as a script tells it from others.
#[derive(Clone, Debug)]
pub(super) struct KnownReason {
    /// The status of the server's answer, if there was one.
    pub(super) status: Option<u16>,
    /// The stable code of the problem.
    pub(super) code: String,
}

impl KnownReason {
    /// What a command names does not exist.
    pub(super) fn missing(code: &str) -> Self {
        Self {
            status: Some(404),
            code: code.to_owned(),
        }
    }

    /// An act would be refused for a reason with this code.
    pub(super) fn refused(code: &str) -> Self {
        Self {
            status: Some(if code == "locked" { 423 } else { 409 }),
            code: code.to_owned(),
        }
    }

    /// No server answered.
    pub(super) fn unreachable() -> Self {
        Self {
            status: None,
            code: "unreachable".to_owned(),
        }
    }

    /// The exit code for scripts that want to know more than that it failed.
    fn exit_code(&self) -> u8 {
        match (self.status, self.code.as_str()) {
            (_, "locked") => 6,
            (Some(404), _) => 5,
            (Some(401 | 403), _) => 7,
            (None, "unreachable") => 8,
            _ => FAILED,
        }
    }
}

impl CliError {
    /// It could not, because of this.
    pub(super) fn because(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Why, without which exit code that is.
    pub(super) fn into_message(self) -> String {
        match self {
            Self::Failed(message) | Self::Usage(message) | Self::Known { message, .. } => message,
        }
    }

    /// The same, and what follows from it.
    pub(super) fn and(self, consequence: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{message}\n{consequence}")),
            Self::Usage(message) => Self::Usage(format!("{message}\n{consequence}")),
            Self::Known { message, reason } => Self::Known {
                message: format!("{message}\n{consequence}"),
                reason,
            },
        }
    }

    /// Says why, and which exit code that is.
    pub(super) fn exit(self) -> ExitCode {
        let code = match self {
            Self::Failed(_) | Self::Known { .. } => FAILED,
            Self::Usage(_) => WRONG_USAGE,
        };
        self.exit_with(code)
    }

    /// The same with an exit code of its own for each of a few reasons.
    pub(super) fn exit_in_detail(self) -> ExitCode {
        match &self {
            Self::Known { reason, .. } => {
                let code = reason.exit_code();
                self.exit_with(code)
            }
            Self::Failed(_) | Self::Usage(_) => self.exit(),
        }
    }

    fn exit_with(self, code: u8) -> ExitCode {
        let reason = match &self {
            Self::Failed(_) => ("failed", None),
            Self::Usage(_) => ("usage", None),
            Self::Known { reason, .. } => (reason.code.as_str(), reason.status),
        };
        if ERRORS_AS_JSON.load(Ordering::Relaxed) {
            let problem = problem(reason, code, &self);
            message(&printable_json(&problem.to_string()));
        } else {
            message(&format!("statekeep: {}", self.into_message()));
        }
        ExitCode::from(code)
    }

    fn message(&self) -> &str {
        match self {
            Self::Failed(message) | Self::Usage(message) | Self::Known { message, .. } => message,
        }
    }
}

/// A failure as the server tells one (RFC 9457), with the exit code beside it.
fn problem((code, status): (&str, Option<u16>), exit_code: u8, failure: &CliError) -> Value {
    let mut problem = json!({
        "title": if exit_code == WRONG_USAGE { "Wrong usage" } else { "Failed" },
        "code": code, "detail": failure.message(), "exit_code": exit_code,
    });
    if let Some(status) = status {
        problem["status"] = json!(status);
    }
    problem
}

/// Has failures told as JSON from now on, for a script that has asked for JSON.
pub(super) fn tell_errors_as_json() {
    ERRORS_AS_JSON.store(true, Ordering::Relaxed);
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::because(error)
    }
}

/// Has fewer messages told from now on, or more.
pub(super) fn set_volume(is_quiet: bool, is_verbose: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
    IS_VERBOSE.store(is_verbose, Ordering::Relaxed);
}

/// Has no message told at all from now on: a shell asks, and not a person.
pub(super) fn say_nothing() {
    SAYS_NOTHING.store(true, Ordering::Relaxed);
}

/// Whether no message is told at all.
static SAYS_NOTHING: AtomicBool = AtomicBool::new(false);

/// Whether a person wants fewer messages.
pub(super) fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Whether a person wants more messages.
pub(super) fn is_verbose() -> bool {
    IS_VERBOSE.load(Ordering::Relaxed)
}

/// Whether no messages are wanted but warnings and errors.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Whether it is wanted to know what a command does on its way.
static IS_VERBOSE: AtomicBool = AtomicBool::new(false);

/// Whether failures are told as JSON.
static ERRORS_AS_JSON: AtomicBool = AtomicBool::new(false);

/// Set once stdout was found closed.
static READER_HAS_LEFT: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads any more what is printed.
pub(super) fn reader_has_left() -> bool {
    READER_HAS_LEFT.load(Ordering::Relaxed)
}

/// Prints data as it stands. A reader that has closed the pipe, as `head` does, has what it wanted.
/// That is no failure, and the exit code still says what the command found.
pub(super) fn bytes(data: &[u8]) -> Result<(), CliError> {
    printed_as_asked(put(data))
}

fn printed_as_asked(printed: io::Result<()>) -> Result<(), CliError> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_HAS_LEFT.store(true, Ordering::Relaxed);
            Ok(())
        }
        written => {
            written.map_err(|error| CliError::Failed(format!("cannot write to stdout: {error}")))
        }
    }
}

fn put(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush())
}

/// Prints a line with a secret. If it cannot be written, that is a failure, and `then` is what
/// follows from it.
pub(super) fn secret(text: &str, then: &str) -> Result<(), CliError> {
    put(format!("{}\n", printable_json(text)).as_bytes()).map_err(|error| {
        CliError::Failed(format!(
            "cannot write the secret to stdout: {error}; {then}"
        ))
    })
}

/// Prints one line of data.
pub(super) fn line(text: &str) -> Result<(), CliError> {
    plain_line(&harmless(text))
}

/// Prints lines whose cells were made harmless.
pub(super) fn lines(text: &str) -> Result<(), CliError> {
    bytes(text.as_bytes())
}

/// Prints a part of a JSON document; its end has the end of the line.
pub(super) fn json_part(text: &str) -> Result<(), CliError> {
    bytes(printable_json(text).as_bytes())
}

/// Prints a line that is harmless.
fn plain_line(text: &str) -> Result<(), CliError> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints what the API answered as a line of data, the same by meaning.
pub(super) fn answer(json: &[u8]) -> Result<(), CliError> {
    plain_line(&printable_json(&String::from_utf8_lossy(json)))
}

/// Prints the exact bytes of a state; to a terminal the same by meaning.
pub(super) fn state(json: &[u8]) -> Result<(), CliError> {
    if io::stdout().is_terminal() {
        return bytes(printable_json(&String::from_utf8_lossy(json)).as_bytes());
    }
    bytes(json)
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
    plain_line(&parts.iter().map(part).collect::<String>())
}

/// A text without what would act on a terminal, turn what stands there around or not be seen: such
/// characters are written as Terraform writes them.
pub(super) fn harmless(text: &str) -> String {
    Printable(text).to_string()
}

/// A path as it is told: a file's name may hold anything.
pub(super) trait ShownPath {
    /// Harmless to print, on one line.
    fn shown(&self) -> String;
}

impl ShownPath for Path {
    fn shown(&self) -> String {
        harmless(&self.display().to_string())
    }
}

/// What another program said, line by line, without what would act on the terminal.
pub(super) fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

/// Prints JSON as a line of data.
pub(super) fn json(value: &Value) -> Result<(), CliError> {
    plain_line(&printable_json(&value.to_string()))
}

/// Says something to the person who runs the command, with `--quiet` too: what needs a person, or
/// changes what the output means. If stderr is closed, the command goes on.
pub(super) fn message(text: &str) {
    if SAYS_NOTHING.load(Ordering::Relaxed) {
        return;
    }
    let _ = writeln!(io::stderr(), "{}", harmless_lines(text));
}

/// Says what was done, to the person who runs the command: nothing that needs them.
pub(super) fn note(text: &str) {
    if !is_quiet() {
        message(text);
    }
}

/// Says what a command does on its way, to a person who wants to know.
pub(super) fn detail(text: impl FnOnce() -> String) {
    if is_verbose() {
        message(&format!("statekeep: {}", harmless(&text())));
    }
}

/// Says why the command line makes no sense, and what follows from that if anything does; or prints
/// the help that was asked for. Arguments may come from others too, as the name of a branch does on
/// a build server.
pub(super) fn wrong_usage(error: &clap::Error, then: Option<&str>) -> ExitCode {
    let plain = error.render().to_string();
    if error.use_stderr() && ERRORS_AS_JSON.load(Ordering::Relaxed) {
        let wrong = CliError::Usage(plain.trim_end().to_owned());
        return match then {
            Some(then) => wrong.and(then).exit(),
            None => wrong.exit(),
        };
    }
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| io::stdout().flush());
        return printed_as_asked(printed).map_or_else(CliError::exit, |()| ExitCode::SUCCESS);
    }
    if plain.lines().all(|line| harmless(line) == line) {
        let _ = error.print();
    } else {
        message(plain.trim_end());
    }
    then.into_iter().for_each(message);
    ExitCode::from(WRONG_USAGE)
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
    shown(&format!("{} [y/N] ", harmless_lines(question)));
    let mut answer = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Puts a question whose answer begins on the same line.
pub(super) fn prompt(question: &str) {
    shown(&harmless(question));
}

/// Puts a text on stderr that no end of a line follows. If stderr is closed or full, the command
/// goes on.
fn shown(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Says on a terminal how far something is, in place of the message before. An empty text clears
/// it.
pub(super) fn progress(text: &str) {
    if is_quiet() {
        return;
    }
    shown(&format!("\r\x1b[2K{}", harmless(text)));
}

/// Prints names and values, one pair a line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> Result<(), CliError> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs
        .iter()
        .try_for_each(|(name, value)| line(&format!("{name:width$}  {value}")))
}

/// A value of an answer as text, harmless to print; `-` for what is null, empty or missing.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => harmless(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            harmless(&value.to_string())
        }
    }
}

/// A time of an answer, to the second.
pub(super) fn time(value: &Value) -> String {
    let full = text(value);
    full.split_once('.')
        .map_or(full.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// A time of an answer as a table shows it: how long ago on a terminal, the time in a pipe.
pub(super) fn when(value: &Value) -> String {
    let at = value.as_str().and_then(Timestamp::parse);
    match at.filter(|_| io::stdout().is_terminal()) {
        Some(at) => ago(at, clock::now()),
        None => time(value),
    }
}

/// A time of an answer where there is room for it: on a terminal also how long ago it is.
pub(super) fn moment(value: &Value) -> String {
    let at = value.as_str().and_then(Timestamp::parse);
    match at.filter(|_| io::stdout().is_terminal()) {
        Some(at) if at > clock::now() => {
            format!("{} (in {})", time(value), rough(at.since(clock::now())))
        }
        Some(at) => format!("{} ({})", time(value), ago(at, clock::now())),
        None => time(value),
    }
}
