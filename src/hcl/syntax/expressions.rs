//! Expressions: recognised, and not kept.
//!
//! The reader goes from value to value. The values that are open around it are a list, so an
//! expression may be nested without the reader calling itself. How operators bind is of no
//! interest here, only that each has its values.

use super::cursor::Cursor;
use super::failure::{MAX_NESTING, SyntaxFailure};
use super::literals::is_number;
use super::tokens::TokenKind;

/// What is open around a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// `(`
    Parens,
    /// `a[`
    Index,
    /// `a(`
    Call,
    /// `[`
    Tuple,
    /// `{`, before a key.
    Key,
    /// `{`, behind `a =`.
    Member,
    /// `a ?`
    Choice,
    /// `[for a in`
    Collection(Shape),
    /// `[for a in b :`
    Item(Shape),
    /// `{for a in b : c =>`
    Mapped,
    /// `[for a in b : c if`
    Condition(Shape),
    /// A text in quotation marks, or a heredoc.
    Template,
    /// `${`
    Interpolation,
    /// `%{ if`
    If,
    /// `%{ for a in`
    For,
    /// Behind `%{ if a }`.
    Then,
    /// Behind `%{ else }`.
    Else,
    /// Behind `%{ for a in b }`.
    Each,
}

/// What a `for` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Tuple,
    Object,
}

impl Shape {
    const fn close(self) -> TokenKind {
        match self {
            Self::Tuple => TokenKind::CloseBracket,
            Self::Object => TokenKind::CloseBrace,
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A value.
    Value,
    /// What may follow a value: a step into it, an operator, or an end.
    Behind,
    /// An expression is over, and what it stands in goes on.
    Over,
    /// A piece of a template.
    Piece,
}

/// Something that is open.
struct Level {
    open: Open,
    /// Whether the ends of lines counted around it.
    lines: bool,
    /// Where it was opened.
    at: usize,
}

/// Reads one expression.
pub(super) struct Expression<'c, 'a> {
    pub(super) cursor: &'c mut Cursor<'a>,
    open: Vec<Level>,
    /// How many signs stand before the value that comes next.
    signs: usize,
}

/// Reads an expression, up to what does not belong to it.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(), SyntaxFailure> {
    let mut expression = Expression {
        cursor,
        open: Vec::new(),
        signs: 0,
    };
    let mut next = Expected::Value;
    loop {
        next = match next {
            Expected::Value => expression.value()?,
            Expected::Behind => expression.behind()?,
            Expected::Piece => expression.piece()?,
            Expected::Over => match expression.innermost() {
                Some(open) => expression.over(open)?,
                None => return Ok(()),
            },
        };
    }
}

impl Expression<'_, '_> {
    /// Opens something in which the ends of lines count, or do not.
    pub(super) fn open(&mut self, what: Open, lines: bool) -> Result<(), SyntaxFailure> {
        if self.open.len() >= MAX_NESTING {
            return Err(self.too_deep());
        }
        self.open.push(Level {
            open: what,
            lines: self.cursor.lines,
            at: self.cursor.start,
        });
        self.cursor.lines = lines;
        Ok(())
    }

    fn too_deep(&self) -> SyntaxFailure {
        SyntaxFailure::new(
            self.cursor.end,
            format!("brackets, templates or signs are nested more than {MAX_NESTING} times"),
        )
    }

    pub(super) fn close(&mut self) {
        if let Some(level) = self.open.pop() {
            self.cursor.lines = level.lines;
        }
    }

    pub(super) fn innermost(&self) -> Option<Open> {
        self.open.last().map(|level| level.open)
    }

    /// Where the innermost template begins.
    pub(super) fn template_at(&self) -> usize {
        self.open
            .iter()
            .rev()
            .find(|level| level.open == Open::Template)
            .map_or(self.cursor.start, |level| level.at)
    }

    /// The open value goes on as something else.
    pub(super) fn turn(&mut self, into: Open) {
        if let Some(level) = self.open.last_mut() {
            level.open = into;
        }
    }

    fn expect_close(
        &mut self,
        kind: TokenKind,
        otherwise: &'static str,
    ) -> Result<Expected, SyntaxFailure> {
        self.cursor.expect(kind, otherwise)?;
        self.close();
        Ok(Expected::Behind)
    }

