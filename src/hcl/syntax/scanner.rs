//! A text taken apart into tokens, each by the longest match, as both programs do it.
//!
//! What a `"` or a `}` is depends on where it stands, so the scanner remembers which templates and
//! sequences are open. It hands on what means nothing as such, and never goes on behind it.

use super::letters::{continues_a_name, starts_a_name};
use super::tokens::{SyntaxToken, TokenKind};

const INVALID: &str = "this character means nothing here";
const BITWISE: &str =
    "there are no operators on bits; `&&`, `||` and `!` are those on truth values";
const APOSTROPHE: &str = "a text stands in double quotation marks";
const OPEN_COMMENT: &str = "the comment that begins here has no end";
const SPLIT: &str = "a text in quotation marks goes over the end of its line";
const LONE_RETURN: &str = "a carriage return without a line feed behind it";
const HEREDOC: &str = "`<<` is followed by a name and the end of the line";

/// What the scanner is inside of.
#[derive(Clone, Copy)]
enum Mode<'a> {
    /// Expressions and bodies: the whole file, or a sequence in a template. With the braces that
    /// are open in it.
    Code { braces: usize },
    /// A text in quotation marks.
    Quoted,
    /// A heredoc: what ends it, and whether a line begins here.
    Heredoc { marker: &'a str, line_starts: bool },
}

