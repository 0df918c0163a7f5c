//! The words in a variable such as `TF_CLI_ARGS`, split as both programs split them: by the rules
//! of Go's `shellwords`, which are not a shell's.
//!
//! A backslash quotes the character behind it, except inside single quotes. `#` is a character like
//! others. The text ends at a `;`, `|`, `&`, `<` or `>` outside quotes. A text that those rules
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
    /// Behind a backslash.
    escape: bool,
}

impl Open {
    fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// Splits a text; `None` if the programs refuse it.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut splitter = Splitter::default();
    for letter in text.chars() {
        match splitter.take(letter) {
            Taken::More => {}
            Taken::End => break,
            Taken::Refused => return None,
        }
    }
    splitter.end()
}

/// What becomes of the text behind a character.
enum Taken {
    More,
    End,
    Refused,
}

/// A text that is being split.
#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: String,
    has_word: bool,
    open: Open,
}

impl Splitter {
    fn take(&mut self, letter: char) -> Taken {
        let Open {
            single,
            double,
            backticks,
            dollar,
            escape,
        } = self.open;
        match letter {
            _ if escape => {
                self.open.escape = false;
                self.push(letter);
            }
            '\\' if !single => self.open.escape = true,
            ' ' | '\t' | '\r' | '\n' => self.blank(letter),
            '"' if !(single || dollar) => {
                // Two quotes with nothing between them are a word.
                self.has_word |= double;
                self.open.double = !double;
            }
            '\'' if !(double || dollar) => {
                self.has_word |= single;
                self.open.single = !single;
            }
            ';' | '&' | '|' | '<' | '>' if self.open.nothing() => {
                // As in `2>file`, where the number is no word.
                let is_number = self.word.starts_with(|first: char| first.is_ascii_digit());
                self.has_word &= !(letter == '>' && is_number);
                return Taken::End;
            }
            '(' if !(single || double || backticks) && (dollar || !self.word.ends_with('$')) => {
                return Taken::Refused;
            }
            _ => {
                self.bracket(letter);
                self.push(letter);
            }
        }
        Taken::More
    }

    /// Opens or closes what stays in the word.
    fn bracket(&mut self, letter: char) {
        let Open {
            single,
            double,
            backticks,
            dollar,
            ..
        } = self.open;
        let is_quoted = single || double;
        match letter {
            '`' if !(is_quoted || dollar) => self.open.backticks = !backticks,
            ')' if !(is_quoted || backticks) => self.open.dollar = !dollar,
            '(' if !(is_quoted || backticks) => self.open.dollar = true,
            _ => {}
        }
    }

    fn blank(&mut self, letter: char) {
        if !self.open.nothing() {
            self.word.push(letter);
        } else if std::mem::take(&mut self.has_word) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn push(&mut self, letter: char) {
        self.has_word = true;
        self.word.push(letter);
    }

    fn end(mut self) -> Option<Vec<String>> {
        if self.has_word {
            self.words.push(self.word);
        }
        self.open.nothing().then_some(self.words)
    }
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
