//! Texts in quotation marks and heredocs: their pieces, and the directives that have to belong
//! together.

use super::cursor::Cursor;
use super::expressions::{Expected, Expression, Open};
use super::failure::SyntaxFailure;
use super::literals::unescape;
use super::tokens::{SyntaxToken, TokenKind};

impl Expression<'_, '_> {
    /// Reads a piece of a template, up to the expression in it if there is one.
    pub(super) fn piece(&mut self) -> Result<Expected, SyntaxFailure> {
        let token = self.cursor.read();
        match token.kind {
            TokenKind::HeredocLiteral => Ok(Expected::Piece),
            TokenKind::QuotedLiteral => {
                literal(self.cursor, token, &mut String::new()).map(|()| Expected::Piece)
            }
            TokenKind::Interpolation => {
                self.open(Open::Interpolation, false)?;
                Ok(Expected::Value)
            }
            TokenKind::Directive => self.directive(),
            TokenKind::CloseQuote | TokenKind::CloseHeredoc => self.end_of_template(token),
            TokenKind::End => Err(SyntaxFailure::new(
                self.template_at(),
                "the text that begins here has no end",
            )),
            _ => Err(self
                .cursor
                .failure(token, "this does not belong into a text")),
        }
    }

    fn end_of_template(&mut self, token: SyntaxToken) -> Result<Expected, SyntaxFailure> {
        let reason = match self.innermost() {
            Some(Open::Then | Open::Else) => "an `%{ if }` in this text has no `%{ endif }`",
            Some(Open::Each) => "a `%{ for }` in this text has no `%{ endfor }`",
            _ => {
                self.close();
                return Ok(Expected::Behind);
            }
        };
        Err(SyntaxFailure::new(token.start, reason))
    }

    /// A directive, up to the expression in it if there is one.
    fn directive(&mut self) -> Result<Expected, SyntaxFailure> {
        let around = self.innermost();
        self.open(Open::If, false)?;
        let word = self.cursor.expect(
            TokenKind::Ident,
            "a directive begins with `if`, `else`, `endif`, `for` or `endfor`",
        )?;
        match (self.cursor.text(word), around) {
            ("if", _) => return Ok(Expected::Value),
            ("for", _) => {
                self.for_names()?;
                self.turn(Open::For);
                return Ok(Expected::Value);
            }
            ("else", Some(Open::Then)) => {
                self.end_of_sequence()?;
                self.turn(Open::Else);
            }
            ("endif", Some(Open::Then | Open::Else)) | ("endfor", Some(Open::Each)) => {
                self.end_of_sequence()?;
                self.close();
            }
            ("else" | "endif" | "endfor", _) => {
                return Err(SyntaxFailure::new(
                    word.start,
                    "this directive ends nothing that is open here",
                ));
            }
            _ => {
                return Err(SyntaxFailure::new(
                    word.start,
                    "a directive begins with `if`, `else`, `endif`, `for` or `endfor`",
                ));
            }
        }
        Ok(Expected::Piece)
    }

    fn end_of_sequence(&mut self) -> Result<(), SyntaxFailure> {
        self.cursor.expect(
            TokenKind::SequenceEnd,
            "a `}` is missing that ends this part of the text",
        )?;
        self.close();
        Ok(())
    }

    pub(super) fn end_of_interpolation(&mut self) -> Result<Expected, SyntaxFailure> {
        self.end_of_sequence()?;
        Ok(Expected::Piece)
    }

    /// The directive is over, and what it opened begins.
    pub(super) fn end_of_directive(&mut self, opens: Open) -> Result<Expected, SyntaxFailure> {
        self.end_of_sequence()?;
        self.open(opens, self.cursor.lines)?;
        Ok(Expected::Piece)
    }
}

/// Adds what a piece of a text in quotation marks means.
pub(super) fn literal(
    cursor: &Cursor<'_>,
    token: SyntaxToken,
    out: &mut String,
) -> Result<(), SyntaxFailure> {
    unescape(cursor.text(token), out)
        .map_err(|(at, reason)| SyntaxFailure::new(token.start + at, reason))
}
