//! Just enough of Markdown for the other tests of this folder: headings with the anchors that
//! GitHub gives them, tables, blocks of code and links.
//!
//! Text inside blocks of code is no heading, no table and no link.

use std::collections::HashMap;

/// A line of a document with its number, which counts from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// Whether it is in a block of code, or opens or closes one.
    pub(super) is_code: bool,
}

/// The part of a document below one heading, up to the next heading of any level.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) level: usize,
    pub(super) title: &'a str,
    pub(super) lines: Vec<Line<'a>>,
}

impl Section<'_> {
    /// The rows of its tables without their heads, each as its cells.
    pub(super) fn rows(&self) -> Vec<(usize, Vec<String>)> {
        rows(&self.lines)
    }

    /// Its blocks of code in one language.
    pub(super) fn blocks(&self, language: &str) -> Vec<String> {
        let opening = format!("```{language}");
        let mut blocks = Vec::new();
        let mut open: Option<String> = None;
        for line in self.lines.iter().filter(|line| line.is_code) {
            match open.as_mut() {
                None if line.text == opening => open = Some(String::new()),
                Some(_) if line.text == "```" => blocks.extend(open.take()),
                Some(block) => {
                    block.push_str(line.text);
                    block.push('\n');
                }
                None => {}
            }
        }
        blocks
    }

    /// Everything in it.
    pub(super) fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text).collect();
        lines.join("\n")
    }
}

/// The lines of a document.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut within = false;
    let mark = |(index, text): (usize, &'_ str)| {
        let is_fence = text.trim_start().starts_with("```");
        let is_code = within || is_fence;
        within ^= is_fence;
        (index + 1, is_code)
    };
    let numbered: Vec<(usize, bool)> = text.lines().enumerate().map(mark).collect();
    let pairs = numbered.into_iter().zip(text.lines());
    pairs
        .map(|((number, is_code), text)| Line {
            number,
            text,
            is_code,
        })
        .collect()
}

/// The sections of a document, in their order.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in lines(text) {
        if let Some((level, title)) = heading(&line) {
            sections.push(Section {
                level,
                title,
                lines: Vec::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        }
    }
    sections
}

fn heading<'a>(line: &Line<'a>) -> Option<(usize, &'a str)> {
    let title = line.text.trim_start_matches('#');
    let level = line.text.len() - title.len();
    let is_heading = !line.is_code && level > 0 && title.starts_with(' ');
    is_heading.then(|| (level, title.trim()))
}

/// The rows of tables, without the head and the line below it.
pub(super) fn rows(lines: &[Line<'_>]) -> Vec<(usize, Vec<String>)> {
    let is_row = |line: &Line<'_>| !line.is_code && line.text.starts_with('|');
    let mut found = Vec::new();
    let mut of_table = 0;
    for line in lines {
        of_table = if is_row(line) { of_table + 1 } else { 0 };
        if of_table > 2 {
            found.push((line.number, cells(line.text)));
        }
    }
    found
}

/// The cells of a row; `\|` is part of a cell.
pub(super) fn cells(row: &str) -> Vec<String> {
    let whole = row.trim().trim_start_matches('|').replace("\\|", "\u{0}");
    let whole = whole.strip_suffix('|').unwrap_or(&whole);
    whole
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// The words in backticks of a text.
pub(super) fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The anchors of a document, as GitHub makes them from its headings.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut anchors = Vec::new();
    for section in sections(text) {
        let slug = slug(section.title);
        let before = times.entry(slug.clone()).or_default();
        anchors.push(match *before {
            0 => slug,
            again => format!("{slug}-{again}"),
        });
        *before += 1;
    }
    anchors
}

fn slug(title: &str) -> String {
    let kept = title.chars().filter_map(|char| match char {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        char if char.is_alphanumeric() => Some(char),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The targets of links, with their lines.
pub(super) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for line in lines(text).iter().filter(|line| !line.is_code) {
        // What stands in backticks is shown and not followed.
        let plain: String = line
            .text
            .split('`')
            .step_by(2)
            .collect::<Vec<_>>()
            .join("~");
        let targets = plain.match_indices("](").filter_map(|(at, _)| {
            let rest = &plain[at + 2..];
            rest.find(')').map(|end| rest[..end].to_owned())
        });
        found.extend(targets.map(|target| (line.number, target)));
    }
    found
}

#[test]
fn headings_have_the_anchors_that_github_gives_them() {
    let text = "# The API\n## `GET …`\n```sh\n# no heading\n```\n\
        ### `GET …`\n## A state, once more_x\n";
    assert_eq!(
        anchors(text),
        ["the-api", "get-", "get--1", "a-state-once-more_x"]
    );
}

#[test]
fn tables_blocks_and_links_are_told_from_code() {
    let text = "# A\n| a | b |\n| --- | --- |\n| `x\\|y` | [z](z.md#q) |\n\
        ```sh\n| c | d |\nrun [x](no)\n```\n`[y](no)`\n";
    let sections = sections(text);
    assert_eq!(sections.len(), 1);
    assert_eq!(
        sections[0].rows(),
        [(4, vec!["`x|y`".to_owned(), "[z](z.md#q)".to_owned()])]
    );
    assert_eq!(sections[0].blocks("sh"), ["| c | d |\nrun [x](no)\n"]);
    assert_eq!(links(text), [(4, "z.md#q".to_owned())]);
}
