//! The library's judgement: a small program in Go, asked through its pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::skip;

/// What `tests/setup` builds.
const PROGRAM: &str = "statekeep-hcl-oracle";
/// So many files are on their way at a time.
const BATCH: usize = 2_000;

/// What is found in a module, or why it cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Undecided(String),
    /// Kind, label, line, column.
    Found(Vec<(String, Option<String>, usize, usize)>),
}

impl Verdict {
    /// Reasons differ; that there is one does not.
    pub fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Undecided(_), Self::Undecided(_))) || self == other
    }
}

/// What the library says of a file.
#[derive(Deserialize)]
pub struct Answer {
    pub parses: bool,
    why: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    is: String,
    name: String,
    labels: Vec<String>,
    line: usize,
    column: usize,
}

impl Answer {
    /// The same in the words of `detect`, by the rules that both programs have for a `terraform`
    /// block.
    pub fn verdict(&self) -> Verdict {
        if !self.parses {
            return Verdict::Undecided(self.why.clone());
        }
        let mut found = Vec::new();
        for item in &self.items {
            let labels = match (item.is.as_str(), item.name.as_str()) {
                ("settings", _) | ("block", "cloud") => 0,
                ("block", "backend" | "state_store") => 1,
                ("argument", "backend" | "state_store" | "cloud") => {
                    return Verdict::Undecided(format!("line {}", item.line));
                }
                _ => continue,
            };
            if item.labels.len() != labels {
                return Verdict::Undecided(format!("labels in line {}", item.line));
            }
            if item.is == "block" {
                found.push((
                    item.name.clone(),
                    item.labels.first().cloned(),
                    item.line,
                    item.column,
                ));
            }
        }
        Verdict::Found(found)
    }
}

/// The running program.
pub struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it; none (after saying so) where it cannot be had.
    pub fn start() -> Option<Self> {
        let program = built()?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (input, output) = (
            child.stdin.take().expect("a pipe"),
            child.stdout.take().expect("a pipe"),
        );
        Some(Self {
            child,
            input: Some(input),
            output: BufReader::new(output),
        })
    }

    /// Asks about all of these, and tells each with its answer.
    pub fn ask_all(
        &mut self,
        mut cases: impl Iterator<Item = String>,
        mut tell: impl FnMut(&str, &Answer),
    ) {
        loop {
            let batch: Vec<String> = cases.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let questions = batch
                .iter()
                .flat_map(|text| [text.len().to_string(), "\n".to_owned(), text.clone()])
                .collect::<String>();
            let input = self.input.as_mut().expect("it runs");
            let lines = std::thread::scope(|scope| {
                scope.spawn(move || input.write_all(questions.as_bytes()).expect("written"));
                self.output
                    .by_ref()
                    .lines()
                    .take(batch.len())
                    .collect::<Result<Vec<String>, _>>()
                    .expect("answers")
            });
            assert_eq!(lines.len(), batch.len(), "the oracle answers each");
            for (text, line) in batch.iter().zip(&lines) {
                tell(
                    text,
                    &serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")),
                );
            }
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The program of these sources: built now where Go and the module are there, which takes no time
/// again, or else as `tests/setup` left it.
fn built() -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hcl_oracle");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PROGRAM);
    // Nothing is downloaded in a test.
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(sources)
        .env("GOPROXY", "off")
        .output();
    if build.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    skip::program(PROGRAM, "STATEKEEP_HCL_ORACLE")
}
