//! Texts in quotation marks and heredocs: their pieces, and the directives that have to belong
//! together.

use super::Failure;
use super::cursor::Cursor;
use super::expressions::{Expression, Next, Open};
use super::literals::unescape;
use super::tokens::{Kind, Token};

impl Expression<'_, '_> {
    /// Reads a piece of a template, up to the expression in it if there is one.
    pub(super) fn piece(&mut self) -> Result<Next, Failure> {
        let token = self.cursor.read();
        match token.kind {
            Kind::HeredocLiteral => Ok(Next::Piece),
            Kind::QuotedLiteral => {
                literal(self.cursor, token, &mut String::new()).map(|()| Next::Piece)
            }
            Kind::Interpolation => {
                self.open(Open::Interpolation, false)?;
                Ok(Next::Value)
            }
            Kind::Directive => self.directive(),
            Kind::CloseQuote | Kind::CloseHeredoc => self.end_of_template(token),
            Kind::End => Err(Failure::new(
                self.template_at(),
                "the text that begins here has no end",
            )),
            _ => Err(self
                .cursor
                .failure(token, "this does not belong into a text")),
        }
    }

    fn end_of_template(&mut self, token: Token) -> Result<Next, Failure> {
        let reason = match self.innermost() {
            Some(Open::Then | Open::Else) => "an `%{ if }` in this text has no `%{ endif }`",
            Some(Open::Each) => "a `%{ for }` in this text has no `%{ endfor }`",
            _ => {
                self.close();
                return Ok(Next::Behind);
            }
        };
        Err(Failure::new(token.start, reason))
    }

    /// A directive, up to the expression in it if there is one.
    fn directive(&mut self) -> Result<Next, Failure> {
        let around = self.innermost();
        self.open(Open::If, false)?;
        let word = self.cursor.expect(
            Kind::Ident,
            "a directive begins with `if`, `else`, `endif`, `for` or `endfor`",
        )?;
        match (self.cursor.text(word), around) {
            ("if", _) => return Ok(Next::Value),
            ("for", _) => {
                self.for_names()?;
                self.turn(Open::For);
                return Ok(Next::Value);
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
                return Err(Failure::new(
                    word.start,
                    "this directive ends nothing that is open here",
                ));
            }
            _ => {
                return Err(Failure::new(
                    word.start,
                    "a directive begins with `if`, `else`, `endif`, `for` or `endfor`",
                ));
            }
        }
        Ok(Next::Piece)
    }

    fn end_of_sequence(&mut self) -> Result<(), Failure> {
        self.cursor.expect(
            Kind::SequenceEnd,
            "a `}` is missing that ends this part of the text",
        )?;
        self.close();
        Ok(())
    }

    pub(super) fn end_of_interpolation(&mut self) -> Result<Next, Failure> {
        self.end_of_sequence()?;
        Ok(Next::Piece)
    }

    /// The directive is over, and what it opened begins.
    pub(super) fn end_of_directive(&mut self, opens: Open) -> Result<Next, Failure> {
        self.end_of_sequence()?;
        self.open(opens, self.cursor.lines)?;
        Ok(Next::Piece)
    }
}

/// Adds what a piece of a text in quotation marks means.
pub(super) fn literal(cursor: &Cursor<'_>, token: Token, out: &mut String) -> Result<(), Failure> {
    unescape(cursor.text(token), out).map_err(|(at, reason)| Failure::new(token.start + at, reason))
}
