//! Expressions: recognised, and not kept.
//!
//! The reader goes from value to value. What is open around the place where it stands is a list, so
//! an expression may be nested without the reader calling itself. How operators bind is of no
//! interest here, only that each has its values.

use super::cursor::Cursor;
use super::literals::is_number;
use super::tokens::Kind;
use super::{Failure, MAX_NESTING};

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
    const fn close(self) -> Kind {
        match self {
            Self::Tuple => Kind::CloseBracket,
            Self::Object => Kind::CloseBrace,
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
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
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    let mut expression = Expression {
        cursor,
        open: Vec::new(),
        signs: 0,
    };
    let mut next = Next::Value;
    loop {
        next = match next {
            Next::Value => expression.value()?,
            Next::Behind => expression.behind()?,
            Next::Piece => expression.piece()?,
            Next::Over => match expression.innermost() {
                Some(open) => expression.over(open)?,
                None => return Ok(()),
            },
        };
    }
}

impl Expression<'_, '_> {
    /// Opens something in which the ends of lines count, or do not.
    pub(super) fn open(&mut self, what: Open, lines: bool) -> Result<(), Failure> {
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

    fn too_deep(&self) -> Failure {
        Failure::new(
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

    /// What is open goes on as something else.
    pub(super) fn turn(&mut self, into: Open) {
        if let Some(level) = self.open.last_mut() {
            level.open = into;
        }
    }

    fn expect_close(&mut self, kind: Kind, otherwise: &'static str) -> Result<Next, Failure> {
        self.cursor.expect(kind, otherwise)?;
        self.close();
        Ok(Next::Behind)
    }

    fn value(&mut self) -> Result<Next, Failure> {
        let token = self.cursor.peek();
        match token.kind {
            Kind::Minus | Kind::Bang if self.signs >= MAX_NESTING => Err(self.too_deep()),
            Kind::Minus | Kind::Bang => {
                self.cursor.read();
                self.signs += 1;
                Ok(Next::Value)
            }
            Kind::Number => self.number().map(|()| Next::Behind),
            Kind::Ident => self.named(),
            Kind::OpenParen => {
                self.cursor.read();
                self.open(Open::Parens, false)?;
                Ok(Next::Value)
            }
            Kind::OpenQuote | Kind::OpenHeredoc => {
                self.cursor.read();
                self.open(Open::Template, self.cursor.lines)?;
                Ok(Next::Piece)
            }
            Kind::OpenBracket => {
                self.cursor.read();
                self.open(Open::Tuple, false)?;
                if self.cursor.is_word("for") {
                    self.comprehension(Shape::Tuple)
                } else {
                    Ok(self.next_or_close(Kind::CloseBracket))
                }
            }
            Kind::OpenBrace => {
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

    fn number(&mut self) -> Result<(), Failure> {
        let token = self.cursor.read();
        if is_number(self.cursor.text(token)) {
            Ok(())
        } else {
            Err(Failure::new(
                token.start,
                "this is no number that can be kept",
            ))
        }
    }

    /// A name, or a call: `a(`, `a::b(`.
    fn named(&mut self) -> Result<Next, Failure> {
        self.cursor.read();
        if !matches!(self.cursor.peek().kind, Kind::OpenParen | Kind::DoubleColon) {
            return Ok(Next::Behind);
        }
        while self.cursor.take(Kind::DoubleColon) {
            self.cursor
                .expect(Kind::Ident, "the name of a function is missing behind `::`")?;
        }
        self.cursor.expect(
            Kind::OpenParen,
            "a function that is named with `::` is called, with `(`",
        )?;
        self.open(Open::Call, false)?;
        Ok(self.next_or_close(Kind::CloseParen))
    }

    /// One more value, or the end of the brackets.
    fn next_or_close(&mut self, close: Kind) -> Next {
        if !self.cursor.take(close) {
            return Next::Value;
        }
        self.close();
        Next::Behind
    }

    /// One more member, or the end of the object.
    fn next_member(&mut self) -> Next {
        self.cursor.lines = true;
        while self.cursor.take(Kind::Newline) {}
        self.turn(Open::Key);
        self.next_or_close(Kind::CloseBrace)
    }

    fn behind(&mut self) -> Result<Next, Failure> {
        self.signs = 0;
        match self.cursor.peek().kind {
            Kind::Dot => self.step(),
            Kind::OpenBracket => self.index(),
            Kind::Operator | Kind::Star | Kind::Minus => {
                self.cursor.read();
                Ok(Next::Value)
            }
            Kind::Question => {
                self.cursor.read();
                self.open(Open::Choice, self.cursor.lines)?;
                Ok(Next::Value)
            }
            _ => Ok(Next::Over),
        }
    }

    /// `[*]`, or `[` and a value.
    fn index(&mut self) -> Result<Next, Failure> {
        self.cursor.read();
        if self.cursor.take(Kind::Star) {
            self.cursor
                .expect(Kind::CloseBracket, "`[*` is closed at once, with `]`")?;
            return Ok(Next::Behind);
        }
        self.open(Open::Index, false)?;
        Ok(Next::Value)
    }

    /// A step into a value: `.name`, `.0`, or `.*` with steps of its own.
    fn step(&mut self) -> Result<Next, Failure> {
        self.cursor.read();
        if self.cursor.take(Kind::Star) {
            while self.cursor.take(Kind::Dot) {
                self.attribute()?;
            }
        } else {
            self.attribute()?;
        }
        Ok(Next::Behind)
    }

    fn attribute(&mut self) -> Result<(), Failure> {
        let token = self.cursor.peek();
        match token.kind {
            Kind::Ident => {
                self.cursor.read();
                Ok(())
            }
            Kind::Number if self.cursor.text(token).contains('.') => Err(Failure::new(
                token.start,
                "two indexes in a row stand in brackets, as in `a[0][1]`",
            )),
            Kind::Number => self.number(),
            _ => Err(self
                .cursor
                .failure(token, "a name is missing behind the dot")),
        }
    }

    /// Goes on with what the expression stands in.
    fn over(&mut self, around: Open) -> Result<Next, Failure> {
        match around {
            Open::Parens => self.expect_close(Kind::CloseParen, "a `)` is missing"),
            Open::Index => self.expect_close(Kind::CloseBracket, "a `]` is missing"),
            Open::Call => self.argument(),
            Open::Tuple if self.cursor.take(Kind::Comma) => {
                Ok(self.next_or_close(Kind::CloseBracket))
            }
            Open::Tuple => self.expect_close(Kind::CloseBracket, "a comma or a `]` is missing"),
            Open::Key => self.key(),
            Open::Member => self.member(),
            Open::Choice => self.choice(),
            Open::Collection(shape) => self.collection(shape),
            Open::Item(shape) => self.item(shape),
            Open::Mapped => self.end_of_for(Shape::Object),
            Open::Condition(shape) => {
                self.expect_close(shape.close(), "the `for` goes on where it has to end")
            }
            Open::Interpolation => self.end_of_interpolation(),
            Open::If => self.end_of_directive(Open::Then),
            Open::For => self.end_of_directive(Open::Each),
            // Between the pieces of a template no expression can be.
            Open::Template | Open::Then | Open::Else | Open::Each => Ok(Next::Piece),
        }
    }

    fn argument(&mut self) -> Result<Next, Failure> {
        if self.cursor.take(Kind::Comma) {
            return Ok(self.next_or_close(Kind::CloseParen));
        }
        let otherwise = if self.cursor.take(Kind::Ellipsis) {
            "a `)` is missing behind `...`"
        } else {
            "a comma or a `)` is missing"
        };
        self.expect_close(Kind::CloseParen, otherwise)
    }

    fn key(&mut self) -> Result<Next, Failure> {
        let token = self.cursor.peek();
        if !matches!(token.kind, Kind::Equal | Kind::Colon) {
            return Err(self
                .cursor
                .failure(token, "a `=` is missing behind the key"));
        }
        self.cursor.read();
        self.turn(Open::Member);
        Ok(Next::Value)
    }

    fn member(&mut self) -> Result<Next, Failure> {
        if matches!(self.cursor.peek().kind, Kind::Comma | Kind::Newline) {
            self.cursor.read();
            return Ok(self.next_member());
        }
        self.expect_close(
            Kind::CloseBrace,
            "a comma, the end of the line or a `}` is missing",
        )
    }

    fn choice(&mut self) -> Result<Next, Failure> {
        self.cursor
            .expect(Kind::Colon, "a `:` is missing behind `?`")?;
        self.close();
        Ok(Next::Value)
    }

    /// A `for`, up to its collection.
    fn comprehension(&mut self, shape: Shape) -> Result<Next, Failure> {
        self.cursor.read();
        self.for_names()?;
        self.turn(Open::Collection(shape));
        Ok(Next::Value)
    }

    /// `a in`, or `a, b in`.
    pub(super) fn for_names(&mut self) -> Result<(), Failure> {
        self.cursor
            .expect(Kind::Ident, "a name is missing behind `for`")?;
        if self.cursor.take(Kind::Comma) {
            self.cursor
                .expect(Kind::Ident, "a second name is missing behind the comma")?;
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

    fn collection(&mut self, shape: Shape) -> Result<Next, Failure> {
        self.cursor.expect(
            Kind::Colon,
            "a `:` is missing behind the collection of the `for`",
        )?;
        self.turn(Open::Item(shape));
        Ok(Next::Value)
    }

    fn item(&mut self, shape: Shape) -> Result<Next, Failure> {
        let token = self.cursor.peek();
        match (shape, token.kind) {
            (Shape::Object, Kind::FatArrow) => {
                self.cursor.read();
                self.turn(Open::Mapped);
                Ok(Next::Value)
            }
            (Shape::Object, _) => Err(self
                .cursor
                .failure(token, "a `for` that makes an object takes `key => value`")),
            (Shape::Tuple, _) => self.end_of_for(Shape::Tuple),
        }
    }

    fn end_of_for(&mut self, shape: Shape) -> Result<Next, Failure> {
        if shape == Shape::Object {
            self.cursor.take(Kind::Ellipsis);
        }
        if self.cursor.is_word("if") {
            self.cursor.read();
            self.turn(Open::Condition(shape));
            return Ok(Next::Value);
        }
        self.expect_close(shape.close(), "the `for` goes on where it has to end")
    }
}