/// Goes through a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    modes: Vec<Mode<'a>>,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            modes: Vec::new(),
        }
    }

    /// The next token; at the end of the text the end, again and again.
    pub(super) fn next(&mut self) -> SyntaxToken {
        let start = self.at;
        match self.modes.last().copied() {
            None | Some(Mode::Code { .. }) => self.code(),
            _ if start == self.text.len() => SyntaxToken {
                kind: TokenKind::End,
                start,
                end: start,
            },
            Some(Mode::Quoted) => self.quoted(),
            Some(Mode::Heredoc {
                marker,
                line_starts,
            }) => self.heredoc(marker, line_starts),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn token(&mut self, kind: TokenKind, length: usize) -> SyntaxToken {
        let start = self.at;
        self.at += length;
        SyntaxToken {
            kind,
            start,
            end: self.at,
        }
    }

    /// Between values and in bodies.
    fn code(&mut self) -> SyntaxToken {
        loop {
            if let Some(token) = self.comment_or_sign() {
                return token;
            }
        }
    }

    /// None where only a comment was passed over.
    fn comment_or_sign(&mut self) -> Option<SyntaxToken> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let rest = self.rest();
        match rest.as_bytes() {
            [b'#', ..] | [b'/', b'/', ..] => {
                // The last line may have no end, and then its comment is none either.
                let line_end = rest.find('\n');
                let token = self.token(
                    TokenKind::Newline,
                    line_end.map_or(rest.len(), |end| end + 1),
                );
                line_end.map(|_| token)
            }
            [b'/', b'*', ..] => {
                let Some(end) = rest[2..].find("*/") else {
                    return Some(self.token(TokenKind::Bad(OPEN_COMMENT), 2));
                };
                self.at += end + 4;
                None
            }
            _ => Some(self.sign()),
        }
    }

    fn sign(&mut self) -> SyntaxToken {
        let rest = self.rest();
        let (kind, length) = match rest.as_bytes() {
            [] => (TokenKind::End, 0),
            [b'\n', ..] => (TokenKind::Newline, 1),
            [b'\r', b'\n', ..] => (TokenKind::Newline, 2),
            [b'"', ..] => {
                self.modes.push(Mode::Quoted);
                (TokenKind::OpenQuote, 1)
            }
            [b'<', b'<', ..] => return self.open_heredoc(),
            [b'{', ..] => {
                self.brace();
                (TokenKind::OpenBrace, 1)
            }
            [b'}', ..] => (self.close_brace(TokenKind::CloseBrace), 1),
            [b'~', b'}', ..] => (
                self.close_brace(TokenKind::Bad(
                    "`~}` ends what `${` or `%{` began, and no other brace",
                )),
                2,
            ),
            [b'.', b'.', b'.', ..] => (TokenKind::Ellipsis, 3),
            [b':', b':', ..] => (TokenKind::DoubleColon, 2),
            [b'=', b'>', ..] => (TokenKind::FatArrow, 2),
            [b'=' | b'!' | b'<' | b'>', b'=', ..] | [b'&', b'&', ..] | [b'|', b'|', ..] => {
                (TokenKind::Operator, 2)
            }
            [b'<' | b'>' | b'+' | b'/' | b'%', ..] => (TokenKind::Operator, 1),
            [b'[', ..] => (TokenKind::OpenBracket, 1),
            [b']', ..] => (TokenKind::CloseBracket, 1),
            [b'(', ..] => (TokenKind::OpenParen, 1),
            [b')', ..] => (TokenKind::CloseParen, 1),
            [b'.', ..] => (TokenKind::Dot, 1),
            [b',', ..] => (TokenKind::Comma, 1),
            [b':', ..] => (TokenKind::Colon, 1),
            [b'?', ..] => (TokenKind::Question, 1),
            [b'=', ..] => (TokenKind::Equal, 1),
            [b'*', ..] => (TokenKind::Star, 1),
            [b'-', ..] => (TokenKind::Minus, 1),
            [b'!', ..] => (TokenKind::Bang, 1),
            [b'&' | b'|' | b'^' | b'~', ..] => (TokenKind::Bad(BITWISE), 1),
            [b'\'' | b'`', ..] => (TokenKind::Bad(APOSTROPHE), 1),
            [b';', ..] => (
                TokenKind::Bad("values are separated by the ends of lines or by commas"),
                1,
            ),
            [b'0'..=b'9', ..] => (TokenKind::Number, number(rest)),
            _ => match name(rest) {
                0 => (
                    TokenKind::Bad(INVALID),
                    rest.chars().next().map_or(0, char::len_utf8),
                ),
                length => (TokenKind::Ident, length),
            },
        };
        self.token(kind, length)
    }

    fn brace(&mut self) {
        if let Some(Mode::Code { braces }) = self.modes.last_mut() {
            *braces += 1;
        }
    }

    /// A brace ends the sequence in a template where none is open in it.
    fn close_brace(&mut self, other: TokenKind) -> TokenKind {
        match self.modes.last_mut() {
            Some(Mode::Code { braces: 0 }) => {
                self.modes.pop();
                TokenKind::SequenceEnd
            }
            Some(Mode::Code { braces }) => {
                *braces -= 1;
                other
            }
            _ => other,
        }
    }

    fn open_heredoc(&mut self) -> SyntaxToken {
        let rest = self.rest();
        let named = &rest[2..];
        let named = named.strip_prefix('-').unwrap_or(named);
        let (marker, after) = named.split_at(name(named));
        let line_end = if after.starts_with("\r\n") { 2 } else { 1 };
        if marker.is_empty()
            || !after.starts_with(['\r', '\n'])
            || !after[..line_end.min(after.len())].ends_with('\n')
        {
            return self.token(TokenKind::Bad(HEREDOC), 2);
        }
        self.modes.push(Mode::Heredoc {
            marker,
            line_starts: true,
        });
        self.token(TokenKind::OpenHeredoc, rest.len() - after.len() + line_end)
    }

    /// `${`, `%{`, or one of the signs that begin them and here stand for themselves.
    fn dollar(&mut self, literal: TokenKind) -> SyntaxToken {
        let rest = self.rest().as_bytes();
        let (kind, length) = match rest {
            [_, b'{', b'~', ..] => (TokenKind::Interpolation, 3),
            [_, b'{', ..] => (TokenKind::Interpolation, 2),
            [first, second, b'{', ..] if first == second => (literal, 3),
            // Both programs take a first carriage return with the sign, and one that ends the line
            // behind it.
            [_, b'\r', b'\r', ..] if literal == TokenKind::HeredocLiteral => (literal, 2),
            _ => (literal, 1),
        };
        if kind == literal {
            return self.token(literal, length);
        }
        let kind = if rest[0] == b'%' {
            TokenKind::Directive
        } else {
            kind
        };
        self.modes.push(Mode::Code { braces: 0 });
        self.token(kind, length)
    }

    fn quoted(&mut self) -> SyntaxToken {
        let bytes = self.rest().as_bytes();
        match bytes[0] {
            b'"' => {
                self.modes.pop();
                return self.token(TokenKind::CloseQuote, 1);
            }
            b'$' | b'%' => return self.dollar(TokenKind::QuotedLiteral),
            b'\r' | b'\n' => return self.token(TokenKind::Bad(SPLIT), 1),
            _ => {}
        }
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            match (byte, bytes.get(length + 1)) {
                (b'\\', None | Some(b'\r' | b'\n')) if length == 0 => {
                    return self.token(TokenKind::Bad(SPLIT), 1);
                }
                (b'"' | b'$' | b'%' | b'\r' | b'\n', _) | (b'\\', None | Some(b'\r' | b'\n')) => {
                    break;
                }
                (b'\\', Some(_)) => length += 2,
                _ => length += 1,
            }
        }
        // A character of several bytes behind a backslash is passed over as a whole: its other
        // bytes are none of the signs above.
        self.token(TokenKind::QuotedLiteral, length)
    }

    fn heredoc(&mut self, marker: &'a str, line_starts: bool) -> SyntaxToken {
        let rest = self.rest();
        let length = rest.find(['$', '%', '\r', '\n']).unwrap_or(rest.len());
        let after = &rest[length..];
        let line_end = match after.as_bytes() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r', ..] if length == 0 => return self.token(TokenKind::Bad(LONE_RETURN), 1),
            _ => 0,
        };
        if line_end > 0 && line_starts && rest[..length].trim() == marker {
            self.modes.pop();
            return self.token(TokenKind::CloseHeredoc, length);
        }
        if let Some(Mode::Heredoc { line_starts, .. }) = self.modes.last_mut() {
            *line_starts = line_end > 0;
        }
        match length + line_end {
            0 => self.dollar(TokenKind::HeredocLiteral),
            length => self.token(TokenKind::HeredocLiteral, length),
        }
    }
}

/// How long the name is that a text begins with.
fn name(text: &str) -> usize {
    let is_of_it = |(at, letter): (usize, char)| {
        if at == 0 {
            starts_a_name(letter)
        } else {
            continues_a_name(letter)
        }
    };
    text.char_indices()
        .find(|place| !is_of_it(*place))
        .map_or(text.len(), |(end, _)| end)
}

/// How long the number is that a text begins with: digits, points and exponents in any order, but
/// no point at its end.
fn number(text: &str) -> usize {
    let (bytes, mut at, mut end) = (text.as_bytes(), 1, 1);
    loop {
        at += match &bytes[at.min(bytes.len())..] {
            [b'.', ..] => {
                at += 1;
                continue;
            }
            [b'0'..=b'9', ..] => 1,
            [b'e' | b'E', b'0'..=b'9', ..] => 2,
            [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => 3,
            _ => return end,
        };
        end = at;
    }
}