    fn value(&mut self) -> Result<Expected, SyntaxFailure> {
        let token = self.cursor.peek();
        match token.kind {
            TokenKind::Minus | TokenKind::Bang if self.signs >= MAX_NESTING => Err(self.too_deep()),
            TokenKind::Minus | TokenKind::Bang => {
                self.cursor.read();
                self.signs += 1;
                Ok(Expected::Value)
            }
            TokenKind::Number => self.number().map(|()| Expected::Behind),
            TokenKind::Ident => self.named(),
            TokenKind::OpenParen => {
                self.cursor.read();
                self.open(Open::Parens, false)?;
                Ok(Expected::Value)
            }
            TokenKind::OpenQuote | TokenKind::OpenHeredoc => {
                self.cursor.read();
                self.open(Open::Template, self.cursor.lines)?;
                Ok(Expected::Piece)
            }
            TokenKind::OpenBracket => {
                self.cursor.read();
                self.open(Open::Tuple, false)?;
                if self.cursor.is_word("for") {
                    self.comprehension(Shape::Tuple)
                } else {
                    Ok(self.next_or_close(TokenKind::CloseBracket))
                }
            }
            TokenKind::OpenBrace => {
                self.cursor.read();
                // Ends of lines count between members only, and none stands before the first one.
                self.open(Open::Key, false)?;
                if self.cursor.is_word("for") {
                    self.comprehension(Shape::Object)
                } else {
                    Ok(self.next_member())
                }
            }
            _ => Err(self.cursor.failure(token, "a value is missing")),
        }
    }

    fn number(&mut self) -> Result<(), SyntaxFailure> {
        let token = self.cursor.read();
        if is_number(self.cursor.text(token)) {
            Ok(())
        } else {
            Err(SyntaxFailure::new(
                token.start,
                "this is no number that can be kept",
            ))
        }
    }

    /// A name, or a call: `a(`, `a::b(`.
    fn named(&mut self) -> Result<Expected, SyntaxFailure> {
        self.cursor.read();
        if !matches!(
            self.cursor.peek().kind,
            TokenKind::OpenParen | TokenKind::DoubleColon
        ) {
            return Ok(Expected::Behind);
        }
        while self.cursor.take(TokenKind::DoubleColon) {
            self.cursor.expect(
                TokenKind::Ident,
                "the name of a function is missing behind `::`",
            )?;
        }
        self.cursor.expect(
            TokenKind::OpenParen,
            "a function that is named with `::` is called, with `(`",
        )?;
        self.open(Open::Call, false)?;
        Ok(self.next_or_close(TokenKind::CloseParen))
    }

    /// One more value, or the end of the brackets.
    fn next_or_close(&mut self, close: TokenKind) -> Expected {
        if !self.cursor.take(close) {
            return Expected::Value;
        }
        self.close();
        Expected::Behind
    }

    /// One more member, or the end of the object.
    fn next_member(&mut self) -> Expected {
        self.cursor.lines = true;
        while self.cursor.take(TokenKind::Newline) {}
        self.turn(Open::Key);
        self.next_or_close(TokenKind::CloseBrace)
    }

    fn behind(&mut self) -> Result<Expected, SyntaxFailure> {
        self.signs = 0;
        match self.cursor.peek().kind {
            TokenKind::Dot => self.step(),
            TokenKind::OpenBracket => self.index(),
            TokenKind::Operator | TokenKind::Star | TokenKind::Minus => {
                self.cursor.read();
                Ok(Expected::Value)
            }
            TokenKind::Question => {
                self.cursor.read();
                self.open(Open::Choice, self.cursor.lines)?;
                Ok(Expected::Value)
            }
            _ => Ok(Expected::Over),
        }
    }

    /// `[*]`, or `[` and a value.
    fn index(&mut self) -> Result<Expected, SyntaxFailure> {
        self.cursor.read();
        if self.cursor.take(TokenKind::Star) {
            self.cursor
                .expect(TokenKind::CloseBracket, "`[*` is closed at once, with `]`")?;
            return Ok(Expected::Behind);
        }
        self.open(Open::Index, false)?;
        Ok(Expected::Value)
    }

    /// A step into a value: `.name`, `.0`, or `.*` with steps of its own.
    fn step(&mut self) -> Result<Expected, SyntaxFailure> {
        self.cursor.read();
        if self.cursor.take(TokenKind::Star) {
            while self.cursor.take(TokenKind::Dot) {
                self.attribute()?;
            }
        } else {
            self.attribute()?;
        }
        Ok(Expected::Behind)
    }

    fn attribute(&mut self) -> Result<(), SyntaxFailure> {
        let token = self.cursor.peek();
        match token.kind {
            TokenKind::Ident => {
                self.cursor.read();
                Ok(())
            }
            TokenKind::Number if self.cursor.text(token).contains('.') => Err(SyntaxFailure::new(
                token.start,
                "two indexes in a row stand in brackets, as in `a[0][1]`",
            )),
            TokenKind::Number => self.number(),
            _ => Err(self
                .cursor
                .failure(token, "a name is missing behind the dot")),
        }
    }

