//! Just enough of Rust and SQL to match words in code and not in comments, strings or longer words.

use std::path::Path;

/// A file: its path from the root of the tree, its text, the text with comments and literals
/// blanked out, and that without the parts for tests.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) shipped: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if is_rust(path) {
            code_only(text)
        } else {
            String::new()
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            shipped: without_tests(&code),
            code,
        }
    }

    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// `src/http/page.rs` and `src/http.rs` are in the room `http`.
    pub(crate) fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        inside
            .split('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs")
    }

    pub(crate) fn finding(&self, offset: usize, rule: &str) -> String {
        let line = self.text[..offset].matches('\n').count() + 1;
        format!("{}:{line}: {rule}", self.path)
    }

    /// Where a word stands in the code, with what follows it.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.code
            .match_indices(word)
            .filter_map(move |(offset, _)| {
                let rest = &self.code[offset + word.len()..];
                let whole = !self.code[..offset].ends_with(is_part_of_a_word)
                    && !rest.starts_with(is_part_of_a_word);
                whole.then_some((offset, rest))
            })
    }
}

pub(super) fn is_rust(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

/// The same text with comments as blanks and literals as `~`, every offset unchanged.
fn code_only(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let Some((length, filler)) = hidden(&text[at..]) else {
            at += char.len_utf8();
            continue;
        };
        code[at..at + length]
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = filler);
        at += length;
    }
    String::from_utf8(code).expect("whole characters were replaced")
}

/// Code with the items that only tests have as blanks, every offset unchanged.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut shipped = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let item = &code[at + MARK.len()..];
        let end = at + MARK.len() + end_of_item(item);
        shipped[at..end]
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
    }
    String::from_utf8(shipped).expect("whole characters were replaced")
}

/// Behind the semicolon or the closing brace of the item that a text begins with.
fn end_of_item(item: &str) -> usize {
    let has_a_body = !item.trim_start().starts_with("use ");
    let mut depth = 0;
    let end = item.char_indices().find(|(_, char)| {
        depth += i32::from(matches!(char, '{' | '(' | '['));
        depth -= i32::from(matches!(char, '}' | ')' | ']'));
        depth == 0 && (*char == ';' || (*char == '}' && has_a_body))
    });
    end.map_or(item.len(), |(end, _)| end + 1)
}

/// How long the comment or literal is that `rest` starts with, if it starts with one, and what to
/// put in its place.
fn hidden(rest: &str) -> Option<(usize, u8)> {
    let up_to = |mark: &str, from: usize| {
        rest[from..]
            .find(mark)
            .map_or(rest.len(), |end| from + end + mark.len())
    };
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), b' '));
    }
    if rest.starts_with("/*") {
        return Some((up_to("*/", 2), b' '));
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        return raw[hashes..]
            .starts_with('"')
            .then(|| (up_to(&close, hashes + 2), b'~'));
    }
    let quote = rest
        .chars()
        .next()
        .filter(|char| matches!(char, '"' | '\''))?;
    let mut chars = rest.char_indices().skip(1);
    if quote == '\'' && !rest.starts_with("'\\") {
        // A lifetime has no second quote right behind its first character.
        let (end, _) = chars.nth(1).filter(|(_, char)| *char == '\'')?;
        return Some((end + 1, b'~'));
    }
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Some((at + 1, b'~'));
        }
        if char == '\\' {
            chars.next();
        }
    }
    Some((rest.len(), b'~'))
}

/// The first names behind `crate::`: one, or each of a list in braces.
pub(super) fn first_names(rest: &str) -> Vec<&str> {
    let Some(list) = rest.strip_prefix('{') else {
        return vec![identifier(rest)];
    };
    let (mut depth, mut start, mut names) = (1, 0, Vec::new());
    for (at, char) in list.char_indices() {
        depth += i32::from(char == '{') - i32::from(char == '}');
        if depth == 0 || (depth == 1 && char == ',') {
            names.push(identifier(&list[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

pub(super) fn is_part_of_a_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The name that a text begins with; none where it begins with something else.
pub(super) fn identifier(text: &str) -> &str {
    text.trim_start()
        .split(|char: char| !is_part_of_a_word(char))
        .next()
        .unwrap_or_default()
}

/// From the brace that opens a function's body to before the one that closes it; nothing for a
/// function without a body.
pub(super) fn body(signature: &str) -> &str {
    let mut depth = 0;
    let opening = signature.char_indices().find(|(_, char)| {
        depth += i32::from(matches!(char, '(' | '[')) - i32::from(matches!(char, ')' | ']'));
        depth == 0 && matches!(char, '{' | ';')
    });
    let Some((start, '{')) = opening else {
        return "";
    };
    let mut depth = 0;
    let end = signature[start..].char_indices().find(|(_, char)| {
        depth += i32::from(*char == '{') - i32::from(*char == '}');
        depth == 0
    });
    &signature[start..end.map_or(signature.len(), |(end, _)| start + end)]
}

/// SQL with its comments as blanks, every offset unchanged.
pub(super) fn blank_sql_comments(sql: &str) -> String {
    let lines = sql.split_inclusive('\n').map(|line| match line.find("--") {
        Some(start) => format!(
            "{}{}\n",
            &line[..start],
            " ".repeat(line.trim_end_matches('\n').len() - start)
        ),
        None => line.to_owned(),
    });
    lines.collect()
}
