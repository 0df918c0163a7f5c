//! `statekeep help`: the manual in the binary, since the machine it runs on may have nothing else.
//!
//! A topic is a page of the manual, a command, or the title of any section.

use std::sync::LazyLock;

use clap::{Args, Command};

use crate::cli::common::environment;
use crate::cli::common::nearest;
use crate::cli::output::{self, CliError, harmless};
use crate::packed;
use crate::packed::Packed;

/// The pages of the manual, each with what it is about.
const PAGES: [(&str, &str, Packed); 17] = [
    ("cli", "every command and its flags", packed!("cli.md")),
    ("api", "every call of the API", packed!("api.md")),
    ("concepts", "what the words mean", packed!("concepts.md")),
    (
        "first-hour",
        "from the package to a backup that was restored",
        packed!("first-hour.md"),
    ),
    ("operation", "how to run a server", packed!("operation.md")),
    (
        "ci-identity",
        "pipelines without a secret",
        packed!("ci-identity.md"),
    ),
    (
        "webhooks",
        "others are told of events",
        packed!("webhooks.md"),
    ),
    ("page", "the page for people at /", packed!("page.md")),
    (
        "backups",
        "backups, drills and restores",
        packed!("backups.md"),
    ),
    (
        "sealing",
        "content that nobody reads on the disk",
        packed!("sealing.md"),
    ),
    (
        "moving",
        "states from and to other storages",
        packed!("moving.md"),
    ),
    (
        "upgrade",
        "to a newer program and back",
        packed!("upgrade.md"),
    ),
    ("damage", "what to do about damage", packed!("damage.md")),
    (
        "limits",
        "every limit and what happens above it",
        packed!("limits.md"),
    ),
    ("security", "who can do what", packed!("security.md")),
    ("reliability", "what is promised", packed!("reliability.md")),
    (
        "litestream",
        "a copy that follows",
        packed!("litestream.md"),
    ),
];

/// The text of each page, opened once.
static TEXTS: LazyLock<Vec<String>> =
    LazyLock::new(|| PAGES.iter().map(|(.., page)| page.open()).collect());

#[derive(Args)]
pub(in crate::cli) struct HelpArgs {
    /// A page of the manual, a command, or the title of a section
    topic: Vec<String>,
}

/// A section of a page: its level, its title and its lines.
struct Section<'p> {
    level: usize,
    title: &'p str,
    text: &'p str,
}

/// Prints what the manual says about a topic, or which topics there are.
pub(in crate::cli) fn run(args: &HelpArgs, definition: &mut Command) -> Result<(), CliError> {
    let topic = args.topic.join(" ").to_lowercase();
    let short = environment::SHORT.iter().find(|(word, _)| *word == topic);
    let topic = short.map_or(topic, |(_, command)| command.join(" "));
    if topic.is_empty() {
        return overview(definition);
    }
    let page = PAGES.iter().position(|(name, ..)| *name == topic);
    let found = page
        .and_then(|page| TEXTS.get(page).map(String::as_str))
        .or_else(|| section_of(&topic));
    match found {
        Some(text) => print(text),
        None => Err(unknown(&topic)),
    }
}

fn overview(definition: &mut Command) -> Result<(), CliError> {
    print(&definition.render_help().to_string())?;
    print("\nThe manual, by `statekeep help TOPIC`:")?;
    for (name, about, _) in PAGES {
        output::line(&format!("  {name:<11}  {about}"))?;
    }
    print("A topic is also a command, such as `state list`, or the title of a section.")
}

fn print(text: &str) -> Result<(), CliError> {
    let lines: String = text.lines().map(|line| harmless(line) + "\n").collect();
    output::lines(&lines)
}

/// The section of a title, with those below it. A command counts before any other title, and a
/// whole title before one that has the topic in it.
fn section_of(topic: &str) -> Option<&'static str> {
    let has_title = |section: &Section<'_>| title_of(section) == topic;
    let within = format!(" {topic} ");
    let has_topic = |section: &Section<'_>| format!(" {} ", title_of(section)).contains(&within);
    let sections = || TEXTS.iter().flat_map(|text| sections(text));
    let command = sections().find(|section| section.level == 3 && has_title(section));
    command
        .or_else(|| sections().find(has_title))
        .or_else(|| sections().find(has_topic))
        .map(|section| section.text)
}

/// A title as people type it.
fn title_of(section: &Section<'_>) -> String {
    section.title.replace('`', "").to_lowercase()
}

/// The sections of a page in their order. `#` within a block of code begins none.
fn sections(page: &str) -> Vec<Section<'_>> {
    let mut heads: Vec<(usize, usize, &str)> = Vec::new();
    let (mut at, mut in_code) = (0, false);
    for line in page.split_inclusive('\n') {
        in_code ^= line.starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if level > 0 && !in_code {
            heads.push((at, level, line[level..].trim()));
        }
        at += line.len();
    }
    let end_of = |index: usize, level: usize| {
        let mut later = heads.iter().skip(index + 1);
        later
            .find(|(_, other, _)| *other <= level)
            .map_or(page.len(), |(at, ..)| *at)
    };
    let sections = heads.iter().enumerate();
    sections
        .map(|(index, &(at, level, title))| Section {
            level,
            title,
            text: page[at..end_of(index, level)].trim_end(),
        })
        .collect()
}

fn unknown(topic: &str) -> CliError {
    let pages = PAGES.iter().map(|(name, ..)| (*name).to_owned());
    let titles = TEXTS.iter().flat_map(|text| sections(text));
    let titles = titles.map(|section| title_of(&section));
    let near = nearest::near(topic, pages.chain(titles).collect());
    let topic = harmless(topic);
    CliError::Usage(format!(
        "the manual has nothing about {topic}{near}\n`statekeep help` lists its pages"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_command_or_the_title_of_a_section() {
        let found = |topic: &str| section_of(topic).unwrap_or_default();
        assert!(found("state list").starts_with("### state list\n"));
        assert!(!found("state list").contains("### state show"));
        assert!(found("who acts").starts_with("### Who acts\n"));
        assert!(
            found("keys").contains("### key create"),
            "with the sections below it"
        );
        assert!(found("exit codes").starts_with("### Output and exit codes\n"));
        assert!(
            section_of("exit code").is_none(),
            "a part of a word is none"
        );
        assert!(section_of("no such thing").is_none());
    }

    #[test]
    fn a_mark_within_code_is_no_title() {
        let page = "# A\n```sh\n# not one\n```\n## B\nb\n# C\n";
        let titles: Vec<_> = sections(page)
            .iter()
            .map(|one| (one.level, one.title))
            .collect();
        assert_eq!(titles, [(1, "A"), (2, "B"), (1, "C")]);
        assert_eq!(sections(page)[0].text, page[..page.len() - 5].trim_end());
    }
}