    /// Goes on with what the expression stands in.
    fn over(&mut self, around: Open) -> Result<Expected, SyntaxFailure> {
        match around {
            Open::Parens => self.expect_close(TokenKind::CloseParen, "a `)` is missing"),
            Open::Index => self.expect_close(TokenKind::CloseBracket, "a `]` is missing"),
            Open::Call => self.argument(),
            Open::Tuple if self.cursor.take(TokenKind::Comma) => {
                Ok(self.next_or_close(TokenKind::CloseBracket))
            }
            Open::Tuple => {
                self.expect_close(TokenKind::CloseBracket, "a comma or a `]` is missing")
            }
            Open::Key => self.key(),
            Open::Member => self.member(),
            Open::Choice => self.choice(),
            Open::Collection(shape) => self.collection(shape),
            Open::Item(shape) => self.item(shape),
            Open::Mapped => self.end_of_for(Shape::Object),
            Open::Condition(shape) => self.expect_close(shape.close(), "the `for` has to end here"),
            Open::Interpolation => self.end_of_interpolation(),
            Open::If => self.end_of_directive(Open::Then),
            Open::For => self.end_of_directive(Open::Each),
            // Between the pieces of a template no expression can be.
            Open::Template | Open::Then | Open::Else | Open::Each => Ok(Expected::Piece),
        }
    }

    fn argument(&mut self) -> Result<Expected, SyntaxFailure> {
        if self.cursor.take(TokenKind::Comma) {
            return Ok(self.next_or_close(TokenKind::CloseParen));
        }
        let otherwise = if self.cursor.take(TokenKind::Ellipsis) {
            "a `)` is missing behind `...`"
        } else {
            "a comma or a `)` is missing"
        };
        self.expect_close(TokenKind::CloseParen, otherwise)
    }

    fn key(&mut self) -> Result<Expected, SyntaxFailure> {
        let token = self.cursor.peek();
        if !matches!(token.kind, TokenKind::Equal | TokenKind::Colon) {
            return Err(self
                .cursor
                .failure(token, "a `=` is missing behind the key"));
        }
        self.cursor.read();
        self.turn(Open::Member);
        Ok(Expected::Value)
    }

    fn member(&mut self) -> Result<Expected, SyntaxFailure> {
        if matches!(
            self.cursor.peek().kind,
            TokenKind::Comma | TokenKind::Newline
        ) {
            self.cursor.read();
            return Ok(self.next_member());
        }
        self.expect_close(
            TokenKind::CloseBrace,
            "a comma, the end of the line or a `}` is missing",
        )
    }

    fn choice(&mut self) -> Result<Expected, SyntaxFailure> {
        self.cursor
            .expect(TokenKind::Colon, "a `:` is missing behind `?`")?;
        self.close();
        Ok(Expected::Value)
    }

    /// A `for`, up to its collection.
    fn comprehension(&mut self, shape: Shape) -> Result<Expected, SyntaxFailure> {
        self.cursor.read();
        self.for_names()?;
        self.turn(Open::Collection(shape));
        Ok(Expected::Value)
    }

    /// `a in`, or `a, b in`.
    pub(super) fn for_names(&mut self) -> Result<(), SyntaxFailure> {
        self.cursor
            .expect(TokenKind::Ident, "a name is missing behind `for`")?;
        if self.cursor.take(TokenKind::Comma) {
            self.cursor.expect(
                TokenKind::Ident,
                "a second name is missing behind the comma",
            )?;
        }
        let token = self.cursor.peek();
        if !self.cursor.is_word("in") {
            return Err(self
                .cursor
                .failure(token, "an `in` is missing behind the names of the `for`"));
        }
        self.cursor.read();
        Ok(())
    }

    fn collection(&mut self, shape: Shape) -> Result<Expected, SyntaxFailure> {
        self.cursor.expect(
            TokenKind::Colon,
            "a `:` is missing behind the collection of the `for`",
        )?;
        self.turn(Open::Item(shape));
        Ok(Expected::Value)
    }

    fn item(&mut self, shape: Shape) -> Result<Expected, SyntaxFailure> {
        let token = self.cursor.peek();
        match (shape, token.kind) {
            (Shape::Object, TokenKind::FatArrow) => {
                self.cursor.read();
                self.turn(Open::Mapped);
                Ok(Expected::Value)
            }
            (Shape::Object, _) => Err(self
                .cursor
                .failure(token, "a `for` that makes an object takes `key => value`")),
            (Shape::Tuple, _) => self.end_of_for(Shape::Tuple),
        }
    }

    fn end_of_for(&mut self, shape: Shape) -> Result<Expected, SyntaxFailure> {
        if shape == Shape::Object {
            self.cursor.take(TokenKind::Ellipsis);
        }
        if self.cursor.is_word("if") {
            self.cursor.read();
            self.turn(Open::Condition(shape));
            return Ok(Expected::Value);
        }
        self.expect_close(shape.close(), "the `for` has to end here")
    }
}
