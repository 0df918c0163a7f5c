//! The words in a variable such as `TF_CLI_ARGS`, taken apart as both programs take them apart: by
//! the rules of Go's `shellwords`, which are not a shell's.
//!
//! A backslash stands for the character behind it but inside single quotes, `#` is a character like
//! others, and everything ends at a `;`, `|`, `&`, `<` or `>` outside quotes. What those rules
//! refuse is refused.

/// What is open at a character.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the programs keep these apart, and several can be open at once"
)]
struct Open {
    single: bool,
    double: bool,
    /// Between two backticks, which stay as they are.
    backticks: bool,
    /// Behind `$(`, up to `)`; these stay as well.
    dollar: bool,
}

/// Takes a text apart; nothing where it is none that the programs take.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut has_word) = (Vec::new(), String::new(), false);
    let (mut open, mut is_escaped) = (Open::default(), false);
    for letter in text.chars() {
        if is_escaped {
            (is_escaped, has_word) = (false, true);
            word.push(letter);
            continue;
        }
        match letter {
            '\\' if !open.single => {
                is_escaped = true;
                continue;
            }
            ' ' | '\t' | '\r' | '\n' => {
                if open != Open::default() {
                    word.push(letter);
                } else if std::mem::take(&mut has_word) {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '`' if !(open.single || open.double || open.dollar) => open.backticks = !open.backticks,
            ')' if !(open.single || open.double || open.backticks) => open.dollar = !open.dollar,
            '(' if !(open.single || open.double || open.backticks) => {
                if open.dollar || !word.ends_with('$') {
                    return None;
                }
                open.dollar = true;
            }
            '"' if !(open.single || open.dollar) => {
                // Two quotes with nothing between them are a word.
                has_word |= open.double;
                open.double = !open.double;
                continue;
            }
            '\'' if !(open.double || open.dollar) => {
                has_word |= open.single;
                open.single = !open.single;
                continue;
            }
            ';' | '&' | '|' | '<' | '>' if open == Open::default() => {
                // As in `2>file`, where the number is no word.
                has_word &=
                    !(letter == '>' && word.starts_with(|first: char| first.is_ascii_digit()));
                break;
            }
            _ => {}
        }
        has_word = true;
        word.push(letter);
    }
    if has_word {
        words.push(word);
    }
    (open == Open::default() && !is_escaped).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each seen with Terraform 1.11.4 and OpenTofu 1.12.6.
    #[test]
    fn words_are_those_that_the_programs_see() {
        for (text, words) in [
            ("a # b c", &["a", "#", "b", "c"][..]),
            ("#a b", &["#a", "b"]),
            ("a'b c'd e", &["ab cd", "e"]),
            ("a\"b \\$x\" c", &["ab $x", "c"]),
            ("a;b c", &["a"]),
            ("a b|c", &["a", "b"]),
            ("a 2>x c", &["a"]),
            ("a 1>b", &["a"]),
            ("a ab2>x", &["a", "ab2"]),
            ("a `x y` c", &["a", "`x y`", "c"]),
            ("a $(x y) z", &["a", "$(x y)", "z"]),
            ("a\\ b c", &["a b", "c"]),
            ("\"\" a", &["", "a"]),
            ("a '' b", &["a", "", "b"]),
            ("a\"\"b", &["ab"]),
            ("a\nb", &["a", "b"]),
            ("x'y\\z'", &["xy\\z"]),
            ("\"x\\y\"", &["xy"]),
            ("'a;b' \"c|d\"", &["a;b", "c|d"]),
            ("", &[]),
            (" \t", &[]),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Some(
                    words
                        .iter()
                        .map(|&word| word.to_owned())
                        .collect::<Vec<_>>()
                        .as_slice()
                ),
                "{text:?}"
            );
        }
        for text in ["a 'b", "a \"b", "a\\", "a (b) c", "a )b c", "a `b"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
