//! The next token as a reader wants it: with the ends of lines where they count, and without them
//! where they do not.

use super::failure::SyntaxFailure;
use super::scanner::Scanner;
use super::tokens::{SyntaxToken, TokenKind};

/// Looks one token ahead.
pub(super) struct Cursor<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    ahead: Option<SyntaxToken>,
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

    pub(super) fn peek(&mut self) -> SyntaxToken {
        loop {
            let scanner = &mut self.scanner;
            let token = *self.ahead.get_or_insert_with(|| scanner.next());
            if self.lines || token.kind != TokenKind::Newline {
                return token;
            }
            self.ahead = None;
        }
    }

    pub(super) fn read(&mut self) -> SyntaxToken {
        let token = self.peek();
        self.ahead = None;
        (self.start, self.end) = (token.start, token.end);
        token
    }

    /// Reads the next token if it is of this kind.
    pub(super) fn take(&mut self, kind: TokenKind) -> bool {
        let is_it = self.peek().kind == kind;
        if is_it {
            self.read();
        }
        is_it
    }

    /// Reads the next token, which has to be of this kind.
    pub(super) fn expect(
        &mut self,
        kind: TokenKind,
        otherwise: &'static str,
    ) -> Result<SyntaxToken, SyntaxFailure> {
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
        token.kind == TokenKind::Ident && self.text(token) == word
    }

    pub(super) fn text(&self, token: SyntaxToken) -> &'a str {
        self.slice(token.start, token.end)
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Why a file cannot be loaded in which this token comes next; what the scanner could not read
    /// says so itself.
    pub(super) fn failure(&self, token: SyntaxToken, reason: &'static str) -> SyntaxFailure {
        match token.kind {
            TokenKind::Bad(reason) => SyntaxFailure::new(token.start, reason),
            // What is missing at the end is told of the last line that has something on it.
            TokenKind::End => SyntaxFailure::new(
                self.text.trim_end().len(),
                format!("{reason}, and here the file ends"),
            ),
            _ => SyntaxFailure::new(token.start, reason),
        }
    }
}
