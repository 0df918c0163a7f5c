//! The next token as a reader wants it: with the ends of lines where they count, and without them
//! where they do not.

use super::Failure;
use super::scanner::Scanner;
use super::tokens::{Kind, Token};

/// Looks one token ahead.
pub(super) struct Cursor<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    ahead: Option<Token>,
    /// Whether the end of a line counts here.
    pub(super) lines: bool,
    /// Where the token began that was read last.
    pub(super) start: usize,
    /// Where it ended.
    pub(super) end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            scanner: Scanner::new(text),
            ahead: None,
            lines: true,
            start: 0,
            end: 0,
        }
    }

    pub(super) fn peek(&mut self) -> Token {
        loop {
            let scanner = &mut self.scanner;
            let token = *self.ahead.get_or_insert_with(|| scanner.next());
            if self.lines || token.kind != Kind::Newline {
                return token;
            }
            self.ahead = None;
        }
    }

    pub(super) fn read(&mut self) -> Token {
        let token = self.peek();
        self.ahead = None;
        (self.start, self.end) = (token.start, token.end);
        token
    }

    /// Reads the next token if it is of this kind.
    pub(super) fn take(&mut self, kind: Kind) -> bool {
        let is_it = self.peek().kind == kind;
        if is_it {
            self.read();
        }
        is_it
    }

    /// Reads the next token, which has to be of this kind.
    pub(super) fn expect(&mut self, kind: Kind, otherwise: &'static str) -> Result<Token, Failure> {
        let token = self.peek();
        if token.kind == kind {
            Ok(self.read())
        } else {
            Err(self.failure(token, otherwise))
        }
    }

    /// Whether this word comes next.
    pub(super) fn is_word(&mut self, word: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Ident && self.text(token) == word
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        self.slice(token.start, token.end)
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Why a file cannot be loaded in which this token comes next; what the scanner could not read
    /// says so itself.
    pub(super) fn failure(&self, token: Token, reason: &'static str) -> Failure {
        match token.kind {
            Kind::Bad(reason) => Failure::new(token.start, reason),
            // What is missing at the end is told of the last line that has something on it.
            Kind::End => Failure::new(
                self.text.trim_end().len(),
                format!("{reason}, and here the file ends"),
            ),
            _ => Failure::new(token.start, reason),
        }
    }
}
