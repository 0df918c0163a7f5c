//! Settings inside a text, as YAML, shells, headers and command lines have them: a name that gives
//! its value away, and a value.

use super::names::{give_away, is_naming};

/// A word behind `Bearer` or `Basic` that is shorter is prose.
const LEAST_CREDENTIALS: usize = 12;
/// Parameters of an address that are as good as a password.
const SIGNATURES: &[&str] = &["sig", "signature", "x-amz-signature", "x-goog-signature"];

/// Whether a text sets something secret.
pub(super) fn has_secret_setting(text: &str) -> bool {
    let mut letters = text.char_indices();
    letters.any(|(at, letter)| match letter {
        ':' => is_after_colon(&text[..at], &text[at + 1..]),
        '=' => is_after_equals(&text[..at], &text[at + 1..]),
        _ => false,
    }) || has_flag(text)
        || has_header(text)
        || is_netrc(text)
}

/// The name that a text ends with, quoted or not.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t', '"', '\'', ']', '[']);
    let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    text.rfind(|letter| !is_name(letter)).map_or(text, |at| {
        &text[at + text[at..].chars().next().map_or(1, char::len_utf8)..]
    })
}

/// `password: x`; a block below it, too; `name: DB_PASSWORD` with the value elsewhere.
fn is_after_colon(before: &str, after: &str) -> bool {
    let is_quoted = before.ends_with(['"', '\'']);
    if !is_quoted && !after.starts_with(char::is_whitespace) || after.trim_start().is_empty() {
        return false;
    }
    let name = name_before(before);
    give_away(name) || is_naming(name) && give_away(first_word(after))
}

/// `DB_PASSWORD=x`, `password = "x"`, `?sig=x`; a comparison is none.
fn is_after_equals(before: &str, after: &str) -> bool {
    let is_comparison =
        before.ends_with(['=', '!', '<', '>']) || after.starts_with(['=', '>', '~']);
    let value = after.trim_start_matches([' ', '\t']);
    if is_comparison || value.is_empty() || value.starts_with(['\n', '\r']) {
        return false;
    }
    let name = name_before(before);
    let is_signature = SIGNATURES
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    give_away(name) || is_signature || is_naming(name) && give_away(first_word(after))
}

/// The first word of a text, without quotation marks.
fn first_word(text: &str) -> &str {
    let text =
        text.trim_start_matches(|letter: char| letter.is_whitespace() || "\"'".contains(letter));
    let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    text.split(|letter| !is_name(letter))
        .next()
        .unwrap_or_default()
}

/// `--password x` in a command line.
fn has_flag(text: &str) -> bool {
    if !text.contains(" -") && !text.starts_with('-') {
        return false;
    }
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let is_flag = word.starts_with('-') && give_away(word);
        if is_flag && words.peek().is_some_and(|next| !next.starts_with('-')) {
            return true;
        }
    }
    false
}

/// `Bearer x` and `Basic x`, as headers have them.
fn has_header(text: &str) -> bool {
    let mut words = text.split(|letter: char| letter.is_whitespace() || "\"',;".contains(letter));
    let is_scheme = |word: &str| {
        let word = word.rsplit([':', '=']).next().unwrap_or_default();
        word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
    };
    let is_long = |word: &str| {
        word.len() >= LEAST_CREDENTIALS && word.chars().any(|letter| !letter.is_ascii_lowercase())
    };
    while let Some(word) = words.next() {
        if is_scheme(word) && words.clone().next().is_some_and(is_long) {
            return true;
        }
    }
    false
}

/// A file of logins: `machine x login y password z`.
fn is_netrc(text: &str) -> bool {
    ["machine ", "login ", "password "]
        .iter()
        .all(|word| text.contains(word))
}
