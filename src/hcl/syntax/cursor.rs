//! The next token as a reader wants it: with the ends of lines where they count, and without them
//! where they do not.

use std::time::Instant;

use super::failure::SyntaxFailure;
use super::scanner::Scanner;
use super::tokens::{SyntaxToken, TokenKind};
use crate::model::clock;

/// Why a file is given up.
pub(in crate::hcl) const TOO_LONG: &str =
    "reading the files takes too long; send fewer of them, or smaller ones";
/// How many tokens are read between two looks at the clock.
const LOOK_EVERY: u32 = 1_024;

/// Looks one token ahead.
pub(super) struct Cursor<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    ahead: Option<SyntaxToken>,
    /// By when all has to be read, and how many tokens were.
    until: Option<Instant>,
    count: u32,
    /// Whether the end of a line counts here.
    pub(super) lines: bool,
    /// Where the token began that was read last.
    pub(super) start: usize,
    /// Where it ended.
    pub(super) end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str, until: Option<Instant>) -> Self {
        Self {
            text,
            scanner: Scanner::new(text),
            ahead: None,
            until,
            count: 0,
            lines: true,
            start: 0,
            end: 0,
        }
    }

    pub(super) fn peek(&mut self) -> SyntaxToken {
        loop {
            let token = match self.ahead {
                Some(token) => token,
                None => self.next(),
            };
            self.ahead = Some(token);
            if self.lines || token.kind != TokenKind::Newline {
                return token;
            }
            self.ahead = None;
        }
    }

    /// The next token; nothing that means anything once the time is over.
    fn next(&mut self) -> SyntaxToken {
        self.count = self.count.wrapping_add(1);
        let mut token = self.scanner.next();
        if self.count.is_multiple_of(LOOK_EVERY)
            && self.until.is_some_and(|until| clock::monotonic() >= until)
        {
            self.count = LOOK_EVERY - 1;
            token.kind = TokenKind::Bad(TOO_LONG);
        }
        token
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
